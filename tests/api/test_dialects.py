"""Dialects on the socket: keys, bodies, whose campaigns are whose, and plugins that fail."""

from typing import Any

import pytest
import trio
from api_rig import api, settings
from attrs import evolve

from dialerd.model.errors import NotFound, WrongState
from dialerd.model.settings import DialectSettings
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Order, Request, Route


async def echo(request: Request, campaigns: Campaigns) -> Answer:
    """Answer with what was asked."""
    await trio.lowlevel.checkpoint()
    told = {"method": request.method, "params": request.params, "query": request.query, "base": request.base_url}
    return Answer(status=200, body={**told, "size": len(request.body), "id": request.request_id})


async def create(request: Request, campaigns: Campaigns) -> Answer:
    """Create a draft."""
    order = Order(spec={"name": "of toy", "agent": "anna"}, draft=True, dialect="another")
    created = await campaigns.create(order, once=request.once)
    return Answer(status=201, body={"id": created.campaign.id}, headers={"X-Toy": "yes"})


async def missing(request: Request, campaigns: Campaigns) -> Answer:
    """Find nothing."""
    raise NotFound("no such toy")


def token(request: Request) -> str | None:
    """Return the toy's key."""
    return request.headers.get("x-toy-key")


def refused(request: Request, wrong: bool) -> Answer:
    """Refuse in the toy's words."""
    return Answer(status=403 if wrong else 401, body={"toy": "wrong" if wrong else "missing"})


def failed(request: Request, error: Exception) -> Answer:
    """Fail in the toy's words."""
    return Answer(status=418, body={"toy": type(error).__name__})


def toy(*routes: Route, name: str = "toy", **doors: Any) -> Dialect:
    """Return a dialect with these routes."""
    wanted: dict[str, Any] = {"token": token, "refused": refused, "failed": failed}
    return Dialect(name=name, routes=routes, **{**wanted, **doors})


ECHO = Route(method="POST", path="/toys/{name}/parts/{part}", handle=echo)
GET = Route(method="GET", path="/toys/{name}/parts/{part}", handle=echo)
CREATE = Route(method="POST", path="/toys", handle=create, creates=True)


async def test_a_request_comes_as_it_was_sent(tmp_path):
    """Places, query, body, and the way back to the socket."""
    async with api(tmp_path, dialects=[toy(ECHO, GET)]) as door:
        answer = await door.client.post(
            "/toys/a%20b/parts/7?x=1&x=2",
            content=b"123",
            headers={"X-Forwarded-Proto": "https", "Host": "dial.example"},
        )
        assert answer.json() == {
            "method": "POST",
            "params": {"name": "a b", "part": "7"},
            "query": {"x": "2"},
            "base": "https://dial.example",
            "size": 3,
            "id": answer.headers["x-request-id"],
        }
        assert (await door.client.get("/toys/a/parts/b")).json()["method"] == "GET"
        assert (await door.reader.get("/toys/a/parts/b")).status_code == 200


async def test_a_body_has_a_limit(tmp_path):
    """16 MiB are taken, one byte more is the dialect's to refuse."""
    async with api(tmp_path, dialects=[toy(ECHO)]) as door:
        assert (await door.client.post("/toys/a/parts/b", content=bytes(16 << 20))).json()["size"] == 16 << 20
        answer = await door.client.post("/toys/a/parts/b", content=bytes((16 << 20) + 1))
        assert (answer.status_code, answer.json()) == (418, {"toy": "TooLarge"})


async def test_what_is_barred_is_told_by_the_dialect(tmp_path):
    """A method that is not there, and a change on the socket that only answers: its words, but our status."""
    async with api(tmp_path, dialects=[toy(ECHO, GET)]) as door:
        answer = await door.client.delete("/toys/a/parts/b")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.json() == {"toy": "NotAllowed"}
        answer = await door.reader.post("/toys/a/parts/b")
        assert (answer.status_code, answer.json()) == (403, {"toy": "NotAllowed"})
        answer = await door.reader.post("/v1/campaigns", json={})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": ""}, {"Idempotency-Key": "a", "X-Idempotency-Key": "b"}], ids=["empty", "two"]
)
async def test_a_bad_idempotency_key_is_told_by_the_dialect(tmp_path, headers):
    """And nothing is made."""
    async with api(tmp_path, dialects=[toy(CREATE)]) as door:
        answer = await door.client.post("/toys", json={}, headers=headers)
        assert (answer.status_code, answer.json()) == (418, {"toy": "InvalidInput"})
        assert (await door.operations.campaigns.list()).total == 0


async def test_of_two_with_one_path_the_first_is_asked(tmp_path):
    """Whatever they call its places."""
    first = toy(Route(method="POST", path="/x/{a}", handle=echo))
    second = toy(Route(method="POST", path="/x/{b}", handle=missing), name="second")
    async with api(tmp_path, dialects=[first, second]) as door:
        assert (await door.client.post("/x/1")).json()["params"] == {"a": "1"}


ACTIONS: dict[str, Any] = {
    "get": (),
    "update": ({"name": "x"},),
    "delete": (),
    "schedule": (),
    "start": (),
    "pause": (),
    "resume": (),
    "cancel": (),
    "add_recipients": ([{"phone": "+12125550111"}],),
    "recipients": (),
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_dialect_has_only_its_own_campaigns(tmp_path, action):
    """Those of others are not there, by id and by alias; its own are, and have its name whatever it says."""

    async def act(request: Request, campaigns: Campaigns) -> Answer:
        found = await campaigns.list()
        try:
            await getattr(campaigns, action)(request.params["id"], *ACTIONS[action])
        except WrongState:
            return Answer(status=409, body=found.total)
        return Answer(status=200, body=found.total)

    dialects = [
        toy(CREATE, Route(method="POST", path="/toys/{id}", handle=act)),
        toy(Route(method="POST", path="/others/{id}", handle=act), name="other"),
    ]
    async with api(tmp_path, dialects=dialects) as door:
        made = (await door.client.post("/toys", json={})).json()["id"]
        native = (await door.create())["campaign"]["id"]
        assert (await door.operations.campaigns.get(made)).dialect == "toy"
        for path in (f"/others/{made}", f"/others/{native}", f"/toys/{native}"):
            assert (await door.client.post(path)).json() == {"toy": "NotFound"}
        answer = await door.client.post(f"/toys/{made}")
        assert (answer.status_code in (200, 409), answer.json()) == (True, 1)


@pytest.fixture
def keys_file(tmp_path):
    """A keys file that only its owner may read."""
    path = tmp_path / "keys"
    write(path, "# old ones\n\none\n  KEY:SECRET \n")
    return path


def write(path, text: str) -> None:
    """Write a keys file anew, as an editor does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)


async def test_keys_are_asked_for_where_the_settings_say_so(tmp_path, keys_file):
    """A missing one and a wrong one are told apart; one that is withdrawn is refused at once."""
    wanted = settings(dialects=DialectSettings(keys_file=keys_file))
    async with api(tmp_path, wanted, dialects=[toy(ECHO)]) as door:

        async def ask(key: str | None) -> tuple[int, str | None]:
            headers = {} if key is None else {"X-Toy-Key": key}
            answer = await door.client.post("/toys/a/parts/b", headers=headers)
            return answer.status_code, answer.json().get("toy")

        assert await ask(None) == (401, "missing")
        for wrong in ("two", "# old ones", "KEY", ""):
            assert await ask(wrong) == (403, "wrong"), wrong
        for right in ("one", "KEY:SECRET"):
            assert await ask(right) == (200, None)
        write(keys_file, "two\n")
        assert await ask("one") == (403, "wrong")
        assert await ask("two") == (200, None)


async def test_a_keys_file_that_cannot_be_used_refuses_everybody(tmp_path, keys_file, logged):
    """Missing, or open to everybody: no key is accepted, and the log says so without one."""
    wanted = settings(dialects=DialectSettings(keys_file=keys_file))
    async with api(tmp_path, wanted, dialects=[toy(ECHO)]) as door:
        for spoil in (lambda: keys_file.chmod(0o604), lambda: keys_file.rename(tmp_path / "gone")):
            spoil()
            answer = await door.client.post("/toys/a/parts/b", headers={"X-Toy-Key": "one"})
            assert (answer.status_code, answer.json()) == (403, {"toy": "wrong"})
            told = str(logged)
            assert "dialects.keys_unread" in told
            assert "SECRET" not in told


async def test_without_a_keys_file_nobody_is_asked(tmp_path):
    """The socket's permissions say who may."""
    async with api(tmp_path, dialects=[toy(ECHO, token=lambda _: 1 / 0)]) as door:
        assert (await door.client.post("/toys/a/parts/b")).status_code == 200


class Bad(BaseException):
    """Fails at being shown, too."""

    def __str__(self) -> str:
        raise RuntimeError


async def broken(request: Request, campaigns: Campaigns) -> Answer:
    """Raise what no plugin should."""
    raise Bad


async def surprised(request: Request, campaigns: Campaigns) -> Answer:
    """Raise an ordinary error."""
    raise ZeroDivisionError


async def silent(request: Request, campaigns: Campaigns) -> Any:
    """Answer nothing."""


def answering(**answer: Any) -> Any:
    """Return a handler that gives this answer."""

    async def handle(request: Request, campaigns: Campaigns) -> Answer:
        return Answer(**answer)

    return handle


def explode(*_: object) -> Any:
    """Raise."""
    raise Bad


@pytest.mark.parametrize(
    ("dialect", "status"),
    [
        (toy(evolve(ECHO, handle=surprised)), 418),
        (toy(evolve(ECHO, handle=broken)), 500),
        (toy(evolve(ECHO, handle=silent)), 500),
        (toy(evolve(ECHO, handle=answering(status=99))), 500),
        (toy(evolve(ECHO, handle=answering(status="200"))), 500),
        (toy(evolve(ECHO, handle=answering(status=200, body=object()))), 500),
        (toy(evolve(ECHO, handle=answering(status=200, headers={"a": 1}))), 500),
        (toy(evolve(ECHO, handle=missing), failed=explode), 500),
        (toy(evolve(ECHO, handle=missing), failed=lambda *_: None), 500),
        (toy(ECHO, token=explode), 500),
        (toy(ECHO, token=lambda _: None, refused=explode), 500),
    ],
    ids=lambda value: "" if isinstance(value, int) else "dialect",
)
async def test_a_dialect_that_fails_costs_its_request(tmp_path, keys_file, dialect, status, logged):
    """It is a problem or the dialect's own word, a line in the log, and the next request is answered."""
    asked = dialect.token is not token
    wanted = settings(dialects=DialectSettings(keys_file=keys_file if asked else None))
    second = toy(Route(method="GET", path="/fine", handle=echo), name="second", token=lambda _: "one")
    async with api(tmp_path, wanted, dialects=[dialect, second]) as door:
        answer = await door.client.post("/toys/a/parts/b")
        assert answer.status_code == status, answer.text
        if status == 500:
            assert answer.headers["content-type"] == "application/problem+json"
        told = str(logged)
        assert "dialect.failed" in told
        assert "remedy" in told
        assert (await door.client.get("/fine")).status_code == 200


async def test_what_creates_minds_the_idempotency_key(tmp_path):
    """Fifty at once under one key make one campaign; another body under it is the dialect's to refuse."""
    async with api(tmp_path, dialects=[toy(CREATE)]) as door:
        answers = []

        async def post() -> None:
            answers.append(await door.client.post("/toys", json={"a": 1}, headers={"X-Idempotency-Key": "k"}))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(post)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert (await door.operations.campaigns.list(dialect="toy")).total == 1
        answer = await door.client.post("/toys", json={"a": 2}, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()) == (418, {"toy": "KeyReused"})
        answer = await door.client.post("/toys", json={"a": 1})
        assert answer.json()["id"] != answers[0].json()["id"]
        assert answer.headers["x-toy"] == "yes"


async def test_a_change_is_logged(tmp_path, logged):
    """Whoever changes something through a dialect stands in the log, too; who only asks does not."""
    async with api(tmp_path, dialects=[toy(CREATE, GET)]) as door:
        await door.client.get("/toys/a/parts/b")
        assert "api.changed" not in str(logged)
        await door.client.post("/toys", json={})
        assert "api.changed" in str(logged)
