"""A provider plugin for one daemon of a test: the simulator, whose carrier sends requests.

`install` puts it where the daemon finds it as it would a third party's: a directory with the metadata of a package.
"""

from pathlib import Path

from dialerd_simulator import Simulator, SimulatorOptions

from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.provider import TrunkSite


def install(folder: Path) -> None:
    """Make `folder` a place for PYTHONPATH from which the provider `called` is found."""
    folder.mkdir()
    (folder / "called_carrier.py").write_text(Path(__file__).read_text())
    info = folder / "called_carrier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: called-carrier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dialerd]\ncalled = called_carrier\n")


class Called(Simulator):
    """The simulator; it answers a request with the URL that its carrier must have asked."""

    def __init__(self, site: TrunkSite, options: SimulatorOptions) -> None:
        super().__init__(site, options)
        self._base = site.callbacks

    async def callback(self, request: CallbackRequest, /) -> CallbackAnswer:
        """See `TakesCallbacks.callback`."""
        if request.path == "/raise":
            raise ValueError("not like this")
        url = f"{self._base}{request.path}?{request.query}"
        return CallbackAnswer(status=200, body=f"{request.method} {url} {len(request.body)}".encode())


@hookimpl
def dialerd_providers() -> list[ProviderFactory]:
    """Offer the provider `called`."""
    return [ProviderFactory(name="called", options=SimulatorOptions, make=Called)]
