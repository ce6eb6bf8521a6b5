"""The dialect T: its printed request, its precedence, its errors, and what becomes of a task."""

import sys
from pathlib import Path
from typing import Any

import pytest
from dialerd_dialects import tasks
from dialerd_dialects.tasks_request import MAX_TASKS, NAMES, order
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import InvalidInput, StoreError, TooLarge, WrongState
from dialerd.model.instants import to_iso
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import AgentSettings, DialectSettings, NumberSettings, TrunkSettings
from dialerd.model.states import CampaignState
from dialerd.plugin.dialect import Request
from dialerd.rules.retry import over_budget

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its rig is wanted here too

from api_rig import api, settings

AGENT = "agent_7ff47846-c8a0-4304-ae13-88cfc31c1a03"
FROM = "+14157774444"

PRINTED: dict[str, Any] = {
    "from_number": FROM,
    "tasks": [
        {
            "to_number": "+12137774445",
            "dynamic_variables": {"first_name": "John", "last_name": "Doe", "company": "Acme Corp"},
            "max_retries": 3,
        }
    ],
    "name": "Q1 Sales Campaign",
    "trigger_timestamp": 1735718400000,
    "agent_id": AGENT,
    "timezone": "America/New_York",
    "status": "draft",
    "send_now": False,
}
SHAPE = {
    "batch_call_id": str,
    "name": str,
    "from_number": str,
    "scheduled_timestamp": int,
    "total_task_count": int,
    "total": int,
    "sent": int,
    "picked_up": int,
    "completed": int,
    "agent_id": str,
    "organization_id": str,
    "status": str,
    "timezone": str,
    "last_sent_timestamp": (int, type(None)),
    "tasks_url": str,
    "created_timestamp": int,
    "access_info": dict,
}
FUTURE = 3_600_000_000_000


def wanted(**changes: Any) -> Any:
    """Return settings with the document's number and agent."""
    return settings(
        numbers={FROM: NumberSettings(trunk="lab")},
        agents={"sales": AgentSettings(id=AGENT, say="hello")},
        trunks={"lab": TrunkSettings(provider="talker", countries=("US",))},
        **changes,
    )


def body(**changes: Any) -> dict[str, Any]:
    """Return a request that says nothing of when, with `changes`; what is ... is left out."""
    plain = {"from_number": FROM, "agent_id": AGENT, "tasks": [{"to_number": "+12125550101"}]}
    return {key: value for key, value in {**plain, **changes}.items() if value is not ...}


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect."""
    async with api(tmp_path, wanted(), dialects=[tasks.DIALECT]) as door:
        yield door


async def created(door, **changes: Any) -> dict[str, Any]:
    """Create a batch and return it as it was answered."""
    answer = await door.client.post("/batch-call", json=body(**changes))
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_the_printed_request(door):
    """Its answer has every field of the document, of its kind, and says what was sent."""
    answer = await door.client.post("/batch-call", json={**PRINTED, "trigger_timestamp": FUTURE})
    assert answer.status_code == 200
    whole = answer.json()
    data = whole.pop("data")
    assert whole == {"message": "Batch call created successfully", "status": "success", "error": None}
    assert list(data) == list(SHAPE)
    for key, kind in SHAPE.items():
        assert isinstance(data[key], kind), key
    assert data["batch_call_id"].startswith("batch_call_")
    int(data["batch_call_id"].removeprefix("batch_call_"), 16)
    assert set(data["access_info"]) == {"user_id", "session_id"}
    told = {key: data[key] for key in ("name", "from_number", "agent_id", "timezone", "total_task_count", "total")}
    assert told == {**{key: PRINTED[key] for key in list(told)[:4]}, "total_task_count": 1, "total": 1}
    assert (data["scheduled_timestamp"], data["status"], data["sent"]) == (FUTURE, "scheduled", 0)
    again = (await door.client.get(f"/batch-call/{data['batch_call_id']}")).json()["data"]
    assert {**again, "access_info": 0} == {**data, "access_info": 0}


async def test_it_is_an_ordinary_campaign(door):
    """One caller id, the zone, the start, and a recipient with its variables and attempts."""
    made = await created(door, **{**PRINTED, "trigger_timestamp": FUTURE})
    view = await door.operations.campaigns.get(made["batch_call_id"])
    spec = view.spec
    assert (spec.caller_ids, spec.timezone, view.start_at, spec.retry.max_attempts) == (
        (FROM,),
        "America/New_York",
        FUTURE,
        1,
    )
    (person,) = (await door.operations.campaigns.recipients(view.id)).items
    assert (person.number, person.max_attempts) == ("+12137774445", 4)
    assert person.variables == PRINTED["tasks"][0]["dynamic_variables"]


@pytest.mark.parametrize(
    ("given", "state", "status"),
    [
        ({}, CampaignState.DRAFT, "draft"),
        ({"status": "draft"}, CampaignState.DRAFT, "draft"),
        ({"status": "draft", "trigger_timestamp": FUTURE}, CampaignState.SCHEDULED, "scheduled"),
        ({"status": "scheduled", "trigger_timestamp": FUTURE}, CampaignState.SCHEDULED, "scheduled"),
        ({"status": "sent", "trigger_timestamp": FUTURE}, CampaignState.SCHEDULED, "scheduled"),
        ({"status": "sent"}, CampaignState.RUNNING, "sent"),
        ({"send_now": True}, CampaignState.RUNNING, "sent"),
        ({"send_now": True, "trigger_timestamp": FUTURE, "status": "draft"}, CampaignState.RUNNING, "sent"),
        ({"send_now": None, "trigger_timestamp": None, "status": None}, CampaignState.DRAFT, "draft"),
    ],
)
async def test_send_now_then_trigger_then_status(door, given, state, status):
    """What is said of when goes by rank."""
    made = await created(door, **given)
    assert made["status"] == status
    view = await door.operations.campaigns.get(made["batch_call_id"])
    assert view.state is state
    assert view.start_at == (FUTURE if status == "scheduled" else None)


async def test_what_is_left_out(door):
    """UTC, no retries, no variables, the only agent, and a name that tells the id."""
    made = await created(door, agent_id=..., timezone=None, name=None)
    assert (made["timezone"], made["organization_id"], made["agent_id"]) == ("UTC", "local", "sales")
    assert made["batch_call_id"] in made["name"]
    (task,) = (await door.client.get(made["tasks_url"])).json()
    assert task == {
        "task_id": f"{made['batch_call_id']}_1",
        "to_number": "+12125550101",
        "dynamic_variables": {},
        "max_retries": 0,
        "status": "pending",
        "result": None,
        "attempts": 0,
        "picked_up": False,
        "call_id": None,
        "outcome": None,
        "sent_timestamp": None,
        "ended_timestamp": None,
        "duration_seconds": None,
        "calls": [],
    }


async def test_tasks_come_back_whole(door):
    """The list of results is complete, in the order of the tasks, each number once."""
    many = [{"to_number": f"+121255501{index:02}", "max_retries": index % 4} for index in range(100)]
    made = await created(door, tasks=[*many, *many[:3]])
    assert (made["total_task_count"], made["total"]) == (103, 100)
    found = (await door.client.get(f"/batch-call/{made['batch_call_id']}/tasks")).json()
    assert [{key: task[key] for key in ("to_number", "max_retries")} for task in found] == many


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from_number": ...}, "from_number"),
        ({"from_number": "+12125550199"}, "from_number"),
        ({"from_number": 5}, "from_number"),
        ({"tasks": ...}, "tasks"),
        ({"tasks": []}, "tasks"),
        ({"tasks": [{"to_number": "+12125550101"}] * (MAX_TASKS + 1)}, "tasks"),
        ({"tasks": [{}]}, "tasks[0].to_number"),
        ({"tasks": [{"to_number": "+12125550101"}, {"to_number": "12"}]}, "tasks[1].to_number"),
        ({"tasks": [{"to_number": "+12125550101", "max_retries": -1}]}, "tasks[0].max_retries"),
        ({"tasks": [{"to_number": "+12125550101", "max_retries": 100}]}, "tasks[0].max_retries"),
        ({"tasks": [{"to_number": "+12125550101", "dynamic_variables": []}]}, "tasks[0].dynamic_variables"),
        ({"name": "x" * 256}, "name"),
        ({"trigger_timestamp": "soon"}, "trigger_timestamp"),
        ({"trigger_timestamp": 10**18}, "trigger_timestamp"),
        ({"trigger_timestamp": -1}, "trigger_timestamp"),
        ({"trigger_timestamp": None, "status": "scheduled"}, "trigger_timestamp"),
        ({"from_number": None}, "from_number"),
        ({"tasks": [None]}, "tasks[0]"),
        ({"status": "scheduled"}, "trigger_timestamp"),
        ({"status": "done"}, "status"),
        ({"agent_id": "agent_nobody"}, "agent_id"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"send_now": "yes"}, "send_now"),
        ({"sendnow": True}, "sendnow"),
    ],
)
async def test_every_fault_is_told_with_its_field(door, changes, field):
    """400, in the document's envelope, and nothing is stored."""
    answer = await door.client.post("/batch-call", json=body(**changes))
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert (told["status"], told["data"]) == ("error", None)
    assert list(told) == ["message", "status", "error", "data"]
    assert f"{field}:" in told["error"]
    assert "a table" not in told["error"]
    assert (await door.operations.campaigns.list()).total == 0


@pytest.mark.parametrize("shape", [{}, {"name": 5}, {"send_now": "yes"}])
async def test_faults_are_told_together(door, shape):
    """Whoever mends one fault does not meet the next with the next request: each field is told, once."""
    tasks = [{}, {"to_number": "12", "max_retries": -1}, {"to_number": 3}, {"to_number": "13"}]
    wrong = {"from_number": "+12125550199", "timezone": "Mars/Olympus", "agent_id": "nobody", "trigger_timestamp": 5}
    answer = await door.client.post("/batch-call", json={**wrong, "tasks": tasks, **shape})
    told = [part.partition(":")[0] for part in answer.json()["error"].split("; ") if ":" in part]
    places = ["tasks[0].to_number", "tasks[1].max_retries", "tasks[1].to_number", "tasks[2].to_number"]
    assert sorted(told) == sorted([*wrong, *shape, *places, "tasks[3].to_number"])
    no_tasks = await door.client.post("/batch-call", json={**wrong, "tasks": []})
    assert all(f"{field}: " in no_tasks.json()["error"] for field in (*wrong, "tasks"))


@pytest.mark.parametrize("dropped", [False, True])
def test_seconds_are_not_milliseconds(dropped):
    """They would be a moment in 1970, and everybody would be rung at once; the fault says what to send."""
    with pytest.raises(InvalidInput, match=r"looks like seconds.* so send 1893456000000"):
        order(body(trigger_timestamp=1_893_456_000), wanted(), "batch_call_1", dropped=dropped)


@pytest.mark.parametrize("changes", [{"from_number": "+12125550199"}, {"tasks": [{"to_number": "+12125550101x"}]}])
async def test_no_place_in_another_document_is_told(door, changes):
    """Faults of the campaign that would have been made stand in a document that nobody sent."""
    answer = await door.client.post("/batch-call", json=body(**changes))
    assert answer.status_code == 400
    assert "line " not in answer.json()["error"]
    assert "column" not in answer.json()["error"]


async def test_everything_is_told_in_the_systems_words(door):
    """Batch calls and tasks, in an envelope, whatever refuses it."""
    posted = await door.client.post("/batch-call", json=body(tasks=[5]), headers={"Idempotency-Key": ""})
    missing = await door.client.get("/batch-call/batch_call_0")
    method = await door.client.delete("/batch-call")
    reader = await door.reader.post("/batch-call", json=body())
    assert [answer.status_code for answer in (posted, missing, method, reader)] == [400, 404, 405, 403]
    assert method.headers["allow"] == "POST"
    for answer in (posted, missing, method, reader):
        assert list(answer.json()) == ["message", "status", "error", "data"]
        assert not {"campaign", "recipient", "table"} & set(answer.json()["error"].split())
    assert missing.json()["error"] == "there is no batch call with the id 'batch_call_0'"


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff", b'{"x": NaN}'])
async def test_what_is_no_json_object(door, sent):
    """Is refused as such."""
    answer = await door.client.post("/batch-call", content=sent)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


async def test_several_agents_want_a_word_on_which(tmp_path):
    """Without `agent_id` the one of the caller id is meant, if there is only one."""
    agents = {name: AgentSettings(say="hi", numbers=numbers) for name, numbers in (("a", ()), ("b", (FROM,)))}
    other = "+12125550100"
    numbers = {FROM: NumberSettings(trunk="lab"), other: NumberSettings(trunk="lab")}
    async with api(tmp_path, settings(agents=agents, numbers=numbers), dialects=[tasks.DIALECT]) as door:
        assert (await created(door, agent_id=...))["agent_id"] == "b"
        answer = await door.client.post("/batch-call", json=body(agent_id=..., from_number=other))
        assert answer.status_code == 400
        assert "agent_id: is required" in answer.json()["error"]


async def test_unknown_batches_and_others_campaigns(door):
    """What is no batch of this dialect is not found."""
    native = await door.create(agent="sales", recipients=[{"phone": "+12125550101"}])
    for path in (
        "/batch-call/batch_call_0",
        "/batch-call/batch_call_0/tasks",
        f"/batch-call/{native['campaign']['id']}",
    ):
        answer = await door.client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, "error")


async def test_keys(tmp_path):
    """Both headers are wanted, and both must be right."""
    file = tmp_path / "keys"
    file.write_text("key:secret\n")
    file.chmod(0o600)
    async with api(tmp_path, wanted(dialects=DialectSettings(keys_file=file)), dialects=[tasks.DIALECT]) as door:
        for headers, status in (
            ({}, 401),
            ({"X-API-KEY": "key"}, 401),
            ({"X-API-KEY": "key", "X-API-SECRET": "other"}, 403),
            ({"X-API-KEY": "key", "X-API-SECRET": "secret"}, 200),
        ):
            answer = await door.client.post("/batch-call", json=body(), headers=headers)
            assert answer.status_code == status
            assert answer.json()["status"] == ("success" if status == 200 else "error")


async def test_a_request_that_is_sent_again_makes_nothing_new(door):
    """The same key and body: the same batch. Another body: 422."""
    headers = {"Idempotency-Key": "once"}
    answers = [await door.client.post("/batch-call", json=body(), headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await door.operations.campaigns.list(dialect="tasks")).total == 1
    other = await door.client.post("/batch-call", json=body(name="other"), headers=headers)
    assert (other.status_code, other.json()["status"]) == (422, "error")


TASK = st.fixed_dictionaries(
    {"to_number": st.integers(0, 99).map(lambda index: f"+121255501{index:02}")},
    optional={
        "max_retries": st.none() | st.integers(0, 99),
        "dynamic_variables": st.none()
        | st.dictionaries(st.text(), st.integers(-(2**40), 2**40) | st.text() | st.none()),
    },
)


@given(st.lists(TASK, min_size=1, max_size=5), st.integers(10**11, 4_000_000_000_000), st.booleans())
def test_nothing_of_a_task_is_lost(some, trigger, dropped):
    """Each task is a recipient with its number, variables and one attempt more than retries."""
    made = order(body(tasks=some, trigger_timestamp=trigger), wanted(), "batch_call_1", dropped=dropped)
    assert made.spec["start"] == to_iso(trigger)
    policy = RetryPolicy(**made.spec["retry"])
    assert not list(over_budget(policy))
    for task, recipient in zip(some, made.recipients, strict=True):
        assert recipient["phone"] == task["to_number"]
        assert recipient["variables"] == (task.get("dynamic_variables") or {})
        assert recipient.get("max_attempts", policy.max_attempts) == 1 + (task.get("max_retries") or 0)


def test_a_file_is_read_by_its_tasks():
    """Other JSON is not; one that says nothing of when is dialled."""
    assert tasks.DIALECT.reads is not None
    assert tasks.DIALECT.reads({"tasks": "many", "from_number": FROM}, wanted()) is None
    assert tasks.DIALECT.reads({"tasks": []}, wanted()) is None
    made = tasks.DIALECT.reads(body(), wanted())
    assert made is not None
    assert not made.draft
    drafted = tasks.DIALECT.reads(body(status="draft"), wanted())
    assert drafted is not None
    assert drafted.draft
    with pytest.raises(InvalidInput):
        tasks.DIALECT.reads(body(name=3), wanted())


@pytest.mark.parametrize(
    ("native", "own"),
    [
        ("recipients[3].phone", "tasks[3].to_number"),
        ("recipients[3].variables.a", "tasks[3].dynamic_variables.a"),
        ("recipients[3].max_attempts", "tasks[3].max_retries"),
        ("recipients[3]", "tasks[3]"),
        ("caller_ids[0]", "from_number"),
        ("start", "trigger_timestamp"),
        ("agent", "agent_id"),
        ("timezone", "timezone"),
    ],
)
def test_paths_lead_back(native, own):
    """Faults of a campaign are told with the names of the request."""
    assert NAMES(native) == own


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreError("full", "free some"), 503),
        (RuntimeError("secret"), 500),
        (TooLarge("much"), 413),
        (WrongState("no"), 409),
    ],
)
def test_what_only_trouble_brings(error, status):
    """A store that cannot write says when to come again; what nobody foresaw tells nothing of the inside."""
    answer = tasks.DIALECT.failed(Request(method="GET", path="/batch-call/x"), error)
    assert (answer.status, answer.body["status"], "Retry-After" in answer.headers) == (status, "error", status == 503)
    assert "secret" not in str(answer.body)
