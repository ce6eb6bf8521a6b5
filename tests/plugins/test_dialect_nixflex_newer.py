"""The newer request of Nixflex, N2: its printed command, its codes, zones, windows and lists of invalid numbers."""

import re
from datetime import date, time

import pytest
from nixflex_requests import FROM, N2, changed, door, post, refusal

__all__ = ["door"]


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
    for nobody in (BAD[1:3], ODD[:3]):
        answer = await post(door, changed(N2, recipients=nobody, skip_invalid=True))
        assert answer.json()["error"]["code"] == "invalid_phone_format"
        assert answer.json()["invalid_count"] == len(nobody)


ODD = [5, {"phone": "+447111000001", "odd": 1}, {"phone": "+447111000002", "variables": 3}, {"phone": "+447111000003"}]


async def test_what_is_no_recipient_is_invalid_too(door):
    """Refused and listed, or skipped and listed: with the reason, in the words of JSON."""
    status, code, _, refused = await refusal(door, changed(N2, recipients=ODD))
    assert (status, code) == (400, "invalid_phone_format")
    made = (await post(door, changed(N2, recipients=ODD, skip_invalid=True))).json()
    assert (made["valid_count"], made["invalid_count"]) == (1, 3)
    assert made["invalid"] == refused["invalid"]
    assert [(entry["index"], entry["reason"].partition(";")[0]) for entry in made["invalid"]] == [
        (0, "must be an object, but is a whole number"),
        (1, "is not a known field"),
        (2, "must be an object, but is a whole number"),
    ]


async def test_a_number_that_stands_twice_is_counted(door):
    """It is called once."""
    made = (await post(door, changed(N2, recipients=[{"phone": FROM[:-1] + "8"}] * 2))).json()
    assert (made["valid_count"], made["duplicate_count"]) == (1, 1)


async def test_the_only_number_of_the_agent_is_found(door):
    """Whoever has one number need not name it."""
    made = (await post(door, changed(N2, from_number=...))).json()
    assert (await door.operations.campaigns.get(made["campaign_id"])).spec.caller_ids == (FROM,)
