"""A provider plugin for one daemon of a test: the simulator, with calls that break every rule, each once a place.

`install` puts it where the daemon finds it as it would a third party's: a directory with the metadata of a package.
"""

import sys
import time
from pathlib import Path

import trio
from dialerd_simulator import Simulator, SimulatorOptions

from dialerd.model.call import CallEnd
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.provider import CallOrder, Report

BLOCKED_S = 6.0


def install(folder: Path) -> None:
    """Make `folder` a place for PYTHONPATH from which the provider `odd` is found."""
    folder.mkdir()
    (folder / "odd_carrier.py").write_text(Path(__file__).read_text())
    info = folder / "odd_carrier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-carrier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dialerd]\nodd = odd_carrier\n")


def _way(number: str) -> str | None:
    """Return what a call to a number is to do out of the ordinary, the first time."""
    told = Path(number)
    if not told.exists():
        return None
    way = told.read_text()
    told.unlink()
    return way


class Odd(Simulator):
    """The simulator, with what a call does told by a file of its number's name in the daemon's directory."""

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """See `Provider.place`."""
        way = _way(order.number)
        if way == "blocks":
            time.sleep(BLOCKED_S)  # noqa: ASYNC251  # this is its flaw
        if way == "exits":
            order.leave()
            sys.exit(3)
        if way == "hangs in a thread":
            order.leave()
            await trio.to_thread.run_sync(time.sleep, 3600)
        return await super().place(order, report)


@hookimpl
def dialerd_providers() -> list[ProviderFactory]:
    """Offer the provider `odd`."""
    return [ProviderFactory(name="odd", options=SimulatorOptions, make=Odd)]
