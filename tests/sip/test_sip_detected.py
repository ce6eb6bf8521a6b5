"""What a detector finds in what is received, early media included, stands in the call's detail."""

from pathlib import Path

from callee import Behaviour, Callee
from dialerd_sip.media.contract import Detected
from dialerd_sip.media.inline import InlineMedia
from ports import free_ports
from sip_peers import tidy
from trunk_rig import CALLED, ordered, trunk

from dialerd.plugin.conformance.recorder import Recorder

__all__ = ["tidy"]


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
    callee = Callee({CALLED: Behaviour(ring_s=1, talk_s=3, speaks=True)})
    media = InlineMedia(*free_ports(100))
    async with callee.serve() as server, trunk(tmp_path, server, media=media, detector=detector) as sip:
        return (await sip.place(ordered(tmp_path, hello_s=2), Recorder())).detail


async def test_what_a_detector_finds_stands_in_the_detail(clock, tmp_path):
    """With when it was found; without a detector there is nothing."""
    (found,) = (await detail(tmp_path, f"{__name__}:Ear"))["detected"]
    assert found["kind"] == "160 samples"
    assert type(found["at_ms"]) is int
    assert "detected" not in await detail(tmp_path, None)
