"""Idempotency keys: what is sent again is not done again."""

import pytest
import trio
from api_rig import api, campaign

PLACES = "/v1/campaigns"


@pytest.fixture
async def door(tmp_path):
    """An API."""
    async with api(tmp_path) as door:
        yield door


async def post(door, document, key="k1", path=PLACES, **headers):
    """Create something with a key."""
    return await door.client.post(path, json=document, headers={"Idempotency-Key": key, **headers})


async def total(door) -> int:
    """Return how many campaigns there are."""
    return (await door.client.get(PLACES)).json()["total"]


async def test_the_same_request_gets_the_same_answer(door):
    """Byte for byte, although the campaign has changed since; and it says that it is a replay."""
    first = await post(door, campaign())
    assert "idempotent-replayed" not in first.headers
    await door.client.post(first.headers["location"] + "/pause")
    again = await post(door, campaign())
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert await total(door) == 1


async def test_another_request_under_the_same_key_is_refused(door):
    """Another body and another address are another request."""
    await post(door, campaign())
    refused = await post(door, campaign(name="other"))
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:dialerd:key-reused")
    assert (await post(door, {"numbers": ["+12125550101"]}, path="/v1/suppressions")).status_code == 422
    assert await total(door) == 1


async def test_fifty_at_once_make_one_campaign(door):
    """Those that come while the first is under way wait for its answer."""
    answers = []

    async def one():
        answers.append(await post(door, campaign()))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 49
    assert await total(door) == 1


async def test_a_refusal_is_not_kept(door):
    """What was wrong may be put right under the same key."""
    assert (await post(door, campaign(agent="nobody"))).status_code == 422
    assert (await post(door, campaign())).status_code == 201


async def test_an_answer_outlives_the_daemon(tmp_path):
    """Another life of the daemon gives the same answer."""
    place = tmp_path / "first"
    place.mkdir()
    async with api(place) as door:
        first = await post(door, campaign())
    next_place = tmp_path / "second"
    next_place.mkdir()
    for file in place.glob("x.db*"):
        file.rename(next_place / file.name)
    async with api(next_place) as door:
        assert (await post(door, campaign())).content == first.content
        assert await total(door) == 1


@pytest.mark.parametrize("key", ["", "ü" * 3, "x" * 256, "\x7f"])
async def test_keys_that_are_no_keys(door, key):
    """1 to 255 printable ASCII characters."""
    headers = {b"Idempotency-Key": key.encode()}
    answer = await door.client.post(PLACES, json=campaign(), headers=headers)
    assert answer.status_code == 400, answer.text
    assert await total(door) == 0


async def test_ways_to_write_a_key(door):
    """In quotes, as a structured field, and under its other name it is the same key; two keys are none."""
    first = await post(door, campaign(), 'a "quoted" key')
    assert (await post(door, campaign(), r'"a \"quoted\" key"')).content == first.content
    other = await door.client.post(PLACES, json=campaign(), headers={"X-Idempotency-Key": 'a "quoted" key'})
    assert other.content == first.content
    assert (await post(door, campaign(), "one", **{"X-Idempotency-Key": "two"})).status_code == 400
    same = await post(door, campaign(), "one", **{"X-Idempotency-Key": '"one"'})
    assert same.status_code == 201


@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson", "text/csv"])
async def test_recipients_that_are_sent_again(door, media):
    """They are added once, and the answer is the first one."""
    created = await door.create(state="draft", recipients=None)
    path = f"{PLACES}/{created['campaign']['id']}/recipients"
    content = {
        "application/json": '[{"phone": "+12125550101"}]',
        "application/x-ndjson": '{"phone": "+12125550101"}\n',
        "text/csv": "phone\n+12125550101\n",
    }[media]
    headers = {"Idempotency-Key": "r", "Content-Type": media}
    first, again = [await door.client.post(path, content=content, headers=headers) for _ in range(2)]
    assert first.json()["added"] == 1, first.text
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


async def test_suppressions_that_are_sent_again(door):
    """An answer that was given stays, although the entries are there already."""
    await door.create()
    body = {"numbers": ["+12125550123"]}
    answers = [await post(door, body, path="/v1/suppressions") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"ended": 1}] * 2
    assert (await post(door, body, "other", path="/v1/suppressions")).json() == {"ended": 0}


async def test_a_replay_is_no_change(door, logged):
    """The log of changes names the first one only."""
    await post(door, campaign())
    await post(door, campaign())
    assert len([entry for entry in logged if entry["event"] == "api.changed"]) == 1
