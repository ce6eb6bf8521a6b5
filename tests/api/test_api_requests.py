"""What holds for every request: queries, bodies, methods, paths, errors, the read-only socket, the log of changes."""

import json
import os
import pwd

import pytest
import trio
from api_rig import api, campaign

from dialerd.api import bodies
from dialerd.model.errors import Fault, InvalidInput


@pytest.fixture
async def door(tmp_path):
    """An API."""
    async with api(tmp_path) as door:
        yield door


def assert_problem(answer, status: int) -> dict:
    """Return the problem that an answer tells, which has the form of one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert list(problem) == ["type", "title", "status", "detail", "request_id", "errors"]
    assert (problem["status"], problem["request_id"]) == (status, answer.headers["x-request-id"])
    return problem


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("limt=5", "/limt", 'did you mean "limit"?'),
        ("limit=0", "/limit", "between 1 and 100"),
        ("limit=101", "/limit", "between 1 and 100"),
        ("limit=five", "/limit", "whole number"),
        ("limit=", "/limit", "whole number"),
        ("limit=1&limit=2", "/limit", "more than once"),
        ("status=done", "/status", "known are"),
        ("after=nonsense", "/after", ""),
    ],
)
async def test_queries_are_read_strictly(door, query, pointer, words):
    """A parameter that is unknown, repeated or not allowed is told, and nothing is answered by guess."""
    problem = assert_problem(await door.client.get(f"/v1/campaigns?{query}"), 400)
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert words in str(problem["errors"])


async def test_all_faults_of_a_query_are_told_at_once(door):
    """Whoever has made three mistakes is told three."""
    problem = assert_problem(await door.client.get("/v1/campaigns?limit=0&a=1&offset=-1"), 400)
    assert sorted(error["pointer"] for error in problem["errors"]) == ["/a", "/limit", "/offset"]


async def test_parameters_are_unknown_where_there_are_none(door):
    """Also a path without any parameter minds them."""
    assert_problem(await door.client.post("/v1/campaigns?draft=true", json=campaign()), 400)


async def test_methods_that_are_not_allowed(door):
    """The answer says which are; OPTIONS, with which browsers ask, is none of them."""
    answer = await door.client.put("/v1/campaigns")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert_problem(await door.client.options("/v1/campaigns"), 405)
    answer = await door.client.post("/v1/openapi.json")
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"]


async def test_paths_that_are_unknown(door):
    """The nearest one is proposed."""
    problem = assert_problem(await door.client.get("/v1/campaign"), 404)
    assert "did you mean /v1/campaigns?" in problem["detail"]
    assert "openapi.json" in assert_problem(await door.client.get("/quite/elsewhere"), 404)["detail"]
    assert_problem(await door.client.get("/v1/campaigns/"), 404)


async def test_head_is_get_without_a_body(door):
    """The headers are those of GET."""
    got, headed = await door.client.get("/v1/trunks"), await door.client.head("/v1/trunks")
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 201),
        ({"content-type": "Application/JSON"}, 201),
        ({}, 201),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "text/csv"}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"content-encoding": "identity"}, 201),
    ],
)
async def test_kinds_of_bodies(door, headers, status):
    """JSON in UTF-8 as it is, which is taken for granted where nothing is said."""
    answer = await door.client.post("/v1/campaigns", content=json.dumps(campaign()), headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"nul", b'{"numbers": ["\xff"]}', b"[" * 100_000, b'{"a": NaN}'])
async def test_bodies_that_are_no_json(door, body):
    """They are told as such, whatever depth they have."""
    assert_problem(await door.client.post("/v1/suppressions", content=body), 400)


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"'])
async def test_bodies_that_are_no_objects(door, body):
    """JSON of another kind is invalid."""
    assert_problem(await door.client.post("/v1/suppressions", content=body), 422)
    assert_problem(await door.client.patch("/v1/campaigns/x", content=body), 422)


async def test_all_faults_of_a_body_are_told_at_once_with_their_places(door):
    """A fault has the JSON pointer of its value."""
    body = {"numbers": [5, "+12125550101", None], "scop": "all", "reason": 1}
    problem = assert_problem(await door.client.post("/v1/suppressions", json=body), 422)
    pointers = [error["pointer"] for error in problem["errors"]]
    assert pointers == ["/numbers/0", "/numbers/2", "/scop", "/reason"]
    assert 'did you mean "scope"?' in problem["errors"][2]["detail"]


async def test_a_thousand_faults_are_listed_and_the_rest_is_counted(door):
    """An answer has an end, however much is wrong."""
    problem = assert_problem(await door.client.post("/v1/suppressions", json={"numbers": [None] * 1_200}), 422)
    assert len(problem["errors"]) == 1_000
    assert "200 more" in problem["detail"]


@pytest.mark.parametrize("announced", [True, False])
async def test_bodies_that_are_too_long(door, announced, monkeypatch):
    """What is too long is refused, announced or not, and leaves no file behind."""
    content = b'{"name": "' + b"x" * (bodies.DOCUMENT_LIMIT + 1) + b'"}'

    async def pieces():
        for at in range(0, len(content), 1 << 20):
            yield content[at : at + (1 << 20)]

    answer = await door.client.post("/v1/campaigns", content=content if announced else pieces())
    assert "16 MiB" in assert_problem(answer, 413)["detail"]
    assert list(door.scratch.iterdir()) == []


async def test_the_read_only_socket_changes_nothing(door):
    """It names the other one; what only asks is answered."""
    created = await door.create()
    path = f"/v1/campaigns/{created['campaign']['id']}"
    for method, at in [("POST", "/v1/campaigns"), ("DELETE", path), ("PATCH", path), ("POST", "/v1/reload")]:
        problem = assert_problem(await door.reader.request(method, at, json=campaign()), 403)
        assert "[daemon] socket" in problem["detail"]
    assert (await door.reader.get(path)).status_code == 200
    assert (await door.reader.head(path)).status_code == 200
    assert_problem(await door.reader.options(path), 405)
    assert (await door.reader.post("/v1/plan", json=campaign())).status_code == 200


async def test_a_reload_tells_every_fault_of_the_settings(door):
    """The old settings stay where the new ones are wrong."""
    assert (await door.client.post("/v1/reload")).status_code == 204
    door.reloads.append(InvalidInput([Fault('numbers."+12125550100".trunk', "is not known"), Fault("daemon", "x")]))
    problem = assert_problem(await door.client.post("/v1/reload"), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/numbers/+12125550100/trunk", "/daemon"]


async def test_changes_are_logged_with_who_made_them(door, logged):
    """Who, what and where to; numbers masked, questions not."""
    created = await door.create()
    uid = created["campaign"]["id"]
    await door.client.get(f"/v1/campaigns/{uid}")
    await door.client.post(f"/v1/campaigns/{uid}/pause")
    await door.client.post("/v1/suppressions", json={"numbers": ["+12125550107"]})
    assert (await door.client.delete("/v1/suppressions/12125550107")).status_code >= 400  # and is no change
    await door.client.delete("/v1/suppressions/+12125550107")
    await door.client.post("/v1/plan", json=campaign())
    changes = [entry for entry in logged if entry["event"] == "api.changed"]
    assert [(entry["method"], entry["path"], entry["status"], entry["campaign"]) for entry in changes] == [
        ("POST", "/v1/campaigns", 201, uid),
        ("POST", f"/v1/campaigns/{uid}/pause", 200, uid),
        ("POST", "/v1/suppressions", 200, None),
        ("DELETE", "/v1/suppressions/**********07", 204, None),
    ]
    (first, *_) = changes
    assert (first["uid"], first["pid"]) == (os.getuid(), os.getpid())
    assert first["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert first["request_id"]


async def test_ids_of_requests(door):
    """The client's own is taken where it is a plain word, otherwise one is made."""
    answer = await door.client.get("/v1/trunks", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    answer = await door.client.get("/v1/trunks", headers={"X-Request-Id": "no good"})
    assert answer.headers["x-request-id"] not in ("", "no good")


async def test_a_client_that_leaves_in_the_middle_of_its_body(door):
    """Nothing is done, and its scratch file is gone."""
    created = await door.create(state="draft", recipients=None)
    uid = created["campaign"]["id"]
    stream = await trio.open_unix_socket(str(door.socket))
    head = f"POST /v1/campaigns/{uid}/recipients HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
    await stream.send_all(f"{head}Content-Length: 5000000\r\n\r\nphone\r\n+12125550123\r\n".encode() + b"x" * 3_000_000)
    with trio.fail_after(60):
        while not list(door.scratch.iterdir()):  # noqa: ASYNC110  # a file has no event
            await trio.sleep(0.01)
        await stream.aclose()
        while list(door.scratch.iterdir()):  # noqa: ASYNC110  # a file has no event
            await trio.sleep(0.01)
    assert (await door.client.get(f"/v1/campaigns/{uid}")).json()["counters"]["total"] == 0
