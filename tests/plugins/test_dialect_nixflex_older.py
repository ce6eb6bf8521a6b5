"""The older request of Nixflex, N1: its printed command, its codes, and the campaign that it makes."""

import re

import pytest
from nixflex_requests import AGENT, FROM, N1, changed, door, post, refusal

from dialerd.model.states import Amd, CampaignState

__all__ = ["door"]


async def test_the_older_printed_request(door):
    """It answers with the echo of the document, and is running."""
    answer = await post(door, N1)
    assert answer.status_code == 201
    made = answer.json()
    assert re.fullmatch(r"camp_[0-9a-f]{8}", made.pop("campaign_id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.pop("created_at"))
    assert made == {"agent_id": AGENT, "name": N1["name"], "status": "running", "recipients_count": 3}


async def test_the_older_as_a_campaign(door):
    """One call each from the number, listening for machines, the batch's variables below a recipient's own."""
    body = changed(
        N1,
        schedule_type="schedule",
        scheduled_at="2090-05-17T03:45:12Z",
        dynamic_vars={"clinic": "North", "patient_name": "you"},
        metadata={"tenant": 7},
    )
    body["recipients"][1] = body["recipients"][1] | {"metadata": {"lead_id": "abc123"}}
    made = (await post(door, body)).json()
    assert made["status"] == "scheduled"
    view = await door.operations.campaigns.get(made["campaign_id"])
    assert (view.dialect, view.state, view.spec.caller_ids) == ("nixflex", CampaignState.SCHEDULED, (FROM,))
    assert view.spec.pacing.max_concurrent == 5
    assert (view.spec.retry.max_attempts, view.spec.amd, view.spec.metadata) == (1, Amd.DETECT, {"tenant": 7})
    assert view.spec.variables == {"clinic": "North", "patient_name": "you"}
    shown = (await door.client.get(f"/v1/calls/batch/{made['campaign_id']}")).json()
    assert shown["scheduled_at"] == "2090-05-17T03:45:12Z"
    people = (await door.operations.campaigns.recipients(view.id)).items
    assert [person.number for person in people] == [entry["phone_number"] for entry in body["recipients"]]
    assert people[1].variables["patient_name"] == "John"
    assert people[1].metadata == {"lead_id": "abc123"}


async def test_a_moment_without_an_offset_is_utc(door):
    """As the hosted system's clock has it, whatever zone the agent is in."""
    for text in ("2090-05-17T03:00:00", "2090-05-17T05:00:00+02:00"):
        body = changed(N1, agent_id="dubai", schedule_type="schedule", scheduled_at=text)
        made = (await post(door, body)).json()
        shown = (await door.client.get(f"/v1/calls/batch/{made['campaign_id']}")).json()
        assert shown["scheduled_at"] == "2090-05-17T03:00:00Z"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"agent_id": "agent_0"}, 403, "agent_not_owned"),
        ({"from_number": "+447111999999"}, 403, "from_number_not_owned"),
        ({"recipients": [{"phone_number": "+447111000001"}] * 10_001}, 400, "too_many_recipients"),
        ({"schedule_type": "schedule"}, 400, "invalid_schedule"),
        ({"schedule_type": "schedule", "scheduled_at": "tomorrow"}, 400, "invalid_schedule"),
        ({"schedule_type": "schedule", "scheduled_at": 1_813_050_000}, 400, "invalid_schedule"),
        ({"schedule_type": "later"}, 400, "invalid_schedule"),
        ({"name": ...}, 400, "missing_field"),
        ({"from_number": ...}, 400, "missing_field"),
        ({"schedule_type": ...}, 400, "missing_field"),
        ({"max_concurrency": 5}, 400, "invalid_request"),
        ({"max_concurrent": 0}, 400, "invalid_request"),
        ({"recipients": [{"phone_number": "+447111000001"}, {"phone_number": "12"}]}, 400, "invalid_phone_format"),
    ],
)
async def test_every_code_of_the_older(door, changes, status, code):
    """Each code of the document, and those beside it; nothing is stored."""
    assert (await refusal(door, changed(N1, **changes)))[:2] == (status, code)


async def test_ten_thousand_are_not_too_many(door):
    """The limit itself is allowed."""
    people = [{"phone_number": f"+447111{index:06}"} for index in range(10_000)]
    made = await post(door, changed(N1, recipients=people, schedule_type="schedule", scheduled_at="2090-01-01"))
    assert (made.status_code, made.json()["recipients_count"]) == (201, 10_000)


async def test_an_unknown_field_is_named_with_the_near_one(door):
    """Nothing is silently left out."""
    *_, message, whole = await refusal(door, changed(N1, max_concurent=5))
    assert 'did you mean "max_concurrent"?' in message
    assert whole["error"]["details"][0]["field"] == "max_concurent"
