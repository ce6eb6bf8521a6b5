"""The dialect B: a batch from draft to calls, its defaults and ranges, and what may be changed."""

from datetime import time
from uuid import UUID

import pytest
from attrs import evolve
from batching import AGENT, ANN, NUMBERS, api, batches, body, create, do, wanted
from dialerd_dialects import batch_calls
from dialerd_dialects.batch_calls_request import CHANGEABLE, NAMES

from dialerd.model.errors import InvalidInput
from dialerd.model.settings import AgentSettings, DialectSettings
from dialerd.model.states import CampaignState, Rotation, Weekday

FUTURE = "2090-01-02T09:00:00"


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect, and a folder of contacts."""
    async with batches(tmp_path) as door:
        yield door


async def test_a_batch_with_its_defaults(door):
    """What was left out is answered as the document's defaults, and it is the campaign's."""
    batch = await create(door)
    UUID(batch["id"])
    assert {key: batch[key] for key in list(batch)[:18]} == {
        "id": batch["id"],
        "name": "Spring",
        "agent_id": AGENT,
        "status": "draft",
        "phone_number_ids": [],
        "phone_rotation_strategy": "random",
        "contact_source": "csv",
        "contact_folder_id": None,
        "schedule_type": "immediate",
        "scheduled_at": None,
        "timezone": "UTC",
        "start_time": None,
        "end_time": None,
        "working_days": [1, 2, 3, 4, 5],
        "max_concurrent_calls": 10,
        "max_calls_per_day": None,
        "retry_failed": False,
        "max_retry_attempts": 0,
    }
    view = await door.operations.campaigns.get(batch["id"])
    spec = view.spec
    assert (view.state, spec.rotation, spec.timezone, spec.start) == (CampaignState.DRAFT, Rotation.RANDOM, "UTC", None)
    assert (spec.pacing.max_concurrent, spec.pacing.calls_per_day, spec.retry.max_attempts) == (10, None, 1)
    (window,) = spec.windows
    assert (len(window.days), window.start, window.end) == (5, time(0), time(0))
    assert (await door.client.get(f"/batch-calls/{batch['id']}")).json()["data"] == batch


async def test_every_field_is_kept_and_carried_out(door):
    """All that a batch may say stands in the answer as it was sent, and in the campaign."""
    full = body(
        phone_number_ids=list(NUMBERS.values())[1:],
        phone_rotation_strategy="sequential",
        contact_source="manual",
        schedule_type="scheduled",
        scheduled_at=FUTURE,
        timezone="Europe/London",
        start_time="09:00",
        end_time="17:30",
        working_days=[7, 1],
        max_concurrent_calls=7,
        max_calls_per_day=50,
        retry_failed=True,
        max_retry_attempts=3,
    )
    batch = await create(door, **full)
    assert {key: batch[key] for key in full} == full
    view = await door.operations.campaigns.get(batch["id"])
    spec = view.spec
    assert (spec.rotation, spec.timezone) == (Rotation.SEQUENTIAL, "Europe/London")
    assert (spec.pacing.max_concurrent, spec.pacing.calls_per_day, spec.retry.max_attempts) == (7, 50, 4)
    (window,) = spec.windows
    assert (set(window.days), window.start, window.end) == ({Weekday.SUN, Weekday.MON}, time(9), time(17, 30))
    assert view.start_at == 3_787_030_800_000


@pytest.mark.parametrize(
    ("given", "attempts"),
    [
        ({}, 1),
        ({"max_retry_attempts": 3}, 1),
        ({"retry_failed": True}, 1),
        ({"retry_failed": True, "max_retry_attempts": 2}, 3),
        ({"retry_failed": False, "max_retry_attempts": 2}, 1),
    ],
)
async def test_retries_want_both_words(door, given, attempts):
    """`retry_failed` says whether, `max_retry_attempts` how often after the first."""
    batch = await create(door, **given)
    assert (await door.operations.campaigns.get(batch["id"])).spec.retry.max_attempts == attempts


@pytest.mark.parametrize(
    ("given", "schedule_type", "starts"),
    [
        ({"scheduled_at": FUTURE}, "scheduled", True),
        ({"scheduled_at": FUTURE, "schedule_type": "immediate"}, "immediate", False),
        ({"scheduled_at": None}, "immediate", False),
    ],
)
async def test_when_it_starts(door, given, schedule_type, starts):
    """A time alone is meant; beside `immediate` it is only repeated."""
    batch = await create(door, **given)
    assert batch["schedule_type"] == schedule_type
    assert ((await door.operations.campaigns.get(batch["id"])).start_at is not None) is starts


async def test_all_days_without_times_are_no_window(door):
    """Nothing is held where nothing is said."""
    batch = await create(door, working_days=[1, 2, 3, 4, 5, 6, 7])
    assert (await door.operations.campaigns.get(batch["id"])).spec.windows == ()


async def test_the_states_of_a_batch(door):
    """Draft, scheduled, paused, again, and each wrong turn is 422 with a message."""
    batch = await create(door, scheduled_at=FUTURE)
    assert (await do(door, batch, "schedule", 422))["code"] == "no_contacts"
    for verb in ("pause", "resume"):
        assert (await do(door, batch, verb, 422))["code"] == "invalid_status"
    await door.client.post(f"/batch-calls/{batch['id']}/contacts", json=[{"phone_number": ANN}])
    assert (await do(door, batch, "schedule"))["data"]["status"] == "scheduled"
    for verb in ("schedule", "resume"):
        assert "this one is scheduled" in (await do(door, batch, verb, 422))["message"]
    assert (await do(door, batch, "pause"))["data"]["status"] == "paused"
    for verb in ("schedule", "pause"):
        assert (await do(door, batch, verb, 422))["code"] == "invalid_status"
    refused = await door.client.delete(f"/batch-calls/{batch['id']}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_status")
    assert f"dialerctl campaign cancel {batch['id']}" in refused.json()["message"]
    assert (await do(door, batch, "resume"))["data"]["status"] == "scheduled"


async def test_an_immediate_one_is_active_at_once(door):
    """Scheduling starts it; its windows still hold its calls."""
    batch = await create(door, contacts=[{"phone_number": ANN}])
    assert (await do(door, batch, "schedule"))["data"]["status"] == "active"
    assert (await do(door, batch, "pause"))["data"]["status"] == "paused"


async def test_an_agent_that_is_gone_is_not_active(tmp_path):
    """A batch whose agent was taken out of the settings cannot be scheduled."""
    async with api(tmp_path, wanted(), dialects=[batch_calls.DIALECT]) as door:
        batch = await create(door, contacts=[{"phone_number": ANN}])
        await door.operations.ground.engine.reload(evolve(wanted(), agents={"other": AgentSettings(say="hello")}))
        told = await do(door, batch, "schedule", 422)
        assert [error["code"] for error in told["errors"]] == ["agent_not_active"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_an_update_changes_what_it_names(door, method):
    """Everything else stays; null takes a field away."""
    batch = await create(door, start_time="09:00", end_time="17:00", max_calls_per_day=5)
    changes = {
        "name": "Summer",
        "phone_number_ids": [next(iter(NUMBERS.values()))],
        "phone_rotation_strategy": "round_robin",
        "working_days": [6],
        "max_concurrent_calls": 3,
        "max_calls_per_day": None,
        "retry_failed": True,
        "max_retry_attempts": 2,
        "scheduled_at": FUTURE,
    }
    answer = await door.client.request(method, f"/batch-calls/{batch['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    changed = answer.json()["data"]
    expected = {**batch, **changes, "schedule_type": "scheduled"}
    assert {key: changed[key] for key in list(batch)[:18]} == {key: expected[key] for key in list(batch)[:18]}
    spec = (await door.operations.campaigns.get(batch["id"])).spec
    assert (spec.name, spec.rotation, spec.retry.max_attempts) == ("Summer", Rotation.ROUND_ROBIN, 3)
    assert (spec.pacing.max_concurrent, spec.pacing.calls_per_day) == (3, None)
    assert spec.windows[0].days == (Weekday.SAT,)
    assert (spec.windows[0].start, spec.start is not None) == (time(9), True)
    back = await door.client.patch(f"/batch-calls/{batch['id']}", json={"start_time": None, "end_time": None})
    assert (back.json()["data"]["start_time"], back.json()["data"]["name"]) == (None, "Summer")


async def test_an_update_with_a_time_schedules(door):
    """Also where the batch was to start at once."""
    batch = await create(door, schedule_type="immediate")
    answer = await door.client.patch(f"/batch-calls/{batch['id']}", json={"scheduled_at": FUTURE})
    assert answer.json()["data"]["schedule_type"] == "scheduled"
    assert (await door.operations.campaigns.get(batch["id"])).start_at is not None


@pytest.mark.parametrize("given", [{}, {"schedule_type": "scheduled", "scheduled_at": FUTURE}])
async def test_an_update_takes_the_time_away(door, given):
    """Whoever gave it: the batch then starts when it is scheduled."""
    batch = await create(door, **given)
    path = f"/batch-calls/{batch['id']}"
    await door.client.patch(path, json={"scheduled_at": FUTURE})
    answer = await door.client.patch(path, json={"scheduled_at": None})
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert (told["schedule_type"], told["scheduled_at"]) == ("immediate", None)
    assert (await door.operations.campaigns.get(batch["id"])).start_at is None


@pytest.mark.parametrize("key", ["agent_id", "contact_source", "contact_folder_id", "schedule_type", "timezone"])
async def test_an_update_may_not_change_the_rest(door, key):
    """What is not listed is refused, with whatever else is wrong."""
    batch = await create(door)
    answer = await door.client.patch(f"/batch-calls/{batch['id']}", json={key: "x", "max_concurrent_calls": 0})
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [
        (key, "not_updatable"),
        ("max_concurrent_calls", "invalid"),
    ]
    assert key not in CHANGEABLE


async def test_an_update_wants_a_draft(door):
    """Later it is 422."""
    batch = await create(door, scheduled_at=FUTURE, contacts=[{"phone_number": ANN}])
    await do(door, batch, "schedule")
    answer = await door.client.patch(f"/batch-calls/{batch['id']}", json={"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_status")


async def test_a_draft_is_deleted(door):
    """It is gone, and what is no batch was never there."""
    batch = await create(door)
    answer = await door.client.delete(f"/batch-calls/{batch['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    native = (await door.create(agent="anna"))["campaign"]["id"]
    for name in (batch["id"], native, "x"):
        for method, rest in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/pause"), ("POST", "/contacts")):
            answer = await door.client.request(method, f"/batch-calls/{name}{rest}", json={})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_pages(door):
    """Latest first, with the total; by agent and by status; a limit has its range."""
    made = [(await create(door, name=f"batch {index}"))["id"] for index in range(3)]
    await create(door, name="other", agent_id="bob", scheduled_at=FUTURE, contacts=[{"phone_number": ANN}])
    answer = (await door.client.get(f"/batch-calls?agent_id={AGENT}&limit=2&status=draft")).json()
    assert [one["id"] for one in answer["data"]] == [made[2], made[1]]
    assert answer["pagination"] == {"limit": 2, "offset": 0, "total": 3, "has_more": True}
    rest = (await door.client.get(f"/batch-calls?agent_id={AGENT}&limit=2&offset=2&status=draft")).json()
    assert [one["id"] for one in rest["data"]] == [made[0]]
    assert rest["pagination"]["has_more"] is False
    whole = (await door.client.get("/batch-calls")).json()["pagination"]
    assert (whole["limit"], whole["total"]) == (50, 4)
    assert (await door.client.get("/batch-calls?status=paused")).json()["data"] == []
    answer = await door.client.get("/batch-calls?limit=0&offset=x&status=done&agent=a")
    errors = [(error["field"], error["code"]) for error in answer.json()["errors"]]
    assert errors == [("agent", "unknown_field"), ("limit", "invalid"), ("offset", "invalid"), ("status", "invalid")]
    assert 'did you mean "agent_id"?' in answer.json()["message"]
    for query in ("limit=0", "limit=101", "limit=x", "offset=-1", "status=done"):
        answer = await door.client.get(f"/batch-calls?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.partition("=")[0])


async def test_keys(tmp_path):
    """As a bearer's, or in a header of its own."""
    file = tmp_path / "keys"
    file.write_text("secret\n")
    file.chmod(0o600)
    async with api(tmp_path, wanted(dialects=DialectSettings(keys_file=file)), dialects=[batch_calls.DIALECT]) as door:
        for headers, status, code in (
            ({}, 401, "unauthorized"),
            ({"Authorization": "Basic secret"}, 401, "unauthorized"),
            ({"Authorization": "Bearer other"}, 403, "forbidden"),
            ({"Authorization": "bearer secret"}, 200, None),
            ({"X-API-Key": "secret"}, 200, None),
        ):
            answer = await door.client.get("/batch-calls", headers=headers)
            assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_request_that_is_sent_again_makes_nothing_new(door):
    """The same key and body: the same batch, the same contacts. Another body: 422."""
    headers = {"X-Idempotency-Key": "once"}
    answers = [await door.client.post("/batch-calls", json=body(), headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await door.operations.campaigns.list()).total == 1
    other = await door.client.post("/batch-calls", json=body(name="other"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    path = f"/batch-calls/{answers[0].json()['data']['id']}/contacts"
    again = [
        await door.client.post(path, json=[{"phone": ANN}], headers={"X-Idempotency-Key": "two"}) for _ in range(2)
    ]
    assert [one.json()["data"]["added"] for one in again] == [1, 1]


def test_a_file_is_read_by_its_name_and_agent():
    """With contacts it is dialled, without it waits; another system's is not read."""
    reads = batch_calls.DIALECT.reads
    assert reads is not None
    for other in ({"name": "x"}, body(tasks=[]), body(recipients=[]), body(from_number="+1")):
        assert reads(other, wanted()) is None
    waiting, ready = reads(body(), wanted()), reads(body(contacts=[{"phone": ANN, "a": 1}]), wanted())
    assert waiting is not None
    assert ready is not None
    assert (waiting.draft, ready.draft) == (True, False)
    assert ready.document["recipients"] == [{"phone": ANN, "variables": {"a": 1}}]
    assert ready.where("recipients[0].phone") == "contacts[0].phone_number"
    with pytest.raises(InvalidInput):
        reads(body(name=3), wanted())


@pytest.mark.parametrize(
    ("native", "own"),
    [
        ("recipients[3].phone", "contacts[3].phone_number"),
        ("caller_ids[1]", "phone_number_ids[1]"),
        ("windows[0]", "working_days"),
        ("windows[0].start", "start_time"),
        ("pacing.calls_per_day", "max_calls_per_day"),
        ("agent", "agent_id"),
    ],
)
def test_paths_lead_back(native, own):
    """Faults of a campaign are told with the names of the request."""
    assert NAMES(native) == own
