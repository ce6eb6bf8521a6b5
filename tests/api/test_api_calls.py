"""Calls, do-not-call entries, questions and resources over the socket."""

import pytest
import trio
from api_rig import CALLER_ID, api, campaign, talking

FIRST, SECOND = "+12125550123", "+12125550124"


@pytest.fixture
async def door(tmp_path):
    """An API with a campaign that has a call in progress, which talks until it is hung up."""
    async with api(tmp_path) as door:
        yield door


async def test_a_call_is_shown_hung_up_and_reported_on(door):
    """What is over cannot be hung up again; what the agent reports is kept with it."""
    call = await talking(door)
    path = f"/v1/calls/{call['id']}"
    assert (call["number"], call["caller_id"], call["trunk"]) == (SECOND, CALLER_ID, "lab")
    assert (await door.client.get(path)).json()["id"] == call["id"]
    assert (await door.client.post(f"{path}/hangup")).status_code == 200
    with trio.fail_after(60):
        while (await door.client.get(path)).json()["state"] != "ended":  # noqa: ASYNC110  # it has no event here
            await trio.sleep(0.02)
    assert (await door.client.post(f"{path}/hangup")).status_code == 409
    report = {"success": True, "data": {"asked": ["price"]}, "opt_out": True}
    result = (await door.client.post(f"{path}/result", json=report)).json()["result"]
    assert {key: result[key] for key in report} == report
    assert len((await door.client.get(f"/v1/suppressions/{SECOND}")).json()["items"]) == 1
    assert (await door.client.post(f"{path}/result", json={"reported_at": 5})).status_code == 422


async def test_calls_that_are_unknown(door):
    """They are 404 whatever is wanted of them."""
    assert (await door.client.get("/v1/calls/none")).status_code == 404
    assert (await door.client.post("/v1/calls/none/hangup")).status_code == 404
    assert (await door.client.post("/v1/calls/none/result", json={})).status_code == 404


async def test_entries_are_added_checked_and_removed(door):
    """An entry ends who waits; numbers may be written as people write them."""
    uid = (await door.create())["campaign"]["id"]
    body = {"numbers": ["+1 (212) 555-0123"], "reason": "asked", "expires_at": None}
    assert (await door.client.post("/v1/suppressions", json=body)).json() == {"ended": 1}
    checked = (await door.client.get(f"/v1/suppressions/{FIRST}")).json()
    assert [(item["number"], item["scope"], item["reason"]) for item in checked["items"]] == [(FIRST, "all", "asked")]
    shown = (await door.client.get(f"/v1/campaigns/{uid}/recipients/{FIRST}")).json()
    assert (shown["state"], shown["final"]) == ("done", "suppressed")
    assert (await door.client.get(f"/v1/suppressions/{SECOND}")).json()["items"] == []
    assert (await door.client.delete(f"/v1/suppressions/{FIRST}?scope=agent:anna")).status_code == 404
    assert (await door.client.delete(f"/v1/suppressions/{FIRST}")).status_code == 204
    assert (await door.client.get(f"/v1/suppressions/{FIRST}")).json()["items"] == []


async def test_an_entry_that_expires_says_when_with_an_offset(door):
    """A local time would be another instant elsewhere."""
    body = {"numbers": [FIRST], "expires_at": "2090-01-01T09:00:00"}
    refused = await door.client.post("/v1/suppressions", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/expires_at")
    body["expires_at"] += "+02:00"
    assert (await door.client.post("/v1/suppressions", json=body)).status_code == 200
    (entry,) = (await door.client.get("/v1/suppressions")).json()["items"]
    assert entry["expires_at"] == "2090-01-01T07:00:00Z"


async def test_entries_cross_from_one_daemon_to_another(door):
    """An export is what an import reads."""
    numbers = [f"+1212555{i:04}" for i in range(100, 350)]
    for at in (0, 125):
        body = {"numbers": numbers[at : at + 125], "reason": 'says "no", thanks'}
        assert (await door.client.post("/v1/suppressions", json=body)).status_code == 200
    exported = await door.client.get("/v1/suppressions/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert exported.text.count("\r\n") == 251
    for number in numbers:
        assert (await door.client.delete(f"/v1/suppressions/{number}")).status_code == 204
    headers = {"Content-Type": "text/csv"}
    answer = await door.client.post("/v1/suppressions/import", content=exported.content, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (await door.client.get("/v1/suppressions/export")).text.count("\r\n") == 251
    again = await door.client.get(f"/v1/suppressions/{numbers[0]}")
    assert again.json()["items"][0]["reason"] == 'says "no", thanks'


async def test_why_nobody_rings(door):
    """The answer names the rule that holds the number."""
    uid = (await door.create())["campaign"]["id"]
    for query in ({"number": FIRST}, {"number": FIRST, "campaign": uid}):
        (reason,) = (await door.client.get("/v1/why", params=query)).json()["items"]
        assert (reason["campaign_id"], reason["rule"]) == (uid, "not_started")
    assert (await door.client.get("/v1/why")).status_code == 400
    assert (await door.client.get("/v1/why?number=nonsense")).status_code in (400, 404)


async def test_a_campaign_is_forecast(door):
    """Nothing is stored; the moment at which it would begin has an offset."""
    answer = await door.client.post("/v1/plan?start=2090-02-01T10:00:00Z", json=campaign())
    assert (answer.status_code, answer.json()["recipients"]) == (200, 1), answer.text
    assert (await door.client.get("/v1/campaigns")).json()["total"] == 0
    assert (await door.client.post("/v1/plan?start=2090-02-01T10:00:00", json=campaign())).status_code == 400
    refused = await door.client.post("/v1/plan", json=campaign(agent="nobody"))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/agent")


async def test_what_the_daemon_dials_with(door):
    """Limits are shown with their use, and nothing of a trunk's options."""
    call = await talking(door)
    (trunk,) = (await door.client.get("/v1/trunks")).json()["items"]
    assert (trunk["name"], trunk["state"], trunk["in_use"], trunk["max_concurrent"]) == ("lab", "up", 1, 20)
    (number,) = (await door.client.get("/v1/numbers")).json()["items"]
    assert (number["number"], number["in_use"]) == (call["caller_id"], 1)
    (agent,) = (await door.client.get("/v1/agents")).json()["items"]
    assert (agent["name"], agent["kind"], agent["in_use"]) == ("anna", "say", 1)
    status = (await door.client.get("/v1/status")).json()
    assert (status["line"], status["lines_in_use"], status["state"]) == ("it stands", 1, "dialling")
