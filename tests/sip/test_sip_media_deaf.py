"""Calls whose far end is not heard, and packets that are nobody's, show in the log."""

import socket
from pathlib import Path

import pytest
import trio
from callee import Behaviour, Callee
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.media.sources import Symmetric
from ports import free_ports
from sip_peers import tidy
from trunk_rig import CALLED, ordered, trunk

from dialerd.plugin.conformance.recorder import Recorder

__all__ = ["tidy"]


class Noted(InlineMedia):
    """Notes what leases are asked for, and what is prepared."""

    def __init__(self) -> None:
        super().__init__(*free_ports(100), turn_ms=1_000)
        self.asked: list[object] = []
        self.ports: list[int] = []

    def prepare(self, detector: str) -> None:
        """Import what a detector needs."""
        self.asked.append(detector)

    async def lease(self, host, **options):
        """Lease a port."""
        self.asked.append(options["symmetric"])
        session = await super().lease(host, **options)
        self.ports.append(session.port)
        return session


async def calls(tmp_path: Path, *behaviours: Behaviour, **options: object) -> list[object]:
    """Place calls one after the other; return what was asked of their media, and what their ends say of that."""
    media = Noted()
    for number, behaviour in enumerate(behaviours):
        callee = Callee({CALLED: behaviour})
        async with callee.serve() as server, trunk(tmp_path, server, media=media, **options) as sip:
            end = await sip.place(ordered(tmp_path, uid=f"01920000-0000-7000-8000-{number:012}"), Recorder())
            media.asked.append(end.detail.get("heard_nothing"))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
                stray.sendto(b"late", ("127.0.0.1", media.ports[-1]))
            await trio.sleep(1)
    return media.asked


async def test_a_call_that_heard_nothing_is_told(clock, tmp_path, logged):
    """And counted, with what came to nobody's port; what is to be done is told with it."""
    assert (await calls(tmp_path, Behaviour(talk_s=3)))[-1] is True
    (told,) = [line for line in logged if line["event"] == "sip.nothing_heard"]
    assert told["trunk"] == "main"
    assert told["attempt"] == "01920000-0000-7000-8000-000000000000"
    assert 2.5 < told["talk_s"] < 4
    assert "symmetric_rtp" in told["remedy"]
    (left,) = [line for line in logged if line["event"] == "sip.left"]
    assert (left["counts"]["calls_deaf"], left["counts"]["rtp_unknown"]) == (1, 1)


@pytest.mark.parametrize("behaviour", [Behaviour(talk_s=3, speaks=True), Behaviour(talk_s=1), Behaviour(status=486)])
async def test_others_are_not(behaviour, clock, tmp_path, logged):
    """Who was heard, who hung up at once, and who never answered."""
    assert (await calls(tmp_path, behaviour))[-1] is None
    assert not [line for line in logged if line["event"] == "sip.nothing_heard"]
    (left,) = [line for line in logged if line["event"] == "sip.left"]
    assert "calls_deaf" not in left["counts"]


async def test_what_the_options_say_reaches_the_media(clock, tmp_path):
    """The policy with each lease, and the detector ahead of all calls."""
    asked = await calls(tmp_path, Behaviour(status=486), symmetric_rtp=Symmetric.OFF, detector="loud")
    assert asked == ["loud", Symmetric.OFF, None]
    assert await calls(tmp_path, Behaviour(status=486)) == [Symmetric.AUTO, None]
