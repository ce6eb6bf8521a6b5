"""The account's pace: calls that it may start a second, over all trunks that share it.

Twilio starts an account's calls one after another, one a second unless it was bought more, and queues the others for
up to a day: Twilio, "Voice: calls per second". What is queued there rings when nobody can stop it any more, so nothing
is sent before its turn. Starts are spaced, and the first one waits too: nobody knows what a former life has just sent.
"""

from typing import Final

import trio

from dialerd.model.instants import SECOND, Duration
from dialerd.plugin.provider import Throttled

_LONGEST_REST_S: Final = 600.0  # whatever a carrier asks for: it may have been mistaken, and says so again
_STALE_S: Final = 1.0  # what has a turn and waits this long for a connection has lost it: many could leave at once
_PATIENCE_S: Final = 10.0  # a turn that is further away is not waited for: by then the gate may say something else

_paces: trio.lowlevel.RunVar[dict[str, "AccountPace"]] = trio.lowlevel.RunVar("twilio_paces")


class AccountPace:
    """When the account's next call may start.

    Args:
        per_second: calls a second.
    """

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._next_s = trio.current_time() + 1 / per_second

    async def turn(self) -> float:
        """Wait for the next turn, which is then taken; return when it came, in trio's time.

        Raises:
            Throttled: it is far away.
        """
        now_s = trio.current_time()
        at_s = max(now_s, self._next_s)
        if at_s - now_s > _PATIENCE_S:
            raise Throttled(round((at_s - now_s) * SECOND))
        self._next_s = at_s + 1 / self.per_second
        await trio.sleep_until(at_s)
        return at_s

    async def renew(self, at_s: float) -> None:
        """Wait for another turn where one is long past: many that were held up would otherwise leave at once.

        Args:
            at_s: when the turn came, as `turn` said.

        Raises:
            Throttled: the other one is far away.
        """
        if trio.current_time() - at_s > _STALE_S:
            await self.turn()

    def rest(self, pause: Duration) -> None:
        """Let nothing start for a while, as the carrier asked.

        Args:
            pause: how long; ten minutes at most are believed.
        """
        self._next_s = max(self._next_s, trio.current_time() + min(pause / SECOND, _LONGEST_REST_S))


def account_pace(account: str, per_second: float) -> AccountPace:
    """Return the pace of an account, the same for all trunks of this process; the rate that was asked for last counts.

    Args:
        account: what tells it from others: its SID, and where its API is.
        per_second: calls a second.
    """
    try:
        paces = _paces.get()
    except LookupError:
        paces = {}
        _paces.set(paces)
    pace = paces.get(account)
    if pace is None:
        pace = paces[account] = AccountPace(per_second)
    pace.per_second = per_second
    return pace
