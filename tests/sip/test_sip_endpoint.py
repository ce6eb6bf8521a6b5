"""An endpoint over UDP: what comes in, what goes out, ICMP, timers, and that it can be shared."""

import socket
from itertools import pairwise

import pytest
import trio
import trio.lowlevel
from dialerd_sip.core.events import InviteReady, RegistrationChanged, Sent, TargetChanged
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.timing import Timing
from dialerd_sip.shell import datagrams
from dialerd_sip.shell.endpoint import endpoint_at
from dialerd_sip.shell.errors import BindError, FlowError
from ports import free_port
from sip_peers import ask, message, tidy, udp_peer

BIND = "127.0.0.1:0"

__all__ = ["tidy"]


async def heard(sock) -> bytes:
    """Return the next message that a far end gets."""
    with trio.fail_after(60):
        return await sock.recv(65_535)


async def test_trusted_hosts_are_answered(clock):
    """A request of a trunk's host reaches the user agent, and the answer goes back where it came from."""
    async with endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        peer, _ = await udp_peer()
        await peer.sendto(message(), ("127.0.0.1", endpoint.port))
        assert (await heard(peer)).startswith(b"SIP/2.0 200")
        assert endpoint.counts["udp_received"] == endpoint.counts["udp_sent"] == 1


async def test_strangers_are_dropped_and_counted(clock):
    """A request of somebody whom no trunk named is not answered."""
    async with endpoint_at(BIND) as endpoint:
        peer, _ = await udp_peer()
        await peer.sendto(message(), ("127.0.0.1", endpoint.port))
        await peer.sendto(b"\r\n\r\n", ("127.0.0.1", endpoint.port))
        while endpoint.counts["udp_dropped"] == 0:  # a real socket tells nobody
            await trio.lowlevel.checkpoint()
        assert endpoint.counts["unknown_source"] == 1
        assert endpoint.counts["udp_sent"] == 0


async def test_a_flood_leaves_turns_for_others(clock):
    """Between the turns in which messages are taken, others run."""
    async with endpoint_at(BIND) as endpoint:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(1_000):
                peer.sendto(b"x" * 100, ("127.0.0.1", endpoint.port))
        seen = []
        while endpoint.counts["udp_received"] < 1_000:
            seen.append(endpoint.counts["udp_received"])
            await trio.lowlevel.checkpoint()
        assert len(seen) >= 3
        # in each of the loop's rounds the test may come before or after the endpoint: two turns at most lie between
        assert all(later - earlier <= 2 * 64 for earlier, later in pairwise(seen))


async def test_refusals_are_told_of_the_peer_that_refused(clock):
    """An ICMP error ends what was asked of that peer, at once, and of no other."""
    async with endpoint_at(BIND) as endpoint:
        alive, flow = await udp_peer()
        dead = Flow(Transport.UDP, "127.0.0.1", free_port())
        began = trio.current_time()
        lost, kept = ask(endpoint, dead, "z9hG4bKdead"), ask(endpoint, flow, "z9hG4bKalive")
        await lost.over.wait()
        assert lost.why == "refused"
        assert trio.current_time() - began < 1
        assert not kept.over.is_set()
        await heard(alive)
        assert endpoint.counts["udp_refused"] >= 1


async def test_a_refusal_does_not_cost_the_next_message(clock):
    """The kernel tells a socket of one peer's refusal at the next send, which may go to another."""
    async with endpoint_at(BIND) as endpoint:
        alive, flow = await udp_peer()
        dead = Flow(Transport.UDP, "127.0.0.1", free_port())
        for number in range(5):
            endpoint.ua.send(b"to nobody", dead)
            endpoint.ua.send(f"message {number}".encode(), flow)
        endpoint.pump()
        assert [await heard(alive) for _ in range(5)] == [f"message {number}".encode() for number in range(5)]


async def test_what_the_socket_does_not_take_waits_in_order(clock, monkeypatch):
    """A full socket loses nothing and changes no order."""
    full = True

    class Filling(socket.socket):
        def sendto(self, *args):
            if full:
                raise BlockingIOError
            return super().sendto(*args)

    peer, flow = await udp_peer()
    monkeypatch.setattr(datagrams.socket, "socket", Filling)
    async with endpoint_at(BIND) as endpoint:
        monkeypatch.undo()
        for number in range(10):
            endpoint.ua.send(str(number).encode(), flow)
        endpoint.pump()
        assert endpoint.counts["udp_sent"] == 0
        full = False
        endpoint.ua.send(b"last", flow)
        endpoint.pump()
        assert [await heard(peer) for _ in range(11)] == [*(str(number).encode() for number in range(10)), b"last"]


async def test_what_an_invite_is_is_told_before_it_leaves(clock):
    """Events come first: what is to be stored of an INVITE is handed over while nothing has been sent."""
    async with endpoint_at(BIND) as endpoint:
        peer, flow = await udp_peer()
        sent_by_then = []
        endpoint.listen("call", lambda event: sent_by_then.append(endpoint.counts["udp_sent"]))
        sent = Sent(cseq=1, uri="sip:x", via="", flow=flow)
        endpoint.ua.send(b"INVITE", flow)
        endpoint.ua.emit(InviteReady(call_id="call", sent=sent))
        endpoint.pump()
        assert sent_by_then == [0]
        assert await heard(peer) == b"INVITE"


async def test_what_a_listener_asks_for_leaves_with_the_same_pump(clock):
    """A listener may ask the user agent for more, and pump: it goes out after all events."""
    async with endpoint_at(BIND) as endpoint:
        _, flow = await udp_peer()

        def told(event):
            endpoint.ua.send(b"more than eight", flow)
            endpoint.pump()

        endpoint.listen("account", told)
        endpoint.ua.emit(RegistrationChanged(name="account", registered=True))
        endpoint.pump()
        assert endpoint.counts["udp_sent"] == 1
        endpoint.unlisten("account")
        endpoint.ua.emit(RegistrationChanged(name="account", registered=True))
        endpoint.pump()
        assert endpoint.counts["udp_sent"] == 1


async def test_a_failing_listener_is_no_harm_to_others(clock, logged):
    """An error of one call is logged; the next one is told."""
    async with endpoint_at(BIND) as endpoint:
        told = []

        def fails(event):
            raise RuntimeError("mistake")

        endpoint.listen("bad", fails)
        endpoint.listen("good", told.append)
        for name in ("bad", "good"):
            endpoint.ua.emit(RegistrationChanged(name=name, registered=True))
        endpoint.pump()
        assert [event.name for event in told] == ["good"]
        assert [entry["event"] for entry in logged] == ["sip.endpoint_failed"]


async def test_targets_are_told_to_all_who_watch(clock):
    """Trunks that share a target all hear of it."""
    async with endpoint_at(BIND) as endpoint:
        one, two = [], []
        endpoint.watch(one.append)
        endpoint.watch(two.append)
        flow = Flow(Transport.UDP, "192.0.2.1", 5060)
        endpoint.ua.emit(TargetChanged(flow=flow, alive=False))
        endpoint.pump()
        endpoint.unwatch(endpoint.watch)
        assert one == two == [TargetChanged(flow=flow, alive=False)]


async def test_timers_run_when_they_are_due(clock):
    """A later deadline does not hide an earlier one that comes after it, nor the other way round."""
    async with endpoint_at(BIND) as endpoint:
        began = endpoint.now
        rang: list[int] = []
        done = trio.Event()

        def ring(now):
            rang.append(round(now - began))
            if len(rang) == 3:
                done.set()

        for after in (20, 5, 60):
            endpoint.ua.timers.at(began + after, ring)
            endpoint.pump()
            await trio.lowlevel.checkpoint()
        await done.wait()
        assert rang == [5, 20, 60]


async def test_it_is_shared_and_the_last_to_leave_closes_it(clock):
    """Sharers come and go in any order, each in its own task; the port is free and no task left when all are gone."""
    before = trio.lowlevel.current_statistics().tasks_living
    bind = f"127.0.0.1:{free_port()}"
    seen = []
    leave = [trio.Event(), trio.Event()]

    async def share(number, task_status):
        async with endpoint_at(bind) as endpoint:
            seen.append(endpoint)
            task_status.started()
            await leave[number].wait()

    async with trio.open_nursery() as nursery:
        await nursery.start(share, 0)
        await nursery.start(share, 1)
        assert seen[0] is seen[1]
        leave[0].set()
        await trio.sleep(1)
        peer, flow = await udp_peer()
        seen[1].ua.send(b"still here", flow)
        seen[1].pump()
        assert await heard(peer) == b"still here"
        leave[1].set()
    assert trio.lowlevel.current_statistics().tasks_living == before
    async with endpoint_at(bind) as endpoint:
        assert endpoint is not seen[0]


async def test_who_is_cancelled_leaves_too(clock):
    """A sharer that is cancelled closes what nobody else uses."""
    before = trio.lowlevel.current_statistics().tasks_living
    bind = f"127.0.0.1:{free_port()}"
    with trio.move_on_after(1):
        async with endpoint_at(bind):
            await trio.sleep_forever()
    assert trio.lowlevel.current_statistics().tasks_living == before
    async with endpoint_at(bind):
        pass


async def test_a_port_that_is_taken_is_told(clock):
    """An address that another process has is an error with words to act on."""
    peer, flow = await udp_peer()
    with pytest.raises(BindError, match=rf"port {flow.port}.*bind"):
        async with endpoint_at(f"127.0.0.1:{flow.port}"):
            raise AssertionError
    peer.close()
    async with endpoint_at(f"127.0.0.1:{flow.port}"):
        pass
    for wrong in ("example.com:5060", "127.0.0.1:x", "127.0.0.1:70000", "[::1"):
        with pytest.raises(BindError):
            async with endpoint_at(wrong):
                raise AssertionError


async def test_a_tcp_port_that_is_taken_leaves_udp(clock, logged):
    """Where only TCP is taken, calls over UDP go on, and the log says what does not."""
    port = free_port()
    taken = socket.create_server(("127.0.0.1", port))
    async with endpoint_at(f"127.0.0.1:{port}") as endpoint:
        assert endpoint.port == port
    assert [entry["event"] for entry in logged] == ["sip.listen_failed"]
    taken.close()


async def test_ipv6(clock):
    """An IPv6 bind carries messages and tells of refusals; IPv4 flows are not for it."""
    async with endpoint_at("[::1]:0") as endpoint:
        endpoint.ua.trust("main", frozenset({"::1"}))
        peer, flow = await udp_peer("::1")
        await peer.sendto(message(), ("::1", endpoint.port))
        assert (await heard(peer)).startswith(b"SIP/2.0 200")
        assert endpoint.local_address(flow) == ("::1", endpoint.port)
        peer.close()
        lost = ask(endpoint, flow)
        await lost.over.wait()
        assert lost.why == "refused"
        with pytest.raises(FlowError, match="IPv4"):
            await endpoint.open(Flow(Transport.UDP, "127.0.0.1", 5060))


async def test_our_address_is_what_the_routes_say(clock):
    """Bound to all addresses, a peer sees the one that leads to it."""
    async with endpoint_at(f"0.0.0.0:{free_port('0.0.0.0')}") as endpoint:
        assert endpoint.local_address(Flow(Transport.UDP, "127.0.0.9", 5060)) == ("127.0.0.1", endpoint.port)
        assert endpoint.reaches(Flow(Transport.UDP, "192.0.2.1", 5060))
        assert not endpoint.reaches(Flow(Transport.UDP, "2001:db8::1", 5060))


async def test_the_last_one_decides_about_timers(clock):
    """A trunk that comes with a reload brings its own, though its former self is there yet."""
    bind = f"127.0.0.1:{free_port()}"
    async with endpoint_at(bind, Timing(t1=0.5)) as endpoint, endpoint_at(bind, Timing(t1=1.0)):
        assert endpoint.ua.timing.t1 == endpoint.ua.transactions.timing.t1 == 1.0
