"""Media shared by the trunks of a run that use the same ports. Knows nothing of trunks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from dialerd_sip.media.client import MediaProcess
from dialerd_sip.media.contract import Media

_shared: trio.lowlevel.RunVar[dict[str, tuple[Media, int]]] = trio.lowlevel.RunVar("sip_media")


@asynccontextmanager
async def media_at(ports: str) -> AsyncIterator[Media]:
    """Start the media of a range of ports, or share what runs; the last to leave ends it.

    Args:
        ports: the range, such as `16384-32767`.
    """
    first, _, last = ports.partition("-")
    try:
        shared = _shared.get()
    except LookupError:
        _shared.set(shared := {})
    media, users = shared.get(ports) or (MediaProcess(int(first), int(last)), 0)
    shared[ports] = media, users + 1
    if not users:
        await media.__aenter__()
    try:
        yield media
    finally:
        media, users = shared[ports]
        if users > 1:
            shared[ports] = media, users - 1
        else:
            del shared[ports]  # whoever comes while it ends starts its own
            await media.__aexit__(None, None, None)
