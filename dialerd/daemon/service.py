"""The daemon: store, engine, spool and local API wired together, and what signals do to them.

SIGTERM and SIGINT stop: the spool takes nothing any more, the engine dials nobody any more, calls drain. SIGHUP reads
the settings again; faults in them are logged and the old ones stay. The service manager hears of all of it.
"""

import contextlib
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
import trio
from attrs import evolve
from trio.lowlevel import Task

from dialerd.daemon.beginning import tell_created
from dialerd.daemon.bulletin import Bulletin
from dialerd.daemon.callback_door import CallbackDoor
from dialerd.daemon.housekeeping import keep_house
from dialerd.daemon.instance import needing_restart, places, sole_instance, store_url
from dialerd.daemon.local_api import SCRATCH, LocalApi, Sockets, make_scratch
from dialerd.daemon.settings import load_settings
from dialerd.daemon.slowness import tell_slow
from dialerd.daemon.stall import Stall
from dialerd.daemon.standing import Standing
from dialerd.daemon.stuck import leave
from dialerd.daemon.systemd import Manager
from dialerd.daemon.tuning import tune
from dialerd.daemon.watchdog import watch
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.engine.whereabouts import below
from dialerd.intake.folders import Folders
from dialerd.intake.reading import Reader
from dialerd.intake.reports import Reports
from dialerd.intake.spool import Spool
from dialerd.intake.status_files import StatusFiles
from dialerd.model.errors import DialerdError, StoreLost
from dialerd.model.instants import SECOND
from dialerd.model.settings import Settings
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations
from dialerd.plugin.host import PluginHost
from dialerd.store.database import database_path
from dialerd.store.store import Store, open_store

_log = structlog.get_logger()

_HELD_UP_S = 10.0  # how long what is left of a stop, once all is stored, may take before it is told
_LEAVE_S = 30.0  # and how long then, before the process goes without it
_SETTLE_S = 0.1
_HURRIED_S = 2.0  # the same, once somebody has asked for the stop a second time
_NAMED = 5  # tasks that one line of the log names


def run(settings: Settings, config: Path) -> int:
    """Run the daemon until it is told to stop.

    Args:
        settings: the settings in force.
        config: where they are read again from on SIGHUP.

    Returns:
        The exit code.

    Raises:
        DialerdError: it cannot start; the message says why and what to do.
    """
    manager = Manager.from_environment()
    with sole_instance(places(settings)):
        trio.run(_serve, settings, config, manager)
    return 0


async def _serve(settings: Settings, config: Path, manager: Manager) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            bulletin = Bulletin(manager)
            nursery.start_soon(bulletin.run)
            with Sockets.open(settings) as sockets:
                async with open_store(store_url(settings)) as store, Reader() as reader, Reader() as slow:
                    daemon = Daemon(
                        store,
                        settings,
                        config=config,
                        readers=(reader, slow),
                        sockets=sockets,
                        host=PluginHost(),
                        bulletin=bulletin,
                        manager=manager,
                    )
                    tune()
                    nursery.start_soon(_obey, signals, daemon, nursery)
                    nursery.start_soon(daemon.watch_over)
                    await daemon.run()
            nursery.cancel_scope.cancel()


class Daemon:
    """Store, engine and spool at work together.

    Args:
        store: the open store.
        settings: the settings in force.
        config: where they are read again from.
        readers: of the local API's documents: one for small ones, one that may take long.
        sockets: of the local API, and of carriers' callbacks.
        host: the plugins.
        bulletin: what the service manager is told.
        manager: who waits for signs of life.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        config: Path,
        readers: tuple[Reader, Reader],
        sockets: Sockets,
        host: PluginHost,
        bulletin: Bulletin,
        manager: Manager,
    ) -> None:
        clock = SystemClock()
        self.settings = settings
        self._config = config
        self._store = store
        self._now = clock.now
        self.engine = Engine(
            store,
            settings,
            host.make_provider,
            clock,
            screens=host.screens(),
            notifiers=host.notifiers(),
            stuck=leave,
        )
        self._host = host
        self._manager = manager
        self._bulletin = bulletin
        bulletin.starting(Standing(self.engine, clock.now))
        self._folders = Folders.below(settings.daemon.spool_dir)
        self._status = StatusFiles(self._folders, store, settings=self._current, now=clock.now)
        self._reports = Reports(self._folders, store, status=self._status, settings=self._current, now=clock.now)
        self._new, self._adopted = trio.open_memory_channel[int](float("inf"))
        self._spool = Spool(
            self._folders,
            store,
            settings=self._current,
            published=self._new.send_nowait,
            accepted=self._status.accepted,
            now=clock.now,
        )
        operations = Operations(
            Ground(
                store=store,
                engine=self.engine,
                reader=readers[0],
                slow_reader=readers[1],
                settings=self._current,
                now=clock.now,
                scratch=settings.daemon.state_dir.absolute() / SCRATCH,
                reload=self.reload,
                standing=bulletin.line,
                need_restart=lambda: self._need_restart,
            )
        )
        self._api = LocalApi(operations, host.dialects(), sockets, settings)
        self._callbacks = CallbackDoor(operations.callbacks, sockets.callbacks, settings)
        self._taking = trio.CancelScope()
        self._reloading = trio.Lock()
        self._lost: StoreLost | None = None
        self._task: Task | None = None
        self._outer = 0  # nurseries around `run` in that task
        self._files = trio.CancelScope()
        self._over = trio.Event()  # the engine has ended, and everything of it is stored
        self._started_with = settings
        self._need_restart: tuple[str, ...] = ()  # settings that count from the next start only, and have changed

    async def run(self) -> None:
        """Work until `stop`, which counts from the first moment, and until everything is stored.

        Raises:
            StoreLost: the database could not be relied on any more; calls in progress have ended.
        """
        self._task = trio.lowlevel.current_task()
        self._outer = len(self._task.child_nurseries)
        await trio.to_thread.run_sync(make_scratch, self.settings.daemon.state_dir)
        await trio.to_thread.run_sync(self._folders.prepare)  # nobody is dialled for a spool that cannot be used
        if self._store.created:
            await trio.to_thread.run_sync(tell_created, database_path(store_url(self.settings)), self._folders)
        async with trio.open_nursery() as files:
            self._files = files.cancel_scope
            files.start_soon(self._stop_when_lost)
            await files.start(self._api.read)
            await files.start(self._callbacks.run)
            files.start_soon(partial(keep_house, self._store, settings=self._current, now=self._now))
            async with trio.open_nursery() as engine:
                engine.start_soon(self._dial)
                with self._taking:
                    await self.engine.ready.wait()
                    async with trio.open_nursery() as doors:
                        doors.start_soon(self._adopt)
                        await doors.start(self._spool.run)
                        await files.start(self._api.change)  # requests in progress outlive the doors by a moment
                        files.start_soon(self._status.run)
                        files.start_soon(self._reports.run)
                        self._bulletin.started()
                        _log.info("daemon.started", spool=str(self._folders.incoming.absolute()))
                self.engine.stop()
                _log.info("daemon.draining", calls=len(self.engine.dispatcher.calls))
            await self._callbacks.finish()
            await self._api.finish()
            files.cancel_scope.cancel()
        await self._last_words()
        _log.info("daemon.stopped")
        if self._lost is not None:
            raise self._lost

    async def _dial(self) -> None:
        await self.engine.run()
        self._over.set()  # a spool that hangs may keep the doors from closing even now

    async def watch_over(self) -> None:
        """Give signs of life, tell of a loop or disk that stands still, end a stop that does not end; until cancelled.

        Beside `run` and beyond it: the closing of the database may be what hangs.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Stall().run)
            nursery.start_soon(tell_slow, self._store.waits_for_s, database_path(store_url(self.settings)))
            nursery.start_soon(self._see_off)
            await self.engine.ready.wait()
            await watch(self.engine.dispatcher, self._manager.alive, self._manager.watchdog_s, self._over.is_set)

    async def _see_off(self) -> None:
        """End the process when files, which are all that is left then, hold its stop up."""
        await self._over.wait()
        await self._patience(_HELD_UP_S)
        assert self._task is not None
        self._files.cancel()
        await trio.sleep(_SETTLE_S)  # then whoever can go has gone, and the rest is to blame
        _log.error(
            "stop.held_up",
            waited_s=round(_HELD_UP_S),
            at=below(self._task, self._outer)[:_NAMED],
            remedy="every call is stored, but the disk of the spool or of the database does not answer: look at the "
            f"kernel log. dialerd ends in {_LEAVE_S:g} s; reports and status files that are owed are written at the "
            "next start, and killing it now loses nothing",
        )
        await self._patience(_LEAVE_S)
        leave(self._lost is None)

    async def _patience(self, seconds: float) -> None:
        """Wait for so long, or for a moment once somebody hurries."""
        with trio.move_on_after(seconds):
            await self.engine.hurried.wait()
            await trio.sleep(_HURRIED_S)

    async def _stop_when_lost(self) -> None:
        """Stop when the store cannot be relied on any more; calls in progress go on to their end."""
        self._lost = await self._store.lost()
        _log.error(
            "store.lost", error=self._lost.what, remedy=self._lost.remedy, calls=len(self.engine.dispatcher.calls)
        )
        self.stop()

    def stop(self) -> None:
        """Dial nobody any more from this instant, take no files, and drain."""
        self.engine.stop()
        self._api.close()
        self._taking.cancel()
        self._bulletin.stopping(self.engine.settings.daemon.drain / SECOND)

    def hang_up(self) -> None:
        """End the calls in progress now."""
        self.engine.hang_up()
        self._bulletin.hanging_up()

    async def reload(self) -> None:
        """Read the settings again and follow them.

        Raises:
            DialerdError: they have faults, or cannot be followed now; the old ones stay.
        """
        async with self._reloading:
            self._bulletin.reloading()
            try:
                settings = await trio.to_thread.run_sync(lambda: load_settings(self._config, host=self._host))
                late = needing_restart(self._started_with, settings)
                if late:
                    remedy = "restart dialerd for these; all other changes are in force"
                    _log.warning("settings.need_restart", what=list(late), remedy=remedy)
                # carriers are told no URL that does not lead to where this life listens
                settings = evolve(settings, callbacks=self._started_with.callbacks)
                await self.engine.reload(settings)
                self._need_restart = late
            except DialerdError as error:
                _log.error("settings.reload_refused", error=str(error), remedy="mend the file and reload again")
                self._bulletin.reloaded(refused=True)
                raise
            self.settings = settings
            self._bulletin.reloaded(refused=False)

    async def obey_reload(self) -> None:
        """Read the settings again where nobody waits for an answer; faults are in the log."""
        with contextlib.suppress(DialerdError):
            await self.reload()

    def _current(self) -> Settings:
        return self.settings

    async def _adopt(self) -> None:
        """Hand campaigns from the spool to the engine."""
        async for campaign_id in self._adopted:
            keys = [campaign_id]
            while self._adopted.statistics().current_buffer_used:  # those of a burst of small files together
                keys.append(self._adopted.receive_nowait())
            await self.engine.campaigns.adopt(*keys)

    async def _last_words(self) -> None:
        """Bring reports and status files up to what the last calls left."""
        try:
            await self._reports.write_due()
            await self._status.refresh()
        except (OSError, DialerdError) as error:
            _log.warning("daemon.reports_owed", error=str(error), remedy="they are written at the next start")


async def _obey(signals: AsyncIterator[int], daemon: Daemon, nursery: trio.Nursery) -> None:
    """Do what signals say; a second request to stop hangs up at once."""
    stopping = False
    async for number in signals:
        if number == signal.SIGHUP:
            nursery.start_soon(daemon.obey_reload)  # a slow reload must not keep a stop waiting
        elif stopping:
            daemon.hang_up()
        else:
            stopping = True
            daemon.stop()
            _log.info("daemon.stopping", signal=signal.Signals(number).name)
