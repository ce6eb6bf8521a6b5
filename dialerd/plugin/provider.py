"""The provider contract: how a plugin places calls.

A plugin offers providers through the hook `dialerd_providers`. For each configured trunk the host makes one provider
from the trunk's options, enters it as an async context manager (open connections, register with the carrier, start
receivers) and hands every call of that trunk to `place`.

The way of one call:

    place(order, report)
      ├─ prepare: connect, resolve, wait for a line, at most a minute
      ├─ order.leave()            synchronous; right before the first byte leaves; may raise Withdrawn: let it pass
      ├─ send                     from here on the call may ring
      ├─ report(...)              accepted, ringing, answered, amd, digits; report.state(bytes) at any time
      ├─ watch order.hangup       a `HangUp`; when set, end the call and still return its CallEnd
      └─ return CallEnd           the call is over and its line is free

What `place` may raise, and what it means for the person at the other end:

| exception | the phone | what dialerd does |
|---|---|---|
| `NotPlaced(cause)` | certainly did not ring | callee at fault: the attempt counts; otherwise it is refunded |
| `Throttled(retry_after)` | certainly did not ring | refunds it and slows the trunk down |
| `MaybePlaced(cause)` | may have rung | asks `reconcile`; without proof nothing is dialled again |
| anything else | may have rung if it left | logs it; as `MaybePlaced`, or as `NotPlaced` before `leave()` |

Busy and no answer are data: return a `CallEnd`. In a group of exceptions, as nurseries raise them, all of one kind mean
what one of them does.

A call that is not back after a minute to prepare, its `ring_timeout`, its `max_duration` and half a minute to wind up
is told to hang up; ten seconds later it is taken from the provider, cancelled and reconciled. A provider that does not
come up within two minutes is cancelled and tried again; one has half a minute to close, and a minute to answer
`reconcile`.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

from attrs import define, field, frozen

from dialerd.model.call import AttemptRef, CallEnd, Cause, Reconciliation
from dialerd.model.errors import DialerdError
from dialerd.model.instants import Duration
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, AnsweredBy
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.signing import Signer

STATE_BYTES: Final = 65_536
"""Bytes that `report.state` takes: room for a carrier's handle and a session's keys, and little enough to be stored
with every call."""


class NotPlaced(DialerdError):
    """The call certainly did not reach the phone network.

    Args:
        cause: why not; its `fault` decides whether the attempt counts. Where the agent cannot speak, that is ours, and
            its `code` is `dialerd.model.call.UNFIT_AGENT` or `UNFIT_CALL`: with the first, call after call, the agent
            rests on this trunk and its campaigns wait.
        trunk_down: no call can be placed on this trunk until someone acts (account suspended, credentials refused);
            the trunk rests at once and its campaigns wait.
    """

    def __init__(self, cause: Cause, *, trunk_down: bool = False) -> None:
        super().__init__(cause.detail or cause.code or cause.fault.value)
        self.cause = cause
        self.trunk_down = trunk_down


class MaybePlaced(DialerdError):
    """The call may have reached the phone network; the provider does not know.

    Args:
        cause: what went wrong.
    """

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.detail or cause.code or cause.fault.value)
        self.cause = cause


class Throttled(DialerdError):
    """The carrier refused the call for now because too much is asked of it; nothing rang.

    Args:
        retry_after: how long the carrier asked to be left alone, or None.
        cause: what the carrier said, or None.
    """

    def __init__(self, retry_after: Duration | None = None, cause: Cause | None = None) -> None:
        super().__init__("throttled" if cause is None else cause.detail or cause.code or "throttled")
        self.retry_after = retry_after
        self.cause = cause


class Withdrawn(DialerdError):
    """Raised by `order.leave()`: this call must not be placed now. A provider lets it pass."""


@frozen
class Accepted:
    """The carrier took the call.

    Args:
        reference: the carrier's id of the call, by which `reconcile` and `follow` find it.
    """

    reference: str | None = None


@frozen
class Ringing:
    """The far end rings."""


@frozen
class Answered:
    """The far end answered."""


@frozen
class AmdResult:
    """The answering-machine detection came to a result.

    Args:
        answered_by: who or what answered.
    """

    answered_by: AnsweredBy


@frozen
class Digits:
    """The called person pressed keys.

    Args:
        digits: what was pressed, in order, since the last report.
    """

    digits: str


CallEvent = Accepted | Ringing | Answered | AmdResult | Digits


class Report(Protocol):
    """How a provider tells what happens to a call. Synchronous and cheap; never raises."""

    def __call__(self, event: CallEvent, /) -> None:
        """Tell `event`; the instant is taken now."""

    def state(self, state: bytes, /) -> None:
        """Hand over what the provider needs to find the call again; it comes back in `AttemptRef`.

        Args:
            state: at most `STATE_BYTES`.
        """

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Have `told(True)` called once what was reported and handed over so far is durable, at once where it is.

        Without it that takes a fifth of a second, and what a crash takes away in between is gone. For a provider that
        must not do something before it could find the call again. `told(False)` says that it never will be durable in
        this life.

        Args:
            told: synchronous and cheap; replaces the one before. None = nobody is told any more.
        """

    async def opt_out(self) -> None:
        """Give the called number a do-not-call entry, because the called person asked for it.

        When this returns, the entry is durable: confirm it to the called person only then. It may be cancelled, and
        called again.

        Raises:
            DialerdError: it could not be stored.
        """


@define(kw_only=True, slots=True, eq=False)
class CallOrder:
    """One call to place: everything a provider needs, so that it never asks the store.

    Args:
        attempt_id: UUIDv7 of the attempt; given out as `call_id`.
        trunk: name of the trunk.
        number: number to call, E.164.
        caller_id: number to show, E.164.
        agent_name: name of the agent.
        agent: what speaks when the call is answered.
        prompt: what the agent is to say or do, or None.
        variables: the recipient's variables over the campaign's.
        campaign: name of the campaign.
        metadata: the campaign's and the recipient's, merged.
        ring_timeout: how long the phone may ring.
        max_duration: bound of the answered call.
        amd: whether to listen for an answering machine.
        hangup: set when the call is to be ended.
    """

    attempt_id: str
    trunk: str
    number: str
    caller_id: str
    agent_name: str
    agent: AgentSettings
    prompt: str | None = None
    variables: Mapping[str, Any] = field(factory=dict)
    campaign: str = ""
    metadata: Mapping[str, Any] = field(factory=dict)
    ring_timeout: Duration = 45_000
    max_duration: Duration = 1_800_000
    amd: Amd = Amd.OFF
    hangup: HangUp = field(factory=HangUp)

    def leave(self) -> None:
        """Judge pause, suppression and window for the last time; call it right before the first byte leaves.

        Synchronous: between it and the first byte there may be no checkpoint.

        Raises:
            Withdrawn: the call must not be placed now; let it pass out of `place`.
        """
        raise NotImplementedError("the engine hands out orders that can leave")


@frozen(kw_only=True)
class TrunkSite:
    """Where a provider is put to work: what it knows of its trunk beside its own options.

    Args:
        name: name of the trunk.
        caller_ids: E.164 numbers that the trunk may show, in the order of the settings.
        callbacks: public URL below which a carrier's requests reach `TakesCallbacks.callback`, without a slash at its
            end; None where `[callbacks]` is not configured.
        sign: signs a call's caller id (`dialerd_sign`); None = nobody signs.
        reachable: called by a provider that hears of its carrier again, having refused calls because it did not: a
            trunk that rests for that sends its next call at once, instead of minutes later.
    """

    name: str
    caller_ids: tuple[str, ...] = ()
    callbacks: str | None = None
    sign: Signer | None = field(default=None, eq=False)
    reachable: Callable[[], None] = field(default=lambda: None, eq=False)


class Provider(Protocol):
    """Places the calls of one trunk. Made by a plugin from the trunk's options and its site.

    One that also has the method of `TakesCallbacks` gets the requests that its carrier sends to the daemon.
    """

    async def __aenter__(self) -> Self:
        """Open connections, register with the carrier, start receivers."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Close what was opened."""

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """Place the call and return when it is over.

        Raises:
            NotPlaced, MaybePlaced, Throttled: see the table above.
            Withdrawn: from `order.leave()`.
        """

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """Say whether an attempt of a former life was placed. Raises when the carrier cannot be asked now."""

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """Stay with a call that `reconcile` found alive and return when it is over; raises as `place` does."""
