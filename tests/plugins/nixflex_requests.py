"""The printed requests of Nixflex, changed as a test wants them and sent to an API with the dialect."""

import sys
from pathlib import Path
from typing import Any

import pytest
from dialerd_dialects import nixflex

from dialerd.model.settings import AgentSettings, NumberSettings, TrunkSettings

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its rig is wanted here too

from api_rig import api, settings

AGENT = "agent_125207e452f8714a"

FROM = "+447446466847"

SECOND_NUMBER = "+447111999002"

N1: dict[str, Any] = {
    "agent_id": AGENT,
    "from_number": FROM,
    "name": "Tuesday appointment reminders",
    "recipients": [
        {"phone_number": "+447111000001"},
        {"phone_number": "+447111000002", "dynamic_vars": {"patient_name": "John"}},
        {"phone_number": "+447111000003"},
    ],
    "schedule_type": "now",
    "max_concurrent": 5,
}

N2: dict[str, Any] = {
    "agent_id": AGENT,
    "from_number": FROM,
    "name": "Tuesday appointment reminders",
    "prompt": "Remind the patient of tomorrow's visit.",
    "timezone": "Europe/London",
    "recipients": [
        {"phone": "+447111000001"},
        {"phone": "+447111000002", "variables": {"patient_name": "John"}},
        {"phone": "+447111000003", "prompt_override": "Only say hello."},
    ],
    "schedule_type": "schedule",
    "scheduled_date": "2090-06-15",
    "window_start_minutes": 540,
    "window_end_minutes": 1080,
    "window_days": ["mon", "tue", "wed", "thu", "fri"],
}


def wanted(**changes: Any) -> Any:
    """Return settings with the documents' number and agent, and an agent with a zone and two numbers."""
    return settings(
        **{
            "numbers": {FROM: NumberSettings(trunk="lab", id="front"), SECOND_NUMBER: NumberSettings(trunk="lab")},
            "agents": {
                "sarah": AgentSettings(id=AGENT, say="hello", numbers=(FROM,)),
                "dubai": AgentSettings(say="hello", timezone="Asia/Dubai"),
            },
            "trunks": {"lab": TrunkSettings(provider="talker", countries=("GB",))},
            **changes,
        }
    )


def changed(printed: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a printed request with `changes`; what is ... is left out."""
    return {key: value for key, value in {**printed, **changes}.items() if value is not ...}


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect."""
    async with api(tmp_path, wanted(), dialects=[nixflex.DIALECT]) as door:
        yield door


async def post(door, body: Any, **headers: str) -> Any:
    """Send a batch."""
    return await door.client.post("/v1/calls/batch", json=body, headers=headers)


async def refusal(door, body: Any) -> tuple[int, str, str, dict[str, Any]]:
    """Send a batch that is refused; return status, code, message and the whole answer. Nothing is stored."""
    answer = await post(door, body)
    whole = answer.json()
    assert (await door.operations.campaigns.list()).total == 0
    return answer.status_code, whole["error"]["code"], whole["error"]["message"], whole
