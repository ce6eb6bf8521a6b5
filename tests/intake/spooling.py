"""A spool on a real store and real files, for the tests of this room: drop something, wait for what becomes of it."""

import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field

from dialerd.intake.durable import SCRATCH
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import STATUS
from dialerd.intake.reports import Reports
from dialerd.intake.spool import Spool
from dialerd.intake.status_files import StatusFiles
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, SpoolSettings, TrunkSettings
from dialerd.store import campaigns
from dialerd.store.records import CampaignRow
from dialerd.store.store import Store, open_store

PATIENCE_S = 60.0

SETTINGS = Settings(
    trunks={"sim": TrunkSettings(provider="simulator", countries=("GB",))},
    numbers={"+447111000001": NumberSettings(trunk="sim")},
    agents={"reminder": AgentSettings(say="Hello.")},
    spool=SpoolSettings(settle=50, rescan=60_000),
)


def now() -> int:
    """Return the present instant."""
    return time.time_ns() // 1_000_000


def spec(name: str = "Tuesday", **more: str) -> str:
    """Return a campaign file; `more` holds further lines as TOML values."""
    lines = [f'name = "{name}"', 'agent = "reminder"', *(f"{key} = {value}" for key, value in more.items())]
    return "\n".join(lines) + "\n"


def inline(name: str = "Tuesday", count: int = 2) -> str:
    """Return a campaign file with `count` recipients of its own."""
    return spec(name) + "".join(f'[[recipients]]\nphone = "+44711120{number:04}"\n' for number in range(count))


def rows(count: int = 3) -> str:
    """Return a recipients file."""
    return "phone,first\n" + "".join(f"+44711121{number:04},Ann\n" for number in range(count))


@define
class Place:
    """A spool directory and its store's file, which outlive the lives of the daemon."""

    root: Path
    folders: Folders
    settings: Settings = SETTINGS
    published: list[int] = field(factory=list)

    @classmethod
    def make(cls, root: Path, **spool: int) -> "Place":
        """Return a new place; `spool` replaces single settings of `[spool]`."""
        folders = Folders.below(root / "spool")
        folders.prepare()
        (root / "stage").mkdir()
        return cls(root, folders, evolve(SETTINGS, spool=evolve(SETTINGS.spool, **spool)))

    def drop(self, name: str, text: str | bytes) -> None:
        """Rename a whole file into `incoming/`."""
        staged = self.root / "stage" / "file"
        staged.write_bytes(text.encode() if isinstance(text, str) else text)
        staged.rename(self.folders.incoming / name)

    def listing(self, folder: str) -> list[str]:
        """Return what lies in a folder, without status files and what is not finished."""
        names = os.listdir(getattr(self.folders, folder))
        return sorted(name for name in names if not name.endswith(STATUS) and not name.startswith(SCRATCH))

    def read(self, folder: str, name: str) -> str:
        """Return what a file says."""
        return (getattr(self.folders, folder) / name).read_text()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """Open the store."""
        async with open_store(f"sqlite:///{self.root / 'dialerd.db'}") as store:
            yield store

    def spool(self, store: Store, status: StatusFiles | None = None) -> Spool:
        """Return a spool that has not begun."""
        return Spool(
            self.folders,
            store,
            settings=lambda: self.settings,
            published=self.published.append,
            accepted=status.accepted if status is not None else lambda _campaign, _name: None,
            now=now,
        )

    def status(self, store: Store) -> StatusFiles:
        """Return the status files' keeper."""
        return StatusFiles(self.folders, store, settings=lambda: self.settings, now=now)

    def reports(self, store: Store) -> Reports:
        """Return the writer of reports."""
        return Reports(self.folders, store, status=self.status(store), settings=lambda: self.settings, now=now)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Store]:
        """Run a spool on the store until the block is left."""
        async with self.store() as store, trio.open_nursery() as nursery:
            await nursery.start(self.spool(store).run)
            yield store
            nursery.cancel_scope.cancel()

    async def until(self, folder: str, *names: str) -> None:
        """Wait until a folder holds these names, perhaps among others."""
        await eventually(lambda: set(names) <= set(self.listing(folder)))

    async def until_only(self, folder: str, *names: str) -> None:
        """Wait until a folder holds exactly these names."""
        await eventually(lambda: self.listing(folder) == sorted(names))


def skip_without_leases(folder: Path) -> None:
    """Skip the test where the file system has no leases or this user may not take them."""
    path = folder / "leased"
    path.touch()
    with path.open() as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            pytest.skip(f"no leases here: {error.strerror}")


async def stored(store: Store) -> list[CampaignRow]:
    """Return the campaigns that can be seen, in the order of their keys."""
    return await store.read(campaigns.by_ids, await store.read(campaigns.open_keys))


async def names_stored(store: Store) -> list[str]:
    """Return the names of the campaigns that can be seen, in the order of their keys."""
    return [campaign.spec.name for campaign in await stored(store)]


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until `condition` holds: what becomes of a file shows in the file system, which tells nobody."""
    with trio.fail_after(PATIENCE_S):
        while True:
            holds = condition()
            if await holds if not isinstance(holds, bool) else holds:
                return
            await trio.sleep(0.01)


def poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal_name: str) -> None:
    """Have every reading process send itself a signal when it opens `poison.toml`, as if that file's bytes did it.

    Args:
        tmp_path: where a module can lie that the process loads at its start.
        monkeypatch: puts it on the process's path.
        signal_name: `SIGKILL` or `SIGSTOP`.
    """
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'dialerd.intake.worker' in ' '.join(sys.orig_argv):\n"
        "    import os, signal\n"
        "    from dialerd.intake import source\n"
        "    def look(path, opened=source._open):\n"
        "        if path.name == 'poison.toml':\n"
        f"            os.kill(os.getpid(), signal.{signal_name})\n"
        "        return opened(path)\n"
        "    source._open = look\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
