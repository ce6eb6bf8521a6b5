"""The daemon's door for carriers: where it opens, and that nothing is left open when it cannot."""

import socket
import stat

import pytest
import trio

from dialerd.api.sockets import Listener
from dialerd.daemon.callback_door import CallbackDoor, listen_for_callbacks
from dialerd.daemon.local_api import Sockets
from dialerd.model.errors import DialerdError
from dialerd.model.settings import CallbackSettings, DaemonSettings, Settings
from dialerd.plugin.callback import CallbackAnswer


def settings(tmp_path, listen: str | None, **callbacks: int) -> Settings:
    """Return settings of a daemon below a directory."""
    daemon = DaemonSettings(socket=tmp_path / "api.sock", state_dir=tmp_path, spool_dir=tmp_path)
    return Settings(daemon=daemon, callbacks=CallbackSettings(listen=listen, **callbacks))


class Carriers:
    """Stands for whoever answers carriers, and takes a while on demand."""

    def __init__(self) -> None:
        self.inside = trio.Event()
        self.release = trio.Event()

    async def answer(self, trunk, request):
        """Answer with what was asked."""
        if request.path == "/wait":
            self.inside.set()
            await self.release.wait()
        return CallbackAnswer(status=200, body=f"{trunk} {request.path}".encode())


async def heard(client: trio.SocketStream, path: str) -> bytes:
    """Ask, and return what is said until the end."""
    await client.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = b""
    async for piece in client:
        data += piece
    return data


async def over_unix(path) -> trio.SocketStream:
    """Open a connection to a Unix socket."""
    client = trio.socket.socket(trio.socket.AF_UNIX)
    await client.connect(str(path))
    return trio.SocketStream(client)


async def test_nothing_is_opened_where_nothing_is_configured(tmp_path):
    """The door then is none, and holds nothing up."""
    found = settings(tmp_path, None)
    with Sockets.open(found) as sockets:
        assert sockets.callbacks is None
        door = CallbackDoor(Carriers(), sockets.callbacks, found)
        async with trio.open_nursery() as nursery:
            await nursery.start(door.run)
            await door.finish()


async def test_a_unix_socket(tmp_path):
    """Whoever gets into its directory may connect, as on a port of loopback; it goes with the daemon."""
    path = tmp_path / "callbacks.sock"
    found = settings(tmp_path, str(path))
    with Sockets.open(found) as sockets:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o660
        door = CallbackDoor(Carriers(), sockets.callbacks, found)
        async with trio.open_nursery() as nursery:
            await nursery.start(door.run)
            async with await over_unix(path) as client:
                assert (await heard(client, "/main/a%2Fb")).endswith(b"main /a%2Fb")
            await door.finish()
    assert not list(tmp_path.iterdir())


async def test_its_limits_are_its_own(tmp_path):
    """The table's room and patience, not the API's."""
    found = settings(tmp_path, "127.0.0.1:0", max_connections=1, patience=100)
    listener = listen_for_callbacks(found)
    assert isinstance(listener, Listener)
    door = CallbackDoor(Carriers(), listener, found)
    async with trio.open_nursery() as nursery:
        await nursery.start(door.run)
        async with await trio.open_tcp_stream(*listener.server) as idle:
            async with await trio.open_tcp_stream(*listener.server) as client:
                assert b"raise [callbacks] max_connections" in await heard(client, "/main/a")
            with trio.fail_after(60):
                assert await idle.receive_some() == b""  # it took too long
        await door.finish()


async def test_requests_in_progress_have_a_moment_at_the_end(tmp_path, autojump_clock):
    """`finish` waits for them, but not for ever; nobody else comes in."""
    found = settings(tmp_path, "127.0.0.1:0")
    listener = listen_for_callbacks(found)
    assert isinstance(listener, Listener)
    server, carriers = listener.server, Carriers()
    door = CallbackDoor(carriers, listener, found)
    async with trio.open_nursery() as nursery:
        await nursery.start(door.run)
        async with await trio.open_tcp_stream(*server) as client:
            await client.send_all(b"GET /main/wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await carriers.inside.wait()
            began = trio.current_time()
            await door.finish()
            assert trio.current_time() - began == pytest.approx(1, abs=0.1)
            assert b" 503 " in await client.receive_some()
        with pytest.raises(OSError, match="refused"), socket.create_connection(server):
            pass


def test_a_place_that_cannot_be_had(tmp_path):
    """The start is refused with the name of the setting, and the API's sockets are gone again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(DialerdError, match=r"another process listens there.* \[callbacks\] listen"):
            Sockets.open(settings(tmp_path, f"127.0.0.1:{other.getsockname()[1]}"))
        assert not list(tmp_path.iterdir())
    with pytest.raises(DialerdError, match=r"none.* cannot be used.* \[callbacks\] listen"):
        Sockets.open(settings(tmp_path, str(tmp_path / "none" / "s")))
    assert not list(tmp_path.iterdir())
