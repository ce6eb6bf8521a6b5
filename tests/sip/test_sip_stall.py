"""A process that stood still: what came meanwhile is heard before timers say that nothing came."""

import os
import socket

import pytest
import trio
from dialerd_sip.core.timing import Timing
from dialerd_sip.shell.endpoint import endpoint_at
from sip_peers import Asker, message, question, tidy, udp_peer
from trio.testing import MockClock

__all__ = ["tidy"]


@pytest.fixture
def clock():
    """Return a clock that only tests move on."""
    return MockClock()


@pytest.mark.parametrize("_again", range(8))  # which of two tasks runs first is drawn by trio
async def test_an_answer_that_came_during_a_stall_counts(clock, _again):
    """An INVITE that was answered in time must not go to the next gateway as well: its phone rings."""
    async with endpoint_at("127.0.0.1:0", Timing()) as endpoint:
        peer, flow = await udp_peer()
        asker = Asker()
        request = question(flow)
        endpoint.ua.transactions.request(request, flow, asker, endpoint.now)
        endpoint.pump()
        await trio.testing.wait_all_tasks_blocked()
        data = await peer.recv(65_535)
        head = data.decode().partition("\r\n")[2]
        with socket.socket(fileno=os.dup(peer.fileno())) as plain:  # nobody else runs meanwhile: that is a stall
            for _ in range(300):  # others wrote too
                plain.sendto(message(), ("127.0.0.1", endpoint.port))
            plain.sendto(f"SIP/2.0 200 OK\r\n{head}".encode(), ("127.0.0.1", endpoint.port))
        clock.jump(60)
        await asker.over.wait()
        assert asker.status == 200
