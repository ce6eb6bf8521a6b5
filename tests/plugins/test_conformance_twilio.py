"""The provider `twilio` under the published conformance suite, over a Twilio double on real sockets.

By asking alone, by callbacks, and by callbacks that come twice, late, in the wrong order or not at all.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import dialerd_twilio
import pytest
from dialerd_twilio.provider import Twilio
from twilio_rig import ACCOUNT, Behaviour, Faults, TwilioDouble, secret

from dialerd.model.instants import MINUTE, SECOND
from dialerd.model.settings import AgentSettings
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.conformance import ProviderConformance, Scenario, Tempo
from dialerd.plugin.provider import Provider

(FACTORY,) = dialerd_twilio.dialerd_providers()

ANSWERING, UNANSWERED, BUSY, TALKING = "+447111000101", "+447111000102", "+447111000103", "+447111000104"
INVALID, FLOODED, LOST = "+447111", "+447111000106", "+447111000107"

NUMBERS = {
    ANSWERING: Behaviour(ring_s=2, talk_s=10),
    UNANSWERED: Behaviour(outcome="no-answer"),
    BUSY: Behaviour(outcome="busy", ring_s=1),
    TALKING: Behaviour(ring_s=2, talk_s=None),
}


class TestByAsking(ProviderConformance):
    """Without a callback address."""

    factory = FACTORY
    options = f"""
account_sid = "{ACCOUNT}"
account_cps = 1000
price_wait = "0s"
"""
    agent = AgentSettings(stream="wss://agent.example.com/call")
    answered = Scenario(ANSWERING)
    talks_on = Scenario(TALKING)
    rings_on = Scenario(UNANSWERED)
    busy = Scenario(BUSY)
    refused = Scenario(INVALID)
    throttled = Scenario(FLOODED, options={"call_reason": "throttle"})
    lost = Scenario(LOST, options={"call_reason": "lost_response"})
    lines = 5
    leap_after_s = 0.005
    tempo = Tempo(patience=10 * MINUTE, soon=10 * SECOND, bound=20 * SECOND, linger=5 * SECOND)
    faults: ClassVar[Mapping[str, Any]] = {}

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Serve a double, and hand its requests to the provider that was made last."""
        self.double = TwilioDouble(behaviours=NUMBERS, faults=Faults(**self.faults))
        if self.callbacks is not None:
            self.double.routes[self.callbacks] = self._call_back
        with TemporaryDirectory() as folder:
            async with self.double.serve() as base_url:
                yield {"base_url": base_url, "auth_token": secret(Path(folder))}

    def make(self, options: Mapping[str, Any]) -> Provider:
        """Make a provider; the reason of its calls names the fault that they meet."""
        if (fault := options.get("call_reason")) in ("throttle", "lost_response", "lost_request"):
            setattr(self.double.faults, fault, 1.0)
        self.provider = super().make({"auth_token": "unread", **options})
        return self.provider

    async def _call_back(self, request: CallbackRequest) -> CallbackAnswer:
        assert isinstance(self.provider, Twilio)
        return await self.provider.callback(request)

    def seen(self) -> int:
        """Return how many calls came to be."""
        return len(self.double.calls)

    def far_tasks(self) -> int:
        """Return how many tasks are the double's."""
        return self.double.tasks()


class TestByCallbacks(TestByAsking):
    """With a callback address; nobody is asked as long as callbacks come."""

    callbacks = "https://dialer.example.com/dialerd/conformance"
    # where only the answer is lost, a callback tells at once what came of the request
    lost = Scenario(LOST, options={"call_reason": "lost_request"})


@pytest.mark.soak
class TestByOddCallbacks(TestByCallbacks):
    """Callbacks come late, twice, in the wrong order, or never."""

    options = TestByAsking.options + 'callback_patience = "3s"\n'
    faults: ClassVar[Mapping[str, Any]] = {"out_of_order": 0.3, "duplicated": 0.3, "withheld": 0.3}
