"""Campaigns and their recipients over the socket: from the order to the export."""

import csv
import io

import msgspec
import pytest
import trio
from api_rig import api, campaign

NOW = {"start": None}  # begins at once


@pytest.fixture
async def door(tmp_path):
    """An API."""
    async with api(tmp_path) as door:
        yield door


def recipients(count: int) -> list[dict]:
    """Return made-up recipients, each another one."""
    return [{"phone": f"+1212555{i:04}", "variables": {"n": i}} for i in range(100, 100 + count)]


async def add(door, uid, content, media, query=""):
    """Add recipients."""
    path = f"/v1/campaigns/{uid}/recipients{query}"
    return await door.client.post(path, content=content, headers={"Content-Type": media})


async def test_a_campaign_is_created_whole(door):
    """The answer says where it is and what became of its recipients."""
    answer = await door.client.post("/v1/campaigns", json=campaign(pacing={"priority": 20}))
    assert answer.status_code == 201, answer.text
    created = answer.json()
    assert answer.headers["location"] == f"/v1/campaigns/{created['campaign']['id']}"
    assert created["recipients"]["added"] == 1
    shown = (await door.client.get(answer.headers["location"])).json()
    assert (shown["state"], shown["spec"]["pacing"]["priority"]) == ("scheduled", 20)
    assert (shown["start_at"], shown["counters"]["total"]) == ("2090-01-01T09:00:00Z", 1)


@pytest.mark.parametrize("large", [False, True])
async def test_a_campaign_with_faults_is_refused_with_all_of_them(door, large):
    """Whether it is small or goes through a file: places are JSON pointers into what was sent."""
    people = [*recipients(2_000 if large else 2), {"phone": "12"}, {"phone": "+12125550123", "prmpt": "x"}]
    document = campaign(agent="nobody", ring_timeout="1s", recipients=people)
    answer = await door.client.post("/v1/campaigns", content=msgspec.json.encode(document))
    assert answer.status_code == 422, answer.text
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    at = len(people)
    assert {"/agent", "/ring_timeout", f"/recipients/{at - 2}/phone", f"/recipients/{at - 1}/prmpt"} <= pointers
    assert (await door.client.get("/v1/campaigns")).json()["items"] == []


async def test_a_large_campaign_goes_through_a_file(door):
    """Beyond 64 KiB the document lies in scratch until the answer."""
    created = await door.create(recipients=[{"phone": f"+1415555{i:04}"} for i in range(100, 3_000)])
    assert created["recipients"]["added"] + created["recipients"]["duplicates"] == 2_900


async def test_campaigns_are_listed_page_by_page(door):
    """Latest first, each once, with the total; by cursor and by offset."""
    for i in range(5):
        await door.create(name=f"c{i}")
    first = (await door.client.get("/v1/campaigns?limit=2")).json()
    assert ([item["spec"]["name"] for item in first["items"]], first["total"]) == (["c4", "c3"], 5)
    second = (await door.client.get("/v1/campaigns", params={"limit": 2, "after": first["next"]})).json()
    assert [item["spec"]["name"] for item in second["items"]] == ["c2", "c1"]
    last = (await door.client.get("/v1/campaigns", params={"offset": 4})).json()
    assert ([item["spec"]["name"] for item in last["items"]], last["next"]) == (["c0"], None)
    assert [item["spec"]["name"] for item in (await door.client.get("/v1/campaigns?name=c2")).json()["items"]] == ["c2"]
    assert (await door.client.get("/v1/campaigns?status=paused")).json()["items"] == []
    assert (await door.client.get("/v1/campaigns?agent=anna&status=scheduled")).json()["total"] == 5


async def test_a_campaign_goes_through_its_life(door):
    """Draft, scheduled, running, paused, running, cancelled, gone; what its state forbids is 409."""
    uid = (await door.create(state="draft", recipients=None))["campaign"]["id"]
    path = f"/v1/campaigns/{uid}"
    assert (await door.client.post(f"{path}/schedule")).status_code in (409, 422)  # it has no recipients
    assert (await add(door, uid, b'[{"phone": "+12125550123"}]', "application/json")).status_code == 200
    assert (await door.client.post(f"{path}/schedule")).json()["state"] == "scheduled"
    assert (await door.client.post(f"{path}/pause")).json()["state"] == "paused"
    assert (await door.client.post(f"{path}/pause")).status_code in (200, 409)
    assert (await door.client.post(f"{path}/resume")).json()["state"] in ("scheduled", "running")
    assert (await door.client.post(f"{path}/start")).json()["state"] == "running"
    assert (await door.client.delete(path)).status_code == 409
    assert (await door.client.post(f"{path}/cancel", json={"now": True})).json()["state"] == "cancelled"
    answer = await door.client.post(f"{path}/resume")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    with trio.fail_after(60):
        while (answer := await door.client.delete(path)).status_code == 409:  # noqa: ASYNC110  # it has no event
            await trio.sleep(0.02)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await door.client.get(path)).status_code == 404


async def test_a_cancellation_says_whether_calls_end_now(door):
    """Its body may be left out; what is wrong in it is told."""
    uid = (await door.create())["campaign"]["id"]
    assert (await door.client.post(f"/v1/campaigns/{uid}/cancel", json={"now": "yes"})).status_code == 422
    assert (await door.client.post(f"/v1/campaigns/{uid}/cancel")).json()["state"] == "cancelled"


async def test_a_campaign_is_changed(door):
    """Keys that are given change, null takes one away; what may not change in its state is 409 or 422."""
    uid = (await door.create(pacing={"priority": 20}))["campaign"]["id"]
    path = f"/v1/campaigns/{uid}"
    changed = await door.client.patch(path, json={"pacing": {"max_concurrent": 3}})
    assert changed.json()["spec"]["pacing"]["max_concurrent"] == 3, changed.text
    refused = await door.client.patch(path, json={"nme": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/nme")
    assert (await door.client.patch(path, json={"agent": "other"})).status_code in (409, 422)
    assert (await door.client.patch("/v1/campaigns/none", json={})).status_code == 404


ROWS = [{"phone": "+12125550101"}, {"phone": "no number"}, {"phone": "+12125550102"}, {"phone": "+12125550101"}]


@pytest.mark.parametrize(
    ("media", "content"),
    [
        ("application/json", msgspec.json.encode(ROWS)),
        ("application/x-ndjson", b"\n".join(map(msgspec.json.encode, ROWS))),
        ("application/jsonl", b"\n".join(map(msgspec.json.encode, ROWS))),
        ("text/csv", ("phone\n" + "\n".join(row["phone"] for row in ROWS)).encode()),
    ],
)
async def test_recipients_are_added_in_every_form(door, media, content):
    """All or none, unless `skip_invalid` leaves the invalid ones out and lists them."""
    uid = (await door.create(state="draft", recipients=None))["campaign"]["id"]
    refused = await add(door, uid, content, media)
    assert refused.status_code == 422, refused.text
    assert (await door.client.get(f"/v1/campaigns/{uid}/recipients")).json()["items"] == []
    added = (await add(door, uid, content, media, "?skip_invalid=true")).json()
    assert (added["added"], added["duplicates"], added["invalid_count"]) == (2, 1, 1)
    assert len(added["invalid"]) == 1
    shown = (await door.client.get(f"/v1/campaigns/{uid}/recipients")).json()["items"]
    assert [item["number"] for item in shown] == ["+12125550101", "+12125550102"]


async def test_one_recipient_is_shown_with_its_calls(door):
    """Its number may be written with a + or with %2B."""
    uid = (await door.create(**NOW))["campaign"]["id"]
    for number in ("+12125550123", "%2B12125550123"):
        with trio.fail_after(60):
            while True:
                shown = (await door.client.get(f"/v1/campaigns/{uid}/recipients/{number}")).json()
                if shown["calls"] and shown["calls"][0]["state"] == "answered":
                    break
                await trio.sleep(0.02)
        assert (shown["number"], shown["calls"][0]["number"]) == ("+12125550123",) * 2
    assert (await door.client.get(f"/v1/campaigns/{uid}/recipients/+12125550199")).status_code == 404


async def test_a_campaign_is_exported(door):
    """A line for every recipient, over several pages, with the calls."""
    uid = (await door.create(recipients=recipients(250)))["campaign"]["id"]
    answer = await door.client.get(f"/v1/campaigns/{uid}/export")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["number"] for row in rows] == [row["phone"] for row in recipients(250)]
    assert (rows[3]["state"], rows[3]["variables"], rows[3]["call_id"]) == ("pending", '{"n":103}', "")
    assert (await door.client.get("/v1/campaigns/none/export")).status_code == 404
    assert (await door.client.head(f"/v1/campaigns/{uid}/export")).content == b""


async def test_what_is_unknown_is_404(door):
    """Of every address below a campaign."""
    for wanted in ("GET ", "DELETE ", "POST /pause", "POST /cancel", "GET /recipients", "GET /export"):
        method, path = wanted.split(" ")
        answer = await door.client.request(method, f"/v1/campaigns/none{path}")
        assert answer.status_code == 404, (method, path, answer.text)
    assert (await add(door, "none", b"[]", "application/json")).status_code in (404, 422)
