"""Connections of an endpoint: opened, used, kept alive, lost, refused, accepted."""

import socket

import pytest
import trio
import trio.lowlevel
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.endpoint import endpoint_at
from dialerd_sip.shell.errors import FlowError
from ports import free_port
from sip_peers import accept, ask, dial, message, tcp_peer, tidy, udp_peer

BIND = "127.0.0.1:0"

__all__ = ["tidy"]


@pytest.fixture
async def endpoint(clock):
    """Return an endpoint whose trunk is at 127.0.0.1."""
    async with endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        yield endpoint


async def connected(endpoint, flow, listener) -> trio.SocketStream:
    """Open a flow and return the far end's side of the connection."""
    with trio.fail_after(60):
        await endpoint.open(flow)
    return await accept(listener)


def send(endpoint, flow, data) -> None:
    """Send bytes over an endpoint."""
    endpoint.ua.send(data, flow)
    endpoint.pump()


async def until(condition) -> None:
    """Wait until something is so."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110  # what is waited for is done by plain sockets
            await trio.sleep(0.001)


async def test_a_connection_serves_all_calls(clock, endpoint):
    """A flow is opened once, however many want it, and what is sent arrives in order."""
    listener, flow = await tcp_peer()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(endpoint.open, flow)
    peer = await accept(listener)
    for number in range(3):
        send(endpoint, flow, f"message {number};".encode())
    received = b""
    while len(received) < 30:
        received += await peer.receive_some()
    assert received == b"message 0;message 1;message 2;"
    assert endpoint.counts["tcp_opened"] == 1


async def test_what_is_sent_opens_the_connection(clock, endpoint):
    """A message for a flow that is not open waits until it is."""
    listener, flow = await tcp_peer()
    send(endpoint, flow, b"one")
    send(endpoint, flow, b"two")
    peer = await accept(listener)
    await until(lambda: endpoint.counts["tcp_sent"] == 2)
    assert await peer.receive_some() == b"onetwo"


async def test_messages_come_in_pieces(clock, endpoint):
    """A message may come byte by byte, and several at once; both are answered over the same connection."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    for byte in message("slow", branch="z9hG4bKslow"):
        await peer.send_all(bytes([byte]))
    await peer.send_all(message("two", branch="z9hG4bKtwo") + message("three", branch="z9hG4bKthree", body="x" * 9))
    received = b""
    while received.count(b"SIP/2.0 200 ") < 3:
        received += await peer.receive_some()
    assert endpoint.counts["tcp_received"] == 3


async def test_a_lost_connection_is_told_and_opened_again(clock, endpoint):
    """What was asked over it ends; the next message opens another one."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    asker = ask(endpoint, flow)
    await peer.receive_some()
    await peer.aclose()
    await asker.over.wait()
    assert asker.why == "connection"
    send(endpoint, flow, b"again")
    peer = await accept(listener)
    assert await peer.receive_some() == b"again"
    assert endpoint.counts["tcp_lost"] == 1
    assert endpoint.counts["tcp_opened"] == 2


async def test_a_reset_is_told_in_the_log(clock, endpoint, logged):
    """A connection that is torn down, not closed, is a warning, once a minute."""
    listener, flow = await tcp_peer()
    for number in range(2):
        peer = await connected(endpoint, flow, listener)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        peer.socket.close()
        await until(lambda number=number: endpoint.counts["tcp_lost"] == number + 1)
    assert [entry["event"] for entry in logged] == ["sip.connection_lost"]


async def test_a_peer_that_does_not_read_is_given_up(clock, endpoint):
    """What a peer leaves unread does not grow without bound."""
    listener, flow = await tcp_peer()
    await connected(endpoint, flow, listener)
    asker = ask(endpoint, flow)
    sent = 0
    while not asker.over.is_set() and sent < 64:
        send(endpoint, flow, b"x" * 1_000_000)
        sent += 1
        await trio.lowlevel.checkpoint()
    assert asker.why == "connection"
    assert sent < 20


async def test_what_does_not_fit_at_once_follows(clock, endpoint):
    """A burst larger than the socket's buffer arrives whole, and in order, when the peer reads."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    connection = endpoint._connections._open[flow]  # how much the kernel takes is its own affair
    expected = b""
    while len(connection._backlog) < 300_000:
        piece = str(len(expected)).encode() * 10_000
        send(endpoint, flow, piece)
        expected += piece
    received = bytearray()
    while len(received) < len(expected):
        received += await peer.receive_some(65_536)
    assert received == expected


async def test_refusal_is_told_at_once_and_rested_upon(clock, endpoint, logged):
    """A peer that refuses costs no time, is left alone for a growing while, and is tried again after it."""
    flow = Flow(Transport.TCP, "127.0.0.1", free_port())
    began = trio.current_time()
    for _ in range(2):
        with pytest.raises(FlowError, match="refused"):
            await endpoint.open(flow)
    asker = ask(endpoint, flow)
    assert asker.why == "refused"
    assert trio.current_time() - began < 0.4
    assert [entry["event"] for entry in logged] == ["sip.connection_failed"]
    await trio.sleep(0.6)
    with pytest.raises(FlowError):
        await endpoint.open(flow)
    listener, _ = await tcp_peer(port=flow.port)
    await trio.sleep(0.6)
    with pytest.raises(FlowError):  # the second rest is longer
        await endpoint.open(flow)
    await trio.sleep(0.6)
    await connected(endpoint, flow, listener)
    assert [entry["event"] for entry in logged] == ["sip.connection_failed", "sip.connection_opened"]


async def test_a_peer_that_hangs_costs_four_seconds(clock, endpoint):
    """A connection that does not come about is given up in time for the next target; what waited for it ends."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):  # a full backlog: the kernel leaves the next one without an answer
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        flow = Flow(Transport.TCP, "127.0.0.1", deaf.getsockname()[1])
        began = trio.current_time()
        asker = ask(endpoint, flow)
        with pytest.raises(FlowError, match="no answer within 4 s"):
            await endpoint.open(flow)
        assert trio.current_time() - began == pytest.approx(4, abs=0.1)
        await asker.over.wait()
        assert asker.why == "refused"


async def test_keep_alives_are_sent(clock, endpoint):
    """Every half minute at most a double line break goes out; a peer that never answers any is left alone."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    began = trio.current_time()
    for number in range(1, 4):
        assert await peer.receive_some() == b"\r\n\r\n"
        assert 25 <= (trio.current_time() - began) / number <= 40
    await trio.sleep(20)
    assert endpoint.counts["tcp_lost"] == 0


async def test_a_peer_that_ceases_to_answer_keep_alives_is_lost(clock, endpoint):
    """Who answered one and does not answer the next is gone, whatever TCP says."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    assert await peer.receive_some() == b"\r\n\r\n"
    await peer.send_all(b"\r\n")
    assert await peer.receive_some() == b"\r\n\r\n"
    pinged = trio.current_time()
    assert await peer.receive_some() == b""
    assert trio.current_time() - pinged == pytest.approx(10, abs=0.1)
    assert endpoint.counts["tcp_lost"] == 1


async def test_keep_alives_are_answered(clock, endpoint):
    """A double line break is answered with one, between messages too."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    await peer.send_all(b"\r\n\r\n")
    assert await peer.receive_some() == b"\r\n"
    await peer.send_all(b"\r\n\r\n" + message())
    received = b""
    while b"SIP/2.0 200" not in received or b"\r\n" not in (received[:2], received[-2:]):
        received += await peer.receive_some()


async def test_a_stream_without_messages_is_closed(clock, endpoint):
    """Where the next message begins cannot be told any more: the connection is worth nothing."""
    listener, flow = await tcp_peer()
    peer = await connected(endpoint, flow, listener)
    await peer.send_all(message().replace(b"Content-Length: 0", b"Content-Lengthy: 0"))
    assert await peer.receive_some() == b""
    assert endpoint.counts["tcp_lost"] == 1


async def test_trusted_hosts_may_connect(clock, endpoint):
    """A far end may open a connection, and is answered over it."""
    peer = await dial(endpoint.port)
    await peer.send_all(message())
    assert (await peer.receive_some()).startswith(b"SIP/2.0 200")
    assert endpoint.counts["tcp_accepted"] == 1
    began = trio.current_time()
    assert await peer.receive_some() == b""  # and is closed when nothing comes any more
    assert trio.current_time() - began == pytest.approx(600, abs=1)


async def test_strangers_may_not_connect(clock, endpoint):
    """Whom no trunk names is turned away at the door; so is who has nothing to say."""
    endpoint.ua.trust("main", frozenset({"192.0.2.1"}))
    peer = await dial(endpoint.port)
    assert await peer.receive_some() == b""
    assert trio.current_time() < 1  # whom a trunk names has half a minute
    endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
    peer = await dial(endpoint.port)
    assert await peer.receive_some() == b""
    assert endpoint.counts["tcp_turned_away"] == 2
    assert endpoint.counts["tcp_accepted"] == 0


async def test_connections_that_are_accepted_are_bounded(clock, endpoint):
    """A far end that opens connections without end gets some, and then none."""
    peers = [await dial(endpoint.port) for _ in range(140)]
    await until(lambda: endpoint.counts["tcp_turned_away"] == 12)
    for peer in peers:
        await peer.aclose()
    await until(lambda: endpoint.counts["tcp_turned_away"] == 140)
    peer = await dial(endpoint.port)
    await peer.send_all(message())
    assert (await peer.receive_some()).startswith(b"SIP/2.0 200")


async def test_long_requests_go_over_tcp_where_the_peer_has_it(clock, endpoint, logged):
    """Above 1,300 bytes TCP is tried in the place of UDP; a peer without it is remembered, and no warning."""
    _, flow = await udp_peer(port=free_port())
    assert await endpoint.flow_for(flow, 1_300) == flow
    assert await endpoint.flow_for(flow, 1_301) == flow
    await tcp_peer(port=flow.port)
    assert await endpoint.flow_for(flow, 1_301) == flow
    await trio.sleep(301)
    assert await endpoint.flow_for(flow, 1_301) == Flow(Transport.TCP, flow.host, flow.port)
    assert logged == []


async def test_nothing_is_left_of_connections(clock):
    """With the last sharer all connections and their tasks go."""
    before = trio.lowlevel.current_statistics().tasks_living
    listener, flow = await tcp_peer()
    async with endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        peer = await connected(endpoint, flow, listener)
        guest = await dial(endpoint.port)
        await guest.send_all(message())
        await guest.receive_some()
        send(endpoint, Flow(Transport.TCP, "127.0.0.1", free_port()), b"on its way")
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert await peer.receive_some() == b""
