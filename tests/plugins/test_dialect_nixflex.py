"""The dialect of Nixflex: which request is which, the launch, the calls, keys, files and odd bodies."""

from contextlib import suppress

import pytest
from dialerd_dialects import nixflex, nixflex_newer, nixflex_older
from hypothesis import given
from hypothesis import strategies as st
from nixflex_requests import AGENT, FROM, N1, N2, changed, door, post, wanted

from dialerd.model.errors import InvalidInput
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
    with suppress(InvalidInput):
        read = nixflex.reads(printed | changes, wanted())
        assert read is None or read.document["agent"] in (AGENT, "sarah", "dubai")
