"""What the far end's words prove of a call of a former life (RFC 3261 sections 9, 13.3, 15).

Any final answer to one of its INVITEs proves that it was placed, 487 too: the far end had it. But an answer that
another INVITE may have followed is proof only where none can have: the far end sends it again until our ACK has come,
so the former life may have taken it, and gone on.

    401, 407           without credentials
    420, 422           never
    3xx                where redirections are not followed: nobody can guess where one has led
    503, and 482       where every place has had its last word: after 503 the next one is tried, and after 482, where it
                       came as that server's other address

Whoever picked up was reached only where the dialog that stood there was answered. The ACK waits until a dialog is on
the disk (`CallPlan.holds_ack`): without it nobody has heard anything, and where the early dialog was there already, the
answer itself is on the disk a fifth of a second after the ACK (`Report.notify_stored`). There is one exception: where
the store hangs, the ACK leaves after two seconds without it (`dialerd_sip.leg`), and they may have talked. Nobody can
know; it is taken like the others, since else all of them would count as reached who have heard nothing.

Knows nothing of messages on their way.
"""

from typing import Final

from dialerd_sip.core.events import Ender, Ending
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.headers import reason_values
from dialerd_sip.core.message import Response

WHY: Final = "former_life"
"""What `Ending.why` says."""

_AUTHENTICATION: Final = frozenset((401, 407))
_AMENDMENTS: Final = frozenset((420, 422))
_ELSEWHERE: Final = frozenset((482, 503))


class FormerProof:
    """Gathers what is proven of a call.

    Args:
        call: what is known of it.
    """

    def __init__(self, call: FormerCall) -> None:
        self._call = call
        self._said: Ending | None = None
        self._last_words: set[Flow] = set()  # places where nothing can have followed
        if call.established is not None:
            self.picked_up()

    def picked_up(self, ender: Ender = Ender.US, status: int | None = None) -> None:
        """Take it that somebody answered.

        Args:
            ender: who ends that.
            status: the answer, where it is known.
        """
        self._said = Ending(
            ender=ender,
            status=status,
            rang=True,
            answered=True,
            crossed=self._call.established is None,
            why=WHY,
        )

    def refused(self, response: Response, flow: Flow) -> None:
        """Take a final answer other than 2xx to one of the INVITEs."""
        status = response.status
        if status in _ELSEWHERE or not self._may_be_met(status):
            self._last_words.add(flow)
        if self.settled:
            return
        ours = status == 487
        self._said = Ending(
            ender=Ender.US if ours else Ender.NETWORK,
            status=status,
            phrase=response.phrase,
            reasons=reason_values(response),
            rang=True,  # nobody knows; whoever may have been rung is not rung again as if nothing had been
            why=WHY,
        )

    @property
    def settled(self) -> bool:
        """Whether the last INVITE has its final answer, whatever the options were."""
        said = self._said
        return said is not None and (said.status is None or not goes_on(said.status))

    @property
    def ending(self) -> Ending | None:
        """How it ended, where that is proven."""
        said = self._said
        if said is None or said.status is None:
            return said
        if said.status in _ELSEWHERE:
            return said if all(sent.flow in self._last_words for sent in self._call.sent) else None
        return None if self._may_be_met(said.status) else said

    def _may_be_met(self, status: int) -> bool:
        """Whether another INVITE may have followed for what an answer asks."""
        if status in _AUTHENTICATION:
            return self._call.credentials is not None
        if 300 <= status < 400:
            return self._call.redirects
        return status in _AMENDMENTS


def goes_on(status: int) -> bool:
    """Tell whether there are options with which another INVITE may have followed an answer, so that it may ring."""
    return status in _AUTHENTICATION | _AMENDMENTS | _ELSEWHERE or 300 <= status < 400
