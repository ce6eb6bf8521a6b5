"""A live call: its attempt from the claim to the stored end, and what the provider has reported of it."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Protocol

import trio
from attrs import define, field, frozen

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.checked import as_text
from dialerd.engine.clock import Clock
from dialerd.engine.days import DayCount
from dialerd.engine.limits import Permit
from dialerd.engine.lines import Trunk
from dialerd.model.instants import Duration, Instant
from dialerd.model.states import AnsweredBy, AttemptState
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import STATE_BYTES, Accepted, AmdResult, Answered, CallEvent, Digits, Ringing
from dialerd.rules.lifecycle import ATTEMPT
from dialerd.store.claiming import Claimed
from dialerd.store.ending import Progress


@frozen
class Recall:
    """Why a call that was claimed is not to leave any more, though its campaign goes on.

    Args:
        reason: for the log and the report.
        rest: how long its recipient is left alone, in milliseconds.
    """

    reason: str
    rest: Duration


class OptsOut(Protocol):
    """Gives called numbers do-not-call entries."""

    async def opt_out(self, call: "LiveCall", /) -> None:
        """See `Report.opt_out`."""


@define(kw_only=True, eq=False, slots=True)
class LiveCall:
    """One attempt while it has no stored end.

    Args:
        claimed: its rows.
        campaign: whose call it is.
        trunk: over which it goes.
        permit: the lines it holds; None where it was found without any.
        clock: stamps what is reported.
        changed: called when there is news to store.
        opts_out: gives its number a do-not-call entry.
        stores: tells once what was reported of it is durable.
        claimed_at: when it was claimed.
        started_at: monotonic seconds at which it was claimed.
        start_at: monotonic seconds before which it must not start.
        probe: it is the one call that finds out whether its trunk works again, or its agent on that trunk; False as
            soon as that is known.
        day_keys: daily counts that it was counted in.

    Attributes:
        hangup: set when it is to be ended.
        left_at: when the gate let it go: from then on a phone may ring.
        recalled: why it is not to leave any more, or None.
        opted_out: the called person asked not to be called again, and that is stored.
        ringing_s, answered_s: monotonic seconds of `ringing_at` and `answered_at`, where they were of this life.
    """

    claimed: Claimed
    campaign: LiveCampaign
    trunk: Trunk
    permit: Permit | None
    clock: Clock
    changed: Callable[["LiveCall"], None]
    opts_out: OptsOut
    stores: Callable[["LiveCall", Callable[[bool], None] | None], None]
    claimed_at: Instant
    started_at: float
    start_at: float
    probe: bool = False
    day_keys: Sequence[tuple[DayCount, tuple[str, str]]] = ()
    hangup: HangUp = field(factory=HangUp)
    phase: AttemptState = AttemptState.CLAIMED
    left_at: Instant | None = None
    recalled: Recall | None = None
    heard: bool = False
    ended: bool = False
    dirty: bool = False
    opted_out: bool = False
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    ringing_s: float | None = None
    answered_s: float | None = None
    reference: str | None = None
    provider_state: str | None = None
    answered_by: AnsweredBy | None = None
    digits: str = ""

    def __call__(self, event: CallEvent, /) -> None:
        """Take a provider's report; a live call is the `Report` of its provider.

        Raises:
            RuntimeError: it comes from another thread than the event loop's; nothing has changed.
        """
        now_s = trio.current_time()
        kind = type(event)
        if not self.heard and (kind is Ringing or kind is Answered):
            # the callee's network was heard: the trunk works, however long this call may last
            self.heard = True
            self.probe = False
            self.trunk.worked(self.campaign.agent, self.started_at)
        if kind is Ringing:
            if self.ringing_at is None:
                self.ringing_at, self.ringing_s = self.clock.now(), now_s
            self._advance(AttemptState.RINGING)
        elif kind is Answered:
            if self.answered_at is None:
                self.answered_at, self.answered_s = self.clock.now(), now_s
            self._advance(AttemptState.ANSWERED)
        elif isinstance(event, Accepted):
            if event.reference is not None:
                self.reference = as_text(event.reference)
            self._advance(AttemptState.PLACED)
        elif isinstance(event, AmdResult):
            known = type(event.answered_by) is AnsweredBy
            self.answered_by = event.answered_by if known else AnsweredBy.UNKNOWN
        elif isinstance(event, Digits):
            self.digits += as_text(event.digits)
        self._mark()

    @property
    def left(self) -> bool:
        """Whether the gate let it go."""
        return self.left_at is not None

    def state(self, state: bytes, /) -> None:
        """Take what the provider needs to find the call again; see `Report.state`."""
        trio.current_time()  # raises in another thread, as reports do
        if len(state) > STATE_BYTES:
            raise ValueError(f"a provider may keep {STATE_BYTES} bytes a call, not {len(state)}")
        self.provider_state = b64encode(state).decode()
        self._mark()

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Have `told` called once what was told is durable; see `Report.notify_stored`."""
        self.stores(self, told)

    async def opt_out(self) -> None:
        """Give the called number a do-not-call entry; see `Report.opt_out`."""
        await self.opts_out.opt_out(self)

    def uncertain(self) -> None:
        """Note that nobody knows whether it was placed."""
        self.phase = AttemptState.UNCERTAIN
        self._mark()

    def found(self) -> None:
        """Note that the provider has found it alive."""
        self.left_at = self.left_at or self.claimed_at
        self.phase = AttemptState.PLACED
        self._mark()

    def _advance(self, phase: AttemptState) -> None:
        if phase in ATTEMPT[self.phase]:
            self.phase = phase

    def _mark(self) -> None:
        if not self.dirty and not self.ended:
            self.changed(self)  # raises where a plugin reports from a thread of its own: then there is no news of it
            self.dirty = True

    def progress(self) -> Progress:
        """Return what is to be stored of it while it goes on."""
        self.dirty = False
        return Progress(
            attempt_id=self.claimed.attempt_id,
            state=self.phase,
            ringing_at=self.ringing_at,
            answered_at=self.answered_at,
            reference=self.reference,
            provider_state=self.provider_state,
        )
