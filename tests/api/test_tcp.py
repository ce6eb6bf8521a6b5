"""Listening on a port: where, by whom, and why not."""

import errno
import os
import socket
from functools import partial
from pathlib import Path

import pytest
import trio
from callback_rig import LOOPBACK
from hostile import problem
from server_rig import Rig, everything, get, until_said

from dialerd.api.server import Server
from dialerd.api.sockets import Listener
from dialerd.api.tcp import listen_tcp
from dialerd.model.address import TcpAddress
from dialerd.model.errors import DialerdError

take = partial(listen_tcp, setting="[callbacks] listen")
IF_INET6 = Path("/proc/net/if_inet6")  # the machine's IPv6 addresses
IPV6 = pytest.mark.skipif(not (IF_INET6.exists() and IF_INET6.read_text()), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (LOOPBACK, "127.0.0.1"),
        pytest.param(TcpAddress(host="::1", port=0), "::1", marks=IPV6),
        (TcpAddress(host="0.0.0.0", port=0), "0.0.0.0"),
    ],
)
async def test_a_request_over_tcp(tmp_path, address, host):
    """The application is told where the client came from, and no process; what a Unix socket does goes here too."""
    rig = Rig(tmp_path)
    listener = take(address)
    port = listener.server[1]
    assert listener.path == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    server = Server(rig.application, max_connections=1, patience=60_000, table="callbacks")
    door = server.door(listener)
    async with trio.open_nursery() as nursery:
        await nursery.start(door.run)
        async with await trio.open_tcp_stream("::1" if host == "::1" else "127.0.0.1", port) as client:
            own = client.socket.getsockname()[:2]
            await client.send_all(get("/count", last=False) + get("/pieces", last=False))
            await until_said(client, b"end")
            refused = await trio.open_tcp_stream("::1" if host == "::1" else "127.0.0.1", port)
            async with refused:
                await refused.send_all(get("/ok"))
                said = await everything(refused)
        door.close()
    assert problem(said)["status"] == 503
    assert problem(said)["detail"].endswith("raise [callbacks] max_connections")
    first = rig.scopes[0]
    assert (first["client"], first["server"]) == (own, (host, port))
    assert first["state"]["peer"] is None
    assert server.connections == 0


def test_a_port_that_is_taken():
    """Whoever listens there keeps it; the error says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = TcpAddress(host="127.0.0.1", port=other.getsockname()[1])
        with pytest.raises(DialerdError, match=rf"{address}: another process .* name another port in \[callbacks\] l"):
            take(address)
    ours = take(address)
    with pytest.raises(DialerdError, match="another process"):
        take(address)  # another daemon's is no better
    ours.close()


def test_connections_of_a_former_life_are_no_obstacle():
    """What the kernel keeps of them for a minute (TIME_WAIT) does not keep the port."""
    listener = take(LOOPBACK)
    address = TcpAddress(host="127.0.0.1", port=listener.server[1])
    with socket.create_connection((address.host, address.port)) as client:
        accepted, _ = listener.socket.accept()
        listener.close()
        accepted.close()  # the side that closes first is the one that waits
        assert client.recv(1) == b""
    take(address).close()


def test_ports_and_addresses_that_cannot_be():
    """Each has its words: an address of somebody else, one that the kernel has never heard of."""
    with pytest.raises(DialerdError, match=r"192\.0\.2\.1:8095: this machine has no such address; .* 127\.0\.0\.1 in"):
        take(TcpAddress(host="192.0.2.1", port=8095))  # TEST-NET-1, RFC 5737
    with pytest.raises(DialerdError, match=r"\[fe80::1%nothere\]:8095: .* name another"):
        take(TcpAddress(host="fe80::1%nothere", port=8095))


def test_answers_are_not_held_back():
    """Accepted connections have no delay (Nagle); the listener's is inherited."""
    listener = take(LOOPBACK)
    with socket.create_connection(listener.server):
        accepted, _ = listener.socket.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    listener.close()


@IPV6
def test_an_ipv6_address_is_that_address_only():
    """`[::]` is no more than it says: IPv4 has its own."""
    listener = take(TcpAddress(host="::", port=0))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listener.server[1]))
    listener.close()


class Faltering(socket.socket):
    """A listening socket whose next clients are gone before they are let in, each in another way: accept(2)."""

    trouble: list[int]

    def accept(self):
        """Raise as long as there is something to raise."""
        if self.trouble:
            number = self.trouble.pop()
            raise OSError(number, os.strerror(number))
        return super().accept()


async def test_clients_that_are_gone_before_they_are_let_in(tmp_path, logged):
    """What the kernel tells of one client costs the others nothing, and is nobody's concern."""
    rig = Rig(tmp_path)
    listening = take(LOOPBACK)
    faltering = Faltering(fileno=listening.socket.detach())
    faltering.trouble = [errno.EPROTO, errno.ENETUNREACH, errno.EPERM, errno.ECONNABORTED]
    door = Server(rig.application, max_connections=1, patience=60_000).door(
        Listener(faltering, listening.path, read_only=False)
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(door.run)
        async with await trio.open_tcp_stream(*listening.server) as client:
            await client.send_all(get("/ok"))
            assert (await everything(client)).startswith(b"HTTP/1.1 200 ")
        door.close()
    assert not faltering.trouble
    assert not logged
