"""The printed command of X against the running daemon: its answer, every code, and the batch's whole way to calls."""

import re
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from curled import Reply, ask, curled
from place import Place, until

pytestmark = pytest.mark.system

PHONE_ID = "64e5f12345abcdef87654321"
NUMBERS = ["+12125550100", "+12125550101"]

PRINTED = """curl --location '{{baseUrl}}/api/call/createBatch' \\
--header 'x-api-key: YOUR_API_KEY' \\
--header 'Content-Type: application/json' \\
--data '{
"batchName": "API Campaign May 2025",
"callingNumbers": ["64e5f12345abcdef87654321"],
"retry": 3,
"delay": 60,
"timezone": "America/New_York",
"callingHour": {"start": "09:00", "end": "17:00"},
"allowedDays": [1,2,3,4,5]
}'"""

SENT: dict[str, Any] = {
    "batchName": "API Campaign May 2025",
    "callingNumbers": [PHONE_ID],
    "retry": 3,
    "delay": 60,
    "timezone": "America/New_York",
    "callingHour": {"start": "09:00", "end": "17:00"},
    "allowedDays": [1, 2, 3, 4, 5],
}
ALWAYS: dict[str, Any] = {
    "callingHour": {"start": "00:00", "end": "24:00"},
    "allowedDays": [0, 1, 2, 3, 4, 5, 6],
}


@pytest.fixture
def daemon(place: Place) -> Place:
    """A daemon with the document's number, that asks for its key; some of those called are busy at first."""
    keys = place.root / "keys"
    keys.write_text("YOUR_API_KEY\n")
    keys.chmod(0o600)
    place.configure(
        dialects={"keys_file": str(keys)},
        numbers={NUMBERS[0]: {"trunk": "sim", "id": PHONE_ID}, NUMBERS[1]: {"trunk": "sim"}},
        trunks={
            "sim": {
                "countries": ["US", "GB"],
                "options": {
                    "numbers": {"+12125550110": ["busy", "no_answer", "answered"], "+12125550111": ["busy"]},
                },
            }
        },
    )
    place.start()
    return place


def send(place: Place, path: str, body: Any = None, method: str = "POST") -> Reply:
    """Send a request with the key, and check its envelope."""
    reply = ask(place.root / "dialerd.sock", method, f"/api/call/{path}", body, x_api_key="YOUR_API_KEY")
    assert list(reply.body) == ["message", "status", "code", "errorMessage", "data"]
    assert (reply.body["code"], reply.body["status"]) == (reply.status, reply.status < 400)
    return reply


def batches(place: Place) -> dict[str, Any]:
    """Return the batches by their ids."""
    return {batch["batchId"]: batch for batch in send(place, "batches/me", method="GET").body["data"]}


def test_the_printed_command(daemon):
    """Its answer is the document's, field by field, and the batch is listed at once as it was sent."""
    reply = curled(PRINTED, daemon.root / "dialerd.sock")
    assert reply.status == 201
    batch = reply.body.pop("data")
    assert re.fullmatch("[0-9a-f]{24}", batch)
    assert reply.body == {"message": "Batch created successfully", "status": True, "code": 201, "errorMessage": ""}
    listed = batches(daemon)[batch]
    assert {key: listed[key] for key in SENT} == SENT


def test_a_batch_is_filled_started_and_called(daemon):
    """Nobody is called before the start; then numbers go round, and those who fail are tried again by the rule."""
    wanted = {**SENT, **ALWAYS, "callingNumbers": [PHONE_ID, NUMBERS[1]], "retry": 2, "delay": 1}
    batch = send(daemon, "createBatch", wanted).body["data"]
    people = [f"+1212555{index:04}" for index in range(110, 120)]
    contacts = [{"phoneNumber": number, "name": f"N{number[-2:]}"} for number in people]
    assert send(daemon, "addContacts", {"batchId": batch, "contacts": contacts}).body["data"]["added"] == 10
    assert daemon.ledger() == []
    assert send(daemon, "startBatch", {"batchId": batch}).status == 200
    until(lambda: batches(daemon)[batch]["status"] == "completed", "the batch is over", every_s=0.2)
    ledger = daemon.ledger()
    calls = Counter(line["number"] for line in ledger)
    assert calls == dict.fromkeys(people, 1) | {"+12125550110": 3, "+12125550111": 3}
    shown = Counter(line["caller_id"] for line in ledger)
    assert set(shown) == set(NUMBERS)
    assert min(shown.values()) >= 5  # a retry may find the turn at either
    moments = [datetime.fromisoformat(line["at"]) for line in ledger if line["number"] == "+12125550111"]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(timedelta(seconds=1) <= gap < timedelta(seconds=5) for gap in gaps)
    variables = [row["variables"] for row in daemon.rows("SELECT variables FROM recipients ORDER BY id")]
    assert [f'"N{number[-2:]}"' in text for number, text in zip(people, variables, strict=True)] == [True] * 10


def test_hours_and_days_hold_the_calls(daemon):
    """Neither outside the hours nor on another weekday is anybody called; a change of them lets them go."""
    now = datetime.now(ZoneInfo("America/New_York"))
    closed = {"start": f"{now + timedelta(hours=6):%H:%M}", "end": f"{now + timedelta(hours=7):%H:%M}"}
    sunday_0 = (now.weekday() + 1) % 7
    by_hour = send(daemon, "createBatch", {**SENT, **ALWAYS, "callingHour": closed}).body["data"]
    # neither today nor yesterday nor tomorrow, lest midnight passes
    others = [(sunday_0 + ahead) % 7 for ahead in (3, 4)]
    by_day = send(daemon, "createBatch", {**SENT, **ALWAYS, "allowedDays": others}).body["data"]
    for at, batch in enumerate((by_hour, by_day)):
        contacts = [{"phoneNumber": f"+121255501{50 + at}"}]
        assert send(daemon, f"addContacts/{batch}", {"contacts": contacts}).status == 201
        assert send(daemon, f"startBatch/{batch}").status == 200
    free = send(daemon, "createBatch", {**SENT, **ALWAYS}).body["data"]
    send(daemon, "addContacts", {"batchId": free, "contacts": [{"phone": "+12125550160"}]})
    send(daemon, "startBatch", {"batchId": free})
    until(lambda: batches(daemon)[free]["status"] == "completed", "the free one is over", every_s=0.2)
    assert [line["number"] for line in daemon.ledger()] == ["+12125550160"]
    send(daemon, f"updateBatch/{by_hour}", {"callingHour": ALWAYS["callingHour"]}, "PUT")
    send(daemon, f"updateBatch/{by_day}", {"allowedDays": ALWAYS["allowedDays"]}, "PATCH")
    until(lambda: len(daemon.ledger()) == 3, "both are called", every_s=0.1)


def test_every_code(daemon):
    """400, 403 and 404 of the document and beside it, each in its envelope; a request id comes with every answer."""
    for changes in ({"batchName": ""}, {"callingNumbers": []}, {"callingNumbers": ["1"]}, {"allowedDays": [7]}):
        reply = send(daemon, "createBatch", {**SENT, **changes})
        assert reply.status == 400
        assert reply.body["errorMessage"]
    socket = daemon.root / "dialerd.sock"
    assert curled(PRINTED.replace("--header 'x-api-key: YOUR_API_KEY' \\\n", ""), socket).status == 403
    assert curled(PRINTED.replace("YOUR_API_KEY", "ANOTHER"), socket).status == 403
    bearer = PRINTED.replace("x-api-key: YOUR_API_KEY", "Authorization: Bearer YOUR_API_KEY")
    assert curled(bearer, socket).status == 201
    # the key is asked before the bearer's token
    both = PRINTED.replace("--header 'x", "--header 'Authorization: Bearer ANOTHER' --header 'x")
    assert curled(both, socket).status == 201
    both = bearer.replace("--header 'A", "--header 'x-api-key: ANOTHER' --header 'A")
    assert curled(both, socket).status == 403
    assert send(daemon, "startBatch", {"batchId": "0" * 24}).status == 404
    batch = send(daemon, "createBatch", SENT).body["data"]
    assert send(daemon, "startBatch", {"batchId": batch}).status == 409


def test_a_store_that_fails_is_a_500_with_the_request_id(daemon):
    """The only fault of the document that is the server's own."""
    with sqlite3.connect(daemon.root / "state" / "dialerd.db", isolation_level=None) as other:
        other.execute("CREATE TRIGGER spoiled BEFORE INSERT ON campaigns BEGIN SELECT RAISE(ABORT, 'spoiled'); END")
        try:
            reply = send(daemon, "createBatch", SENT)
        finally:
            other.execute("DROP TRIGGER spoiled")
    assert reply.status == 500
    assert reply.body["data"]["requestId"] in reply.body["errorMessage"]
    assert send(daemon, "createBatch", SENT).status == 201


def test_a_dropped_file_is_a_draft(daemon):
    """It has no contacts yet; they are added over the socket."""
    daemon.drop("batch.json", SENT | ALWAYS)
    daemon.until_in("accepted", "batch.json")
    ((batch, listed),) = batches(daemon).items()
    assert (listed["status"], listed["batchName"]) == ("draft", SENT["batchName"])
    send(daemon, "addContacts", {"batchId": batch, "contacts": [{"phone": "+12125550160"}]})
    send(daemon, "startBatch", {"batchId": batch})
    until(lambda: len(daemon.ledger()) == 1, "it is called")
    assert datetime.fromisoformat(daemon.ledger()[0]["at"]) <= datetime.now(UTC)


def test_a_dropped_file_with_contacts_is_dialled(daemon):
    """Within its hours, and nobody has to start it; the invalid one is left out, as it asks for."""
    contacts = [{"phone": "+12125550160"}, {"name": "Ann"}, {"phoneNumber": "+12125550161", "name": "Bob"}]
    daemon.drop("batch.json", SENT | ALWAYS | {"contacts": contacts, "skipInvalid": True})
    daemon.until_in("accepted", "batch.json")
    until(lambda: len(daemon.ledger()) == 2, "both are called")
    ((_, listed),) = batches(daemon).items()
    assert listed["totalContacts"] == 2


def test_a_dropped_file_with_faults_is_refused_with_all_of_them(daemon):
    """Each at its place in the file."""
    daemon.drop("batch.json", SENT | {"retry": -1, "contacts": [{"phone": "12"}, {"name": "Ann"}]})
    daemon.until_in("rejected", "batch.json", "batch.json.error.txt")
    text = (daemon.spool / "rejected" / "batch.json.error.txt").read_text()
    assert all(f": {path}: " in text for path in ("retry", "contacts[0].phoneNumber", "contacts[1]"))
