"""What the dialect B refuses: every fault at once with its field and code, in the system's own words."""

import pytest
from attrs import evolve
from batching import AGENT, ANN, NUMBERS, api, batches, body, create, do, wanted
from dialerd_dialects import batch_calls

from dialerd.model.errors import Fault, InvalidInput, StoreError, TooLarge, WrongState
from dialerd.model.settings import AgentSettings
from dialerd.plugin.dialect import Request


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect, and a folder of contacts."""
    async with batches(tmp_path) as door:
        yield door


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"name": ...}, "name", "required"),
        ({"name": ""}, "name", "invalid"),
        ({"name": "x" * 256}, "name", "invalid"),
        ({"agent_id": ...}, "agent_id", "required"),
        ({"agent_id": "nobody"}, "agent_id", "agent_not_active"),
        ({"phone_number_ids": ["nothing"]}, "phone_number_ids[0]", "phone_number_not_found"),
        ({"phone_number_ids": "nothing"}, "phone_number_ids", "invalid"),
        ({"agent_id": "carl"}, "phone_number_ids", "phone_number_required"),
        ({"agent_id": "carl", "phone_number_ids": []}, "phone_number_ids", "phone_number_required"),
        ({"phone_rotation_strategy": "sticky"}, "phone_rotation_strategy", "invalid"),
        ({"contact_source": "web"}, "contact_source", "invalid"),
        ({"contact_source": "folder"}, "contact_folder_id", "required"),
        ({"contact_source": "folder", "contact_folder_id": "gone"}, "contact_folder_id", "invalid"),
        ({"contact_source": "folder", "contact_folder_id": "../secret"}, "contact_folder_id", "invalid"),
        ({"schedule_type": "later"}, "schedule_type", "invalid"),
        ({"schedule_type": "scheduled"}, "scheduled_at", "required"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at", "invalid"),
        ({"timezone": "Mars/Olympus"}, "timezone", "invalid"),
        ({"start_time": "09:00"}, "end_time", "required"),
        ({"end_time": "09:00"}, "start_time", "required"),
        ({"start_time": "25:00", "end_time": "09:00"}, "start_time", "invalid"),
        ({"working_days": []}, "working_days", "invalid"),
        ({"working_days": [0]}, "working_days", "invalid"),
        ({"working_days": [8]}, "working_days", "invalid"),
        ({"max_concurrent_calls": 0}, "max_concurrent_calls", "invalid"),
        ({"max_concurrent_calls": 101}, "max_concurrent_calls", "invalid"),
        ({"max_calls_per_day": 0}, "max_calls_per_day", "invalid"),
        ({"retry_failed": "yes"}, "retry_failed", "invalid"),
        ({"max_retry_attempts": -1}, "max_retry_attempts", "invalid"),
        ({"max_retry_attempts": 4}, "max_retry_attempts", "invalid"),
        ({"max_calls": 3}, "max_calls", "unknown_field"),
        ({"contacts": 3}, "contacts", "invalid"),
        ({"contacts": [{"phone_number": "12"}]}, "contacts[0].phone_number", "invalid"),
        ({"contacts": [{"name": "Ann"}]}, "contacts[0].phone_number", "required"),
    ],
)
async def test_every_fault_has_a_field_and_a_code(door, changes, field, code):
    """422 with a message, and nothing is stored."""
    answer = await door.client.post("/batch-calls", json=body(**changes))
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert list(told) == ["message", "code", "errors", "meta"]
    assert told["code"] == "validation_error"
    assert (field, code) in [(error["field"], error["code"]) for error in told["errors"]]
    assert field in told["message"]
    assert (await door.operations.campaigns.list()).total == 0


@pytest.mark.parametrize("shape", [{}, {"name": 5}])
async def test_faults_are_told_together(door, shape):
    """Those of kinds and ranges, those that show only when fields are seen together, and those of contacts; once."""
    contacts = [{"a": 1}, {"phone": "12"}, 7, {"phone_number": 5}, {"phone": "13", "variables": 3}]
    wrong = body(agent_id="nobody", start_time="09:00", max_concurrent_calls=0, contacts=contacts, **shape)
    answer = await door.client.post("/batch-calls", json=wrong)
    entries = ["[0].phone_number", "[1].phone_number", "[2]", "[3].phone_number", "[4].phone_number", "[4].variables"]
    assert sorted(error["field"] for error in answer.json()["errors"]) == sorted(
        [*shape, "agent_id", "end_time", "max_concurrent_calls", *(f"contacts{entry}" for entry in entries)]
    )
    alone = await door.client.post("/batch-calls", json=body(contacts=[*contacts, {"phone": ANN}]))
    assert sorted(error["field"] for error in alone.json()["errors"]) == sorted(f"contacts{entry}" for entry in entries)


async def test_a_number_is_wanted(tmp_path):
    """Where the batch names none its agent must have one, also when it is scheduled."""
    carls = {"agent_id": "carl", "phone_number_ids": [next(iter(NUMBERS.values()))]}
    async with api(tmp_path, wanted(), dialects=[batch_calls.DIALECT]) as door:
        await create(door, **carls)
        batch = await create(door, contacts=[{"phone_number": ANN}])
        numberless = {"anna": AgentSettings(id=AGENT, say="hello")}
        await door.operations.ground.engine.reload(evolve(wanted(), agents=numberless))
        told = await do(door, batch, "schedule", 422)
        assert "at least one valid outbound phone number is required" in told["message"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff"])
async def test_what_is_no_json_object(door, content):
    """Is malformed, which is another thing than not valid."""
    answer = await door.client.post("/batch-calls", content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_everything_is_told_in_the_systems_words(door):
    """Batches and contacts, in an envelope, whatever refuses it."""
    keys = {"Idempotency-Key": "a", "X-Idempotency-Key": "b"}
    for answer, status, code in (
        (await door.client.post("/batch-calls", json=body(), headers=keys), 422, "validation_error"),
        (await door.client.delete("/batch-calls"), 405, "method_not_allowed"),
        (await door.reader.post("/batch-calls", json=body()), 403, "read_only"),
        (await door.client.get("/batch-calls/0"), 404, "not_found"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert list(answer.json()) == ["message", "code", "errors", "meta"]
        assert "campaign" not in answer.json()["message"]


@pytest.mark.parametrize(
    "error",
    [InvalidInput([Fault("contacts", "a campaign has 2 recipients")]), WrongState("a campaign has 2 recipients")],
)
def test_words_of_dialerd_are_put_into_the_systems(error):
    """What is not foreseen here is said by dialerd, in its own words."""
    answer = batch_calls.DIALECT.failed(Request(method="GET", path="/batch-calls"), error)
    assert "a batch has 2 contacts" in answer.body["message"]
    assert [error["message"] for error in answer.body["errors"]] in ([], ["a batch has 2 contacts"])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("full", "free some"), 503, "unavailable"),
        (RuntimeError("secret"), 500, "internal_error"),
        (TooLarge("much"), 413, "payload_too_large"),
    ],
)
def test_what_only_trouble_brings(error, status, code):
    """A store that cannot write says when to come again; what nobody foresaw tells nothing of the inside."""
    answer = batch_calls.DIALECT.failed(Request(method="GET", path="/batch-calls"), error)
    assert (answer.status, answer.body["code"], "Retry-After" in answer.headers) == (status, code, status == 503)
    assert "secret" not in str(answer.body)
