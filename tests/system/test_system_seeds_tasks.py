"""The dialect T against the running daemon: the printed command, what is then really dialled, and every refusal."""

import re
from typing import Any

import pytest
from curled import curl, curled
from place import Place, until

pytestmark = pytest.mark.system

AGENT = "agent_7ff47846-c8a0-4304-ae13-88cfc31c1a03"
FROM = "+14157774444"
PERSON = "+12137774445"

COMMAND = """
curl --request POST \\
  --url http://localhost:8080/batch-call \\
  --header 'Content-Type: application/json' \\
  --header 'X-API-KEY: <api-key>' \\
  --header 'X-API-SECRET: <api-key>' \\
  --data '
{
  "from_number": "+14157774444",
  "tasks": [
    {
      "to_number": "+12137774445",
      "dynamic_variables": {
        "first_name": "John",
        "last_name": "Doe",
        "company": "Acme Corp"
      },
      "max_retries": 3
    }
  ],
  "name": "Q1 Sales Campaign",
  "trigger_timestamp": 1735718400000,
  "agent_id": "agent_7ff47846-c8a0-4304-ae13-88cfc31c1a03",
  "timezone": "America/New_York",
  "status": "draft",
  "send_now": false
}
'
"""

DATA: dict[str, Any] = {
    "batch_call_id": str,
    "name": "Q1 Sales Campaign",
    "from_number": FROM,
    "scheduled_timestamp": 1735718400000,
    "total_task_count": 1,
    "total": 1,
    "sent": 0,
    "picked_up": 0,
    "completed": 0,
    "agent_id": AGENT,
    "organization_id": str,
    "status": "scheduled",  # the trigger comes before the status
    "timezone": "America/New_York",  # the zone that was sent
    "last_sent_timestamp": None,
    "tasks_url": str,
    "created_timestamp": int,
    "access_info": dict,
}


def configure(place: Place, options: dict[str, Any] | None = None, **tables: dict[str, Any]) -> None:
    """Give the place the document's number and agent, and retries that are worth waiting for."""
    scripted = {"no_answer_time": "0ms", "numbers": {PERSON: ["busy", "no_answer", "answered"]}}
    place.configure(
        trunks={"sim": {"countries": ["US", "GB"], "options": options or scripted}},
        numbers={FROM: {"trunk": "sim"}},
        agents={"sales": {"id": AGENT, "say": "Hello."}},
        retry={"delay": "100ms"},
        **tables,
    )


def body(count: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a request with that many tasks."""
    tasks = [{"to_number": f"+121255501{index:02}"} for index in range(count)]
    return {"from_number": FROM, "agent_id": AGENT, "tasks": tasks, **changes}


def finished(place: Place, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Wait until every task of a batch is completed and return them."""
    path = batch["tasks_url"].removeprefix("http://localhost:8080").removeprefix("http://localhost")

    def look() -> list[dict[str, Any]] | None:
        tasks: list[dict[str, Any]] = curl(place, "GET", path).body
        return tasks if all(task["status"] == "completed" for task in tasks) else None

    found: list[dict[str, Any]] = until(look, "every task is completed", every_s=0.1)
    return found


def test_the_printed_command(place):
    """The answer has the document's fields, and the person is rung as often as it says, from the number it says."""
    configure(place)
    place.start()
    answer = curled(COMMAND.strip(), place.root / "dialerd.sock")
    assert answer.status == 200, answer.body
    whole = answer.body
    assert list(whole) == ["message", "status", "error", "data"]
    assert (whole["message"], whole["status"], whole["error"]) == (
        "Batch call created successfully",
        "success",
        None,
    )
    data = whole["data"]
    assert list(data) == list(DATA)
    for key, expected in DATA.items():
        assert data[key] == expected or (isinstance(expected, type) and isinstance(data[key], expected)), key
    assert re.fullmatch(r"batch_call_[0-9a-f]{32}", data["batch_call_id"])
    assert {key: type(value) for key, value in data["access_info"].items()} == {"user_id": str, "session_id": str}

    (task,) = finished(place, data)
    assert [call["outcome"] for call in task["calls"]] == ["busy", "no_answer", "answered"]
    assert (task["to_number"], task["max_retries"], task["attempts"], task["picked_up"]) == (PERSON, 3, 3, True)
    assert task["dynamic_variables"] == {"first_name": "John", "last_name": "Doe", "company": "Acme Corp"}
    assert [(call["number"], call["caller_id"]) for call in place.ledger()] == [(PERSON, FROM)] * 3
    after = curl(place, "GET", f"/batch-call/{data['batch_call_id']}").body["data"]
    assert (after["sent"], after["picked_up"], after["completed"], after["status"]) == (1, 1, 1, "sent")
    assert after["last_sent_timestamp"] >= data["created_timestamp"]


def test_retries_are_each_tasks_own(place):
    """Who has no `max_retries` is rung once; the others once more for each."""
    configure(place, {"outcomes": {"busy": 1}})
    place.start()
    tasks = [{"to_number": f"+121255501{index:02}", "max_retries": index} for index in range(4)]
    tasks.append({"to_number": "+12125550110"})
    answer = curl(place, "POST", "/batch-call", body(send_now=True, tasks=tasks))
    assert answer.body["data"]["status"] == "sent"
    found = finished(place, answer.body["data"])
    assert [task["attempts"] for task in found] == [1, 2, 3, 4, 1]
    rung = [call["number"] for call in place.ledger()]
    assert [rung.count(task["to_number"]) for task in tasks] == [1, 2, 3, 4, 1]


def test_a_draft_and_a_later_start_are_not_dialled(place):
    """Nobody is rung for them while others are."""
    configure(place)
    place.start()
    draft = curl(place, "POST", "/batch-call", body(1, status="draft")).body["data"]
    later = curl(place, "POST", "/batch-call", body(2, trigger_timestamp=4_000_000_000_000)).body["data"]
    assert (draft["status"], later["status"]) == ("draft", "scheduled")
    now = curl(place, "POST", "/batch-call", body(100, send_now=True)).body["data"]
    finished(place, now)
    assert len(place.ledger()) == 100
    for batch, total in ((draft, 1), (later, 2), (now, 100)):
        after = curl(place, "GET", f"/batch-call/{batch['batch_call_id']}").body["data"]
        assert (after["total"], after["sent"]) == (total, 100 if batch is now else 0)


def test_every_refusal(place):
    """Each status of the docs, in the envelope, but those that a broken disk or a broken program would take."""
    keys = place.root / "keys"
    keys.write_text("<api-key>:<api-key>\n")
    keys.chmod(0o600)
    configure(place, dialects={"keys_file": str(keys)})
    place.start()
    huge = place.root / "huge"
    huge.write_bytes(b" " * ((16 << 20) + 1))
    key = ("X-API-KEY: <api-key>", "X-API-SECRET: <api-key>")
    assert curled(COMMAND.strip(), place.root / "dialerd.sock").status == 200
    assert curl(place, "POST", "/batch-call", body(), *key, "Idempotency-Key: a").status == 200
    for status, answer in (
        (400, curl(place, "POST", "/batch-call", body(0), *key)),
        (401, curl(place, "POST", "/batch-call", body())),
        (403, curl(place, "POST", "/batch-call", body(), "X-API-KEY: a", "X-API-SECRET: b")),
        (404, curl(place, "GET", "/batch-call/batch_call_0/tasks", None, *key)),
        (405, curl(place, "DELETE", "/batch-call", None, *key)),
        (400, curl(place, "POST", "/batch-call", body(), *key, "Idempotency-Key: a", "X-Idempotency-Key: b")),
        (400, curl(place, "POST", "/batch-call", body(trigger_timestamp=1_893_456_000), *key)),
        (413, curl(place, "POST", "/batch-call", None, *key, file=huge)),
        (422, curl(place, "POST", "/batch-call", body(2), *key, "Idempotency-Key: a")),
    ):
        assert answer.status == status, answer.body
        assert list(answer.body) == ["message", "status", "error", "data"]
        assert (answer.body["status"], answer.body["data"]) == ("error", None)


def test_a_dropped_file_is_dialled(place):
    """So is a draft not; one with faults is refused with its own words and places."""
    configure(place)
    place.start()
    place.drop("now.json", body(5, name="dropped"))
    place.drop("draft.json", {**body(1), "tasks": [{"to_number": PERSON}], "status": "draft"})
    place.drop("wrong.json", '{"from_number": "+14157774444",\n "tasks": [\n  {"to_number": "12"}]}')
    place.until_reported("dropped")
    assert len(place.ledger()) == 5
    place.until_in("accepted", "now.json", "draft.json")
    place.until_in("rejected", "wrong.json", "wrong.json.error.txt")
    assert "tasks[0].to_number" in (note := (place.spool / "rejected" / "wrong.json.error.txt").read_text())
    assert "wrong.json:3:" in note
    assert "agent_id: is required" in note  # there are two agents
    assert place.count("SELECT count(*) FROM campaigns WHERE state = 'draft' AND dialect = 'tasks'") == 1
