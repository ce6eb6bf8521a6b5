"""The dialect B against the running daemon: batches from draft to calls, with rotation, caps, retries and windows.

The captured document prints no command: its paths were lost. These are the ones of docs/dialects-batch-calls.md.
"""

import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from curled import Reply, curl
from place import Place, until

pytestmark = pytest.mark.system

AGENT = "5b7f4f0e-5a3b-4c58-9f2a-8b1c6f0e1a11"
FIRST, SECOND = "+12125550101", "+12125550102"
IDS = {FIRST: "0e2b6a34-1111-4c11-8111-000000000001", SECOND: "0e2b6a34-1111-4c11-8111-000000000002"}
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


def configure(place: Place, *, first: dict[str, Any] | None = None, options: Any = None, **tables: Any) -> None:
    """Give the place an agent and two numbers with UUIDs."""
    place.configure(
        trunks={"sim": {"countries": ["US"], "options": options or {}}},
        numbers={
            number: {"trunk": "sim", "id": name, **(first or {} if number == FIRST else {})}
            for number, name in IDS.items()
        },
        agents={"anna": {"id": AGENT, "say": "Hello.", "numbers": [FIRST, SECOND]}},
        retry={"delay": "100ms"},
        **tables,
    )


def people(count: int) -> list[dict[str, Any]]:
    """Return that many contacts."""
    return [{"phone_number": f"+141555501{index:02}", "name": f"n{index}"} for index in range(count)]


def create(place: Place, count: int, **changes: Any) -> str:
    """Create a batch, add contacts, and return its id."""
    answer = curl(place, "POST", "/batch-calls", {"name": "b", "agent_id": AGENT, "working_days": EVERY_DAY, **changes})
    assert answer.status == 201, answer.body
    uid: str = answer.body["data"]["id"]
    if count:
        added = curl(place, "POST", f"/batch-calls/{uid}/contacts", people(count))
        assert (added.status, added.body["data"]["total"]) == (201, count)
    return uid


def do(place: Place, uid: str, verb: str) -> Reply:
    """Have something done with a batch."""
    return curl(place, "POST", f"/batch-calls/{uid}/{verb}")


def seen(place: Place, uid: str) -> dict[str, Any]:
    """Return a batch."""
    data: dict[str, Any] = curl(place, "GET", f"/batch-calls/{uid}").body["data"]
    return data


def completed(place: Place, uid: str) -> dict[str, Any]:
    """Schedule a batch, wait for its end and return it."""
    assert do(place, uid, "schedule").status == 200
    until(lambda: seen(place, uid)["status"] == "completed", "it is completed", every_s=0.1)
    return seen(place, uid)


def test_a_batch_from_draft_to_its_end(place):
    """Everybody is rung once; the fields come back; the list has it."""
    configure(place)
    place.start()
    uid = create(place, 0, name="Spring", timezone="America/New_York", max_concurrent_calls=5)
    csv = place.root / "contacts.csv"
    csv.write_text("phone_number,name\n" + "".join(f"{one['phone_number']},{one['name']}\n" for one in people(20)))
    added = curl(place, "POST", f"/batch-calls/{uid}/contacts", None, "Content-Type: text/csv", file=csv)
    assert added.body["data"] == {"id": uid, "added": 20, "duplicates": 0, "total": 20}
    changed = curl(place, "PATCH", f"/batch-calls/{uid}", {"name": "Summer", "max_concurrent_calls": 6})
    assert (changed.status, changed.body["data"]["name"]) == (200, "Summer")
    batch = completed(place, uid)
    told = {key: batch[key] for key in ("name", "timezone", "max_concurrent_calls", "working_days", "calls_answered")}
    assert told == {
        "name": "Summer",
        "timezone": "America/New_York",
        "max_concurrent_calls": 6,
        "working_days": EVERY_DAY,
        "calls_answered": 20,
    }
    assert Counter(call["number"] for call in place.ledger()) == Counter(one["phone_number"] for one in people(20))
    page = curl(place, "GET", f"/batch-calls?agent_id={AGENT}&status=completed").body
    assert [one["id"] for one in page["data"]] == [uid]
    assert page["pagination"] == {"limit": 50, "offset": 0, "total": 1, "has_more": False}
    assert curl(place, "DELETE", f"/batch-calls/{uid}").status == 204
    assert curl(place, "GET", f"/batch-calls/{uid}").status == 404


@pytest.mark.parametrize("strategy", ["round_robin", "random", "sequential"])
def test_rotation(place, strategy):
    """In turn; by chance; or the first until its limit is reached, then the next."""
    configure(place, first={"calls_per_day": 7} if strategy == "sequential" else None)
    place.start()
    uid = create(place, 40, phone_rotation_strategy=strategy, max_concurrent_calls=1)
    completed(place, uid)
    shown = [call["caller_id"] for call in place.ledger()]
    if strategy == "round_robin":
        assert all(one != other for one, other in pairwise(shown))
    elif strategy == "sequential":
        assert shown == [FIRST] * 7 + [SECOND] * 33
    else:
        assert set(shown) == {FIRST, SECOND}
        assert shown != sorted(shown)
        assert shown != shown[:2] * 20


def test_only_the_named_numbers_are_shown(place):
    """The agent has more."""
    configure(place)
    place.start()
    completed(place, create(place, 10, phone_number_ids=[IDS[SECOND]]))
    assert {call["caller_id"] for call in place.ledger()} == {SECOND}


@pytest.mark.parametrize(
    ("retry", "attempts"), [({"max_retry_attempts": 3}, 1), ({"retry_failed": True, "max_retry_attempts": 3}, 4)]
)
def test_retries(place, retry, attempts):
    """As often as allowed, and only where they are wanted at all."""
    configure(place, options={"outcomes": {"busy": 1}})
    place.start()
    completed(place, create(place, 5, **retry))
    assert set(Counter(call["number"] for call in place.ledger()).values()) == {attempts}


def test_a_daily_cap(place):
    """The rest waits for tomorrow, in the zone of the batch."""
    configure(place)
    place.start()
    uid = create(place, 20, max_calls_per_day=4)
    assert do(place, uid, "schedule").body["data"]["status"] == "active"
    until(lambda: len(place.ledger()) == 4, "four calls")
    time.sleep(1)
    assert len(place.ledger()) == 4
    assert seen(place, uid)["status"] == "active"


def test_a_closed_day(place):
    """On a day that is no working day nobody is rung."""
    configure(place)
    place.start()
    tomorrow = datetime.now(UTC).isoweekday() % 7 + 1
    uid = create(place, 5, working_days=[tomorrow])
    assert do(place, uid, "schedule").body["data"]["status"] == "active"
    time.sleep(1)
    assert place.ledger() == []


def test_pause_and_resume(place):
    """When the pause is answered no call leaves any more; resumed, everybody else is rung, nobody twice."""
    configure(place, options={"talk_time": "30ms"})
    place.start()
    uid = create(place, 100, max_concurrent_calls=2)
    do(place, uid, "schedule")
    until(lambda: len(place.ledger()) >= 10, "some calls")
    assert do(place, uid, "pause").body["data"]["status"] == "paused"
    rung = len(place.ledger())
    assert rung < 100
    time.sleep(0.5)
    assert len(place.ledger()) == rung
    assert do(place, uid, "resume").body["data"]["status"] in ("active", "scheduled")
    until(lambda: seen(place, uid)["status"] == "completed", "it is completed", every_s=0.1)
    assert set(Counter(call["number"] for call in place.ledger()).values()) == {1}
    assert len(place.ledger()) == 100


def test_contacts_of_a_folder_and_of_a_file(place):
    """A batch may name its contacts, and a dropped file may bring them."""
    folder = place.root / "contacts"
    folder.mkdir()
    (folder / "f1.csv").write_text("phone_number\n+14155550101\n")
    configure(place, dialects={"contacts_dir": str(folder)})
    place.start()
    completed(place, create(place, 0, contact_source="folder", contact_folder_id="f1"))
    place.drop("b.json", {"name": "dropped", "agent_id": AGENT, "working_days": EVERY_DAY, "contacts": people(3)})
    place.until_reported("dropped")
    assert len(place.ledger()) == 4
    place.drop("d.json", {"name": "waiting", "agent_id": AGENT})
    place.until_in("accepted", "b.json", "d.json")
    (waiting,) = curl(place, "GET", "/batch-calls?status=draft").body["data"]
    assert (waiting["name"], waiting["total_contacts"]) == ("waiting", 0)


def test_every_refusal(place):
    """Each status and code of the docs, but those that a broken disk or a broken program would take."""
    keys = place.root / "keys"
    keys.write_text("key\n")
    keys.chmod(0o600)
    configure(place, dialects={"keys_file": str(keys)})
    place.start()
    huge = place.root / "huge"
    huge.write_bytes(b" " * ((16 << 20) + 1))
    key = "Authorization: Bearer key"
    small = {"name": "b", "agent_id": AGENT}
    made = curl(place, "POST", "/batch-calls", small, key, "X-Idempotency-Key: a")
    again = curl(place, "POST", "/batch-calls", small, key, "X-Idempotency-Key: a")
    assert (made.status, made.body) == (201, again.body)
    path = f"/batch-calls/{made.body['data']['id']}"
    for status, code, answer in (
        (400, "malformed_request", curl(place, "POST", "/batch-calls", [], key)),
        (401, "unauthorized", curl(place, "GET", "/batch-calls")),
        (403, "forbidden", curl(place, "GET", "/batch-calls", None, "Authorization: Bearer no")),
        (404, "not_found", curl(place, "GET", "/batch-calls/0", None, key)),
        (405, "method_not_allowed", curl(place, "PUT", "/batch-calls", small, key)),
        (413, "payload_too_large", curl(place, "POST", "/batch-calls", None, key, file=huge)),
        (422, "validation_error", curl(place, "POST", "/batch-calls", {"name": ""}, key)),
        (422, "validation_error", curl(place, "PATCH", path, {"agent_id": AGENT}, key)),
        (422, "validation_error", curl(place, "GET", "/batch-calls?state=draft", None, key)),
        (422, "no_contacts", curl(place, "POST", f"{path}/schedule", None, key)),
        (422, "invalid_status", curl(place, "POST", f"{path}/pause", None, key)),
        (422, "invalid_status", curl(place, "POST", f"{path}/resume", None, key)),
        (
            422,
            "idempotency_key_reused",
            curl(place, "POST", "/batch-calls", {**small, "name": "c"}, key, "X-Idempotency-Key: a"),
        ),
    ):
        assert (answer.status, answer.body["code"]) == (status, code), answer.body
        assert answer.body["message"]
