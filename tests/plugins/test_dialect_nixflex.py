"""The dialect of Nixflex: which request is which, the launch, the calls, keys, files and odd bodies."""

import re
from contextlib import suppress

import pytest
from attrs import evolve
from dialerd_dialects import nixflex, nixflex_newer, nixflex_older, nixflex_views
from hypothesis import given
from hypothesis import strategies as st
from nixflex_requests import AGENT, FROM, N1, N2, changed, door, post, refusal, wanted

from dialerd.model.errors import InvalidInput
from dialerd.model.states import Final, Outcome
from dialerd.plugin.dialect import Request

__all__ = ["door"]


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
    assert answer.json()["error"]["message"].startswith(f"campaign {made['campaign_id']} is running; only")
    answer = await door.client.post("/v1/calls/batch/camp_00000000/launch")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "campaign_not_found")


async def test_campaigns_of_others_are_not_batches(door):
    """A native campaign is not launched by this path."""
    native = await door.create(agent="sarah", recipients=[{"phone": "+447111000001"}])
    answer = await door.client.post(f"/v1/calls/batch/{native['campaign']['id']}/launch")
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


async def test_calls_show_what_the_agent_knows(door):
    """The batch's variables, and a recipient's own above them."""
    made = (await post(door, changed(N1, dynamic_vars={"clinic": "North", "patient_name": "you"}))).json()
    calls = (await door.client.get(f"/v1/calls/batch/{made['campaign_id']}/calls")).json()["calls"]
    names = {call["phone_number"][-1]: call["variables"]["patient_name"] for call in calls}
    assert names == {"1": "you", "2": "John", "3": "you"}
    assert {call["variables"]["clinic"] for call in calls} == {"North"}


async def test_a_voicemail_is_completed_and_not_failed(door):
    """As the older one's document has it; whoever was not reached has failed, once."""
    view = await door.operations.campaigns.get((await post(door, N1)).json()["campaign_id"])
    counters = evolve(
        view.counters,
        done={Final.SUCCEEDED: 3, Final.EXHAUSTED: 4, Final.FAILED: 1},
        outcomes={Outcome.ANSWERED: 3, Outcome.VOICEMAIL: 2, Outcome.BUSY: 2, Outcome.INVALID_NUMBER: 1},
    )
    shown = nixflex_views.whole(evolve(view, counters=counters))
    counts = [shown[f"{name}_count"] for name in ("completed", "successful", "failed")]
    assert counts == [5, 3, 3]


async def test_a_body_that_is_no_object(door):
    """Broken JSON, a list, a key twice, NaN: refused by a code of the newer one, with where and why."""
    for body in (b"{", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff"):
        answer = await door.client.post("/v1/calls/batch", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "campaign_creation_failed"), body
    answer = await door.client.post("/v1/calls/batch", content=b'{\n"agent_id": x}')
    assert "is not JSON at line 2, column 13" in answer.json()["error"]["message"]


async def test_no_body_lacks_what_is_required(door):
    """As the newer one does: nothing, an empty object, and recipients alone."""
    for body in (b"", b" \n", b"{}", b'{"recipients": [{"number": "+447111000001"}]}'):
        answer = await door.client.post("/v1/calls/batch", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing_field"), body
        assert {"agent_id", "prompt"} <= {detail["field"] for detail in answer.json()["error"]["details"]}


SHARED = {"agent_id": "agent_0", "from_number": "+447111999999", "name": "x" * 300, "odd": 1}
OLDER = SHARED | {
    "recipients": [{"phone_number": "12"}, {"phone_number": "+447111000001", "dynamic_vars": 3}, 5, {}],
    "schedule_type": "schedule",
    "scheduled_at": "soon",
    "max_concurrent": 0,
    "metadata": [],
}
NEWER = SHARED | {
    "prompt": "x",
    "recipients": [{"phone": "12"}, {"phone": "13", "variables": 3}, 5, {}],
    "schedule_type": "schedule",
    "window_start_minutes": 540,
    "window_end_minutes": 540,
    "window_days": ["monday"],
    "timezone": "Nowhere",
    "skip_invalid": "no",
}


@pytest.mark.parametrize(
    ("body", "entries"),
    [
        (OLDER, {"[0].phone_number", "[1].dynamic_vars", "[2]", "[3].phone_number"}),
        (NEWER, {"[0].phone", "[1].phone", "[1].variables", "[2]", "[3].phone"}),
    ],
)
async def test_all_faults_at_once(door, body, entries):
    """Every field that can be read is judged, whatever is wrong with the others; in a file, too."""
    sound = {"prompt", "schedule_type", "recipients", "window_start_minutes", "window_days"}
    lacking = {"scheduled_date", "window_days[0]"} if body is NEWER else set()
    expected = (set(body) - sound) | lacking | {f"recipients{entry}" for entry in entries}
    details = (await refusal(door, body))[3]["error"]["details"]
    assert {detail["field"] for detail in details} == expected
    assert len(details) == len(expected)
    assert not re.search(r"\btable\b|\bkey\b", str(details))
    with pytest.raises(InvalidInput) as caught:
        nixflex.reads(body, wanted())
    assert {fault.path for fault in caught.value.faults} == expected


@pytest.mark.parametrize("printed", [N1, N2])
async def test_faults_have_no_place_in_a_document_of_ours(door, printed):
    """The campaign's document was never sent, so that its lines say nothing."""
    number = "phone_number" if printed is N1 else "phone"
    *_, message, _ = await refusal(door, changed(printed, recipients=[{number: "12"}, {number: "+33612345678"}]))
    assert "recipients[1]" in message
    assert not re.search(r"\bline\b|\bcolumn\b", message)


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


async def test_what_a_path_does_not_do(door):
    """405 in the system's own envelope."""
    answer = await door.client.put("/v1/calls/batch")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "not_allowed")


def test_dropped_files():
    """Both requests are read as files; others' are left alone; faults stand where the file has them."""
    for printed, prefix in ((N1, "camp_"), (N2, "batchcall_")):
        read = nixflex.reads(printed, wanted())
        assert read is not None
        assert read.alias.startswith(prefix)
        assert (read.draft, len(read.document["recipients"])) == (False, 3)
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
    with suppress(InvalidInput):
        read = nixflex.reads(printed | changes, wanted())
        assert read is None or read.document["agent"] in (AGENT, "sarah", "dubai")
