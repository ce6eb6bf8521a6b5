"""The server of the local API: requests, answers and the ends of connections, over real sockets."""

import os
import re

import pytest
import trio
import trio.testing
from hostile import problem
from server_rig import everything, get, post, serving, until_said


async def test_a_request_and_its_answer(tmp_path):
    """The application gets a scope by the book, and the client what the application says and what every answer has."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get("/ok%20yes?a=%20b", "X-Request-Id: mine-1"))
    scope = rig.scopes[0]
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("GET", "/ok yes", b"/ok%20yes")
    assert (scope["query_string"], scope["client"], scope["server"]) == (b"a=%20b", None, (str(rig.path), None))
    assert (b"x-request-id", b"mine-1") in scope["headers"]
    peer = scope["state"]["peer"]
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert (scope["state"]["read_only"], scope["state"]["request_id"]) == (False, "mine-1")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b'{"ok":true}'
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nx-request-id: mine-1" in head
    assert b"\r\ncontent-length: 11" in head
    assert re.search(rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", head)
    assert b"server:" not in head


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a,b", "\u00e9"])
async def test_request_ids_that_are_not_sane(tmp_path, given):
    """They are replaced by new ones, which differ."""
    async with serving(tmp_path / "s") as rig:
        for _ in range(2):
            await rig.ask(get("/ok", f"X-Request-Id: {given}"))
    first, second = (scope["state"]["request_id"] for scope in rig.scopes)
    assert given not in (first, second)
    assert first != second


@pytest.mark.parametrize("read_only", [True, False])
async def test_the_socket_says_what_may_be_done(tmp_path, read_only):
    """The application is told by which socket a request came."""
    async with serving(tmp_path / "s", read_only=read_only) as rig:
        await rig.ask(get("/ok"))
    assert rig.scopes[0]["state"]["read_only"] is read_only


async def test_many_requests_on_one_connection(tmp_path):
    """One after another, and all at once; the answers come in order."""
    async with serving(tmp_path / "s") as rig, await rig.connect() as client:
        for size in range(3):
            await client.send_all(post("/count", b"x" * size, last=False))
            assert (await until_said(client, b"\r\n\r\n%d" % size)).startswith(b"HTTP/1.1 200 ")
        await client.send_all(b"".join(post("/count", b"x" * size, last=size == 99) for size in range(100)))
        answer = await everything(client)
    assert re.findall(rb"\r\n\r\n(\d+)", answer) == [b"%d" % size for size in range(100)]


async def test_bodies(tmp_path):
    """With a length or in chunks, larger than what is read at once."""
    body = b"y" * 300_000
    async with serving(tmp_path / "s") as rig:
        assert (await rig.ask(post("/count", body))).endswith(b"\r\n\r\n300000")
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (b"abc", body, b"d")) + b"0\r\n\r\n"
        answer = await rig.ask(get("/count", "Transfer-Encoding: chunked", method="POST") + chunks)
        assert answer.endswith(b"\r\n\r\n300004")


async def test_leave_to_send(tmp_path):
    """A client that asks for it gets it when the application reads."""
    async with serving(tmp_path / "s") as rig, await rig.connect() as client:
        await client.send_all(get("/count", "Content-Length: 5", "Expect: 100-continue", method="POST"))
        await until_said(client, b"HTTP/1.1 100 \r\n\r\n")
        await client.send_all(b"hello")
        assert (await everything(client)).endswith(b"\r\n\r\n5")


async def test_answers_in_pieces(tmp_path):
    """They go in chunks, or, for HTTP/1.0, until the connection is closed."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get("/pieces"))
        assert b"transfer-encoding: chunked" in answer.lower()
        assert b"\r\n\r\n4\r\none,\r\n4\r\ntwo,\r\n186a0\r\nxxx" in answer
        assert answer.endswith(b"x\r\n3\r\nend\r\n0\r\n\r\n")
        answer = await rig.ask(b"GET /pieces HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\none,two," + b"x" * 100_000 + b"end")


async def test_head(tmp_path):
    """The answer has the length of the body, and no body."""
    async with serving(tmp_path / "s") as rig:
        for path in ("/ok", "/pieces"):
            assert (await rig.ask(get(path, method="HEAD"))).endswith(b"\r\n\r\n")
        assert b"content-length: 11\r\n" in await rig.ask(get("/ok", method="HEAD"))
        assert (await rig.ask(get("/raise", method="HEAD"))).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/raise", "/exit", "/nothing", "/inject"])
async def test_an_application_that_fails(tmp_path, logged, path):
    """Its client gets a 500 with problem details, the log one line, and the next client its answer."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get(path, "X-Request-Id: mine"))
        assert (await rig.ask(get("/ok"))).startswith(b"HTTP/1.1 200 ")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert (problem(answer)["request_id"], problem(answer)["status"]) == ("mine", 500)
    assert [(entry["event"], entry["log_level"], entry["request_id"]) for entry in logged] == [
        ("api.request_failed", "error", "mine")
    ]


async def test_no_number_is_readable_in_the_log(tmp_path, logged):
    """Whatever went wrong with it."""
    async with serving(tmp_path / "s") as rig:
        await rig.ask(get("/reveal"))
    assert [entry["path"] for entry in logged] == ["/entries/**********23"]


async def test_an_application_that_fails_half_way(tmp_path, logged):
    """The answer is cut, so that nobody takes it for whole."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get("/break"))
    assert answer.endswith(b"4\r\nsome\r\n")
    assert [entry["event"] for entry in logged] == ["api.request_failed"]


@pytest.mark.parametrize(("size", "goes_on"), [(10, True), (50_000, True), (5_000_000, False)])
async def test_bodies_that_nobody_reads(tmp_path, size, goes_on):
    """A short one is passed over; for a long one the connection is closed, when the answer has arrived."""
    async with serving(tmp_path / "s") as rig, await rig.connect() as client, trio.open_nursery() as nursery:

        async def send() -> None:
            try:
                await client.send_all(post("/ok", b"x" * size, last=False) + get("/count"))
            except trio.BrokenResourceError:
                assert not goes_on

        nursery.start_soon(send)
        answer = await everything(client)
        nursery.cancel_scope.cancel()
    assert answer.count(b"HTTP/1.1 200 ") == 1 + goes_on


async def test_a_body_that_is_not_asked_for(tmp_path):
    """A client that waits for leave to send gets its answer instead, and the connection ends."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get("/ok", "Content-Length: 10", "Expect: 100-continue", method="POST", last=False))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


async def test_broken_bodies(tmp_path, logged):
    """The client is told, in the application's stead; the application that the client is gone; the log nothing."""
    async with serving(tmp_path / "s") as rig:
        answer = await rig.ask(get("/count", "Transfer-Encoding: chunked", method="POST") + b"zz\r\n")
        assert problem(answer)["status"] == 400
        await rig.gone.wait()
        answer = await rig.ask(get("/count", "Content-Length: 10", method="POST") + b"abc")
        assert problem(answer)["status"] == 408
    assert not logged


@pytest.mark.parametrize("pipelined", [b"", get("/ok")])
async def test_a_follower_that_goes_away(tmp_path, pipelined):
    """The application hears of it at once, though it only sends; also when the client had asked more."""
    async with serving(tmp_path / "s", patience=60_000) as rig:
        async with await rig.connect() as client:
            await client.send_all(get("/follow", last=False) + pipelined)
            await until_said(client, b"first")
            await rig.waiting.wait()
        with trio.fail_after(60):
            await rig.gone.wait()


async def test_a_follower_that_only_listens(tmp_path):
    """One that has closed its sending side is still there."""
    async with serving(tmp_path / "s", grace=5_000) as rig, await rig.connect() as client:
        await client.send_all(get("/follow"))
        await client.send_eof()
        await until_said(client, b"first")
        await rig.waiting.wait()
        assert not rig.gone.is_set()
        rig.door.close()
        assert (await everything(client)).endswith(b"last\r\n0\r\n\r\n")


async def test_what_a_follower_asks_meanwhile(tmp_path):
    """It is answered when the answer before it is over: nothing of it is lost by looking for the client's end."""
    async with serving(tmp_path / "s") as rig, await rig.connect() as client:
        await client.send_all(get("/watch", last=False))
        await rig.waiting.wait()
        await client.send_all(get("/count"))
        await trio.testing.wait_all_tasks_blocked()
        rig.release.set()
        answer = await everything(client)
    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_a_client_that_takes_nothing(tmp_path, logged):
    """It is cut when its patience is over."""
    async with serving(tmp_path / "s") as rig, await rig.connect() as client:
        await client.send_all(get("/flood"))
        with trio.fail_after(60):
            await rig.gone.wait()
        assert len(await everything(client)) < 10_000_000
    assert not logged


async def test_what_nobody_waits_for_is_not_done(tmp_path):
    """A client that has gone is not worked for: what it had asked in advance is left."""
    async with serving(tmp_path / "s") as rig:
        async with await rig.connect() as client:
            await client.send_all(get("/wait", last=False) + get("/ok", last=False) * 100)
            await rig.waiting.wait()
        rig.release.set()
        while rig.server.connections:
            await trio.lowlevel.checkpoint()
    assert len(rig.scopes) == 1


async def test_a_client_that_says_nothing(tmp_path):
    """It is left without a word, be it new or after an answer; one in the middle of a head is told."""
    async with serving(tmp_path / "s") as rig:
        assert await rig.ask() == b""
        assert (await rig.ask(get("/ok", last=False))).count(b"HTTP/1.1 ") == 1
        assert problem(await rig.ask(b"GET / HT"))["status"] == 408


async def test_upgrades_are_not_made(tmp_path):
    """A request to change the protocol is answered like any other, and so is the next one."""
    async with serving(tmp_path / "s") as rig:
        upgrade = get("/count", "Upgrade: h2c", "HTTP2-Settings: ***", method="POST", last=False)
        answer = await rig.ask(upgrade + get("/count"))
    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_no_room(tmp_path):
    """Who finds none is told so, and finds it again when somebody has left."""
    async with serving(tmp_path / "s", max_connections=2, patience=60_000) as rig:
        async with await rig.connect() as first, await rig.connect() as second:
            for client in (first, second):
                await client.send_all(get("/ok", last=False))
                await until_said(client, b"true")
            answer = await rig.ask(get("/ok"))
            assert problem(answer)["status"] == 503
            assert b"Retry-After: 1" in answer
            assert rig.server.connections == 2
        while rig.server.connections:
            await trio.lowlevel.checkpoint()
        assert (await rig.ask(get("/ok"))).startswith(b"HTTP/1.1 200 ")
