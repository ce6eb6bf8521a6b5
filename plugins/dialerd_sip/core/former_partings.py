"""The BYEs that end what may be up of a call of a former life: one for each far end. Knows nothing of INVITEs."""

from collections.abc import Callable
from typing import Final

from dialerd_sip.core.call_forks import MOST_LEGS
from dialerd_sip.core.dialog import Dialog
from dialerd_sip.core.digest import Authenticator, Credentials
from dialerd_sip.core.farewell import Farewell
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.ua import UserAgent

_CSEQ_STEP: Final = 1_000
"""How far a BYE's CSeq is beyond the last one that is known: refreshes of the former life have counted on, and the far
end takes any higher number (RFC 3261 section 12.2.2)."""

REASONS: Final = ('SIP;cause=503;text="the dialer was restarted"',)
"""What far ends are told, in each CANCEL too."""


class FormerPartings:
    """The BYEs of a call.

    Args:
        ua: the user agent.
        credentials: what challenges are answered with, or None.
        over: called when one is answered, or is not waited for any more, with the way that it went; with None where it
            was not waited for.
    """

    def __init__(
        self,
        ua: UserAgent,
        credentials: Credentials | None,
        over: Callable[[Farewell, Flow | None, float], None],
    ) -> None:
        self._ua = ua
        self._credentials = credentials
        self._over = over
        self._all: dict[str, Farewell] = {}  # by the far end's tag
        self._awaited: dict[Farewell, Flow] = {}

    def begun(self, tag: str) -> bool:
        """Whether there is one to a far end."""
        return tag in self._all

    @property
    def full(self) -> bool:
        """Whether there are as many far ends as one call may have."""
        return len(self._all) >= MOST_LEGS

    @property
    def silent(self) -> set[Flow]:
        """The ways from which an answer is awaited, and nothing was heard."""
        return {flow for farewell, flow in self._awaited.items() if not farewell.heard}

    def end(self, dialog: Dialog, flow: Flow, now: float) -> Farewell:
        """Send one."""
        dialog.local_cseq += _CSEQ_STEP
        authenticator = Authenticator(self._credentials)
        farewell = Farewell(self._ua, dialog, authenticator, REASONS, lambda then: self._said(farewell, then))
        self._all[dialog.remote_tag] = farewell
        self._awaited[farewell] = flow
        farewell.send(now)
        return farewell

    def give_up(self, flow: Flow, now: float) -> None:
        """Wait no longer for those of which nothing was heard; they go on."""
        for farewell, way in tuple(self._awaited.items()):
            if way == flow and not farewell.heard:
                self._said(farewell, now)

    def left(self, tag: str, now: float) -> None:
        """Take it that a far end has hung up itself."""
        farewell = self._all.pop(tag, None)
        if farewell is not None:
            farewell.stop()
            self._said(farewell, now)

    def _said(self, farewell: Farewell, now: float) -> None:
        self._over(farewell, self._awaited.pop(farewell, None), now)
