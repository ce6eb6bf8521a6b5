"""Reconciling: what became of an attempt that has no known end. Nothing is dialled again without proof.

The provider is asked until it answers; one that cannot be reached holds only its own recipients, who stay dialing.
It is asked in a task apart from who waits for the answer: one that never comes back keeps neither lines nor turns.
"""

from base64 import b64decode
from collections.abc import Callable
from random import Random

import structlog
import trio
from attrs import evolve

from dialerd.engine.aftermath import Aftermath
from dialerd.engine.apart import Apart
from dialerd.engine.breach import meant
from dialerd.engine.checked import checked_answer, checked_cause, checked_end, plausible
from dialerd.engine.clock import Clock
from dialerd.engine.conclude import counted, refunded
from dialerd.engine.limits import Limit, hold
from dialerd.engine.live import LiveCall
from dialerd.engine.shift import HANG_UP_S, NEVER_RETURNED, lapse, patience_s
from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Cause, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.instants import SECOND
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Provider, Throttled
from dialerd.rules.rests import rest_s
from dialerd.store.attempts import other_references
from dialerd.store.ending import Ended
from dialerd.store.store import Store

_log = structlog.get_logger()

_ANSWER_S = 60.0  # a carrier that has not answered by then is asked again
_ASKED_AT_ONCE = 500  # attempts about which one trunk is asked at once; a far end that waits for an ACK waits 32 s
_LEAST_FOLLOWED_S = 30.0  # what a call that was found gets, however old it is by the clock


class Reconciler:
    """Finds out what became of attempts.

    Args:
        nursery: whose tasks the providers' answers are.
        clock: the wall clock.
        random: spreads retries.
        release: lets a call's lines go to others.
        store: where other attempts to the same number are.
        aftermath: what ends ask for besides.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        clock: Clock,
        random: Random,
        release: Callable[[LiveCall], None],
        store: Store,
        aftermath: Aftermath,
    ) -> None:
        self._nursery = nursery
        self._clock = clock
        self._random = random
        self._release = release
        self._store = store
        self._aftermath = aftermath
        self._asking: dict[str, trio.CapacityLimiter] = {}  # by trunk: a slow one must not keep the others waiting
        self._complaints = Complaints()

    async def end_of(self, call: LiveCall, asked: trio.Event | None = None) -> Ended:
        """Ask the provider until it is known what became of `call`, stay with it while it lives, and return its end.

        Args:
            call: an attempt that may have been placed.
            asked: set when the provider has answered, or failed to, for the first time.
        """
        failures = 0
        held: tuple[Limit, ...] = ()  # what it let go of
        given_up = False
        asking = self._asking.setdefault(call.trunk.name, trio.CapacityLimiter(_ASKED_AT_ONCE))
        while True:
            try:
                async with asking:
                    ref, answer = await self._answer(call)
                if asked is not None:
                    asked.set()
                if isinstance(answer, WasPlaced) and answer.reference is not None:
                    call.reference = answer.reference
                if not isinstance(answer, WasPlaced) or answer.end is not None:
                    return self._ended(call, answer)
                if given_up:
                    return self._lost(call, NEVER_RETURNED)
                if held:  # it is counted again, though others may have taken its lines meanwhile
                    call.permit, held = hold(held), ()
                call.found()
                return await self._follow(call, evolve(ref, reference=call.reference))
            except BaseException as error:  # noqa: BLE001  # whatever a plugin raises, the attempt stays doubtful
                error = meant(error)
                given_up = given_up or isinstance(error, _NeverReturned)
                call.uncertain()
                failures += 1
                self._complain(call, error, rest_s(failures))
            if call.permit is not None and call.permit.limits:
                held = call.permit.limits
                self._release(call)  # a carrier that cannot be asked must not keep lines from the others
            if asked is not None:
                asked.set()
            await trio.sleep(rest_s(failures))

    async def _ref(self, call: LiveCall) -> AttemptRef:
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
            others=await self._store.read(other_references, call.claimed.number, call.claimed.attempt_id),
        )

    async def _answer(self, call: LiveCall) -> tuple[AttemptRef, Reconciliation]:
        provider = _provider(call)
        ref = await self._ref(call)
        asked = Apart(self._nursery, provider.reconcile, ref)
        with trio.move_on_after(_ANSWER_S):
            return ref, checked_answer(await asked.result())
        asked.leave()
        raise TimeoutError(f"no answer within {_ANSWER_S:g} s")

    async def _follow(self, call: LiveCall, ref: AttemptRef) -> Ended:
        provider = _provider(call)
        call.trunk.lend(provider)
        followed = Apart(self._nursery, provider.follow, ref, call, call.hangup)
        try:
            with trio.move_on_after(self._patience_s(call)):
                await followed.done.wait()
            if not followed.done.is_set():
                await self._lose_patience(call, followed)
            end = plausible(checked_end(await followed.result()), call.claimed_at, self._clock.now())
        except (MaybePlaced, NotPlaced, Throttled) as error:
            return self._raised(call, error)
        finally:
            followed.leave()
            call.trunk.give_back(provider)
        self._aftermath.take(call, end)
        return counted(call, end, self._clock.now(), self._random)

    def _patience_s(self, call: LiveCall) -> float:
        """Return for how many seconds a call that was found may still go on."""
        whole_s = patience_s(call.campaign.row.spec)
        on_for_s = (self._clock.now() - call.claimed_at) / SECOND
        return min(whole_s, max(whole_s - on_for_s, _LEAST_FOLLOWED_S))

    async def _lose_patience(self, call: LiveCall, followed: Apart[CallEnd]) -> None:
        """Tell a call to hang up that is on longer than it can be.

        Raises:
            _NeverReturned: it did not end.
        """
        _log.error(
            "call.overdue",
            trunk=call.trunk.name,
            calls=1,
            call_ids=[call.claimed.uid],
            then=f"told to hang up; given up in {HANG_UP_S} s",
            remedy="the provider plugin of this trunk does not return from follow: report it to the plugin's author",
        )
        call.hangup.set()
        await lapse(HANG_UP_S, lambda: not followed.done.is_set())
        if not followed.done.is_set():
            raise _NeverReturned("follow did not return, although the call was to be hung up")

    def _raised(self, call: LiveCall, error: MaybePlaced | NotPlaced | Throttled) -> Ended:
        """Take what `follow` may raise."""
        if isinstance(error, NotPlaced):
            return refunded(call, Outcome.FAILED, checked_cause(error.cause), self._clock.now(), self._random)
        # it was found alive, so it was placed; what came of it is lost
        return self._lost(call, checked_cause(error.cause or Cause(fault=AtFault.PROVIDER)))

    def _lost(self, call: LiveCall, cause: Cause) -> Ended:
        """Return the end of a call that was placed, and of which nobody can say how it ended."""
        now = self._clock.now()
        return counted(call, CallEnd(outcome=Outcome.UNCERTAIN, cause=cause, ended_at=now), now, self._random)

    def _ended(self, call: LiveCall, answer: Reconciliation) -> Ended:
        now = self._clock.now()
        if isinstance(answer, WasNotPlaced):
            detail = "the provider proved that it was not placed"
            cause = Cause(fault=AtFault.PROVIDER, code="not_placed", detail=detail)
            return refunded(call, Outcome.FAILED, cause, now, self._random)
        if isinstance(answer, CannotTell):
            return self._lost(call, Cause(fault=AtFault.PROVIDER, code="cannot_tell", detail=answer.reason))
        assert answer.end is not None
        self._aftermath.take(call, answer.end)
        return counted(call, plausible(answer.end, call.claimed_at, now), now, self._random)

    def _complain(self, call: LiveCall, error: BaseException, retry_s: float) -> None:
        self._complaints.tell(
            _log.warning,
            "call.reconcile_failed",
            call.trunk.name,
            call_id=call.claimed.uid,
            trunk=call.trunk.name,
            error=error,
            retry_s=retry_s,
            remedy="it is not dialled again before its trunk's carrier says what became of it, and asked about "
            "again by itself: bring the trunk up, or see what its plugin logged",
        )


class _NeverReturned(Exception):
    """A provider kept a call that was found alive."""


def _provider(call: LiveCall) -> Provider:
    provider = call.trunk.provider
    if provider is None:
        raise ConnectionError(f"trunk {call.trunk.name} is not up")
    return provider
