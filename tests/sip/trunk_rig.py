"""A trunk of a test's own before a far end, with its media in the test's event loop, and calls to place over it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy
import soundfile
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.options import SipOptions
from dialerd_sip.provider import Sip
from dialerd_sip.shell.resolving import Resolver
from ports import free_port, free_ports

from dialerd.model.settings import AgentSettings
from dialerd.plugin.conformance.order import RehearsedOrder
from dialerd.plugin.provider import TrunkSite

CALLED: Final = "+447111000101"
UID: Final = "01920000-0000-7000-8000-000000000001"


@asynccontextmanager
async def trunk(
    folder: Path,
    server: str,
    *,
    name: str = "main",
    media: InlineMedia | None = None,
    resolver: Resolver | None = None,
    reachable: Callable[[], None] = lambda: None,
    **options: Any,
) -> AsyncIterator[Sip]:
    """Bring a trunk up.

    Args:
        folder: where its cache and its sounds are.
        server: where its far end is.
        name: its name.
        media: that it takes; None = some whose turns are a second apart.
        resolver: that it asks for names; None = the system's.
        reachable: of its site.
        options: of the trunk, beside those.
    """
    plain = {"bind": f"127.0.0.1:{free_port()}", "cache": str(folder / "cache"), "sounds": str(folder)}
    told = SipOptions(server=server, **{**plain, **options})
    media = media or InlineMedia(*free_ports(100), turn_ms=1_000)
    async with Sip(TrunkSite(name=name, reachable=reachable), told, media=media, resolver=resolver) as sip:
        yield sip


def ordered(folder: Path, *, uid: str = UID, hello_s: float = 10, level: float = 0.0, **agent: Any) -> RehearsedOrder:
    """Return a call whose agent plays a sound of so many seconds, and that level of -1 to 1, made in `folder`."""
    soundfile.write(folder / "hello.wav", numpy.full(int(hello_s * 8_000), level), 8_000)
    return RehearsedOrder(
        attempt_id=uid,
        trunk="main",
        number=CALLED,
        caller_id="+12125550100",
        agent_name="a",
        agent=AgentSettings(play="hello.wav", **agent),
        variables={"extension": "204"},
    )
