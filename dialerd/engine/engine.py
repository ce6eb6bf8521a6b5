"""The engine: everything that dials, behind the few operations that the rest of dialerd may ask of it.

Nurseries, outer to inner: who insists on a stop; the providers; the dispatcher and the notifier; the calls. A stop
claims nothing any more, lets calls end for the drain time, hangs up what is left, stores every end, and only then lets
the providers go.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

import structlog
import trio

from dialerd.engine.aftermath import Aftermath
from dialerd.engine.calling import Calling, Observer
from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock
from dialerd.engine.days import DayCount
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.figures import Figures
from dialerd.engine.insisting import Stuck, insist
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall
from dialerd.engine.notifier import notify
from dialerd.engine.recovery import open_calls
from dialerd.engine.registry import Registry
from dialerd.engine.scheduler import Held, Scheduler
from dialerd.engine.shift import HANG_UP_S
from dialerd.engine.steering import Steering
from dialerd.engine.suppressing import Suppressing
from dialerd.engine.telling import Telling
from dialerd.engine.trunks import MakeProvider, Trunks
from dialerd.model.instants import NEVER, SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.plugin.hookspecs import Notifier, Screen
from dialerd.store import days, notices, suppressions
from dialerd.store.store import Store
from dialerd.store.suppressions import Entry

_log = structlog.get_logger()

_RECOVERY_S = 10.0  # how long the first claim waits for carriers to say what they know of the former life's calls
_STUCK_S = 15.0  # how long a stop waits for plugins' tasks that were cancelled; providers have HANG_UP_S to close


class Engine:
    """Everything that dials.

    Args:
        store: the open store.
        settings: the settings in force.
        make_provider: makes the provider of a trunk.
        clock: the wall clock.
        random: what rotations and retries draw from; None = its own.
        screens: asked before each call, by plugin.
        notifiers: told what happens, by plugin.
        observe: told of each call's end in this process, before it is stored.
        held: told whom closed hours and daily caps hold.
        stuck: called with whether everything is stored when a stop cannot end because a plugin does not let itself be
            cancelled, or because the database cannot be written; None = it goes on waiting.

    Attributes:
        ready: set once calls may leave.
        hurried: set once the calls in progress were to be ended at once.
        telling: whether notices are written.
        figures: what it counts of its calls.
        campaigns: those that are not over.
        steering: gives orders to them.
        suppressing: enters do-not-call entries.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        make_provider: MakeProvider,
        clock: Clock,
        *,
        random: Random | None = None,
        screens: Mapping[str, Screen] | None = None,
        notifiers: Mapping[str, Notifier] | None = None,
        observe: Observer | None = None,
        held: Held | None = None,
        stuck: Stuck | None = None,
    ) -> None:
        self.settings = settings
        self.lines = Lines(settings)
        self.telling = Telling(listened=bool(notifiers))
        self.figures = Figures()
        self._store = store
        self._make_provider = make_provider
        self._clock = clock
        self._random = random or Random()
        self._screens = screens or {}
        self._notifiers = notifiers or {}
        self._observe = observe
        self._stuck = stuck
        self._scheduler = Scheduler(held)
        self.ready = trio.Event()
        self.hurried = trio.Event()
        self._stop = trio.Event()
        self._trunks: Trunks | None = None
        self._calling: Calling | None = None
        self.dispatcher = Dispatcher(
            store=store,
            scheduler=self._scheduler,
            lines=self.lines,
            clock=clock,
            start_calls=self._start_calls,
            idle=self._idle,
        )
        self.dispatcher.limits = settings.person
        self.campaigns = Registry(
            store=store,
            scheduler=self._scheduler,
            dispatcher=self.dispatcher,
            clock=clock,
            random=self._random,
            settings=settings,
            telling=self.telling,
        )
        self.steering = Steering(
            store=store,
            registry=self.campaigns,
            scheduler=self._scheduler,
            dispatcher=self.dispatcher,
            clock=clock,
            telling=self.telling,
            settings=lambda: self.settings,
        )
        self.suppressing = Suppressing(
            store=store,
            dispatcher=self.dispatcher,
            registry=self.campaigns,
            clock=clock,
            telling=self.telling,
            settings=lambda: self.settings,
        )
        self.dispatcher.suppresses = self.suppressing

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial until `stop` is called and everything is stored.

        Started once the first claim may be made; never, when it is stopped before.
        """
        async with trio.open_nursery() as last:
            async with trio.open_nursery() as providers:
                self._trunks = Trunks(
                    providers, self.lines, self._make_provider, self._look_again, lambda: self.settings
                )
                async with trio.open_nursery() as drain:
                    await drain.start(self.dispatcher.run)
                    readers = list(self._notifiers)
                    self.telling.follow(await self._store.write(notices.forget_readers_but, readers))
                    drain.start_soon(notify, self._store, self._notifiers)
                    self.campaigns.open(drain)
                    self.suppressing.open(drain)
                    self._set_day_counts(await self._day_counts(self.settings))
                    await self.campaigns.load()
                    async with trio.open_nursery() as calls:
                        self._calling = Calling(
                            nursery=calls,
                            dispatcher=self.dispatcher,
                            lines=self.lines,
                            clock=self._clock,
                            random=self._random,
                            screens=self._screens,
                            withheld=self.dispatcher.withheld,
                            telling=self.telling,
                            figures=self.figures,
                            store=self._store,
                            aftermath=Aftermath(drain, store=self._store, suppressing=self.suppressing),
                            observe=self._observe,
                        )
                        await self._unless_stopped(self._trunks.update)
                        await self._unless_stopped(self._recover)
                        if not self._stop.is_set():
                            self.dispatcher.accepting = True
                            self.dispatcher.wake()
                            self.ready.set()
                            task_status.started()
                            await self._stop.wait()
                        await self._drain()
                        held = [providers, drain, calls]
                        last.start_soon(insist, self.dispatcher, self._store, held, _STUCK_S, self._stuck, self.hurried)
                        calls.cancel_scope.cancel()
                    for call in self.dispatcher.calls.values():  # those that were given up are not waited for
                        self.dispatcher.release(call)
                    await self.dispatcher.finish()
                    self.suppressing.close()
                    drain.cancel_scope.cancel()
                self._trunks.leave()
                # a provider that was given up on in the drain must not keep the daemon from stopping
                providers.cancel_scope.deadline = trio.current_time() + HANG_UP_S
            last.cancel_scope.cancel()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Begin the end: when this returns, no call leaves any more."""
        self.dispatcher.close()
        self._stop.set()

    def hang_up(self) -> None:
        """End every call in progress; each still gets its end stored, if that is possible soon."""
        self.hurried.set()
        for call in self.dispatcher.calls.values():
            call.hangup.set()

    async def suppress(
        self,
        numbers: Sequence[str],
        *,
        scope: str = suppressions.ALL,
        reason: str | None = None,
        source: str | None = None,
        expires_at: Instant = NEVER,
    ) -> int:
        """Enter numbers as not to be called; when this returns, no call to them leaves any more.

        Args:
            numbers: E.164, at most 2,000.
            scope: whom it binds: all campaigns, those of an agent, or one.
            reason, source: for people; may be None.
            expires_at: until when.

        Returns:
            How many queued recipients it ended.

        Raises:
            StoreError: it could not be stored.
        """
        entries = [
            Entry(number=number, scope=scope, reason=reason, source=source, expires_at=expires_at) for number in numbers
        ]
        ended = await self.suppressing.enter(entries)
        await self.suppressing.settle(ended)
        return sum(ended.values())

    async def reload(self, settings: Settings) -> None:
        """Follow changed settings without dropping calls; places (directories, database) need a restart.

        A daily cap that is new counts from now on. While it stops, nothing is followed any more.

        Args:
            settings: valid ones.

        Raises:
            StoreError: the store cannot be read; nothing has changed.
        """
        if self._stop.is_set():
            return
        counts = await self._day_counts(settings)  # before anything changes: it may fail
        self.settings = settings
        self.lines.update(settings)
        self._set_day_counts(counts)
        self.dispatcher.limits = settings.person
        self.campaigns.update(settings)
        if self._trunks is not None:
            await self._trunks.update()
        _log.info("settings.reloaded", trunks=len(settings.trunks), numbers=len(settings.numbers))

    async def _unless_stopped(self, step: Callable[[], Awaitable[None]]) -> None:
        """Wait for a step of the start, or for the stop."""
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self._stop.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            await step()
            nursery.cancel_scope.cancel()

    def _start_calls(self, calls: Sequence[LiveCall]) -> None:
        assert self._calling is not None
        self._calling.start(calls)

    def _look_again(self) -> None:
        """Ask at once for those who wait until some instant for a trunk."""
        self._scheduler.unblock(self._clock.now())
        self.dispatcher.wake()

    def _idle(self, campaign: LiveCampaign) -> None:
        self.campaigns.idle(campaign)

    async def _day_counts(self, settings: Settings) -> dict[tuple[str, str], int]:
        """Return today's calls of the caller ids that have a cap in `settings`."""
        zone = settings.daemon.timezone
        capped = [number for number, entry in settings.numbers.items() if entry.calls_per_day is not None]
        keys = [DayCount(f"number:{number}", zone, 0).key(self._clock.now()) for number in capped]
        return await self._store.read(days.calls, keys)

    def _set_day_counts(self, counts: Mapping[tuple[str, str], int]) -> None:
        now = self._clock.now()
        for day in self.lines.day_counts():
            day.key(now)
            day.calls = max(day.calls, counts.get(day.key(now), 0))

    async def _recover(self) -> None:
        """Ask the carriers about every attempt without an end; the slow ones are waited for in the background."""
        assert self._calling is not None
        found = await open_calls(
            self._store,
            self.campaigns,
            self.lines,
            self._clock,
            self.dispatcher.news,
            opts_out=self.suppressing,
            stores=self.dispatcher.notify_stored,
        )
        for call in found:
            self.dispatcher.adopt(call)
        self.campaigns.settle()
        if not found:
            return
        _log.warning("recovery.started", attempts=len(found))
        with trio.move_on_after(_RECOVERY_S):
            for asked in [self._calling.recover(call) for call in found]:
                await asked.wait()
        _log.info("recovery.ended", unanswered=sum(not call.ended for call in found))

    async def _drain(self) -> None:
        drain_s = self.settings.daemon.drain / SECOND
        with trio.move_on_after(drain_s) as patience:
            await self.dispatcher.drained()
        if not patience.cancelled_caught:
            return
        left = [call for call in self.dispatcher.calls.values() if not call.ended]
        remedy = "raise drain in [daemon] if calls should go on longer"
        _log.warning("drain.hanging_up", calls=len(left), after_s=drain_s, remedy=remedy)
        for call in left:
            call.hangup.set()
        with trio.move_on_after(HANG_UP_S) as patience:
            await self.dispatcher.drained()
        if patience.cancelled_caught:
            left = [call for call in self.dispatcher.calls.values() if not call.ended]
            _log.error(
                "drain.gave_up",
                calls=len(left),
                remedy="these calls did not end when told to: the stop goes on without them, and the carriers are "
                "asked about them at the next start",
            )
