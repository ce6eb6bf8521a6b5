"""Reconciling: what became of an attempt that has no known end. Nothing is dialled again without proof.

The provider is asked until it answers; one that cannot be reached holds only its own recipients, who stay dialing.
"""

from base64 import b64decode
from collections.abc import Callable
from random import Random

import structlog
import trio

from dialerd.engine.checked import checked_answer, checked_cause, checked_end
from dialerd.engine.clock import Clock
from dialerd.engine.conclude import counted, refunded
from dialerd.engine.limits import Limit, take
from dialerd.engine.live import LiveCall
from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Cause, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled
from dialerd.store.ending import Ended

_log = structlog.get_logger()

_ANSWER_S = 60.0  # a carrier that has not answered by then is asked again
_FIRST_REST_S, _MAX_REST_S = 1.0, 60.0


async def reconcile(
    call: LiveCall,
    *,
    clock: Clock,
    random: Random,
    asking: trio.CapacityLimiter,
    release: Callable[[LiveCall], None],
    asked: trio.Event | None = None,
) -> Ended:
    """Ask the provider until it is known what became of `call`, stay with it while it lives, and return its end.

    Args:
        call: an attempt that may have been placed.
        clock: the wall clock.
        random: spreads retries.
        asking: how many carriers' answers are waited for at once.
        release: lets the call's lines go to others.
        asked: set when the provider has answered, or failed to, for the first time.
    """
    rest_s = _FIRST_REST_S
    held: tuple[Limit, ...] = ()  # what it let go of
    while True:
        try:
            async with asking:
                answer = await _answer(call)
            if asked is not None:
                asked.set()
            if not isinstance(answer, WasPlaced) or answer.end is not None:
                return _ended(call, answer, clock, random)
            if held:  # it is counted again, unless others have taken its lines meanwhile
                call.permit, held = take(held), ()
            call.found()
            return await _follow(call, clock, random)
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises, the attempt stays doubtful
            call.uncertain()
            _log.warning(
                "call.reconcile_failed",
                call_id=call.claimed.uid,
                trunk=call.trunk.name,
                error=repr(error),
                retry_s=rest_s,
            )
        if call.permit is not None and call.permit.limits:
            held = call.permit.limits
            release(call)  # a carrier that cannot be asked must not keep lines from the others
        if asked is not None:
            asked.set()
        await trio.sleep(rest_s)
        rest_s = min(2 * rest_s, _MAX_REST_S)


async def _answer(call: LiveCall) -> Reconciliation:
    provider = call.trunk.provider
    if provider is None:
        raise ConnectionError(f"trunk {call.trunk.name} is not up")
    with trio.fail_after(_ANSWER_S):
        return checked_answer(await provider.reconcile(attempt_ref(call)))


async def _follow(call: LiveCall, clock: Clock, random: Random) -> Ended:
    provider = call.trunk.provider
    if provider is None:
        raise ConnectionError(f"trunk {call.trunk.name} went down")
    call.trunk.lend(provider)
    try:
        end = checked_end(await provider.follow(attempt_ref(call), call, call.hangup))
    except NotPlaced as error:
        return refunded(call, Outcome.FAILED, checked_cause(error.cause), clock.now(), random)
    except (MaybePlaced, Throttled) as error:
        # it was found alive, so it was placed; what came of it is lost
        cause = checked_cause(error.cause or Cause(fault=AtFault.PROVIDER))
        return counted(call, CallEnd(outcome=Outcome.UNCERTAIN, cause=cause), clock.now(), random)
    finally:
        call.trunk.give_back(provider)
    return counted(call, end, clock.now(), random)


def _ended(call: LiveCall, answer: Reconciliation, clock: Clock, random: Random) -> Ended:
    now = clock.now()
    if isinstance(answer, WasNotPlaced):
        cause = Cause(fault=AtFault.PROVIDER, code="not_placed", detail="the provider proved that it was not placed")
        return refunded(call, Outcome.FAILED, cause, now, random)
    if isinstance(answer, CannotTell):
        cause = Cause(fault=AtFault.PROVIDER, code="cannot_tell", detail=answer.reason)
        return counted(call, CallEnd(outcome=Outcome.UNCERTAIN, cause=cause, ended_at=now), now, random)
    assert answer.end is not None
    return counted(call, answer.end, now, random)


def attempt_ref(call: LiveCall) -> AttemptRef:
    """Return an attempt as its provider is asked about it."""
    spec = call.campaign.row.spec
    return AttemptRef(
        attempt_id=call.claimed.uid,
        number=call.claimed.number,
        caller_id=call.claimed.caller_id,
        claimed_at=call.claimed_at,
        reference=call.reference,
        state=b64decode(call.provider_state) if call.provider_state is not None else None,
        ring_timeout=spec.ring_timeout,
        max_duration=spec.max_duration,
    )
