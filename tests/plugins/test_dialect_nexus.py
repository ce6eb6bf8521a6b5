"""The dialect of Nexus, X: its printed request, its envelope, its weekdays and retries, and a batch's whole way."""

import re
import sys
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from dialerd_dialects import nexus
from dialerd_dialects.nexus_request import changes_of, rename, shape, spec_of
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import InvalidInput
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.settings import AgentSettings, NumberSettings, TrunkSettings
from dialerd.model.states import CampaignState, Outcome, Rotation
from dialerd.model.structuring import structure
from dialerd.plugin.dialect import NotAllowed, Request

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its rig is wanted here too

from api_rig import api, settings

PHONE_ID = "64e5f12345abcdef87654321"
NUMBER = "+12125550100"
OTHER = "+12125550101"

X: dict[str, Any] = {
    "batchName": "API Campaign May 2025",
    "callingNumbers": [PHONE_ID],
    "retry": 3,
    "delay": 60,
    "timezone": "America/New_York",
    "callingHour": {"start": "09:00", "end": "17:00"},
    "allowedDays": [1, 2, 3, 4, 5],
}


def wanted(**changes: Any) -> Any:
    """Return settings with the document's number by its id, and one agent."""
    return settings(
        **{
            "numbers": {NUMBER: NumberSettings(trunk="lab", id=PHONE_ID), OTHER: NumberSettings(trunk="lab")},
            "agents": {"anna": AgentSettings(say="hello")},
            "trunks": {"lab": TrunkSettings(provider="talker", countries=("US",))},
            **changes,
        }
    )


def changed(**changes: Any) -> dict[str, Any]:
    """Return the printed request with `changes`; what is ... is left out."""
    return {key: value for key, value in {**X, **changes}.items() if value is not ...}


@pytest.fixture
async def door(tmp_path):
    """An API with the dialect."""
    async with api(tmp_path, wanted(), dialects=[nexus.DIALECT]) as door:
        yield door


async def send(door, path: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
    """Send a request and return its envelope, which has the answer's own status in `code`."""
    answer = await door.client.request(method, f"/api/call/{path}", json=body)
    envelope: dict[str, Any] = answer.json()
    assert list(envelope) == ["message", "status", "code", "errorMessage", "data"]
    assert envelope["code"] == answer.status_code
    assert envelope["status"] is (answer.status_code < 400)
    assert (envelope["errorMessage"] == "") is envelope["status"]
    return envelope


async def made(door, **changes: Any) -> str:
    """Create a batch and return its id."""
    batch: str = (await send(door, "createBatch", changed(**changes)))["data"]
    return batch


async def test_the_printed_request(door):
    """It answers as the document shows, and the batch is listed with what was sent."""
    envelope = await send(door, "createBatch", X)
    assert re.fullmatch("[0-9a-f]{24}", batch := envelope.pop("data"))
    assert envelope == {"message": "Batch created successfully", "status": True, "code": 201, "errorMessage": ""}
    (listed,) = (await send(door, "batches/user1", method="GET"))["data"]
    assert listed["batchId"] == batch
    assert {key: listed[key] for key in X} == X
    assert (listed["status"], listed["totalContacts"]) == ("draft", 0)


async def test_it_is_an_ordinary_campaign(door):
    """A draft, four attempts in all a minute apart, Monday to Friday, its numbers by turns."""
    view = await door.operations.campaigns.get(await made(door, callingNumbers=[PHONE_ID, OTHER]))
    spec = view.spec
    assert (view.state, view.dialect, spec.agent) == (CampaignState.DRAFT, "nexus", "anna")
    assert (spec.retry.max_attempts, spec.retry.delay, spec.rotation) == (4, 60_000, Rotation.ROUND_ROBIN)
    assert spec.caller_ids == (PHONE_ID, OTHER)
    (window,) = spec.windows
    assert ([*window.days], window.start, window.end) == (["mon", "tue", "wed", "thu", "fri"], time(9), time(17))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"batchName": ...}, "batchName: is required"),
        ({"batchName": ""}, "batchName: is required"),
        ({"callingNumbers": ...}, "callingNumbers: is required"),
        ({"callingNumbers": []}, "callingNumbers: is required"),
        ({"callingNumbers": ["64e5"]}, "callingNumbers[0]"),
        ({"callingNumbers": NUMBER}, "callingNumbers: must be a list"),
        ({"retry": -1}, "retry"),
        ({"retry": "3"}, "retry"),
        ({"delay": 60_000_000}, "delay"),
        ({"timezone": "New York"}, "America/New_York"),
        ({"callingHour": {"start": "09:00"}}, "callingHour.end"),
        ({"callingHour": {"start": "9 am", "end": "17:00"}}, "callingHour.start"),
        ({"callingHour": {"start": "09:00", "end": "09:00"}}, "callingHour.end"),
        ({"allowedDays": [7]}, "0 (Sunday) to 6 (Saturday)"),
        ({"allowedDays": []}, "allowedDays"),
        ({"allowedDays": ["mon"]}, "allowedDays[0]"),
        ({"agentId": "bob"}, "agentId"),
        ({"batchname": "x"}, 'did you mean "batchName"?'),
    ],
)
async def test_bad_requests(door, changes, word):
    """400 with every fault in `errorMessage`; nothing is stored."""
    envelope = await send(door, "createBatch", changed(**changes))
    assert (envelope["code"], envelope["data"]) == (400, None)
    assert word in envelope["errorMessage"]
    assert (await door.operations.campaigns.list()).total == 0


def told(envelope) -> set[str]:
    """Return the fields at fault that an envelope names."""
    assert envelope["code"] == 400
    return {part.partition(": ")[0] for part in envelope["errorMessage"].split("; ")}


EVERY = {
    "retry": -1,
    "delay": "x",
    "callingNumbers": ["64e5", 5],
    "timezone": "Nowhere",
    "callingHour": {"start": 5, "end": "25:00"},
    "allowedDays": [7],
    "agentId": "bob",
    "batchname": "x",
}
"""Wrong in every field; the name is missing."""

NAMED = {
    *("batchName", "batchname", "retry", "delay", "callingNumbers[0]", "callingNumbers[1]", "timezone"),
    *("callingHour.start", "callingHour.end", "allowedDays", "agentId"),
}


async def test_all_faults_at_once(door):
    """Who mends one need not send it again to hear of the next: of a new batch, a change, and contacts."""
    assert told(await send(door, "createBatch", EVERY)) >= NAMED
    assert NAMED - {"batchName"} <= told(await send(door, "updateBatch", EVERY, "PUT")) - {"batchId"}
    contacts = [{}, {"phone": "12", "metadata": 3}, {"phone": "13"}, 4]
    found = told(await send(door, "addContacts", {"contacts": contacts, "skip": True}))
    assert found >= {"batchId", "skip", "contacts[0]", "contacts[1].metadata", "contacts[1].phoneNumber"}
    assert found >= {"contacts[2].phoneNumber", "contacts[3]"}
    with pytest.raises(InvalidInput) as caught:
        nexus.reads(EVERY | {"batchName": "x" * 300, "contacts": contacts}, wanted())
    found = {fault.path for fault in caught.value.faults}
    assert found >= NAMED | {"contacts[0]", "contacts[1].phoneNumber", "contacts[3]"}


async def test_faults_have_no_place_in_a_document_of_ours(door):
    """The campaign's document was never sent, so that its lines say nothing; JSON has objects and fields."""
    batch = await made(door)
    body = {"contacts": [{"phone": "+12125550110", "variables": {"a": {"b": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}}}]}
    for path, sent in (
        (f"addContacts/{batch}", {"contacts": [{"phone": "12"}]}),
        (f"addContacts/{batch}", body),
        ("createBatch", changed(callingHour="x")),
        ("createBatch", changed(callinghour="x")),
    ):
        message = (await send(door, path, sent))["errorMessage"]
        assert not re.search(r"\bline\b|\bcolumn\b|\btable\b|\bkey\b", message), message


async def test_wrong_states_are_told_of_batches_and_contacts(door):
    """By the id that the client has, whatever the daemon calls them."""
    batch = await made(door)
    message = (await send(door, f"startBatch/{batch}"))["errorMessage"]
    assert message == f"batch {batch} has no contacts; add some first"
    await send(door, f"addContacts/{batch}", {"contacts": [{"phone": "+12125550110"}]})
    abroad = {"contacts": [{"phone": "+33612345678"}, {"phone": "+12125550111"}]}
    assert "no trunk of this batch" in (await send(door, f"addContacts/{batch}", abroad))["errorMessage"]
    skipped = await send(door, f"addContacts/{batch}", abroad | {"skipInvalid": True})
    assert "no trunk of this batch" in skipped["data"]["invalid"][0]["reason"]
    await send(door, f"startBatch/{batch}")
    message = (await send(door, f"startBatch/{batch}"))["errorMessage"]
    assert message == f"batch {batch} is running; it was started already"
    envelope = await send(door, f"updateBatch/{batch}", {"batchName": "C", "retry": 1}, "PUT")
    assert (envelope["code"], envelope["errorMessage"]) == (409, f"batch {batch} is running and keeps its batchName")
    await door.operations.campaigns.cancel(batch)
    for path, sent in (("addContacts", {"contacts": [{"phone": "+12125550111"}]}), ("updateBatch", {"retry": 1})):
        envelope = await send(door, f"{path}/{batch}", sent)
        assert (envelope["code"], "campaign" in envelope["errorMessage"]) == (409, False)
        assert batch in envelope["errorMessage"]
    assert "batch" in (await send(door, "startBatch/0000"))["errorMessage"]


async def test_a_batch_all_its_way(door):
    """Filled, started and listed."""
    batch = await made(door)
    contacts = [
        {"phoneNumber": "+12125550110", "name": "Ann", "metadata": {"crm": 1}},
        {"phone": "+12125550111", "variables": {"name": "Bob"}, "age": 40},
        {"phoneNumber": "+12125550110"},
    ]
    added = await send(door, "addContacts", {"batchId": batch, "contacts": contacts})
    assert added["code"] == 201
    assert added["data"] == {"batchId": batch, "added": 2, "duplicates": 1, "invalidCount": 0, "invalid": []}
    people = (await door.operations.campaigns.recipients(batch)).items
    assert [(person.number, person.variables, person.metadata) for person in people] == [
        ("+12125550110", {"name": "Ann"}, {"crm": 1}),
        ("+12125550111", {"name": "Bob", "age": 40}, {}),
    ]
    started = await send(door, "startBatch", {"batchId": batch})
    assert (started["code"], started["data"]["status"], started["data"]["totalContacts"]) == (200, "running", 2)
    again = await send(door, f"startBatch/{batch}")
    assert again["code"] == 409


async def test_contacts_all_or_none(door):
    """One that is invalid refuses all, unless it is to be skipped; each is named."""
    batch = await made(door)
    contacts = [{"phoneNumber": "+12125550110"}, {"phoneNumber": "12"}]
    refused = await send(door, f"addContacts/{batch}", {"contacts": contacts})
    assert (refused["code"], "contacts[1].phoneNumber" in refused["errorMessage"]) == (400, True)
    assert (await door.operations.campaigns.get(batch)).counters.total == 0
    added = await send(door, "addContacts", {"batchId": batch, "contacts": contacts, "skipInvalid": True})
    assert (added["data"]["added"], added["data"]["invalidCount"]) == (1, 1)
    assert added["data"]["invalid"][0]["contact"] == "contacts[1].phoneNumber"
    odd = [{"name": "Ann"}, 7, {"phone": "12"}, {"phone": "+12125550111", "metadata": 3}, {"phone": "+12125550112"}]
    added = await send(door, f"addContacts/{batch}", {"contacts": odd, "skipInvalid": True})
    assert (added["data"]["added"], added["data"]["invalidCount"]) == (1, 4)
    assert [(entry["contact"], entry["reason"].split()[0]) for entry in added["data"]["invalid"]] == [
        ("contacts[0]", "has"),
        ("contacts[1]", "must"),
        ("contacts[2].phoneNumber", "has"),
        ("contacts[3].metadata", "must"),
    ]
    for odd in (None, [], "x", [1], [{}], [{"phone": "+12125550110", "number": "+12125550110"}]):
        assert (await send(door, "addContacts", {"batchId": batch, "contacts": odd}))["code"] == 400


async def test_a_batch_without_contacts_is_not_started(door):
    """It would be over at once."""
    assert (await send(door, "startBatch", {"batchId": await made(door)}))["code"] == 409


async def test_update(door):
    """What is given changes; hours keep the days, and a count keeps the delay."""
    batch = await made(door)
    for method, path, change in (
        ("PUT", f"updateBatch/{batch}", {"callingHour": {"start": "10:00", "end": "24:00"}}),
        ("PATCH", f"updateBatch/{batch}", {"allowedDays": [0, 6]}),
        ("POST", "updateBatch", {"batchId": batch, "retry": 0, "batchName": "B"}),
    ):
        assert (await send(door, path, change, method))["code"] == 200
    (listed,) = (await send(door, "batches/u", method="GET"))["data"]
    assert {key: listed[key] for key in X} == X | {
        "batchName": "B",
        "callingHour": {"start": "10:00", "end": "24:00"},
        "allowedDays": [0, 6],
        "retry": 0,
    }
    assert (await send(door, f"updateBatch/{batch}", {}, "PUT"))["code"] == 400
    assert (await send(door, f"updateBatch/{batch}", {"batchName": None}, "PUT"))["code"] == 400
    await send(door, "addContacts", {"batchId": batch, "contacts": [{"phone": "+12125550110"}]})
    await send(door, "startBatch", {"batchId": batch})
    assert (await send(door, f"updateBatch/{batch}", {"retry": 2}, "PUT"))["data"]["retry"] == 2
    assert (await send(door, f"updateBatch/{batch}", {"batchName": "C"}, "PUT"))["code"] == 409


async def test_unknown_batches(door):
    """404 for each operation, and for a campaign that is no batch of this dialect."""
    native = await door.create(agent="anna")
    for batch in ("0" * 24, native["campaign"]["id"]):
        assert (await send(door, "startBatch", {"batchId": batch}))["code"] == 404
        assert (await send(door, f"updateBatch/{batch}", {"retry": 1}, "PUT"))["code"] == 404
        body = {"batchId": batch, "contacts": [{"phone": "+12125550110"}]}
        assert (await send(door, "addContacts", body))["code"] == 404
    assert (await send(door, "startBatch", {}))["code"] == 400
    assert (await send(door, "batches/u", method="GET"))["data"] == []


def test_who_speaks():
    """Whom the request names; the only one with these numbers; the only one; else it is asked for."""
    two = {"a": AgentSettings(say="a", numbers=(NUMBER,)), "b": AgentSettings(say="b", numbers=(OTHER,), id="bee")}
    assert spec_of(X, wanted())["agent"] == "anna"
    assert spec_of(X, wanted(agents=two))["agent"] == "a"
    assert spec_of(X | {"agentId": "bee"}, wanted(agents=two))["agent"] == "bee"
    for numbers in ([NUMBER, OTHER], [OTHER]):
        agents = two if len(numbers) == 2 else {"a": two["a"], "c": AgentSettings(say="c")}
        with pytest.raises(InvalidInput, match="agentId"):
            spec_of(X | {"callingNumbers": numbers}, wanted(agents=agents))


def test_the_retries_asked_for_are_those_made():
    """Whatever the daemon's own [retry] says of single outcomes or of the longest delay."""
    spec = structure(spec_of(X, wanted()), CampaignSpec)
    for outcome in (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.UNREACHABLE, Outcome.CONGESTION, Outcome.FAILED):
        assert spec.retry.rule_for(outcome) == RetryRule()
    assert spec.retry.rule_for(Outcome.REJECTED) == RetryPolicy().rejected
    assert spec_of(changed(retry=..., delay=...), wanted()).get("retry") is None


def test_the_key_of_a_request():
    """`x-api-key` wins over the bearer's."""
    for headers, expected in (
        ({"x-api-key": "K", "authorization": "Bearer T"}, "K"),
        ({"x-api-key": "", "authorization": "Bearer T"}, "T"),
        ({"authorization": "Basic T"}, None),
        ({}, None),
    ):
        assert nexus.token(Request(method="POST", path="/", headers=headers)) == expected


def test_refusals_and_failures():
    """403 for keys, 500 with the request's id for what is no client's fault."""
    request = Request(method="POST", path="/", request_id="r-17")
    assert [nexus.refused(request, wrong).status for wrong in (False, True)] == [403, 403]
    failure = nexus.failed(request, RuntimeError("x"))
    assert (failure.status, failure.body["code"]) == (500, 500)
    assert "r-17" in failure.body["errorMessage"]
    barred = nexus.failed(request, NotAllowed(405, "x"))
    assert (barred.status, barred.body["code"]) == (405, 405)


def test_dropped_files():
    """A request is a draft; with its contacts it is dialled as any file is; others' files are left alone."""
    read = nexus.reads(X, wanted())
    assert (read.draft, read.document["name"]) == (True, X["batchName"])
    assert "recipients" not in read.document
    filled = nexus.reads(X | {"contacts": [{"phone": "+12125550110", "name": "Ann"}, 7], "skipInvalid": True}, wanted())
    assert (filled.draft, filled.document["skip_invalid"]) == (False, True)
    assert filled.document["recipients"] == [{"phone": "+12125550110", "variables": {"name": "Ann"}}, {"phone": ""}]
    assert nexus.reads({"name": "x", "agent": "a"}, wanted()) is None
    for odd, word in (
        ({"allowedDays": [9]}, "allowedDays"),
        ({"contacts": []}, "contacts"),
        ({"skipInvalid": True}, "contacts"),
        ({"contacts": [7]}, r"contacts\[0\]"),
    ):
        with pytest.raises(InvalidInput, match=word):
            nexus.reads(X | odd, wanted())


def test_paths_of_faults():
    """A fault in the campaign is told where the request has it."""
    assert rename("recipients[12].phone") == "contacts[12].phoneNumber"
    assert rename("caller_ids[1]") == "callingNumbers[1]"
    assert rename("retry.max_attempts") == "retry"


hours = st.tuples(st.integers(0, 23), st.sampled_from([0, 30])).map(lambda pair: f"{pair[0]:02}:{pair[1]:02}")
batches = st.fixed_dictionaries(
    {"batchName": st.just("x"), "callingNumbers": st.lists(st.sampled_from([PHONE_ID, OTHER]), min_size=1, max_size=2)},
    optional={
        "retry": st.integers(0, 99),
        "delay": st.integers(0, 2_592_000),
        "timezone": st.sampled_from(["America/New_York", "Asia/Kolkata"]),
        "callingHour": st.tuples(hours, hours)
        .filter(lambda pair: pair[0] != pair[1])
        .map(lambda pair: {"start": pair[0], "end": "24:00" if pair[1] == "00:00" else pair[1]}),
        "allowedDays": st.sets(st.integers(0, 6), min_size=1).map(sorted),
    },
)


@given(batches)
def test_a_batch_comes_back_as_it_was_sent(batch):
    """Through the campaign and back, each field that was sent is the same."""
    spec = structure(spec_of(batch, wanted()), CampaignSpec)
    shown = shape(spec)
    assert {key: shown[key] for key in batch} == batch


@given(batches, batches)
def test_a_change_is_the_same_as_having_sent_it_first(batch, change):
    """A batch that is changed is the batch of both requests together."""
    batch = {"retry": 1, "delay": 5} | batch  # one of them alone leaves the other to the daemon, for good
    present = structure(spec_of(batch, wanted()), CampaignSpec)
    changes = changes_of(change, present, wanted())
    whole = spec_of(batch | change, wanted())
    for key, value in changes.items():
        assert structure({**whole, key: value}, CampaignSpec) == structure(whole, CampaignSpec), key
