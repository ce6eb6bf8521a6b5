"""The printed commands of N1 and N2 against the running daemon: their answers, every code, and the calls made."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from curled import Reply, ask, curled
from place import Place, until

pytestmark = pytest.mark.system

AGENT = "agent_125207e452f8714a"
FROM = "+447446466847"
SECOND = "+447111999002"

PRINTED_N1 = """curl -X POST https://api.nixflex.com/v1/calls/batch \\
  -H "Authorization: Bearer KEY_ID:KEY_SECRET" \\
  -H "Content-Type: application/json" \\
  -d '{
    "agent_id": "agent_125207e452f8714a",
    "from_number": "+447446466847",
    "name": "Tuesday appointment reminders",
    "recipients": [
      { "phone_number": "+447111000001" },
      { "phone_number": "+447111000002", "dynamic_vars": { "patient_name": "John" } },
      { "phone_number": "+447111000003" }
    ],
    "schedule_type": "now",
    "max_concurrent": 5
  }'"""

PRINTED_BARE = """curl --request POST \\
  --url https://api.nixflex.com/v1/calls/batch"""

PRINTED_N2 = """curl -X POST https://api.nixflex.com/v1/calls/batch \\
  -H "Authorization: Bearer KEY_ID:KEY_SECRET" \\
  -H "Content-Type: application/json" \\
  -d '{
    "agent_id": "agent_125207e452f8714a",
    "from_number": "+447446466847",
    "name": "Tuesday appointment reminders",
    "prompt": "You are calling to remind the patient of a visit.",
    "timezone": "Europe/London",
    "recipients": [
      { "phone": "+447111000001" },
      { "phone": "+447111000002", "variables": { "patient_name": "John" } },
      { "phone": "+447111000003" }
    ],
    "schedule_type": "schedule",
    "scheduled_date": "2026-06-15",
    "window_start_minutes": 540,
    "window_end_minutes": 1080,
    "window_days": ["mon","tue","wed","thu","fri"]
  }'"""


def body_of(printed: str) -> dict[str, Any]:
    """Return the body in a printed command."""
    body: dict[str, Any] = json.loads(printed.partition("-d '")[2].removesuffix("'"))
    return body


N1, N2 = body_of(PRINTED_N1), body_of(PRINTED_N2)


@pytest.fixture
def daemon(place: Place) -> Place:
    """A daemon with the documents' number and agent, that asks for their key."""
    keys = place.root / "keys"
    keys.write_text("KEY_ID:KEY_SECRET\n")
    keys.chmod(0o600)
    place.configure(
        dialects={"keys_file": str(keys)},
        trunks={"sim": {"options": {"amd": {"human": 1}}}},
        numbers={FROM: {"trunk": "sim", "id": "front"}, SECOND: {"trunk": "sim"}},
        agents={
            "sarah": {"id": AGENT, "say": "Hello.", "numbers": [FROM]},
            "dubai": {"say": "Hello.", "timezone": "Asia/Dubai", "numbers": [FROM, SECOND]},
        },
    )
    place.start()
    return place


def socket(place: Place) -> Path:
    """Return where the daemon listens."""
    return place.root / "dialerd.sock"


def send(place: Place, printed: dict[str, Any], **changes: Any) -> Reply:
    """Send a printed request with changes; what is ... is left out."""
    body = {key: value for key, value in {**printed, **changes}.items() if value is not ...}
    return ask(socket(place), "POST", "/v1/calls/batch", body, Authorization="'Bearer KEY_ID:KEY_SECRET'")


def over(place: Place, batch: str) -> dict[str, Any]:
    """Wait until a batch is over and return it."""

    def look() -> Any:
        found = ask(socket(place), "GET", f"/v1/calls/batch/{batch}", Authorization="'Bearer KEY_ID:KEY_SECRET'").body
        return found if found["status"] == "completed" else None

    found: dict[str, Any] = until(look, f"{batch} is over", every_s=0.2)
    return found


def test_the_older_command(daemon):
    """Its answer is the document's, field by field; then each of the three is called once, from the number."""
    reply = curled(PRINTED_N1, socket(daemon))
    assert reply.status == 201
    made = reply.body
    assert list(made) == ["campaign_id", "agent_id", "name", "status", "recipients_count", "created_at"]
    assert re.fullmatch(r"camp_[0-9a-f]{8}", made["campaign_id"])
    created = datetime.fromisoformat(made["created_at"])
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert re.fullmatch(r"[-0-9]{10}T[0-9:]{8}Z", made["created_at"])
    told = {key: made[key] for key in ("agent_id", "name", "status", "recipients_count")}
    assert told == {"agent_id": AGENT, "name": N1["name"], "status": "running", "recipients_count": 3}
    over(daemon, made["campaign_id"])
    ledger = daemon.ledger()
    assert sorted(line["number"] for line in ledger) == [entry["phone_number"] for entry in N1["recipients"]]
    assert {line["caller_id"] for line in ledger} == {FROM}
    calls = ask(
        socket(daemon),
        "GET",
        f"/v1/calls/batch/{made['campaign_id']}/calls",
        Authorization="'Bearer KEY_ID:KEY_SECRET'",
    ).body["calls"]
    assert [call["variables"] for call in calls] == [{}, {"patient_name": "John"}, {}]
    assert len({call["call_id"] for call in calls}) == 3
    assert {call["ended_reason"] for call in calls} == {"completed"}


def test_the_bare_command(daemon):
    """A request without a key and body is refused: 401, and with the key the newer one's missing field."""
    assert curled(PRINTED_BARE, socket(daemon)).status == 401
    for sent in ("", " -d '{}'"):
        reply = curled(PRINTED_BARE + sent + " -H 'Authorization: Bearer KEY_ID:KEY_SECRET'", socket(daemon))
        assert (reply.status, reply.body["error"]["code"]) == (400, "missing_field")
    wrong = curled(PRINTED_BARE + " -H 'Authorization: Bearer KEY_ID:WRONG'", socket(daemon))
    assert (wrong.status, wrong.body["error"]["code"]) == (401, "unauthorized")


def test_the_newer_command(daemon):
    """Its answer is the document's, field by field; its date is past, so only the window says when it rings."""
    reply = curled(PRINTED_N2, socket(daemon))
    assert reply.status == 201
    made = reply.body
    assert list(made) == ["campaign_id", "status", "valid_count", "invalid_count", "invalid"]
    assert re.fullmatch(r"batchcall_[0-9a-f]{16}", made.pop("campaign_id"))
    counts = {"valid_count": 3, "invalid_count": 0, "invalid": []}
    assert {key: made[key] for key in counts} == counts
    assert made["status"] in ("scheduled", "running")  # the latter where the tests run within office hours


def hours_from_now(hours: int) -> dict[str, int]:
    """Return a window of one hour in London that opens so many hours from now, which may be past."""
    opens = (now_in_london() + hours * 60) % 1440
    return {"window_start_minutes": opens, "window_end_minutes": (opens + 60) % 1440}


def now_in_london() -> int:
    """Return the minutes since midnight there."""

    local = datetime.now(ZoneInfo("Europe/London"))
    return local.hour * 60 + local.minute


EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def test_windows_of_the_newer(daemon):
    """A due batch rings inside its window and not outside; launched outside, it is running and still rings nobody."""
    today = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    wanted = {"scheduled_date": today, "window_days": EVERY_DAY}
    closed = send(daemon, N2, **wanted, **hours_from_now(6), recipients=[{"phone": "+447111000011"}]).body
    opened = send(
        daemon,
        N2,
        **wanted,
        window_start_minutes=(now_in_london() - 60) % 1440,
        window_end_minutes=(now_in_london() + 60) % 1440,
        recipients=[{"phone": "+447111000012", "variables": {"a": 1}}],
    ).body
    over(daemon, opened["campaign_id"])
    key = {"Authorization": "'Bearer KEY_ID:KEY_SECRET'"}
    path = f"/v1/calls/batch/{closed['campaign_id']}"
    assert ask(socket(daemon), "GET", path, **key).body["status"] == "scheduled"
    launched = ask(socket(daemon), "POST", f"{path}/launch", **key)
    assert (launched.status, launched.body["status"]) == (200, "running")
    why = ask(socket(daemon), "GET", "/v1/why?number=%2B447111000011").body
    assert "calling_window" in json.dumps(why)
    assert [line["number"] for line in daemon.ledger()] == ["+447111000012"]


def test_a_batch_for_later_is_launched_by_hand(daemon):
    """Until then it rings nobody, whatever the window."""
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    none = {"window_start_minutes": ..., "window_end_minutes": ..., "window_days": ...}
    made = send(daemon, N2, scheduled_date=tomorrow, **none).body
    later = send(daemon, N1, schedule_type="schedule", scheduled_at=f"{tomorrow}T10:00:00Z").body
    assert (made["status"], later["status"]) == ("scheduled", "scheduled")
    assert daemon.ledger() == []
    key = {"Authorization": "'Bearer KEY_ID:KEY_SECRET'"}
    assert ask(socket(daemon), "POST", f"/v1/calls/batch/{made['campaign_id']}/launch", **key).status == 200
    over(daemon, made["campaign_id"])
    assert len(daemon.ledger()) == 3
    assert ask(socket(daemon), "POST", f"/v1/calls/batch/{later['campaign_id']}/launch", **key).status == 200
    over(daemon, later["campaign_id"])
    assert len(daemon.ledger()) == 6


def test_every_code(daemon):
    """Each of both documents, with its status; not one call comes of them."""
    bad = [{"phone": "+447111000001"}, {"phone": "12"}]
    crowd = [{"phone_number": f"+447111{index:06}"} for index in range(10_001)]
    expected = [
        (send(daemon, N1, agent_id="agent_0"), 403, "agent_not_owned"),
        (send(daemon, N1, from_number="+447111999999"), 403, "from_number_not_owned"),
        (send(daemon, N1, recipients=crowd), 400, "too_many_recipients"),
        (send(daemon, N1, schedule_type="schedule"), 400, "invalid_schedule"),
        (send(daemon, N1, schedule_type="schedule", scheduled_at="soon"), 400, "invalid_schedule"),
        (send(daemon, N2, prompt=...), 400, "missing_field"),
        (send(daemon, N2, recipients=bad), 400, "invalid_phone_format"),
        (send(daemon, N2, timezone="Europe/Lundon"), 422, "campaign_creation_failed"),
        (send(daemon, N2, from_number="+447111999999"), 422, "campaign_creation_failed"),
        (send(daemon, N2, from_number=..., agent_id="dubai"), 422, "campaign_creation_failed"),
    ]
    for reply, status, code in expected:
        assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert "invalid_timezone" in expected[7][0].body["error"]["message"]
    assert "from_number_not_owned" in expected[8][0].body["error"]["message"]
    assert [entry["phone"] for entry in expected[6][0].body["invalid"]] == ["12"]
    skipped = send(
        daemon,
        N2,
        recipients=bad,
        skip_invalid=True,
        schedule_type="now",
        window_days=EVERY_DAY,
        window_start_minutes=0,
        window_end_minutes=1440,
    )
    assert (skipped.status, skipped.body["valid_count"], skipped.body["invalid_count"]) == (201, 1, 1)
    over(daemon, skipped.body["campaign_id"])
    assert [line["number"] for line in daemon.ledger()] == ["+447111000001"]


@pytest.mark.parametrize(
    "printed",
    [
        N1,
        N2 | {"schedule_type": "now", "window_days": EVERY_DAY, "window_start_minutes": 0, "window_end_minutes": 1440},
    ],
)
def test_dropped_files(daemon, printed):
    """A request that lies in the spool is dialled as one that was sent."""
    daemon.drop("batch.json", printed)
    daemon.until_in("accepted", "batch.json")
    until(lambda: len(daemon.ledger()) == 3, "all are called")
    assert {line["caller_id"] for line in daemon.ledger()} == {FROM}


def test_voicemails_and_failures(daemon):
    """A voicemail is completed and not successful, a failure is an error and stops nobody else; nothing is retried."""
    daemon.stop()
    ends = {"+447111000001": ["voicemail"], "+447111000002": ["failed"], "+447111000003": ["answered"]}
    text = daemon.config.read_text()
    daemon.config.write_text(
        text.replace(
            "[trunks.sim.options.outcomes]",
            "[trunks.sim.options.numbers]\n"
            + "".join(f'"{number}" = {json.dumps(script)}\n' for number, script in ends.items())
            + "\n[trunks.sim.options.outcomes]",
        )
    )
    daemon.start()
    made = curled(PRINTED_N1, socket(daemon)).body
    batch = over(daemon, made["campaign_id"])
    assert (batch["completed_count"], batch["successful_count"], batch["failed_count"]) == (2, 1, 1)
    key = {"Authorization": "'Bearer KEY_ID:KEY_SECRET'"}
    calls = ask(socket(daemon), "GET", f"/v1/calls/batch/{made['campaign_id']}/calls", **key).body["calls"]
    assert [(call["status"], call["successful"], call["ended_reason"]) for call in calls] == [
        ("completed", False, "voicemail_detected"),
        ("failed", False, "error"),
        ("completed", True, "completed"),
    ]
