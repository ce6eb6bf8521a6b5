"""What is said between the engine and a provider about one call."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import field, frozen

from dialerd.model.instants import Duration, Instant
from dialerd.model.states import AnsweredBy, AtFault, Outcome

Afterwards = Callable[[], Awaitable[Mapping[str, Any]]]
"""Finds out what is known of a call only a while after its end, such as its price; returns plain JSON data."""

UNFIT_AGENT: Final = "agent"
"""Code of a cause that is our fault: the agent can speak in no call of the trunk, since it cannot be reached, say."""

UNFIT_CALL: Final = "variables"
"""Code of a cause that is our fault: the agent cannot speak in this one call, for what its recipient lacks or has."""


@frozen(kw_only=True)
class Cause:
    """Why a call ended as it did.

    Args:
        fault: whose doing it is.
        q850: ITU-T Q.850 cause number, or None where the provider gives nothing that maps to one.
        code: the provider's own code, such as a SIP status.
        detail: the provider's words, without secrets.
    """

    fault: AtFault
    q850: int | None = None
    code: str | None = None
    detail: str | None = None


@frozen(kw_only=True)
class CallEnd:
    """How a call ended.

    Args:
        outcome: one of `Outcome`, never `uncertain`: a provider that does not know raises `MaybePlaced`.
        cause: what lies behind the outcome; None for an ordinary answered call.
        ringing_at: when the far end first rang; None = when `Ringing` was reported, if it was.
        answered_at: when it was answered; None = when `Answered` was reported, if it was.
        ended_at: when it ended; None = when the provider returned.
        answered_by: what the answering-machine detection found; None where it did not listen.
        message_left: True when the agent's message was left on a machine.
        digits: what was keyed in, in order.
        opted_out: True when the called person asked not to be called again, and `Report.opt_out` was not told: the
            number gets a do-not-call entry.
        detail: further facts to keep with the attempt (price, provider's reference); plain JSON data.
        afterwards: awaited when the call's line is free again, for ten minutes at most; what it returns is put over
            `detail`. None = there is nothing to wait for.
    """

    outcome: Outcome
    cause: Cause | None = None
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    answered_by: AnsweredBy | None = None
    message_left: bool = False
    digits: str = ""
    opted_out: bool = False
    detail: dict[str, Any] = field(factory=dict)
    afterwards: Afterwards | None = field(default=None, eq=False)


@frozen(kw_only=True)
class AttemptRef:
    """An attempt whose end is not known, as a provider is asked about it.

    Args:
        attempt_id: UUIDv7 of the attempt.
        number: called number, E.164.
        caller_id: number shown, E.164.
        claimed_at: when it was made durable; the provider heard of it at this instant or later.
        reference: the provider's own id of the call, where it had reported one.
        state: the bytes last handed over with `report.state`, or None.
        ring_timeout: as it was ordered.
        max_duration: as it was ordered.
        others: references of other attempts to the same number, so that none of their calls is taken for this one's.
    """

    attempt_id: str
    number: str
    caller_id: str
    claimed_at: Instant
    reference: str | None
    state: bytes | None
    ring_timeout: Duration
    max_duration: Duration
    others: tuple[str, ...] = ()


@frozen(kw_only=True)
class WasPlaced:
    """The provider's proof that an attempt was placed.

    Args:
        end: how the call ended, or None while it is alive and must be followed.
        reference: the provider's id of the call, where it was found out only now.
    """

    end: CallEnd | None
    reference: str | None = None


@frozen
class WasNotPlaced:
    """The provider's proof that an attempt never reached the phone network."""


@frozen(kw_only=True)
class CannotTell:
    """The provider has no proof either way.

    Args:
        reason: why not, for the log and the report.
    """

    reason: str


Reconciliation = WasPlaced | WasNotPlaced | CannotTell
