"""Whose packets are taken, and where ours go: symmetric RTP that a spray of packets does not hijack."""

from dialerd_sip.media.sources import RELEARN_S, Sources, Symmetric

SIGNALLED, NATTED, OTHER = ("192.0.2.1", 4_000), ("192.0.2.9", 61_000), ("192.0.2.66", 9_000)


class Far:
    """Sends packets of one source from an address, 20 ms apart."""

    def __init__(self, sources, address, ssrc=1):
        self.sources, self.address, self.ssrc, self.sequence = sources, address, ssrc, 100

    def sends(self, now, count=1):
        """Return how many of so many packets are taken."""
        taken = 0
        for number in range(count):
            self.sequence += 1
            taken += self.sources.accept(self.address, self.ssrc, self.sequence, now + number * 0.02)
        return taken


def connected():
    """Return the sources of a session that was connected at 0."""
    sources = Sources()
    sources.signal(*SIGNALLED, 0.0)
    return sources


def test_the_signalled_address_is_believed_at_once():
    """Packets go there before any came, and its first packet is taken."""
    sources = connected()
    assert sources.remote == SIGNALLED
    assert Far(sources, SIGNALLED).sends(0.0) == 1
    assert sources.remote == SIGNALLED


def test_nothing_is_sent_to_a_port_that_does_not_exist():
    """Our packets wait for the far end's."""
    for port in (0, 65_536):
        sources = Sources()
        sources.signal(SIGNALLED[0], port, 0.0)
        assert sources.remote is None
        Far(sources, NATTED).sends(0.0, 3)
        assert sources.remote == NATTED


def test_another_is_believed_after_its_probation():
    """A far end behind NAT: from its third packet on it is heard and sent to."""
    sources = connected()
    far = Far(sources, NATTED)
    assert far.sends(0.0, 2) == 0
    assert sources.remote == SIGNALLED
    assert far.sends(0.04, 3) == 3
    assert sources.remote == NATTED


def test_early_media_is_heard_before_anything_is_signalled():
    """It is sent to only once it was connected; what is signalled then comes first as soon as it speaks."""
    sources = Sources()
    early = Far(sources, NATTED)
    assert early.sends(0.0, 5) == 3
    assert sources.remote is None
    sources.signal(*SIGNALLED, 0.2)
    assert sources.remote == SIGNALLED
    assert early.sends(0.2, 5) == 5  # it goes on, so that is where it is
    assert sources.remote == NATTED


def test_a_spray_does_not_hijack():
    """Whatever comes from elsewhere while the far end speaks is a stranger's, whichever address was believed."""
    for address in (SIGNALLED, NATTED):
        sources = connected()
        far, spray = Far(sources, address), Far(sources, OTHER, ssrc=1)
        far.sends(0.0, 5)
        for step in range(200):
            assert spray.sends(0.1 + step * 0.02) == 0
            assert far.sends(0.11 + step * 0.02) == 1
        assert sources.remote == address


def test_a_crowd_at_random_does_not_keep_the_far_end_out():
    """Thousands of addresses with a packet each take all places on probation, but none stays."""
    sources = connected()
    far, taken = Far(sources, NATTED), 0
    for step in range(100):
        for stranger in range(50):
            sources.accept(("203.0.113.5", 1_000 + step * 50 + stranger), 5, step, step * 0.02)
        taken += far.sends(step * 0.02 + 0.01)
    assert sources.remote == NATTED
    assert taken > 80


def test_after_silence_another_may_come():
    """The far end moved without telling: NAT gave it another port."""
    sources = connected()
    Far(sources, NATTED).sends(0.0, 5)
    other = Far(sources, OTHER)
    assert other.sends(RELEARN_S - 0.5, 20) == 0
    assert other.sends(0.08 + RELEARN_S + 0.01, 3) == 1
    assert sources.remote == OTHER


def test_a_new_address_that_is_signalled_is_sent_to_at_once():
    """A re-INVITE moves the far end; what still comes from the old place is heard but not sent to."""
    sources = connected()
    old, new = Far(sources, SIGNALLED), Far(sources, ("192.0.2.2", 5_000), ssrc=2)
    old.sends(0.0, 5)
    sources.signal("192.0.2.2", 5_000, 0.1)
    assert old.sends(0.1, 10) == 10
    assert sources.remote == ("192.0.2.2", 5_000)
    assert new.sends(0.3) == 1
    assert old.sends(0.32, 5) == 0
    sources.signal("192.0.2.2", 5_000, 0.5)  # the same again changes nothing
    assert new.sends(0.5) == 1


def test_names_and_nobody_are_not_sent_to():
    """Where the description has a name, or 0.0.0.0, packets tell where the far end is."""
    for host in ("media.example.com", "0.0.0.0", "::"):
        sources = Sources()
        sources.signal(host, 4_000, 0.0)
        assert sources.remote is None
        Far(sources, NATTED).sends(0.0, 5)
        assert sources.remote == NATTED


def test_packets_out_of_order_do_not_pass():
    """A probation is passed in sequence: the same packet three times is none, and neither are numbers at random."""
    sources = connected()
    assert not any(sources.accept(NATTED, 1, 5, 0.0) for _ in range(9))
    assert not any(sources.accept(NATTED, 1, number, 0.0) for number in (900, 5, 30_000, 200, 60_000, 7))


def test_candidates_are_bounded():
    """However many come, only a few are remembered."""
    sources = connected()
    for number in range(1_000):
        sources.accept(("203.0.113.5", 1_000 + number % 500), number % 3, number, number / 1_000)
    assert len(sources._candidates) == 64


def test_a_stranger_that_was_first_gives_way_to_the_signalled_address():
    """A former call's phone, or anybody: with its first packet the address that was signalled has the call."""
    sources = connected()
    stray, far = Far(sources, OTHER, ssrc=2), Far(sources, SIGNALLED)
    assert stray.sends(0.0, 5) == 3
    assert far.sends(0.1) == 1
    assert sources.remote == SIGNALLED
    assert stray.sends(0.12, 50) == 0
    assert far.sends(1.2, 50) == 50


def test_the_far_end_that_was_found_where_it_said_is_never_left_for_a_stranger():
    """However long it is silent: its voice activity detection sends nothing, and somebody else does."""
    for first in (SIGNALLED, (SIGNALLED[0], 4_444)):
        sources = connected()
        far = Far(sources, first)
        far.sends(0.0, 5)
        assert Far(sources, OTHER).sends(60.0, 500) == 0
        assert sources.remote == first
        assert far.sends(80.0) == 1
        sources.signal(SIGNALLED[0], 6_000, 90.0)  # its host has been heard, whichever port is next
        assert Far(sources, OTHER).sends(120.0, 500) == 0


def test_another_port_of_the_signalled_host_is_believed_at_once():
    """NAT gave it another port than the one it named; a stranger that was first gives way to it too."""
    for before in ((), (OTHER,)):
        sources = connected()
        for address in before:
            Far(sources, address).sends(0.0, 5)
        assert Far(sources, (SIGNALLED[0], 4_444)).sends(0.2) == 1
        assert sources.remote == (SIGNALLED[0], 4_444)


def test_another_port_waits_while_one_of_its_host_speaks():
    """A gateway has many calls on one address: what speaks goes on, until it is silent, or the exact one comes."""
    sources = connected()
    one, other, exact = (Far(sources, (SIGNALLED[0], port)) for port in (4_444, 5_555, SIGNALLED[1]))
    one.sends(0.0, 5)
    assert other.sends(0.1, 50) == 0
    assert other.sends(0.1 + RELEARN_S, 5) == 3
    assert exact.sends(2.3) == 1
    assert other.sends(2.4, 50) == 0
    assert sources.remote == SIGNALLED
    assert other.sends(2.4 + RELEARN_S, 5) == 3


def test_who_spoke_to_the_port_before_is_not_believed():
    """Somebody of the call before, which goes on: also at the signalled host, but not where it was itself signalled."""
    for symmetric in Symmetric:
        for former in (OTHER, (SIGNALLED[0], 4_444)):
            sources = Sources(former=(former, SIGNALLED))
            stray = Far(sources, former)
            assert stray.sends(0.0, 9) == 0
            sources.signal(*SIGNALLED, 0.2, symmetric)
            assert stray.sends(0.2, 200) == 0
            assert sources.remote == SIGNALLED
            assert Far(sources, SIGNALLED).sends(5.0) == 1
            assert stray.sends(60.0, 200) == 0


def test_symmetric_off():
    """Sound goes where the description says, and comes from that host alone, whatever was believed before."""
    sources = Sources()
    early = Far(sources, NATTED)
    assert early.sends(0.0, 5) == 3
    sources.signal(*SIGNALLED, 0.1, Symmetric.OFF)
    assert early.sends(0.1, 200) == 0
    assert Far(sources, (SIGNALLED[0], 4_444)).sends(4.2, 5) == 5
    assert sources.remote == SIGNALLED
    assert Far(sources, SIGNALLED).sends(4.4, 5) == 5
    assert sources.remote == SIGNALLED
    sources.signal("192.0.2.2", 5_000, 5.0, Symmetric.OFF)
    assert Far(sources, SIGNALLED).sends(5.0, 200) == 0
    assert Far(sources, ("192.0.2.2", 5_002)).sends(9.1, 5) == 5
    assert sources.remote == ("192.0.2.2", 5_000)
    sources.signal("0.0.0.0", 5_000, 10.0, Symmetric.OFF)
    assert Far(sources, NATTED).sends(10.0, 200) == 0
    assert sources.remote is None


def test_symmetric_on():
    """The first packet's source is believed at once; from then on it is as wary as ever."""
    sources = Sources()
    sources.signal("10.0.0.5", 4_000, 0.0, Symmetric.ON)
    assert Far(sources, NATTED).sends(0.1) == 1
    assert sources.remote == NATTED
    assert Far(sources, OTHER).sends(0.2, 90) == 0
    assert Far(sources, OTHER).sends(0.1 + RELEARN_S + 0.1, 3) == 1  # as it moves, not at one stray
    assert sources.remote == OTHER
