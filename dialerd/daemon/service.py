"""The daemon: store, engine and spool wired together, and what signals do to them.

SIGTERM and SIGINT stop: the spool takes nothing any more, the engine dials nobody any more, calls drain. SIGHUP reads
the settings again; faults in them are logged and the old ones stay.
"""

import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import structlog
import trio

from dialerd.daemon.housekeeping import keep_house
from dialerd.daemon.instance import sole_instance
from dialerd.daemon.settings import load_settings
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.intake.folders import Folders
from dialerd.intake.reports import Reports
from dialerd.intake.spool import Spool
from dialerd.intake.status_files import StatusFiles
from dialerd.model.errors import DialerdError, StoreError
from dialerd.model.settings import Settings
from dialerd.plugin.host import PluginHost
from dialerd.store.store import Store, open_store

_log = structlog.get_logger()

_STORE_RETRY_S = 1.0
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter from another that wants it. The writer's thread comes back from every
statement to a busy event loop; at Python's 5 ms it would stand still for most of a turn."""


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
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with sole_instance(settings.daemon.state_dir):
        trio.run(_serve, settings, config)
    return 0


def store_url(settings: Settings) -> str:
    """Return the URL of the database: the configured one, or that of a file in the state directory."""
    return settings.store.url or f"sqlite:///{settings.daemon.state_dir.absolute() / 'dialerd.db'}"


async def _serve(settings: Settings, config: Path) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with open_store(store_url(settings)) as store:
            daemon = Daemon(store, settings, PluginHost())
            async with trio.open_nursery() as nursery:
                await nursery.start(daemon.run)
                nursery.start_soon(_obey, signals, daemon, config)
                await daemon.ended.wait()
                nursery.cancel_scope.cancel()


class Daemon:
    """Store, engine and spool at work together.

    Args:
        store: the open store.
        settings: the settings in force.
        host: the plugins.

    Attributes:
        ended: set when everything has stopped in order.
    """

    def __init__(self, store: Store, settings: Settings, host: PluginHost) -> None:
        clock = SystemClock()
        self.settings = settings
        self.ended = trio.Event()
        self._store = store
        self._now = clock.now
        self.engine = Engine(
            store,
            settings,
            host.make_provider,
            clock,
            screens=host.screens(),
            notifiers=host.notifiers(),
        )
        self._host = host
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
        self._doors = trio.CancelScope()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until `stop`; started when calls may be placed and files are taken."""
        async with trio.open_nursery() as files:
            files.start_soon(partial(keep_house, self._store, settings=self._current, now=self._now))
            async with trio.open_nursery() as engine:
                await engine.start(self.engine.run)
                _log.info("daemon.started", spool=str(self._folders.incoming.absolute()))
                with self._doors:
                    async with trio.open_nursery() as doors:
                        doors.start_soon(self._adopt)
                        await doors.start(self._spool.run)
                        await files.start(self._status.run)
                        await files.start(self._reports.run)
                        task_status.started()
                self.engine.stop()
                _log.info("daemon.draining", calls=len(self.engine.dispatcher.calls))
            files.cancel_scope.cancel()
        await self._last_words()
        _log.info("daemon.stopped")
        self.ended.set()

    def stop(self) -> None:
        """Close the doors and drain."""
        self._doors.cancel()

    async def reload(self, config: Path) -> None:
        """Read the settings again and follow them; on any fault the old ones stay."""
        try:
            settings = await trio.to_thread.run_sync(lambda: load_settings(config, host=self._host))
            if (settings.daemon.state_dir, settings.daemon.spool_dir, settings.store.url) != self._places():
                _log.warning("settings.need_restart", what="state_dir, spool_dir or store.url has changed")
            await self.engine.reload(settings)
        except DialerdError as error:
            _log.error("settings.reload_refused", error=str(error), remedy="mend the file and reload again")
            return
        self.settings = settings

    def _places(self) -> tuple[Path, Path, str | None]:
        """Return what cannot change while it runs."""
        return self.settings.daemon.state_dir, self.settings.daemon.spool_dir, self.settings.store.url

    def _current(self) -> Settings:
        return self.settings

    async def _adopt(self) -> None:
        """Hand campaigns from the spool to the engine."""
        async for campaign_id in self._adopted:
            while True:
                try:
                    await self.engine.campaigns.adopt(campaign_id)
                    break
                except StoreError as error:
                    _log.error("store.campaign_not_read", key=campaign_id, error=str(error), retry_s=_STORE_RETRY_S)
                    await trio.sleep(_STORE_RETRY_S)

    async def _last_words(self) -> None:
        """Bring reports and status files up to what the last calls left."""
        try:
            await self._reports.write_due()
            await self._status.refresh()
        except (OSError, DialerdError) as error:
            _log.warning("daemon.reports_owed", error=str(error), remedy="they are written at the next start")


async def _obey(signals: AsyncIterator[int], daemon: Daemon, config: Path) -> None:
    """Do what signals say; a second request to stop hangs up at once."""
    stopping = False
    async for number in signals:
        if number == signal.SIGHUP:
            await daemon.reload(config)
        elif stopping:
            daemon.engine.hang_up()
        else:
            stopping = True
            _log.info("daemon.stopping", signal=signal.Signals(number).name)
            daemon.stop()
