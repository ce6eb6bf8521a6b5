"""Hostile peers over real sockets: an endpoint under a flood, connections misused, RTP ports that are sprayed."""

import os
import socket
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import trio
import trio.lowlevel
from callee import Callee
from callee_behaviour import Behaviour
from dialerd_sip.core.call import Call
from dialerd_sip.core.events import CallOver, Established
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.sdp import Codec, LocalMedia, Negotiated
from dialerd_sip.media import rtp
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.shell.endpoint import endpoint_at
from dialerd_sip.shell.tls import Security
from hostile_mutation import mutated
from hostile_trace import traces
from ports import free_ports
from rtp_packets import build
from sip_peers import accept, ask, certificate, dial, message, tcp_peer, tidy

HOST, STRANGER = "127.0.0.1", "127.0.0.66"
NUMBER = "+447111000101"
BIND = "127.0.0.1:0"

__all__ = ["tidy"]


class Placed:
    """A call over an endpoint, and what is told of it."""

    def __init__(self, endpoint, place, seed):
        host, port = place.rsplit(":", 1)
        self.told, self.over = [], trio.Event()
        call_id = f"{seed}@dialer.example.com"
        endpoint.listen(call_id, self._take)
        target = Target(
            flow=Flow(Transport.UDP, host, int(port)),
            uri=f"sip:{NUMBER}@{place}",
            contact=f"<sip:dialer@{HOST}:{endpoint.port}>",
            sent_by=f"{HOST}:{endpoint.port}",
        )
        plan = CallPlan(
            seed=seed,
            call_id=call_id,
            from_="<sip:+12125550100@dialer.example.com>",
            to=f"<sip:{NUMBER}@{place}>",
            targets=(target,),
            media=LocalMedia(host=HOST, port=6000),
            ring_for=30.0,
            talk_for=60.0,
        )
        Call(endpoint.ua, plan, endpoint.now)
        endpoint.pump()

    def _take(self, event):
        self.told.append(type(event))
        if isinstance(event, CallOver):
            self.over.set()


async def calls_go_through(endpoint, callee, place, count, seed):
    """Place calls and see each of them answered and ended, once."""
    calls = [Placed(endpoint, place, f"{seed} {number}") for number in range(count)]
    with trio.fail_after(120):
        for call in calls:
            await call.over.wait()
            assert call.told.count(Established) == call.told.count(CallOver) == 1
    assert not callee.faults


async def test_calls_are_placed_under_a_flood(clock):
    """Junk from strangers, and from the trunk's own address, costs no call; strangers hear nothing."""
    chance = Random(5)
    callee = Callee({NUMBER: Behaviour(ring_s=1, talk_s=2)})
    async with callee.serve() as place, endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({HOST}))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger, socket.socket(type=socket.SOCK_DGRAM) as own:
            stranger.bind((STRANGER, 0))
            stranger.setblocking(False)
            own.bind((HOST, 0))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(calls_go_through, endpoint, callee, place, 20, "flood")
                for _ in range(80):
                    for sock in (stranger, own):
                        for _ in range(20):
                            data = mutated(chance.choice(traces()), chance)
                            sock.sendto(data[:60_000], (HOST, endpoint.port))
                    await trio.sleep(0.05)
            with pytest.raises(BlockingIOError):
                stranger.recv(2_048)
        counts = endpoint.counts
        assert counts["unknown_source"] > 200
        assert counts["udp_received"] > 2_500
        assert counts["no_transaction"] > 100
        assert callee.placed(NUMBER) == 20


@pytest.fixture(scope="module")
def hostile_certificate(tmp_path_factory):
    """Return the files of a certificate."""
    return certificate(tmp_path_factory.mktemp("hostile"), "sip.example.com")


async def test_connections_that_are_held_or_misused(clock, hostile_certificate):
    """Half-open ones, slow senders, false lengths, no TLS: bounded in number and time; calls go on, all go then."""
    callee = Callee({NUMBER: Behaviour(talk_s=1)})
    cert, key = hostile_certificate
    security = Security(certificate=cert, key=key)
    async with callee.serve() as place, endpoint_at(BIND, security=security) as endpoint:
        endpoint.ua.trust("main", frozenset({HOST}))
        before = trio.lowlevel.current_statistics().tasks_living
        whole = message()
        sayings = (
            b"",
            b"\x16\x03\x01",  # a handshake that goes no further
            b"\x16" * 600,
            b"INVITE sip:x SIP/2.0\r\nVia: ",
            whole.replace(b"Content-Length: 0", b"Content-Length: 999999999"),
            whole.replace(b"Content-Length: 0", b"Content-Length: 60000"),
            b"\r\n" * 30_000,
            b"x" * 70_000,
        )
        open_ = []
        with trio.fail_after(60):
            for number in range(200):
                stream = await dial(endpoint.port)
                open_.append(stream)
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(sayings[number % len(sayings)])
            stranger = socket.create_connection((HOST, endpoint.port), source_address=(STRANGER, 0))
            await calls_go_through(endpoint, callee, place, 10, "held")
            for _ in range(30):  # slow senders: a byte now and then keeps nothing open that sends no message
                for stream in open_[3::8]:
                    with suppress(trio.BrokenResourceError):
                        await stream.send_all(b"x")
                await trio.sleep(1)
            await calls_go_through(endpoint, callee, place, 10, "slow")
        stranger.settimeout(5)
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        stranger.close()
        counts = endpoint.counts
        assert counts["tcp_turned_away"] >= 72
        assert counts["tcp_accepted"] <= 128
        await trio.sleep(1_300)  # whoever says nothing more is let go
        assert trio.lowlevel.current_statistics().tasks_living <= before + 3
        gone = await dial(endpoint.port)
        await gone.send_all(message(call_id="after"))
        with trio.fail_after(60):
            assert (await gone.receive_some()).startswith(b"SIP/2.0 200")


async def test_a_peer_that_never_reads(clock):
    """Who asks and asks, and takes no answer, is let go once too much waits for it."""
    async with endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({HOST}))
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.connect((HOST, endpoint.port))
            peer.setblocking(False)
            with trio.fail_after(60):
                number = 0
                while endpoint.counts["tcp_lost"] == 0:
                    number += 1
                    with suppress(BlockingIOError, ConnectionResetError, BrokenPipeError):
                        peer.send(
                            b"".join(
                                message(call_id=f"{number}-{one}-{'x' * 3_000}", branch=f"z9hG4bK{number}-{one}")
                                for one in range(50)
                            )
                        )
                    await trio.lowlevel.checkpoint()
        assert endpoint.counts["tcp_accepted"] == 1
        listener, flow = await tcp_peer()
        assert ask(endpoint, flow).why is None
        await accept(listener)


def _rss_kib(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def test_sprayed_ports_do_not_disturb_a_stream():
    """Strangers' packets at both ports of a call: its sound goes on to whom it is for, in step; nothing comes back."""
    chance = Random(7)
    async with MediaProcess(*free_ports(100)) as media:
        session = await media.lease(HOST)
        far = trio.socket.socket(type=socket.SOCK_DGRAM)
        await far.bind((HOST, 0))
        session.connect(Negotiated(host=HOST, port=far.getsockname()[1], codec=Codec.PCMU, payload=0, dtmf_payload=101))
        strangers = []
        for _ in range(8):
            sock = socket.socket(type=socket.SOCK_DGRAM)
            sock.bind((STRANGER, 0))
            sock.setblocking(False)
            strangers.append(sock)
        heard = []

        async def listen():
            for number in range(60):
                data, _ = await far.recvfrom(2_048)
                heard.append((time.monotonic(), rtp.parse(data)[1]))
                await far.sendto(build(0, number, number * 160, 7, bytes(160)), (HOST, session.port))

        before = 0
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                number = 0
                while len(heard) < 60:
                    for sock in strangers:
                        for port in (session.port, session.port + 1):
                            number += 1
                            junk = build(
                                chance.choice((0, 101)), number & 0xFFFF, number * 160, number % 9, b"\x0a\x8a\x03\x20"
                            )
                            with suppress(ConnectionRefusedError, BlockingIOError):
                                sock.sendto(junk if chance.random() < 0.7 else chance.randbytes(60), (HOST, port))
                    before = before or (_rss_kib(media.pid) if len(heard) > 20 else 0)
                    await trio.sleep(0.002)
        grown = _rss_kib(media.pid) - before
        send, receive = trio.open_memory_channel(1)
        session.close(send.send_nowait)
        with trio.fail_after(60):
            figures = await receive.receive()
        far.close()
        for sock in strangers:
            with pytest.raises(BlockingIOError):
                sock.recv(2_048)
            sock.close()
    numbers = [sequence for _, sequence in heard]
    assert all((later - earlier) & 0xFFFF == 1 for earlier, later in pairwise(numbers))
    assert heard[-1][0] - heard[0][0] < 2.5  # 59 packets of 20 ms
    assert figures.strangers > 500
    assert figures.received >= 50
    assert grown < 4_096, grown
