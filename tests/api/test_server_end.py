"""The end of the server: who is let finish, who is left, and that nothing waits for idle clients."""

import pytest
import trio
from hostile import problem
from server_rig import connect, everything, get, serving, until_said

from dialerd.api.server import Server
from dialerd.api.sockets import listen


async def test_the_door_closes(tmp_path):
    """Nobody comes in any more from that instant, idle clients are left at once, what is asked is answered."""
    serves = serving(tmp_path / "s", patience=60_000, grace=60_000)
    async with serves as rig, await rig.connect() as idle, await rig.connect() as busy:
        await idle.send_all(get("/ok", last=False))
        await until_said(idle, b"true")
        await busy.send_all(get("/wait", last=False))
        await rig.waiting.wait()
        rig.door.close()
        assert not rig.path.exists()
        with pytest.raises(OSError, match="No such file"):
            await rig.connect()
        assert await everything(idle) == b""
        assert rig.server.connections == 1
        rig.release.set()
        answer = await everything(busy)
    assert answer.endswith(b"released")
    assert b"connection: close" in answer.lower()


async def test_the_grace_is_over(tmp_path, logged):
    """A request that goes on is cut off, and its client told why."""
    async with serving(tmp_path / "s", patience=60_000, grace=50) as rig, await rig.connect() as client:
        await client.send_all(get("/wait"))
        await rig.waiting.wait()
        rig.door.close()
        answer = await everything(client)
    assert problem(answer)["status"] == 503
    assert not logged


async def test_followers_end_with_the_door(tmp_path):
    """An application that waits for its client to go is told so, and ends its answer in good form."""
    async with serving(tmp_path / "s", patience=60_000, grace=60_000) as rig, await rig.connect() as client:
        await client.send_all(get("/follow"))
        await rig.waiting.wait()
        rig.door.close()
        assert (await everything(client)).endswith(b"last\r\n0\r\n\r\n")


async def test_a_cancelled_server(tmp_path):
    """A cancellation around it ends everything at once, and the socket's file is gone."""
    path = tmp_path / "s"
    serves = serving(path, patience=60_000, grace=60_000)
    with trio.fail_after(60), trio.CancelScope() as scope:
        async with serves as rig, await rig.connect() as idle, await rig.connect() as busy:
            await idle.send_all(b"GET / HT")
            await busy.send_all(get("/wait"))
            await rig.waiting.wait()
            scope.cancel()
            await trio.sleep_forever()
    assert rig.server.connections == 0
    assert not path.exists()


async def test_two_doors_of_one_server(tmp_path):
    """They share the application and the room; one goes on when the other is closed."""
    states = []

    async def application(scope, receive, send):
        states.append(scope["state"]["read_only"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(path):
        async with await connect(path) as stream:
            await stream.send_all(get("/"))
            return await everything(stream)

    server = Server(application, max_connections=10, patience=1_000)
    doors = [server.door(listen(tmp_path / name, read_only=name == "ro")) for name in ("rw", "ro")]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for door in doors:
                await nursery.start(door.run)
            for name in ("rw", "ro"):
                assert (await ask(tmp_path / name)).startswith(b"HTTP/1.1 204 ")
            doors[0].close()
            with pytest.raises(OSError, match="No such file"):
                await ask(tmp_path / "rw")
            assert (await ask(tmp_path / "ro")).startswith(b"HTTP/1.1 204 ")
            doors[1].close()
    assert states == [False, True, True]
