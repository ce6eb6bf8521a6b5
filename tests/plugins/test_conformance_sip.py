"""The provider `sip` under the published conformance suite, against a scripted callee on a real UDP socket.

The sound is sent and heard in this event loop, so that the suite's virtual clock counts for it too.
"""

import math
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import dialerd_sip
import numpy
import soundfile
import trio
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.options import SipOptions
from dialerd_sip.provider import Sip
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.prompts import Prompts
from ports import own_address

sys.path.insert(0, str(Path(__file__).parents[1] / "sip"))  # where the callee is

from callee import Auth, Behaviour, Callee

from dialerd.model.instants import MINUTE, SECOND
from dialerd.model.settings import AgentSettings
from dialerd.model.structuring import structure
from dialerd.plugin.conformance import ProviderConformance, Scenario, Tempo
from dialerd.plugin.provider import Provider

(FACTORY,) = dialerd_sip.dialerd_providers()

ANSWERING, UNANSWERED, BUSY, TALKING = "+447111000101", "+447111000102", "+447111000103", "+447111000104"
INVALID, FLOODED, LOST = "+447111000105", "+447111000106", "+447111000107"


NUMBERS = {
    ANSWERING: Behaviour(ring_s=2, talk_s=10),
    UNANSWERED: Behaviour(ring_s=math.inf),
    BUSY: Behaviour(status=486, ring_s=1),
    TALKING: Behaviour(ring_s=2, talk_s=None),
    INVALID: Behaviour(status=403, rings=0),
    FLOODED: Behaviour(status=503, rings=0, retry_after=7),
    LOST: Behaviour(silent=True),
}


class TestSip(ProviderConformance):
    """A trunk that knows us by our address."""

    factory = FACTORY
    options = """
server = "127.0.0.1"
options_interval = "10s"
"""
    answered = Scenario(ANSWERING)
    talks_on = Scenario(TALKING)
    rings_on = Scenario(UNANSWERED)
    busy = Scenario(BUSY)
    refused = Scenario(INVALID)
    throttled = Scenario(FLOODED)
    lost = Scenario(LOST)
    lines = 5
    leap_after_s = 0.005
    tempo = Tempo(patience=2 * MINUTE, soon=40 * SECOND, bound=20 * SECOND, linger=5 * SECOND)
    auth: ClassVar[Auth | None] = None

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Be a callee, and have a sound that lasts."""
        self.callee = Callee(NUMBERS, auth=self.auth)
        with TemporaryDirectory() as folder:
            sound = Path(folder, "hello.wav")
            soundfile.write(sound, numpy.zeros(8_000 * 400, dtype="int16"), 8_000)
            type(self).agent = AgentSettings(play=str(sound))
            # a thread makes it in real time, during which the suite's clock would leap beyond its bounds
            await Prompts(ClipCache(Path(folder, "cache")), trio.CapacityLimiter(1)).clip(sound)
            async with self.callee.serve() as address:
                yield {"server": address, "cache": f"{folder}/cache", "bind": f"{own_address()}:5070"}

    def make(self, options: Mapping[str, Any]) -> Provider:
        """Make a provider whose media are in this event loop."""
        read = structure(options, SipOptions, path="trunks.conformance.options")
        first, _, last = read.rtp_ports.partition("-")
        return Sip(self.site(), read, media=InlineMedia(int(first), int(last), turn_ms=1_000))

    def seen(self) -> int:
        """Return how many calls came."""
        return len(self.callee.calls)

    def far_tasks(self) -> int:
        """Return how many tasks are the callee's."""
        return self.callee.tasks()
