"""Pairs of ports rest before they are handed out again; nobody hears what is not for them."""

import os
import select
import socket

import pytest
from dialerd_sip.media.ports import Ports

HOST = "127.0.0.1"


@pytest.fixture
def pairs():
    """Return four pairs of ports, and what says that a packet waits at them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    first = 42_410 + worker * 1_000
    with select.epoll() as poll:
        made = Ports(first, first + 7, poll)
        yield made, poll
        made.close()


def sent_to(pair, data=b"sound"):
    """Send a packet to a pair of ports."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.sendto(data, (HOST, pair.port))


def heard_at(pairs, now):
    """Return what is to be heard at all ports."""
    made, poll = pairs
    found = [made.receive(descriptor, now) for descriptor, _ in poll.poll(0)]
    return [one[2] for one in found if one is not None]


def test_ports_rest_and_come_again(pairs):
    """Each rests for five seconds, one where there is no other; what came meanwhile is thrown away with it."""
    made, poll = pairs
    one, two, *_ = [made.take(HOST, 0.0) for _ in range(4)]
    with pytest.raises(OSError, match="widen rtp_ports"):
        made.take(HOST, 0.0)
    made.give_back(one, 1.0)
    sent_to(one)
    with pytest.raises(OSError, match="widen rtp_ports"):
        made.take(HOST, 1.9)
    assert made.take(HOST, 2.1) is one
    assert poll.poll(0) == []
    made.give_back(two, 3.0)
    assert made.take(HOST, 8.1) is two


def test_a_port_at_which_somebody_still_speaks_rests_longer(pairs):
    """Until nothing has come for five seconds, or there is no other."""
    made, _ = pairs
    one, two = made.take(HOST, 0.0), made.take(HOST, 0.0)
    for pair in (one, two):
        made.give_back(pair, 1.0)
    for pair, now in ((one, 4.0), (two, 5.5)):
        sent_to(pair)
        assert heard_at(pairs, now) == []
    three, four = made.take(HOST, 6.1), made.take(HOST, 6.1)
    assert len({one, two, three, four}) == 4
    for pair in (three, four):
        made.give_back(pair, 8.0)
    sent_to(two)
    assert heard_at(pairs, 9.0) == []
    assert {made.take(HOST, 9.2), made.take(HOST, 9.2)} == {one, three}
    assert made.take(HOST, 9.2) is four
    assert made.take(HOST, 9.2) is two
    with pytest.raises(OSError, match="widen rtp_ports"):
        made.take(HOST, 15.0)


def test_a_call_hears_its_own_packets_alone(pairs):
    """Not what comes to its port before it begins and after its end."""
    made, _ = pairs
    pair = made.take(HOST, 0.0)
    sent_to(pair, b"too early")
    assert heard_at(pairs, 0.5) == []
    pair.owner = "a call"
    sent_to(pair, b"of the call")
    assert heard_at(pairs, 1.0) == [b"of the call"]
    made.give_back(pair, 2.0)
    sent_to(pair, b"too late")
    assert heard_at(pairs, 3.0) == []
