"""Pairs of ports rest before they are handed out again; nobody hears what is not for them."""

import select
import socket
from errno import EADDRINUSE

import pytest
from dialerd_sip.media.ports import Ports
from ports import free_ports

HOST = "127.0.0.1"


@pytest.fixture
def pairs():
    """Return four pairs of ports, and what says that a packet waits at them."""
    with select.epoll() as poll:
        made = Ports(*free_ports(8), poll)
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


def told_at(pairs, now):
    """Have what waits at all ports read."""
    while heard_at(pairs, now) or pairs[1].poll(0):
        pass


def test_who_spoke_to_a_port_before_is_remembered_until_it_was_quiet(pairs):
    """Where the call before was heard from, and who speaks while it rests; not who speaks to it once it is leased."""
    made, _ = pairs
    one, *_ = [made.take(HOST, 0.0) for _ in range(4)]
    made.give_back(one, 1.0, ("192.0.2.1", 4_000))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as next_one,
    ):
        for far in (phone, next_one):
            far.bind((HOST, 0))
        for _ in range(2):
            phone.sendto(b"sound", (HOST, one.port))
            told_at(pairs, 1.5)
        assert made.take(HOST, 2.1) is one
        assert one.former == (("192.0.2.1", 4_000), phone.getsockname())
        next_one.sendto(b"early", (HOST, one.port))
        told_at(pairs, 2.2)
        assert len(one.former) == 2
    made.give_back(one, 3.0)  # of a call that was never heard
    assert made.take(HOST, 4.1) is one
    assert len(one.former) == 2
    made.give_back(one, 5.0, ("192.0.2.2", 4_000))
    assert one.former == (("192.0.2.2", 4_000),)
    assert made.take(HOST, 10.1) is one
    assert one.former == ()
    made.give_back(one, 11.0)
    for _ in range(20):
        sent_to(one)  # from a port each
        told_at(pairs, 11.5)
    assert len(one.former) == 8
    assert made.unwanted == 23


def test_a_search_that_found_nothing_rests(pairs, monkeypatch):
    """Others have all ports: that is found out a piece at a time, and then believed for a second."""
    made, _ = pairs
    tried = []

    def pair(host, port):
        tried.append(port)
        raise OSError(EADDRINUSE, "in use")

    monkeypatch.setattr("dialerd_sip.media.ports.Pair", pair)
    monkeypatch.setattr("dialerd_sip.media.ports._TRIES", 3)
    with pytest.raises(BlockingIOError):
        made.take(HOST, 0.0)
    assert len(tried) == 3
    with pytest.raises(OSError, match="widen rtp_ports"):
        made.take(HOST, 0.0)
    assert len(set(tried)) == 4
    del tried[:]
    for now in (0.1, 0.5, 0.9):
        with pytest.raises(OSError, match="widen rtp_ports"):
            made.take(HOST, now)
    assert tried == []
    monkeypatch.undo()
    assert made.take(HOST, 1.1)


def test_ports_of_our_own_are_never_tried_again(pairs, monkeypatch):
    """All are open: nothing is searched, whoever asks how often."""
    made, _ = pairs
    for _ in range(4):
        made.take(HOST, 0.0)
    monkeypatch.setattr("dialerd_sip.media.ports.Pair", lambda _host, port: pytest.fail(f"{port} is ours"))
    for now in range(10):
        with pytest.raises(OSError, match="widen rtp_ports"):
            made.take(HOST, float(now))
