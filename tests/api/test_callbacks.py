"""Carriers' callbacks over HTTP: what a provider is told of a request, and what a carrier gets."""

import gc
import os
from functools import partial
from urllib.parse import quote

import h11
import pytest
import trio
from attrs import evolve
from callback_rig import line
from hostile import ATTACKS, attacked, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from server_rig import everything, get, post

from dialerd.model.settings import CallbackSettings, Settings
from dialerd.plugin.callback import BODY_BYTES, CallbackAnswer
from dialerd.plugin.sites import site_of


async def test_a_request_and_its_answer(logged):
    """The provider gets everything as it was sent, the carrier what the provider says; nothing of it is logged."""
    async with line() as rig:
        rig.answer = CallbackAnswer(
            status=200,
            body=b"<Response/>",
            content_type="application/xml; charset=utf-8",
            headers=(("X-More", "a, b"), ("Content-Length", "3"), ("Connection", "upgrade"), ("Date", "never")),
        )
        said = await rig.say(
            post(
                "/main/keys/0190-a?stop=%239&x",
                b"To=%2B12125550123&Digits=9",
                "Content-Type: application/x-www-form-urlencoded",
                "X-Twilio-Signature: first",
                "x-twilio-signature: last=",
                "X-Latin: \xe9",
            )
        )
    ((trunk, request),) = rig.asked
    assert trunk == "main"
    assert (request.method, request.path, request.query) == ("POST", "/keys/0190-a", "stop=%239&x")
    assert request.body == b"To=%2B12125550123&Digits=9"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["x-twilio-signature"] == "last="
    assert request.headers["x-latin"] == "\xc3\xa9"
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 200 ok"
    assert body == b"<Response/>"
    assert {b"content-type: application/xml; charset=utf-8", b"x-more: a, b", b"content-length: 11"} <= set(lines)
    assert [line for line in lines if line.startswith((b"server", b"date: never", b"connection: upgrade"))] == []
    assert not logged


@pytest.mark.parametrize(
    ("target", "trunk", "path", "query"),
    [
        ("/main/", "main", "/", ""),
        ("/main/status/1", "main", "/status/1", ""),
        ("/main//a//b/", "main", "//a//b/", ""),
        ("/main/a%2Fb%2fc", "main", "/a%2Fb%2fc", ""),
        ("/main/%C3%A9%20+%zz", "main", "/%C3%A9%20+%zz", ""),
        ("/main/../up/./x", "main", "/../up/./x", ""),
        ("/main/a?", "main", "/a", ""),
        ("/main/a?b=c%26&d=+&?", "main", "/a", "b=c%26&d=+&?"),
        ("/main/a;b=1,2:3@'()*!~$", "main", "/a;b=1,2:3@'()*!~$", ""),
        ("/o%2Fne%20%C3%A9%3F/a", "o/ne \xe9?", "/a", ""),
        ("/a.b~c-_/a", "a.b~c-_", "/a", ""),
        ("http://dialer.example.com/main/a%2Fb?q", "main", "/a%2Fb", "q"),
    ],
)
async def test_paths_stay_as_they_were_sent(target, trunk, path, query):
    """Signatures are over them: only the trunk's name is decoded."""
    async with line() as rig:
        assert (await rig.say(get(target))).startswith(b"HTTP/1.1 204 ")
    ((asked, request),) = rig.asked
    assert (asked, request.method, request.path, request.query) == (trunk, "GET", path, query)


@given(name=st.text(min_size=1, max_size=12), rest=st.text(alphabet="abc/%2F?=&.é ", max_size=20))
@settings(max_examples=25)
def test_whatever_a_trunk_is_called(name, rest):
    """A trunk's name comes back from the URL that its provider was given, and so does what follows it."""
    public = site_of(name, Settings(callbacks=CallbackSettings(listen="x", url="https://example.com"))).callbacks
    assert public is not None
    path, mark, query = quote(f"/{rest}", safe="/%?=&.").partition("?")

    async def check() -> None:
        async with line() as rig:
            await rig.say(get(f"{public.removeprefix('https://example.com')}{path}{mark}{query}"))
        ((trunk, request),) = rig.asked
        assert (trunk, request.path, request.query) == (name, path, query)

    trio.run(check)


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/", "GET", 404),
        ("//a", "POST", 404),
        ("/main", "POST", 404),
        ("/%ff/a", "POST", 404),
        ("/main/a", "HEAD", 405),
        ("/main/a", "PUT", 405),
        ("/main/a", "DELETE", 405),
        ("*", "OPTIONS", 405),
    ],
)
async def test_what_gets_no_further(logged, target, method, status):
    """It is answered in few words."""
    async with line() as rig:
        head, _, body = (await rig.say(get(target, method=method))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (b"\r\nallow: GET, POST\r\n" in head) == (status == 405)
    assert body == b""
    assert b"content-type" not in head
    assert not rig.asked
    assert not logged


def chunked(body, *, size=5_000):
    """Return a request whose body's length nobody says beforehand."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return get("/main/a", "Transfer-Encoding: chunked", method="POST") + b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""]
    )


@pytest.mark.parametrize("request_of", [partial(post, "/main/a"), chunked])
async def test_bodies_have_a_limit(logged, request_of):
    """One as long as that arrives whole; one byte more, and nobody is asked."""
    async with line() as rig:
        whole = bytes(range(256)) * (BODY_BYTES // 256)
        assert (await rig.say(request_of(whole))).startswith(b"HTTP/1.1 204 ")
        assert rig.asked[0][1].body == whole
        said = await rig.say(request_of(whole + b"x"))
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.endswith(b"\r\n\r\n")
    assert len(rig.asked) == 1
    assert not logged


async def test_a_body_that_is_announced_too_long_is_not_waited_for():
    """The client hears at once."""
    async with line(patience=60_000) as rig:
        said = await rig.say(get("/main/a", f"Content-Length: {BODY_BYTES + 1}", method="POST"))
    assert said.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_drips(autojump_clock):
    """A byte now and then is no way to keep a connection for a day."""
    async with line() as rig, await trio.open_tcp_stream(*rig.at) as client:
        began = trio.current_time()
        await client.send_all(get("/main/a", "Content-Length: 60000", method="POST"))
        while trio.current_time() - began < 20:
            await client.send_all(b"x")
            await trio.sleep(4)
        assert (await everything(client)).startswith(b"HTTP/1.1 408 ")
        assert trio.current_time() - began < 23
    assert not rig.asked


async def test_a_client_that_goes_in_the_middle(logged):
    """Nobody is asked about half a request."""
    async with line(patience=100) as rig:
        client = await trio.open_tcp_stream(*rig.at)
        async with client:
            await client.send_all(get("/main/a", "Content-Length: 10", method="POST") + b"half")
        assert (await rig.say(post("/main/a", b"whole"))).startswith(b"HTTP/1.1 204 ")
        while rig.server.connections:
            await trio.lowlevel.checkpoint()
    assert [request.body for _, request in rig.asked] == [b"whole"]
    assert not logged


async def test_one_connection_after_another_and_for_many():
    """A proxy keeps connections; each answer belongs to its request."""
    async with line() as rig:
        for at in range(20):
            rig.answer = evolve(rig.answer, status=200, body=b"%d" % at)
            answer = await rig.client.post(f"/main/{at}", content=b"x" * at)
            assert answer.text == str(at)
        assert rig.server.connections == 1
    assert [request.path for _, request in rig.asked] == [f"/{at}" for at in range(20)]


def descriptors():
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def attack(at, name):
    """Attack, then ask something normal while the attacker is still there, and see him off."""
    with attacked(at, "/main/status/1", name):
        assert normal(at, "/main/status/2").startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks(logged, name):
    """Whatever is done, others are answered, and all descriptors, tasks and memory come back."""
    async with line(patience=200) as rig:
        await rig.say(get("/main/a"))
        gc.collect()
        before = descriptors(), trio.lowlevel.current_statistics().tasks_living
        await trio.to_thread.run_sync(partial(attack, rig.at, name))
        with trio.fail_after(60):
            while (descriptors(), trio.lowlevel.current_statistics().tasks_living) > before:
                await trio.lowlevel.checkpoint()
        assert rig.server.connections == 0
        gc.collect()
        assert sum(isinstance(thing, h11.Connection) for thing in gc.get_objects()) <= 3
    assert all(len(request.body) <= BODY_BYTES for _, request in rig.asked)
    assert not logged
