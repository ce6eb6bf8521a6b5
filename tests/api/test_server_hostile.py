"""Hostile clients and the server: after them a normal request answers, and nothing of them is left."""

import gc
import os
import resource
from functools import partial

import h11
import hypothesis
import pytest
import trio
from hostile import ATTACKS, attacked, normal, problem
from hypothesis import strategies as st
from server_rig import get, post, serving, until_said


def descriptors():
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def attack(path, name):
    """Attack, then ask something normal while the attacker is still there, and see him off."""
    with attacked(path, "/count", name):
        assert normal(path, "/ok").endswith(b'{"ok":true}')


@pytest.mark.parametrize("name", ATTACKS)
async def test_attacks(tmp_path, logged, name):
    """Whatever is done, the server answers others, and all descriptors and tasks come back."""
    async with serving(tmp_path / "s", max_connections=300) as rig:
        await rig.ask(get("/ok"))
        gc.collect()
        before = descriptors(), trio.lowlevel.current_statistics().tasks_living
        await trio.to_thread.run_sync(partial(attack, rig.path, name))
        while (descriptors(), trio.lowlevel.current_statistics().tasks_living) > before:
            await trio.lowlevel.checkpoint()
        assert rig.server.connections == 0
    assert not logged


async def test_nothing_is_kept_of_former_clients(tmp_path):
    """Objects of connections and requests are freed, by themselves."""

    def kept():
        return sum(isinstance(thing, h11.Connection) for thing in gc.get_objects())

    gc.collect()
    before = kept()
    async with serving(tmp_path / "s") as rig:
        for _ in range(50):
            await rig.ask(get("/ok"))
            await rig.ask(post("/count", b"x" * 1000))
            await rig.ask(b"nonsense\r\n\r\n")
        while rig.server.connections:
            await trio.lowlevel.checkpoint()
        gc.collect()
        assert kept() <= before + 5  # the last of them may still lie in a frame; 150 have been here


async def test_no_descriptor_left(tmp_path, logged):
    """The server rests, says so once, and goes on when there is one again."""
    async with serving(tmp_path / "s", patience=60_000) as rig, await rig.connect() as former:
        await former.send_all(get("/ok", last=False))
        await until_said(former, b"true")
        client = trio.socket.socket(trio.socket.AF_UNIX)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        held = [os.dup(0) for _ in range(highest - descriptors() + 2)]  # so that no number below the limit is free
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, limits[1]))
        try:
            await client.connect(str(rig.path))
            with trio.fail_after(60):
                while not logged:
                    await trio.lowlevel.checkpoint()
            await former.send_all(get("/ok", last=False))  # who is in is served
            await until_said(former, b"true")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for descriptor in held:
                os.close(descriptor)
        async with trio.SocketStream(client) as stream:
            await stream.send_all(get("/ok"))
            await until_said(stream, b"true")
    assert [entry["event"] for entry in logged] == ["api.accept_failed"]


@pytest.mark.parametrize("path", ["/count", "/ok"])
async def test_a_body_in_tiny_pieces(tmp_path, path):
    """Thousands of pieces come in one read; others have their turn between them, whether they are wanted or not."""
    passes = 0

    async def others(cancel: trio.CancelScope) -> None:
        nonlocal passes
        with cancel:
            while True:
                await trio.lowlevel.checkpoint()
                passes += 1

    async with serving(tmp_path / "s") as rig, trio.open_nursery() as nursery:
        nursery.start_soon(others, cancel := trio.CancelScope())
        body = b"1\r\nx\r\n" * 9_000 + b"0\r\n\r\n"
        asked = get(path, "Transfer-Encoding: chunked", method="POST", last=False) + body
        answer = await rig.ask(asked + get("/ok"))
        cancel.cancel()
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert passes > 900


HEADS = [b"GET / HTTP/1.1\r\n", b"POST /count HTTP/1.1\r\n", b"HEAD /pieces HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"]
LINES = [b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b"Upgrade: h2c"]
OTHERS = [b"\r\n", b"hello", b"5\r\n", b"0\r\n\r\n", b"Expect: 100-continue\r\n", b" ", b"\x00", b"\xff", b"%", b"?"]
WORDS = st.sampled_from([*HEADS, *(line + b"\r\n" for line in LINES), *OTHERS])


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(pieces=st.lists(WORDS | st.binary(max_size=20), max_size=12), whole=st.booleans())
def test_whatever_is_sent(tmp_path_factory, pieces, whole):
    """Any bytes, at once or one by one, are answered in HTTP or with the end; the next client gets its answer."""

    async def check():
        async with serving(tmp_path_factory.mktemp("fuzz") / "s", patience=20) as rig:
            client = await rig.connect()
            async with client:
                try:
                    for piece in [b"".join(pieces)] if whole else pieces:
                        await client.send_all(piece)
                    await client.send_eof()
                    answer = b""
                    while got := await client.receive_some():
                        answer += got
                except trio.BrokenResourceError:
                    answer = b""
            assert not answer or answer.startswith(b"HTTP/1.1 ")
            assert b" 500 " not in answer
            if b"problem+json" in answer and answer.count(b"HTTP/1.1 ") == 1:
                assert 400 <= problem(answer)["status"] < 600
            assert (await rig.ask(get("/ok"))).startswith(b"HTTP/1.1 200 ")

    trio.run(check)
