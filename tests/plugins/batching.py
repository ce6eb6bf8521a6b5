"""Batches of the dialect B on a whole API; shared by the tests of it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dialerd_dialects import batch_calls

from dialerd.model.settings import AgentSettings, DialectSettings, NumberSettings

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its rig is wanted here too

from api_rig import Door, api, settings

AGENT = "5b7f4f0e-5a3b-4c58-9f2a-8b1c6f0e1a11"
NUMBERS = {f"+1212555010{index}": f"0e2b6a34-1111-4c11-8111-00000000000{index}" for index in range(3)}
ANN, BOB = "+12125550111", "+12125550112"


def wanted(**changes: Any) -> Any:
    """Return settings with agents and three numbers that have UUIDs; carl has none of them."""
    numbers = {number: NumberSettings(trunk="lab", id=name) for number, name in NUMBERS.items()}
    return settings(
        **{
            "numbers": numbers,
            "agents": {
                "anna": AgentSettings(id=AGENT, say="hello", numbers=tuple(NUMBERS)),
                "bob": AgentSettings(say="hi", numbers=tuple(NUMBERS)),
                "carl": AgentSettings(say="hey"),
            },
            **changes,
        }
    )


def body(**changes: Any) -> dict[str, Any]:
    """Return the least that a creation needs, with `changes`; what is ... is left out."""
    return {key: value for key, value in {"name": "Spring", "agent_id": AGENT, **changes}.items() if value is not ...}


@asynccontextmanager
async def batches(place: Path) -> AsyncIterator[Door]:
    """Run an API with the dialect, and with a folder of contacts below `place`, until the block ends."""
    folder = place / "contacts"
    folder.mkdir()
    dialects = DialectSettings(contacts_dir=folder)
    async with api(place, wanted(dialects=dialects), dialects=[batch_calls.DIALECT]) as door:
        yield door


async def create(door, **changes: Any) -> dict[str, Any]:
    """Create a batch and return it as it was answered."""
    answer = await door.client.post("/batch-calls", json=body(**changes))
    assert answer.status_code == 201, answer.text
    assert list(answer.json()) == ["data", "meta"]
    data: dict[str, Any] = answer.json()["data"]
    return data


async def do(door, batch: dict[str, Any], verb: str, status: int = 200) -> Any:
    """Have something done with a batch and return what was answered."""
    answer = await door.client.post(f"/batch-calls/{batch['id']}/{verb}")
    assert answer.status_code == status, answer.text
    return answer.json()
