"""The provider `twilio` under the published conformance suite, over a carrier that speaks TeXML."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dialerd_twilio
from texml_carrier import APPLICATION, KEY, ORGANIZATION, TexmlCarrier
from twilio_rig import secret

from dialerd.model.instants import MINUTE, SECOND
from dialerd.model.settings import AgentSettings
from dialerd.plugin.conformance import ProviderConformance, Scenario, Tempo
from dialerd.plugin.provider import Provider

(FACTORY,) = dialerd_twilio.dialerd_providers()

ANSWERING, UNANSWERED, BUSY, TALKING = "+447111000101", "+447111000102", "+447111000103", "+447111000104"
INVALID, FLOODED, LOST = "+447111000105", "+447111000106", "+447111000107"


class TestTexml(ProviderConformance):
    """By asking, the only way there is."""

    factory = FACTORY
    options = f"""
api = "texml"
account_sid = "{ORGANIZATION}"
extra = {{ ApplicationSid = "{APPLICATION}" }}
check_caller_ids = false
account_cps = 1000
price_wait = "0s"
ring_buffer = "0s"
"""
    agent = AgentSettings(stream="wss://agent.example.com/call")
    answered = Scenario(ANSWERING)
    talks_on = Scenario(TALKING)
    rings_on = Scenario(UNANSWERED)
    busy = Scenario(BUSY)
    refused = Scenario(INVALID)
    throttled = Scenario(FLOODED)
    lost = Scenario(LOST)
    lines = 5
    leap_after_s = 0.005
    tempo = Tempo(patience=10 * MINUTE, soon=10 * SECOND, bound=20 * SECOND, linger=5 * SECOND)

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Serve a carrier."""
        fates = {UNANSWERED: "no-answer", BUSY: "busy", TALKING: "talks", INVALID: 422, FLOODED: 429, LOST: "lost"}
        self.carrier = TexmlCarrier(numbers=fates)
        with TemporaryDirectory() as folder:
            async with self.carrier.serve() as base_url:
                yield {"base_url": base_url, "auth_token": secret(Path(folder), KEY)}

    def make(self, options: Mapping[str, Any]) -> Provider:
        """Make a provider; where nobody is asked, its address and its key are unread."""
        return super().make({"base_url": "https://texml.example.com", "auth_token": "unread", **options})

    def seen(self) -> int:
        """Return how many calls came to be."""
        return len(self.carrier.calls)

    def far_tasks(self) -> int:
        """Return how many tasks are the carrier's."""
        return self.carrier.tasks()
