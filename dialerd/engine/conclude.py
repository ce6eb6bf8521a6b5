"""What an attempt's end means for its recipient: the row that is stored, from what the provider said."""

from collections.abc import Sequence
from random import Random

import msgspec
import trio

from dialerd.engine.clock import STEP_MS
from dialerd.engine.live import LiveCall
from dialerd.model.call import CallEnd, Cause
from dialerd.model.instants import SECOND, Duration, Instant
from dialerd.model.states import CampaignState, Final, Outcome, RecipientState
from dialerd.rules.refund import refund
from dialerd.rules.retry import Done, after
from dialerd.store.ending import Ended

_encode = msgspec.json.encode


def counted(call: LiveCall, end: CallEnd, now: Instant, random: Random) -> Ended:
    """Return the end of an attempt that counts.

    Args:
        call: the call.
        end: how it ended.
        now: the present instant.
        random: spreads retries.
    """
    claimed = call.claimed
    ended_at = end.ended_at or now
    cut_off = end.outcome is Outcome.CANCELLED and call.campaign.state is not CampaignState.CANCELLED
    next_step = after(
        # a phone that rang when dialerd stopped was not reached, and its owner is not forgotten for that
        outcome=Outcome.NO_ANSWER if cut_off else end.outcome,
        attempts=claimed.attempts + 1,
        policy=call.campaign.retry,
        limit=claimed.max_attempts,
        now=now,
        message_left=end.message_left,
        random=random,
    )
    final = next_step.final if isinstance(next_step, Done) else _over(call)
    return _ended(
        call, end.outcome, end.cause, ended_at,
        end=end,
        final=final,
        next_at=ended_at if isinstance(next_step, Done) else next_step.at,
    )  # fmt: skip


def refunded(
    call: LiveCall,
    outcome: Outcome,
    cause: Cause | None,
    now: Instant,
    random: Random,
    *,
    retry_after: Duration | None = None,
) -> Ended:
    """Return the end of an attempt that does not count because nothing rang; past the bound it counts after all.

    Args:
        call: the call.
        outcome: what to say of it.
        cause: what lies behind it.
        now: the present instant.
        random: spreads retries.
        retry_after: how long the carrier asked to be left alone, or None.
    """
    next_at = refund(refunds=call.claimed.refunds, retry_after=retry_after, now=now)
    if next_at is None:
        return counted(call, CallEnd(outcome=outcome, cause=cause, ended_at=now), now, random)
    return _ended(call, outcome, cause, now, refunded=True, bounded=True, final=_over(call), next_at=next_at)


def withdrawn(call: LiveCall, cause: Cause | None, now: Instant, next_at: Instant) -> Ended:
    """Return the end of an attempt that the gate stopped at the last instant: as if it had not been claimed.

    Args:
        call: the call.
        cause: which rule stopped it.
        now: the present instant.
        next_at: when its recipient is to be looked at again.
    """
    return _ended(call, Outcome.CANCELLED, cause, now, refunded=True, final=_over(call), next_at=next_at)


def suppressed(call: LiveCall, cause: Cause, now: Instant) -> Ended:
    """Return the end of an attempt whose recipient a screen wants never to be rung."""
    return _ended(call, Outcome.CANCELLED, cause, now, refunded=True, final=Final.SUPPRESSED, next_at=now)


def _over(call: LiveCall) -> Final | None:
    """Return the final state of a recipient that would be tried again, if its campaign were not cancelled."""
    return Final.CANCELLED if call.campaign.state is CampaignState.CANCELLED else None


def _ended(
    call: LiveCall,
    outcome: Outcome,
    cause: Cause | None,
    ended_at: Instant,
    *,
    final: Final | None,
    next_at: Instant,
    end: CallEnd | None = None,
    refunded: bool = False,
    bounded: bool = False,
) -> Ended:
    claimed = call.claimed
    answered_by = (end and end.answered_by) or call.answered_by
    ringing_at, answered_at = _noted_instants(call)
    answered_at = _not_after((end and end.answered_at) or answered_at, ended_at)
    ringing_at = _not_after((end and end.ringing_at) or ringing_at, ended_at if answered_at is None else answered_at)
    return Ended(
        attempt_id=claimed.attempt_id,
        recipient_id=claimed.recipient_id,
        campaign_id=call.campaign.row.id,
        outcome=outcome,
        refunded=refunded,
        bounded=bounded,
        ringing_at=ringing_at,
        answered_at=answered_at,
        ended_at=ended_at,
        reference=call.reference,
        cause=_cause(cause) if cause is not None else None,
        answered_by=answered_by,
        digits=(end and end.digits) or call.digits or None,
        detail=_encode(end.detail).decode() if end and end.detail else None,
        state=RecipientState.PENDING if final is None else RecipientState.DONE,
        next_at=next_at,
        final=final,
        uncount=_uncount(call, ended_at) if refunded else (),
    )


def _not_after(at: Instant | None, latest: Instant) -> Instant | None:
    """Return an instant that is not later: one was noted here, the other told by a carrier that knows whole seconds."""
    return at if at is None or at <= latest else latest


def _noted_instants(call: LiveCall) -> tuple[Instant | None, Instant | None]:
    """Return when a call rang and was answered, as the wall clock shows it that tells its end.

    A clock that was stepped meanwhile would make the call hours long, or shorter than nothing.
    """
    now, now_s = call.clock.now(), trio.current_time()
    if abs(now - call.claimed_at - (now_s - call.started_at) * SECOND) <= STEP_MS:
        return call.ringing_at, call.answered_at

    def shown(at: Instant | None, at_s: float | None) -> Instant | None:
        if at is None or at_s is None:  # it was noted in a former life
            return at
        stepped = now - at - round((now_s - at_s) * SECOND)
        return at + stepped if abs(stepped) > STEP_MS else at

    return shown(call.ringing_at, call.ringing_s), shown(call.answered_at, call.answered_s)


def _cause(cause: Cause) -> str:
    fields = {"fault": cause.fault, "q850": cause.q850, "code": cause.code, "detail": cause.detail}
    return _encode({name: value for name, value in fields.items() if value is not None}).decode()


def _uncount(call: LiveCall, now: Instant) -> Sequence[tuple[str, str]]:
    """Give back, in memory, what a refunded call took of the daily caps; return what the store is to give back."""
    for day, key in call.day_keys:
        if day.key(now) == key:
            day.calls -= 1
    return [key for _, key in call.day_keys]
