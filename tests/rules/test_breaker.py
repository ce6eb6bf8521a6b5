"""The breaker of a trunk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.breaker import (
    FAULTS,
    FIRST_REST_S,
    LOST_PROBE_S,
    MANY_FAULTS,
    MAX_REST_S,
    UNLIMITED,
    Breaker,
    BreakerState,
)

NEW_YORK, LOS_ANGELES, CHICAGO = "+12125550100", "+13105550100", "+13125550100"
PLACES = [NEW_YORK, LOS_ANGELES, CHICAGO]


def opened(now=100.0):
    """Return a breaker that five faults in three places have opened."""
    breaker = Breaker()
    for number in [*PLACES, *PLACES][:FAULTS]:
        breaker.failed(number, now, "503 service unavailable")
    assert breaker.state is BreakerState.OPEN
    return breaker


def half_open(now=105.0):
    """Return a breaker whose probe was handed out at `now`."""
    breaker = opened(100.0)
    assert breaker.allow(now) == 1
    return breaker


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        # numbers = faults, ok = a call that reached the callee's network
        ([], "closed"),
        (PLACES, "closed"),
        ([*PLACES, NEW_YORK], "closed"),
        ([*PLACES, NEW_YORK, NEW_YORK], "open"),
        ([NEW_YORK, NEW_YORK, NEW_YORK, NEW_YORK, LOS_ANGELES], "closed"),
        ([NEW_YORK, NEW_YORK, NEW_YORK, NEW_YORK, LOS_ANGELES, CHICAGO], "open"),
        ([*PLACES, NEW_YORK, "ok", NEW_YORK], "closed"),
        ([*PLACES, NEW_YORK, "ok", *PLACES, NEW_YORK], "closed"),
        ([*PLACES, NEW_YORK, "ok", *PLACES, NEW_YORK, CHICAGO], "open"),
        # the places before a success do not count for the faults after it
        ([*PLACES, "ok", *[NEW_YORK] * 9], "closed"),
        # one bad prefix, and two, however often
        ([NEW_YORK] * 500, "closed"),
        ([f"+1212555{i:04d}" for i in range(100, 200)], "closed"),
        ([NEW_YORK, LOS_ANGELES] * 50, "closed"),
    ],
)
def test_opens(calls, state):
    """Five faults in a row over three places open it, and nothing less."""
    breaker = Breaker()
    for call in calls:
        if call == "ok":
            breaker.succeeded(1.0)
        else:
            breaker.failed(call, 1.0, "503")
    assert breaker.state == state
    assert breaker.allow(1.0) == (UNLIMITED if state == "closed" else 0)


def test_says_why():
    """An open breaker knows its reason, since when, and until when; a closed one knows nothing."""
    breaker = opened(100.0)
    assert (breaker.reason, breaker.since, breaker.until) == ("503 service unavailable", 100.0, 100.0 + FIRST_REST_S)
    assert breaker.allow(105.0) == 1
    breaker.succeeded(105.5)
    assert (breaker.state, breaker.reason, breaker.since, breaker.until) == ("closed", "", None, None)
    assert breaker.allow(105.5) == UNLIMITED


def test_one_probe():
    """After the rest one call passes, and no second while nothing is heard of it."""
    breaker = opened(100.0)
    assert breaker.allow(104.99) == 0
    assert [breaker.allow(105.0 + i / 10) for i in range(4)] == [1, 0, 0, 0]
    assert breaker.state is BreakerState.HALF_OPEN


def test_rest_doubles():
    """Each failed probe doubles the rest up to five minutes; the first moment of the outage is kept."""
    breaker, now, rests = opened(0.0), 0.0, []
    for _ in range(9):
        rests.append(breaker.until - now)
        now = breaker.until
        assert breaker.allow(now) == 1
        breaker.failed(NEW_YORK, now, "408")
        assert breaker.reason == "408"
    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert breaker.since == 0.0


def test_rest_starts_over():
    """After a success the next outage begins with the short rest, and needs its five faults."""
    breaker = half_open()
    breaker.failed(NEW_YORK, 106.0, "503")
    assert breaker.allow(116.0) == 1
    breaker.succeeded(117.0)
    for number in [*PLACES, NEW_YORK]:
        breaker.failed(number, 118.0, "503")
    assert breaker.state is BreakerState.CLOSED
    breaker.failed(NEW_YORK, 118.0, "503")
    assert breaker.until == 118.0 + FIRST_REST_S


def test_returned_probe():
    """A probe that was not used is handed out again at once, once."""
    breaker = half_open()
    breaker.returned_probe()
    assert breaker.until is None
    assert [breaker.allow(106.0), breaker.allow(106.0)] == [1, 0]


def test_returned_probe_elsewhere():
    """Giving back a probe that is none changes nothing."""
    closed, open_ = Breaker(), opened(100.0)
    closed.returned_probe()
    open_.returned_probe()
    assert closed.allow(0.0) == UNLIMITED
    assert open_.until == 105.0


def test_hastened_rest():
    """Word of the carrier ends a long rest, not before the first one would have ended; the probe decides as ever."""
    breaker = half_open(105.0)
    breaker.failed(CHICAGO, 106.0, "503")
    breaker.allow(116.0)
    breaker.failed(CHICAGO, 117.0, "503")
    assert breaker.until == 137.0
    assert breaker.hasten(118.0)
    assert breaker.until == 117.0 + FIRST_REST_S
    assert not breaker.hasten(119.0)
    assert [breaker.allow(121.0), breaker.allow(122.0), breaker.allow(123.0)] == [0, 1, 0]
    breaker.failed(CHICAGO, 125.0, "503")
    assert breaker.until == 165.0, "the next rest is longer all the same"
    assert breaker.hasten(140.0)
    assert breaker.allow(140.0) == 1
    breaker.succeeded(141.0)
    assert not breaker.hasten(142.0)
    assert breaker.allow(142.0) == UNLIMITED


def test_hastened_while_the_probe_is_out():
    """The probe left before the word came: where it fails, the rest is a short one, and the next as long as ever."""
    breaker = half_open(105.0)
    assert not breaker.hasten(106.0)
    breaker.failed(CHICAGO, 107.0, "408")
    assert breaker.until == 107.0 + FIRST_REST_S
    assert breaker.allow(112.0) == 1
    breaker.failed(CHICAGO, 113.0, "408")
    assert breaker.until == 133.0


def test_lost_probe():
    """A probe of which nothing is ever heard does not close the trunk for good."""
    breaker = half_open(105.0)
    assert breaker.allow(104.0 + LOST_PROBE_S) == 0
    assert breaker.allow(105.0 + LOST_PROBE_S) == 1
    assert breaker.allow(105.0 + LOST_PROBE_S) == 0


def test_trip():
    """What the carrier says in so many words opens it at once; said again, it only changes the reason."""
    breaker = Breaker()
    breaker.trip(100.0, "account suspended")
    assert (breaker.state, breaker.reason, breaker.until) == ("open", "account suspended", 105.0)
    breaker.trip(104.0, "credentials refused")
    assert (breaker.reason, breaker.until) == ("credentials refused", 105.0)
    assert breaker.allow(105.0) == 1
    breaker.trip(106.0, "account suspended")
    assert (breaker.state, breaker.until) == ("open", 116.0)


def test_open_does_not_listen():
    """Calls that were on their way when it opened neither close it nor lengthen its rest."""
    breaker = opened(100.0)
    breaker.succeeded(101.0)
    breaker.failed(NEW_YORK, 101.0, "503")
    assert (breaker.state, breaker.until) == ("open", 105.0)


def test_late_calls_are_not_heard():
    """Calls of the time before the rest say nothing about the probe, and nothing after it."""
    breaker = half_open(105.0)
    breaker.failed(CHICAGO, 120.0, "408", started_at=99.0)
    breaker.trip(120.0, "account suspended", started_at=99.0)
    breaker.succeeded(120.0, started_at=99.0)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.succeeded(121.0, started_at=105.0)
    assert breaker.state is BreakerState.CLOSED
    for number in PLACES * 9:
        breaker.failed(number, 122.0, "408", started_at=99.0)
    assert breaker.state is BreakerState.CLOSED


def test_many_faults_in_one_place_ask_for_a_slower_pace():
    """It stays closed, and says that it is hammered, until a call gets through."""
    breaker = Breaker()
    for fault in range(1, 2 * MANY_FAULTS):
        breaker.failed("+447111000001", fault, "503")
        assert breaker.state is BreakerState.CLOSED
        assert breaker.hammered == (fault >= MANY_FAULTS)
    breaker.succeeded(100)
    assert not breaker.hammered


def test_a_trunk_that_rests_is_not_hammered():
    """Nothing goes over it, so that there is nothing to slow down."""
    breaker = Breaker()
    for fault in range(MANY_FAULTS):
        breaker.failed("+447111000001", fault, "503")
    breaker.trip(100, "suspended")
    assert not breaker.hammered


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 400),
            st.sampled_from(["allow", "failed", "succeeded", "returned", "trip", "hasten"]),
            st.sampled_from(PLACES),
        ),
        max_size=60,
    )
)
def test_at_most_one_probe(steps):
    """In any order of events at most one probe is out, and whatever happened it opens up again in the end."""
    breaker, now, probe_at = Breaker(), 0.0, None
    for wait, verb, number in steps:
        now += wait
        if verb == "allow":
            lines = breaker.allow(now)
            assert lines in (0, 1, UNLIMITED)
            assert (lines == UNLIMITED) == (breaker.state is BreakerState.CLOSED)
            if lines == 1:
                assert probe_at is None or now >= probe_at + LOST_PROBE_S
                probe_at = now
        elif verb == "failed":
            breaker.failed(number, now, "503")
        elif verb == "succeeded":
            breaker.succeeded(now)
        elif verb == "returned":
            breaker.returned_probe()
            probe_at = None
        elif verb == "hasten":
            breaker.hasten(now)
        else:
            breaker.trip(now, "suspended")
        if breaker.state is not BreakerState.HALF_OPEN:
            probe_at = None
        if breaker.state is BreakerState.OPEN:
            assert breaker.until - breaker.since >= FIRST_REST_S - 1e-6
            assert breaker.until - now <= MAX_REST_S
            assert breaker.reason
    assert breaker.allow(now + max(MAX_REST_S, LOST_PROBE_S)) in (1, UNLIMITED)
    breaker.succeeded(now + 1000)
    assert breaker.allow(now + 1000) == UNLIMITED
