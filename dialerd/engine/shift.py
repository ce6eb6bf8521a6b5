"""A shift: calls that began within the same few seconds and may last equally long, and the end of patience with them.

A provider that never returns must not keep a line for ever. Calls of one shift share one nursery and one deadline, so
that watching over them costs next to nothing a call. When the deadline has passed, those that are still on are told to
hang up; those that do not end then either are given up: their tasks are cancelled, and their lines go to others even
if the provider does not let itself be cancelled.

Only time in which the event loop runs counts towards the last seconds: a daemon that was stopped for minutes lets its
providers say first what happened meanwhile.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator

import structlog
import trio

from dialerd.engine.live import LiveCall
from dialerd.model.call import Cause
from dialerd.model.campaign import CampaignSpec
from dialerd.model.instants import SECOND
from dialerd.model.states import AtFault
from dialerd.plugin.provider import Provider

_log = structlog.get_logger()

OPEN_S = 10.0  # how long a shift takes calls
_PREPARE_S = 60  # what a provider may take before a call leaves: connecting, resolving, waiting for a line of its own
_WIND_UP_S = 30  # what it may take after the longest call: hanging up, fetching what the carrier notes of it
_LAST_WORDS_S = 5  # seconds of a running loop that calls have, after all that, to end by themselves
HANG_UP_S = 10  # seconds of a running loop that they have to end once they are told to
_NAMED = 5  # calls that one line of the log names
NEVER_RETURNED = Cause(fault=AtFault.PROVIDER, code="overdue", detail="the provider plugin never returned it")
_REMEDY = (
    "the provider plugin of this trunk hangs: look at the carrier and at what the plugin logged, and report it to the "
    "plugin's author; a restart brings up a fresh one and loses nothing"
)


def patience_s(spec: CampaignSpec, screens_s: float = 0.0) -> float:
    """Return for how many seconds a call may be on the provider's hands.

    Args:
        spec: its campaign's.
        screens_s: seconds that the screens may take.
    """
    return screens_s + _PREPARE_S + (spec.ring_timeout + spec.max_duration) / SECOND + _WIND_UP_S


async def lapse(seconds: int, go_on: Callable[[], object]) -> None:
    """Let some seconds pass in which the loop runs, or fewer where there is no need to `go_on`."""
    for _ in range(seconds):
        if not go_on():
            return
        await trio.sleep(1.0)


class Shift:
    """Runs calls and loses patience with them in the end.

    Args:
        work: the life of a call.
        patience_s: how long each may take.
        give_up: told of calls that did not end, with the provider that has them; their tasks do nothing more then.

    Attributes:
        open: whether it takes calls.
        calls: those that are on, each with its provider once that has it.
    """

    def __init__(
        self,
        work: Callable[[LiveCall, "Shift"], Awaitable[None]],
        patience_s: float,
        give_up: Callable[[LiveCall, Provider | None], None],
    ) -> None:
        self.open = True
        self.calls: dict[LiveCall, Provider | None] = {}
        self._work = work
        self._patience_s = patience_s
        self._give_up = give_up
        self._nursery: trio.Nursery | None = None
        self._over: trio.Event | None = None

    def take(self, calls: Iterable[LiveCall]) -> None:
        """Start the tasks of calls; only while it is open."""
        nursery = self._nursery
        for call in calls:
            self.calls[call] = None
            if nursery is not None:
                nursery.start_soon(self._work, call, self)

    def let_go(self, call: LiveCall) -> Provider | None:
        """Note that a call is over; return who had it, or None where nobody has it any more."""
        provider = self.calls.pop(call, None)
        if self._over is not None and not self.calls:
            self._over.set()
        return provider

    async def run(self) -> None:
        """Stay with the calls until the last is over or given up."""
        async with trio.open_nursery() as nursery:
            for call in self.calls:  # taken before this task began
                nursery.start_soon(self._work, call, self)
            self._nursery = nursery
            await trio.sleep(OPEN_S)
            self.open = False
            if self.calls:
                self._over = trio.Event()
                with trio.move_on_after(self._patience_s):
                    await self._over.wait()
            await self._lose_patience(nursery)

    async def _lose_patience(self, nursery: trio.Nursery) -> None:
        await lapse(_LAST_WORDS_S, lambda: self.calls)
        if not self.calls:
            return
        for fields in self._by_trunk():
            _log.error("call.overdue", **fields, then=f"told to hang up; given up in {HANG_UP_S} s", remedy=_REMEDY)
        for call in self.calls:
            call.hangup.set()
        await lapse(HANG_UP_S, lambda: self.calls)
        if not self.calls:
            return
        then = "their lines are free; the provider is asked what became of those that had left"
        for fields in self._by_trunk():
            _log.error("call.given_up", **fields, then=then, remedy=_REMEDY)
        for call, provider in list(self.calls.items()):
            self._give_up(call, provider)
        self.calls.clear()
        nursery.cancel_scope.cancel()

    def _by_trunk(self) -> Iterator[dict[str, object]]:
        """Yield what to tell of the calls that are on, trunk by trunk."""
        trunks: dict[str, list[str]] = {}
        for call in self.calls:
            trunks.setdefault(call.trunk.name, []).append(call.claimed.uid)
        for trunk, ids in trunks.items():
            yield {"trunk": trunk, "calls": len(ids), "call_ids": ids[:_NAMED], "after_s": round(self._patience_s)}
