"""The call task: its life is the call's life. It asks the screens, lets the provider place the call, and turns whatever
comes back, or breaks, into the end of the attempt.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

import structlog
import trio

from dialerd.engine.aftermath import Aftermath
from dialerd.engine.breach import meant
from dialerd.engine.causes import said, telling
from dialerd.engine.checked import as_text, checked_cause, checked_end, plausible
from dialerd.engine.clock import Clock
from dialerd.engine.conclude import counted, refunded, suppressed, withdrawn
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.figures import Figures
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall
from dialerd.engine.notices import call_ended
from dialerd.engine.order import Order, order_for
from dialerd.engine.reconciling import Reconciler
from dialerd.engine.shift import NEVER_RETURNED, Shift, patience_s
from dialerd.engine.telling import Telling
from dialerd.engine.withheld import Withheld
from dialerd.model.call import UNFIT_AGENT, UNFIT_CALL, CallEnd, Cause
from dialerd.model.instants import MINUTE, NEVER, SECOND, Instant
from dialerd.model.states import AtFault, AttemptState, Outcome, Rule
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.hookspecs import Screen
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Provider, Throttled, Withdrawn
from dialerd.plugin.raised import words
from dialerd.store.ending import Ended
from dialerd.store.store import Store

_log = structlog.get_logger()

_SCREEN_S = 10.0  # a screen that has not answered by then holds the call
_SCREENED_AGAIN_MS = MINUTE  # when a call that a screen holds without a date is asked about again
_TRUNK_FAULTS = (AtFault.TRUNK, AtFault.PROVIDER)

Observer = Callable[[LiveCall, Ended], None]


class Calling:
    """Runs calls.

    Args:
        nursery: whose tasks the calls are.
        dispatcher: told of ends.
        lines: the agents.
        clock: the wall clock.
        random: spreads retries.
        screens: asked before each call, by plugin.
        withheld: numbers under a do-not-call entry that is being stored.
        telling: whether notices are written.
        figures: counts ends.
        store: where other attempts to a number are.
        aftermath: what ends ask for besides.
        observe: told of each end in this process, before it is stored.
    """

    def __init__(
        self,
        *,
        nursery: trio.Nursery,
        dispatcher: Dispatcher,
        lines: Lines,
        clock: Clock,
        random: Random,
        screens: Mapping[str, Screen],
        withheld: Withheld,
        telling: Telling,
        figures: Figures,
        store: Store,
        aftermath: Aftermath,
        observe: Observer | None,
    ) -> None:
        self._nursery = nursery
        self._dispatcher = dispatcher
        self._lines = lines
        self._clock = clock
        self._random = random
        self._screens = screens
        self._withheld = withheld
        self._telling = telling
        self._figures = figures
        self._aftermath = aftermath
        self._observe = observe
        self._shifts: dict[int, Shift] = {}  # those that take calls, by how long these may last
        self._complaints = Complaints()
        self._log = _log.bind()  # found out once: a line a call
        self._reconciler = Reconciler(
            nursery, clock=clock, random=random, release=dispatcher.release, store=store, aftermath=aftermath
        )

    def start(self, calls: Sequence[LiveCall]) -> None:
        """Start the tasks of the calls that one campaign got in a turn."""
        if not calls:
            return
        spec = calls[0].campaign.row.spec
        lasting = spec.ring_timeout + spec.max_duration
        shift = self._shifts.get(lasting)
        if shift is None or not shift.open:
            patience = patience_s(spec, len(self._screens) * _SCREEN_S)
            self._shifts[lasting] = shift = Shift(self._run, patience, self._give_up)
            self._nursery.start_soon(self._keep, lasting, shift)
        shift.take(calls)

    async def _keep(self, lasting: int, shift: Shift) -> None:
        await shift.run()
        if self._shifts.get(lasting) is shift:
            del self._shifts[lasting]

    async def _run(self, call: LiveCall, shift: Shift) -> None:
        order: Order | None = None
        try:
            agent = self._lines.agents.get(call.campaign.agent)
            if agent is None:
                self._put_back(call, "its agent was taken out of the settings")
                return
            order = order_for(call, agent.settings, self._withheld, self._figures)
            if call.start_at > trio.current_time():
                await trio.sleep_until(call.start_at)
            if self._screens and await self._held(call, order):
                return
            provider = call.trunk.provider
            if provider is None:
                self._put_back(call, "its trunk went down")
                return
            call.trunk.lend(provider)
            shift.calls[call] = provider
            end = checked_end(await provider.place(order, call))
            if call in shift.calls:
                self._over(call, end)
            else:
                self._aftermath.take(call, end)
                _log.warning(
                    "call.returned_late",
                    call_id=call.claimed.uid,
                    trunk=call.trunk.name,
                    end=words(end),
                    remedy="this call was given up long before it came back: report it to the provider plugin's author",
                )
        except BaseException as error:  # noqa: BLE001  # a plugin's fault must cost one call, not the daemon
            broke = meant(error)
            if call in shift.calls and not call.ended:
                self._raised(call, order, broke)
            else:
                self._broke(call, broke)
        finally:
            had_by = shift.let_go(call)
            if had_by is not None:
                call.trunk.give_back(had_by)

    def _raised(self, call: LiveCall, order: Order | None, error: BaseException) -> None:
        """Take what the provider raised; what it says must fit with what it did before."""
        try:
            if isinstance(error, MaybePlaced):
                self._uncertain(call, checked_cause(error.cause))
            elif _may_have_rung(call) and (isinstance(error, Withdrawn) or call.heard):
                self._broken(call, error)  # it left, or rang: nobody is rung again on the word of one who forgot that
            elif isinstance(error, Withdrawn) and order is not None:
                self._withdraw(call, order, as_text(error))
            elif isinstance(error, Throttled):
                self._throttled(call, error)
            elif isinstance(error, NotPlaced):
                self._not_placed(call, error)
            else:
                self._broken(call, error)
        except BaseException as worse:  # noqa: BLE001  # what it raised is of the right kind, and holds nonsense
            self._broken(call, worse)

    def _give_up(self, call: LiveCall, provider: Provider | None) -> None:
        """Take a call from a provider that never lets it go: its task does nothing more, whenever it ends."""
        if provider is None:
            self._put_back(call, "a screen did not let go of it")
            return
        call.trunk.give_back(provider)
        if _may_have_rung(call):
            self._uncertain(call, NEVER_RETURNED)
        else:
            self._refund_for_trunk(call, NEVER_RETURNED, Outcome.FAILED)

    async def _held(self, call: LiveCall, order: Order) -> bool:
        """Ask the screens; end the call and return True when one objects."""
        for name, screen in self._screens.items():
            until: Instant | None = None
            try:
                with trio.fail_after(_SCREEN_S):
                    veto = await screen(order)
                if veto is None:
                    continue
                reason = as_text(veto.reason)
                until = None if veto.until is None else int(veto.until)
            except BaseException as error:  # noqa: BLE001  # a screen that cannot answer holds, whatever broke it
                self._screen_failed(name, call, meant(error))
                reason, veto = f"screen {name} failed", None
            now = self._clock.now()
            cause = Cause(fault=AtFault.US, code="screen", detail=f"{name}: {reason}")
            if veto is not None and veto.suppress:
                self._end(call, suppressed(call, cause, now))
            else:
                again_at = now + _SCREENED_AGAIN_MS if until is None else max(until, now + SECOND)
                self._end(call, withdrawn(call, cause, now, min(again_at, NEVER)))
            return True
        return False

    def _screen_failed(self, name: str, call: LiveCall, error: BaseException) -> None:
        self._complaints.tell(
            _log.error,
            "screen.failed",
            name,
            plugin=name,
            call_id=call.claimed.uid,
            error=error,
            remedy="every call is held until this plugin's screen answers: mend it, or take the plugin out",
        )

    def _over(self, call: LiveCall, end: CallEnd) -> None:
        """Take the end that the provider told."""
        self._aftermath.take(call, end)
        if call.left_at is None:
            if end.outcome is Outcome.CANCELLED and call.phase is AttemptState.CLAIMED:
                self._put_back(call, "it was hung up before it left")
                return
            self._never_left(call, end)
        now = self._clock.now()
        end = plausible(end, call.claimed_at, now)
        if end.outcome is Outcome.CONGESTION and call.ringing_at is None and end.ringing_at is None:
            self._refund_for_trunk(call, end.cause or Cause(fault=AtFault.TRUNK), Outcome.CONGESTION)
            return
        if end.cause is not None and end.cause.fault in _TRUNK_FAULTS and end.outcome is Outcome.FAILED:
            call.trunk.failed(call.claimed.number, said(end.cause), call.started_at)
        else:
            call.trunk.settled(call.campaign.agent, call.started_at, heard=call.heard)
        self._end(call, counted(call, end, now, self._random))

    def _withdraw(self, call: LiveCall, order: Order, reason: str) -> None:
        """Put a call back that the gate stopped at the last instant."""
        now = self._clock.now()
        hold = order.hold
        next_at = now + SECOND  # a provider that withdraws of itself must not go round and round
        if call.recalled is not None:
            next_at = now + call.recalled.rest
        elif hold is not None:
            self._dispatcher.held[hold.rule] += 1
            next_at = now if hold.until is None else min(hold.until, now + MINUTE)
            if hold.rule is Rule.SUPPRESSED:  # the entry is stored any moment, and then the claim says what it means
                next_at = now + SECOND
        self._end(call, withdrawn(call, Cause(fault=AtFault.US, code="withdrawn", detail=reason), now, next_at))

    def _put_back(self, call: LiveCall, reason: str) -> None:
        """Put a call back that could not be handed to a provider."""
        now = self._clock.now()
        self._end(call, withdrawn(call, Cause(fault=AtFault.US, code="withdrawn", detail=reason), now, now + SECOND))

    def _throttled(self, call: LiveCall, error: Throttled) -> None:
        retry_after = None if error.retry_after is None else int(error.retry_after)
        cause = checked_cause(error.cause or Cause(fault=AtFault.TRUNK, code="throttled"))
        call.trunk.throttled(said(cause), None if retry_after is None else retry_after / SECOND)
        now = self._clock.now()
        self._end(call, refunded(call, Outcome.CONGESTION, cause, now, self._random, retry_after=retry_after))

    def _not_placed(self, call: LiveCall, error: NotPlaced) -> None:
        cause = checked_cause(error.cause)
        now = self._clock.now()
        if cause.fault is AtFault.CALLEE:
            call.trunk.worked(call.campaign.agent, call.started_at)
            end = CallEnd(outcome=Outcome.INVALID_NUMBER, cause=cause, ended_at=now)
            self._end(call, counted(call, end, now, self._random))
            return
        if error.trunk_down:
            call.trunk.down(said(cause), call.started_at)
        if cause.fault is AtFault.US and cause.code in (UNFIT_AGENT, UNFIT_CALL):
            call.trunk.unfit.take(
                call.campaign.agent,
                cause,
                number=call.claimed.number,
                started_at=call.started_at,
                campaign=call.campaign.row.uid,
                call_id=call.claimed.uid,
            )
        self._refund_for_trunk(call, cause, Outcome.FAILED)

    def _refund_for_trunk(self, call: LiveCall, cause: Cause, outcome: Outcome) -> None:
        """Refund a call that never rang, and hold it against the trunk where it is the trunk's doing."""
        if cause.fault in _TRUNK_FAULTS:
            call.trunk.failed(call.claimed.number, said(cause), call.started_at)
        if outcome is Outcome.CONGESTION:
            call.trunk.congested(said(cause))
        self._end(call, refunded(call, outcome, cause, self._clock.now(), self._random))

    def _never_left(self, call: LiveCall, end: CallEnd) -> None:
        """Tell of a call that the gate was never asked about; its end counts all the same."""
        self._complaints.tell(
            _log.error,
            "provider.never_left",
            call.trunk.name,
            trunk=call.trunk.name,
            call_id=call.claimed.uid,
            outcome=end.outcome,
            remedy="the provider plugin places calls without order.leave(), so that no pause and no do-not-call "
            "entry stops them at the last instant: take the trunk out, and report it to the plugin's author",
        )

    def _broken(self, call: LiveCall, error: BaseException) -> None:
        """Take what a provider may not raise: its own fault, and uncertain once the call may have rung."""
        self._broke(call, error)
        cause = Cause(
            fault=AtFault.PROVIDER, code=type(error).__name__, detail="the provider plugin broke its contract"
        )
        if _may_have_rung(call):
            self._uncertain(call, cause)
        else:
            self._refund_for_trunk(call, cause, Outcome.FAILED)

    def _broke(self, call: LiveCall, error: BaseException) -> None:
        """Tell what a provider may not raise: in full the first time, then once a minute."""
        self._complaints.tell(
            _log.error,
            "provider.broke",
            call.trunk.name,
            trunk=call.trunk.name,
            call_id=call.claimed.uid,
            error=error,
            trace=True,
            remedy="the calls count as the provider's fault, and those that had left are asked about: "
            "report this to the plugin's author",
        )

    def _uncertain(self, call: LiveCall, cause: Cause) -> None:
        """Find out, in a task of its own, what became of a call of which nobody knows whether it was placed."""
        call.uncertain()
        self._complaints.tell(
            _log.warning,
            "call.uncertain",
            call.trunk.name,
            trunk=call.trunk.name,
            call_id=call.claimed.uid,
            cause=said(cause),
            remedy="none is dialled again before the trunk's carrier says what became of it, which is asked by itself; "
            "where there are many, look at the connection to the carrier",
        )
        call.trunk.failed(call.claimed.number, said(cause), call.started_at)
        if call.probe:
            self._return_probe(call)  # its end may be a while away
        self._nursery.start_soon(self._recover, call, None)

    def recover(self, call: LiveCall) -> trio.Event:
        """Start the task of an attempt of a former life; return what is set once its provider was first asked."""
        asked = trio.Event()
        self._nursery.start_soon(self._recover, call, asked)
        return asked

    async def _recover(self, call: LiveCall, asked: trio.Event | None) -> None:
        self._end(call, await self._reconciler.end_of(call, asked))

    def _return_probe(self, call: LiveCall) -> None:
        """Let another call be the probe, where this one was and found nothing out."""
        call.probe = False
        call.trunk.returned_probe(call.campaign.agent)

    def _end(self, call: LiveCall, end: Ended) -> None:
        if call.probe:
            self._return_probe(call)
        self._log.info(
            "call.ended",
            call_id=call.claimed.uid,
            campaign=call.campaign.row.uid,
            number=call.claimed.number,
            outcome=end.outcome,
            refunded=end.refunded,
            next=end.final or end.state,
            **telling(end),
        )
        self._figures.ended(call.trunk.name, end.outcome, end.refunded)
        if self._telling.on:
            end.notice = call_ended(call, end)
        if self._observe is not None:
            self._observe(call, end)
        self._dispatcher.ended(call, end)


def _may_have_rung(call: LiveCall) -> bool:
    """Tell whether a phone may have rung: the gate let it go, or the provider has said so without asking the gate."""
    return call.left or call.phase is not AttemptState.CLAIMED
