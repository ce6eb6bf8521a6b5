"""Made-up requests, allowed and forbidden ones: no answer is a server's error or outside the document.

What the schema forbids is refused; and every operation is asked.
"""

import functools

import httpx
import pytest
import trio
from api_rig import api, campaign, talking
from schema_rig import exercise, operations, sender
from schemathesis import GenerationMode

OPERATIONS = dict(operations())

# a campaign must be in the right state, a file hold numbers
RARELY = {"schedule_campaign", "resume_campaign", "delete_campaign", "remove_suppression", "import_suppressions"}

# a forecast takes a process of its own
EXAMPLES = {"plan": 4}

ALLOWED, FORBIDDEN = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_answer_is_as_the_document_says(tmp_path, name):
    """Of an API with campaigns, calls and entries; made-up ids are sometimes those of real things."""
    async with api(tmp_path) as door:
        people = [{"phone": f"+121255501{i}"} for i in range(10, 30)]
        campaign_id = (await door.create(recipients=people))["campaign"]["id"]
        call_id = (await talking(door))["id"]
        known = {"campaign": campaign_id, "call": call_id, "number": "+12125550111"}
        await door.client.post("/v1/suppressions", json={"numbers": ["+12125550199"]})
        seen: list[int] = []
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(door.socket)), base_url="http://localhost", timeout=300
        ) as client:
            for mode, examples in ((ALLOWED, EXAMPLES.get(name, 20)), (FORBIDDEN, EXAMPLES.get(name, 20))):
                run = functools.partial(
                    exercise, OPERATIONS[name], mode, sender(client), examples=examples, seen=seen, known=known
                )
                await trio.to_thread.run_sync(run)
        assert name in RARELY or any(status < 300 for status in seen), "nothing was ever done"
        assert (await door.client.get("/healthz")).status_code == 200
        assert (await door.client.post("/v1/campaigns", json=campaign())).status_code == 201
