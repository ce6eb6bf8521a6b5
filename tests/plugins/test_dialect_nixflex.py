"""The dialect of Nixflex, N1 and N2: its printed requests, its codes, its zones and windows, and what becomes of both."""

import re
import sys
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from dialerd_dialects import nixflex, nixflex_newer, nixflex_older
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import InvalidInput
from dialerd.model.settings import AgentSettings, NumberSettings, TrunkSettings
from dialerd.model.states import Amd, CampaignState
from dialerd.plugin.dialect import Request

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
HOUR = 3_600_000


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


async def test_the_newer_printed_request(door):
    """It answers with the counts of the document, and waits for its day."""
    answer = await post(door, N2)
    assert answer.status_code == 201
    made = answer.json()
    assert re.fullmatch(r"batchcall_[0-9a-f]{16}", made.pop("campaign_id"))
    assert made == {"status": "scheduled", "valid_count": 3, "invalid_count": 0, "invalid": []}


async def test_the_newer_as_a_campaign(door):
    """Prompt, zone, day and window; a recipient's own prompt."""
    made = (await post(door, N2)).json()
    view = await door.operations.campaigns.get(made["campaign_id"])
    spec = view.spec
    assert (spec.prompt, spec.timezone, spec.start) == (N2["prompt"], "Europe/London", date(2090, 6, 15))
    (window,) = spec.windows
    assert (window.start, window.end, [*window.days]) == (time(9), time(18), N2["window_days"])
    people = (await door.operations.campaigns.recipients(view.id)).items
    assert [person.prompt for person in people] == [None, None, "Only say hello."]
    assert people[1].variables == {"patient_name": "John"}


async def test_now_is_running_even_outside_its_window(door):
    """`now` launches, and is what is meant where nothing is said; the window holds the calls."""
    for changes in ({"schedule_type": "now"}, {"schedule_type": ...}):
        made = (await post(door, changed(N2, **changes))).json()
        assert made["status"] == "running"


@pytest.mark.parametrize(
    ("changes", "zone"),
    [
        ({"timezone": "America/New_York", "agent_id": "dubai"}, "America/New_York"),
        ({"timezone": ..., "agent_id": "dubai"}, "Asia/Dubai"),
        ({"timezone": ...}, "Europe/London"),
        ({"timezone": None}, "Europe/London"),
    ],
)
async def test_whose_zone_it_is(door, changes, zone):
    """The campaign's, else its agent's, else London's; never the daemon's."""
    made = (await post(door, changed(N2, **changes))).json()
    assert (await door.operations.campaigns.get(made["campaign_id"])).timezone == zone


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({"window_start_minutes": ..., "window_end_minutes": ..., "window_days": ...}, []),
        ({"window_start_minutes": ..., "window_end_minutes": ...}, [("mon tue wed thu fri", time(0), time(0))]),
        ({"window_start_minutes": 1080, "window_end_minutes": 120}, [("mon tue wed thu fri", time(18), time(2))]),
        ({"window_start_minutes": 0, "window_end_minutes": 1440, "window_days": ["sun"]}, [("sun", time(0), time(0))]),
        ({"window_days": ...}, [("mon tue wed thu fri sat sun", time(9), time(18))]),
    ],
)
async def test_windows(door, changes, windows):
    """None, days alone, overnight, a whole day, and every day."""
    made = (await post(door, changed(N2, **changes))).json()
    spec = (await door.operations.campaigns.get(made["campaign_id"])).spec
    assert [(" ".join(window.days), window.start, window.end) for window in spec.windows] == windows


@pytest.mark.parametrize(
    ("changes", "status", "code", "word"),
    [
        ({"prompt": ...}, 400, "missing_field", "prompt"),
        ({"prompt": " "}, 400, "missing_field", "prompt"),
        ({"agent_id": ...}, 400, "missing_field", "agent_id"),
        ({"recipients": ...}, 400, "missing_field", "recipients"),
        ({"recipients": ..., "prompt": ...}, 400, "missing_field", "prompt"),
        ({"timezone": "Europe/Lundon"}, 422, "campaign_creation_failed", "invalid_timezone"),
        ({"from_number": "+447111999999"}, 422, "campaign_creation_failed", "from_number_not_owned"),
        ({"agent_id": "agent_0"}, 422, "campaign_creation_failed", "agent_not_owned"),
        ({"agent_id": "dubai", "from_number": ...}, 422, "campaign_creation_failed", "2 numbers"),
        ({"window_end_minutes": ...}, 422, "campaign_creation_failed", "both or neither"),
        ({"window_end_minutes": 540}, 422, "campaign_creation_failed", "whole day"),
        ({"window_end_minutes": 1441}, 422, "campaign_creation_failed", "1440"),
        ({"window_days": ["monday"]}, 422, "campaign_creation_failed", '"mon"'),
        ({"scheduled_date": ...}, 422, "campaign_creation_failed", "scheduled_date"),
        ({"scheduled_date": "15/06/2090"}, 422, "campaign_creation_failed", "scheduled_date"),
        ({"max_concurrent": 3}, 422, "campaign_creation_failed", "max_concurrent"),
        ({"recipients": []}, 422, "campaign_creation_failed", "recipients"),
    ],
)
async def test_every_code_of_the_newer(door, changes, status, code, word):
    """Each code of the document with its reason in the message; nothing is stored."""
    found_status, found, message, _ = await refusal(door, changed(N2, **changes))
    assert (found_status, found) == (status, code)
    assert word in message


BAD = [{"phone": "+447111000001"}, {"phone": "12"}, {"variables": {"a": 1}}, {"phone": 447}, {"phone": "+33612345678"}]


async def test_invalid_phones_refuse_the_whole_and_are_listed(door):
    """Every one, by its place, with what is wrong: too short, missing, no text, and of a country nobody rings."""
    status, code, _, whole = await refusal(door, changed(N2, recipients=BAD))
    assert (status, code) == (400, "invalid_phone_format")
    assert [(entry["index"], entry["phone"]) for entry in whole["invalid"]] == [
        (1, "12"),
        (2, None),
        (3, 447),
        (4, "+33612345678"),
    ]
    assert (whole["valid_count"], whole["invalid_count"]) == (1, 4)
    assert all(entry["reason"] for entry in whole["invalid"])


async def test_skip_invalid_dials_the_valid_and_lists_the_others(door):
    """The same list beside a campaign; with nobody valid there is none."""
    answer = await post(door, changed(N2, recipients=BAD, skip_invalid=True))
    made = answer.json()
    assert (answer.status_code, made["valid_count"], made["invalid_count"]) == (201, 1, 4)
    assert [entry["index"] for entry in made["invalid"]] == [1, 2, 3, 4]
    answer = await post(door, changed(N2, recipients=BAD[1:3], skip_invalid=True))
    assert answer.json()["error"]["code"] == "invalid_phone_format"
    assert answer.json()["invalid_count"] == 2


async def test_a_number_that_stands_twice_is_counted(door):
    """It is called once."""
    made = (await post(door, changed(N2, recipients=[{"phone": FROM[:-1] + "8"}] * 2))).json()
    assert (made["valid_count"], made["duplicate_count"]) == (1, 1)


async def test_the_only_number_of_the_agent_is_found(door):
    """Whoever has one number need not name it."""
    made = (await post(door, changed(N2, from_number=...))).json()
    assert (await door.operations.campaigns.get(made["campaign_id"])).spec.caller_ids == (FROM,)


async def test_which_request_it_is():
    """`prompt` tells, then the recipients' field; what is neither is the newer one."""
    assert nixflex_older.is_older(N1)
    assert not nixflex_older.is_older(N2)
    assert not nixflex_older.is_older(N1 | {"prompt": "x"})
    assert not nixflex_older.is_older(N1 | {"recipients": [{"phone": "+447111000001"}]})
    for recipients in ([], None, "x", [1], ...):
        assert not nixflex_older.is_older(changed(N1, recipients=recipients))


async def test_launch(door):
    """A scheduled batch runs at once; a second launch is a conflict, an unknown one is not found."""
    made = (await post(door, changed(N2, window_start_minutes=..., window_end_minutes=..., window_days=...))).json()
    path = f"/v1/calls/batch/{made['campaign_id']}/launch"
    answer = await door.client.post(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert answer.json()["campaign_id"] == made["campaign_id"]
    answer = await door.client.post(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_state")
    answer = await door.client.post("/v1/calls/batch/camp_00000000/launch")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "campaign_not_found")


async def test_campaigns_of_others_are_not_batches(door):
    """A native campaign is not launched by this path."""
    native = await door.create(agent="sarah", recipients=[{"phone": "+447111000001"}])
    answer = await door.client.post(f"/v1/calls/batch/{native['id']}/launch")
    assert answer.status_code == 404


async def test_the_calls_of_a_batch(door):
    """Each recipient has an entry, waiting ones too; pages follow one another."""
    made = (await post(door, N2)).json()
    path = f"/v1/calls/batch/{made['campaign_id']}/calls"
    first = (await door.client.get(path, params={"limit": 2})).json()
    second = (await door.client.get(path, params={"limit": 2, "after": first["next"]})).json()
    assert [call["phone_number"] for call in first["calls"] + second["calls"]] == [
        entry["phone"] for entry in N2["recipients"]
    ]
    assert {call["status"] for call in first["calls"]} == {"queued"}
    for query in ("limit=0", "limit=101", "limit=x", "limits=3"):
        assert (await door.client.get(f"{path}?{query}")).status_code == 400


async def test_a_body_that_is_no_object(door):
    """Broken JSON, a list, a key twice, NaN: refused with where and why."""
    for body in (b"{", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff", b""):
        answer = await door.client.post("/v1/calls/batch", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request"), body


async def test_the_same_key_makes_one_batch(door):
    """The answer is the same one, its id included."""
    first, second = [await post(door, N2, **{"Idempotency-Key": "k1"}) for _ in range(2)]
    assert first.json() == second.json()
    assert (await door.operations.campaigns.list()).total == 1
    other = await post(door, changed(N2, name="x"), **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_the_key_of_a_request():
    """Both parts of the bearer's credential are one word; no other scheme is known."""
    for header, expected in (
        ("Bearer KEY_ID:KEY_SECRET", "KEY_ID:KEY_SECRET"),
        ("bearer a:b", "a:b"),
        ("Basic a:b", None),
        ("Bearer", None),
        ("Bearer ", None),
    ):
        request = Request(method="POST", path="/", headers={"authorization": header})
        assert nixflex.token(request) == expected, header


def test_dropped_files():
    """Both requests are read as files; others' are left alone; faults stand where the file has them."""
    for printed, prefix in ((N1, "camp_"), (N2, "batchcall_")):
        read = nixflex.reads(printed, wanted())
        assert read is not None
        assert read.alias.startswith(prefix)
        assert (read.dialect, read.draft, len(read.document["recipients"])) == ("nixflex", False, 3)
    assert nixflex.reads({"name": "x", "agent": "a", "recipients": []}, wanted()) is None
    assert nixflex.reads({"name": "x", "agent_id": "a", "contact_source": "csv"}, wanted()) is None
    with pytest.raises(InvalidInput) as caught:
        nixflex.reads(changed(N2, timezone="Nowhere"), wanted())
    assert [fault.path for fault in caught.value.faults] == ["timezone"]


def test_paths_of_faults():
    """A fault in the campaign is told where the request has it."""
    assert nixflex_older.rename("recipients[12].phone") == "recipients[12].phone_number"
    assert nixflex_older.rename("recipients[3].variables.a[1]") == "recipients[3].dynamic_vars.a[1]"
    assert nixflex_older.rename("caller_ids[0]") == "from_number"
    assert nixflex_newer.rename("recipients[0].prompt") == "recipients[0].prompt_override"
    assert nixflex_newer.rename("windows[0]") == "window_start_minutes"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["now", "schedule", FROM, AGENT]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*N2, "phone", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({*N1, *N2})), anything), st.sampled_from([N1, N2]))
def test_whatever_is_sent_is_an_order_or_a_refusal(changes, printed):
    """No body, however odd, is a fault of the program: it becomes an order, or all that is wrong is told."""
    try:
        read = nixflex.reads(printed | changes, wanted())
    except InvalidInput as error:
        assert error.faults
    else:
        assert read is None or read.document["agent"] in (AGENT, "sarah", "dubai")
