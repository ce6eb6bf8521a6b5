"""What a detector finds in what is received, early media included, stands in the call's detail."""

from pathlib import Path

import numpy
import pytest
import soundfile
from callee import Behaviour, Callee
from dialerd_sip.media.contract import Detected
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.options import SipOptions
from dialerd_sip.provider import Sip
from ports import free_port, free_ports
from sip_peers import tidy
from trio.testing import MockClock

from dialerd.model.settings import AgentSettings
from dialerd.plugin.conformance.order import RehearsedOrder
from dialerd.plugin.conformance.recorder import Recorder
from dialerd.plugin.provider import TrunkSite

__all__ = ["tidy"]

CALLED = "+447111000101"


@pytest.fixture
def clock():
    """Return a clock that jumps where nothing happens."""
    return MockClock(autojump_threshold=0.005)


class Ear:
    """Tells of the first sound that comes."""

    def __init__(self):
        self._told = False

    def feed(self, samples, at_ms):
        """Listen."""
        if self._told:
            return ()
        self._told = True
        return (Detected(f"{len(samples)} samples", at_ms),)


async def detail(tmp_path: Path, detector: str | None):
    """Return the detail of a call whose far end speaks."""
    soundfile.write(tmp_path / "hello.wav", numpy.zeros(16_000), 8_000)
    callee = Callee({CALLED: Behaviour(ring_s=1, talk_s=3, speaks=True)})
    async with callee.serve() as server:
        options = SipOptions(
            server=server,
            bind=f"127.0.0.1:{free_port()}",
            cache=str(tmp_path / "cache"),
            sounds=str(tmp_path),
            detector=detector,
        )
        async with Sip(TrunkSite(name="main"), options, media=InlineMedia(*free_ports(100))) as sip:
            order = RehearsedOrder(
                attempt_id="01920000-0000-7000-8000-000000000001",
                trunk="main",
                number=CALLED,
                caller_id="+12125550100",
                agent_name="a",
                agent=AgentSettings(play="hello.wav"),
            )
            return (await sip.place(order, Recorder())).detail


async def test_what_a_detector_finds_stands_in_the_detail(clock, tmp_path):
    """With when it was found; without a detector there is nothing."""
    (found,) = (await detail(tmp_path, f"{__name__}:Ear"))["detected"]
    assert found["kind"] == "160 samples"
    assert type(found["at_ms"]) is int
    assert "detected" not in await detail(tmp_path, None)
