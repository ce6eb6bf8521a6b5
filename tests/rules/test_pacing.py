"""Pace: spacing, giving back, throttling and recovery."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.pacing import LOWEST_RATE, MAX_HOLD_S, Pace

EPSILON = 1e-6


def test_starts_empty():
    """The first call after a start is one interval away, and not at once."""
    pace = Pace(2.0, now=100.0)
    assert pace.slots(5, 100.0) == []
    assert pace.next_at(100.0) == 100.5
    assert pace.slots(5, 100.5) == [100.5]


@pytest.mark.parametrize(
    ("k", "ahead", "starts"),
    [
        (1, 0.0, [200.0]),
        (9, 0.0, [200.0]),
        (9, 0.4, [200.0]),
        (9, 0.5, [200.0, 200.5]),
        (3, 9.0, [200.0, 200.5, 201.0]),
        (0, 9.0, []),
    ],
)
def test_spaced(k, ahead, starts):
    """Starts are an interval apart, at most `k` and at most `ahead`; a hundred idle seconds gather no burst."""
    assert Pace(2.0, now=100.0).slots(k, 200.0, ahead) == starts


def test_spaced_over_calls():
    """A choice goes on where the last one ended, and hands out nothing while that lies beyond `ahead`."""
    pace = Pace(10.0, now=0.0)
    assert pace.slots(3, 1.0, ahead=1.0) == pytest.approx([1.0, 1.1, 1.2])
    assert pace.slots(3, 1.0, ahead=0.25) == []
    assert pace.slots(3, 1.0, ahead=0.35) == pytest.approx([1.3])
    assert pace.next_at(1.0) == pytest.approx(1.4)


def test_unlimited():
    """Without a rate every call may start now."""
    pace = Pace(None, now=0.0)
    assert pace.slots(3, 5.0) == [5.0, 5.0, 5.0]
    assert pace.next_at(5.0) == 5.0
    assert pace.rate is None


@pytest.mark.parametrize(("n", "next_at"), [(0, 2.0), (1, 1.5), (2, 1.0), (3, 1.0), (99, 1.0)])
def test_refund(n, next_at):
    """Instants given back are handed out again, never more than were taken last."""
    pace = Pace(2.0, now=0.0)
    assert pace.slots(2, 1.0, ahead=5.0) == [1.0, 1.5]
    pace.refund(n)
    assert pace.next_at(1.0) == pytest.approx(next_at)
    pace.refund(99)
    assert pace.next_at(1.0) == pytest.approx(1.0)


def test_refund_reaches_back_one_choice():
    """Only the last choice can be given back: the one before it has been used."""
    pace = Pace(2.0, now=0.0)
    assert pace.slots(1, 1.0) == [1.0]
    assert pace.slots(1, 1.0, ahead=1.0) == [1.5]
    for _ in range(3):
        pace.refund(1)
        assert pace.next_at(1.0) == 1.5
    pace.refund(5)
    assert pace.next_at(1.0) == 1.5


def test_refund_after_a_cut():
    """What is given back after the rate changed does not let a call start too soon after one that did."""
    pace = Pace(10.0, now=0.0)
    assert pace.slots(3, 1.0, ahead=1.0) == pytest.approx([1.0, 1.1, 1.2])
    pace.throttled(1.0)
    pace.refund(2)
    assert pace.next_at(1.0) == pytest.approx(1.2)  # the one at 1.0 is used, and the interval is 0.2 now


def test_throttled_halves_once_a_second():
    """One overload answers many calls, and halves the rate once."""
    pace = Pace(8.0, now=0.0)
    for millis in range(0, 900, 10):
        pace.throttled(10.0 + millis / 1000)
    assert pace.rate == 4.0
    pace.throttled(11.0)
    assert pace.rate == 2.0


@pytest.mark.parametrize(("rate", "lowest"), [(1.0, LOWEST_RATE), (640.0, 10.0), (0.05, 0.05), (0.15, LOWEST_RATE)])
def test_floor(rate, lowest):
    """However long a carrier throttles, some calls go on asking; a pace that is slower anyway is left alone."""
    pace = Pace(rate, now=0.0)
    for second in range(50):
        pace.throttled(float(second))
    assert pace.rate == pytest.approx(lowest)


@pytest.mark.parametrize("rate", [5.0, None])
def test_retry_after_holds(rate):
    """Nothing starts before the instant that the carrier named, and a shorter wish does not shorten a longer one."""
    pace = Pace(rate, now=0.0)
    pace.throttled(10.0, retry_after_s=30.0)
    pace.throttled(10.1, retry_after_s=1.0)
    assert pace.slots(5, 39.9) == []
    assert pace.next_at(12.0) == 40.0
    assert pace.slots(1, 39.0, ahead=1.0) == [40.0]


def test_retry_after_is_bounded():
    """A carrier that asks for a year is asked again after an hour."""
    pace = Pace(5.0, now=0.0)
    pace.throttled(0.0, retry_after_s=1e9)
    assert pace.next_at(0.0) == MAX_HOLD_S


def test_hold_outlives_the_rate():
    """A reload to unlimited does not break the carrier's wish."""
    pace = Pace(5.0, now=0.0)
    pace.throttled(0.0, retry_after_s=30.0)
    pace.set_rate(None, 1.0)
    for second in range(2, 200):
        pace.settled(float(second))
    assert pace.rate is None
    assert pace.slots(3, 20.0) == []
    assert pace.slots(3, 20.0, ahead=10.0) == [30.0] * 3


def run(pace, full, now, until):
    """Start calls as fast as the pace lets, each getting through at once; return how long until the full rate."""
    while pace.rate != full and now < until:
        now = pace.next_at(now)
        assert pace.slots(1, now) == [now]
        pace.settled(now)
    return now


@pytest.mark.parametrize("rate", [0.5, 1.0, 10.0, 200.0])
def test_recovery_takes_about_a_minute(rate):
    """From the bottom the full rate is back after about a minute of calls that get through."""
    pace = Pace(rate, now=0.0)
    for second in range(50):
        pace.throttled(float(second))
    assert 45 <= run(pace, rate, 50.0, 1000.0) - 50.0 <= 90
    assert pace.rate == rate


def test_silence_gives_nothing_back():
    """An hour without calls is no proof; the call after it gives back what one second does."""
    pace = Pace(60.0, now=0.0)
    pace.throttled(0.0)
    pace.settled(3600.0)
    assert pace.rate == pytest.approx(31.0)


def test_success_leaves_a_full_pace_alone():
    """A pace that nobody throttled stays what it is."""
    for rate in (None, 5.0):
        pace = Pace(rate, now=0.0)
        pace.settled(5.0)
        assert pace.rate == rate


@pytest.mark.parametrize("throttled_at", [12.05, 13.0, 14.05, 15.0])
def test_unlimited_is_measured_over_seconds(throttled_at):
    """Whenever the throttle comes, the measure covers more than the last moment."""
    pace = Pace(None, now=0.0)
    for tick in range(int((throttled_at - 10) * 100)):
        pace.slots(1, 10.0 + tick / 100)
    pace.throttled(throttled_at)
    assert pace.rate == pytest.approx(50.0, rel=0.05)


def test_unlimited_gets_half_of_what_it_did():
    """The first throttle gives an unlimited pace half of its measured rate; success makes it unlimited again."""
    pace = Pace(None, now=0.0)
    for tick in range(500):  # 100 a second for five seconds
        pace.slots(1, 10.0 + tick / 100)
    pace.throttled(15.0)
    assert pace.rate == pytest.approx(50.0, rel=0.05)
    assert pace.slots(9, 15.0) == []  # spaced from the last start on
    assert 25 <= run(pace, None, 15.0, 1000.0) - 15.0 <= 35
    assert pace.rate is None


def test_unlimited_burst_is_measured_over_a_second():
    """A burst of hundreds within a few milliseconds is no rate of thousands a second; what was given back is none."""
    pace = Pace(None, now=0.0)
    pace.slots(500, 10.0)
    pace.refund(100)
    pace.throttled(10.05)
    assert pace.rate == pytest.approx(200.0)


def test_unlimited_without_calls():
    """A throttle that comes long after the last call leaves the lowest rate."""
    pace = Pace(None, now=0.0)
    pace.slots(1, 1.0)
    pace.throttled(500.0)
    assert pace.rate == LOWEST_RATE


@pytest.mark.parametrize(
    ("old", "cuts", "new", "rate"),
    [
        (8.0, 0, 2.0, 2.0),
        (8.0, 0, 20.0, 20.0),
        (8.0, 0, None, None),
        (None, 0, 3.0, 3.0),
        (8.0, 1, 2.0, 2.0),  # slower than the throttled rate: at once
        (8.0, 1, 20.0, 4.0),  # faster: it climbs there
        (8.0, 1, None, 4.0),
        (8.0, 1, 8.0, 4.0),  # a reload that changes nothing changes nothing
    ],
)
def test_set_rate(old, cuts, new, rate):
    """A reload takes effect at once, but does not speed up a pace that the carrier throttles."""
    pace = Pace(old, now=0.0)
    for second in range(cuts):
        pace.throttled(float(second))
    pace.set_rate(new, 5.0)
    assert pace.rate == rate
    run(pace, new, 6.0, 500.0)
    assert pace.rate == new


def test_set_rate_keeps_the_spacing():
    """After a reload the next start keeps the new distance from the last one."""
    pace = Pace(10.0, now=0.0)
    pace.slots(1, 1.0)
    pace.set_rate(1.0, 1.05)
    assert pace.next_at(1.05) == pytest.approx(2.0)


RATES = st.sampled_from([0.3, 1.0, 7.0, 50.0, 1000.0])
STEPS = st.one_of(
    st.tuples(st.just("slots"), st.integers(0, 20), st.floats(0, 3), st.integers(0, 20)),
    st.tuples(st.just("throttled"), st.none() | st.floats(0, 5)),
    st.tuples(st.just("settled")),
    st.tuples(st.just("set_rate"), RATES),
)


@given(rate=RATES, steps=st.lists(st.tuples(st.floats(0, 5), STEPS), max_size=40))
def test_never_closer_than_the_rate(rate, steps):
    """Whatever happens, starts keep the distance of the rate at which they were handed out, and lie in their bounds."""
    pace = Pace(rate, now=50.0)
    now, last, held, configured = 50.0, 50.0, 0.0, rate
    for wait, (verb, *values) in steps:
        now += wait
        if verb == "slots":
            k, ahead, unused = values
            starts = pace.slots(k, now, ahead)
            assert len(starts) <= k
            for earlier, later in pairwise([last, *starts]):
                assert later - earlier >= 1 / pace.rate - EPSILON
            if starts:
                assert starts[0] >= max(now, held)
                assert starts[-1] <= now + ahead + EPSILON
            elif k:
                assert pace.next_at(now) > now + ahead
            unused = min(unused, len(starts))
            pace.refund(unused)
            if used := starts[: len(starts) - unused]:
                last = used[-1]
        elif verb == "throttled":
            pace.throttled(now, values[0])
            held = max(held, now + (values[0] or 0.0)) if values[0] is not None else held
        elif verb == "settled":
            pace.settled(now)
        else:
            configured = values[0]
            pace.set_rate(configured, now)
        assert min(LOWEST_RATE, configured) <= pace.rate <= configured
        assert pace.next_at(now) >= now


@given(
    rate=st.floats(0.1, 500),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=20),
)
def test_no_burst_in_any_second(rate, gaps):
    """A pace that is asked for as many as it gives never starts more than rate + 1 calls in a second."""
    pace = Pace(rate, now=0.0)
    now, starts = 0.0, []
    for gap in gaps:
        now += gap
        starts += pace.slots(1000, now, ahead=0.5)
    most = int(rate) + 1
    assert all(later - earlier >= 1 - EPSILON for earlier, later in zip(starts, starts[most:], strict=False))


def test_no_start_is_lost():
    """Asked in time, a pace gives exactly its rate over a long run."""
    pace = Pace(40.0, now=0.0)
    starts = [start for tick in range(1, 10_001) for start in pace.slots(99, tick / 100, ahead=0.02)]
    assert len(starts) == pytest.approx(4000, abs=2)


@pytest.mark.parametrize(
    ("mine", "other", "throttled", "rate"),
    [
        (8.0, 8.0, True, 4.0),
        (8.0, 8.0, False, 8.0),
        (2.0, 8.0, True, 2.0),
        (8.0, 2.0, False, 8.0),
        (None, 8.0, True, 4.0),
        (8.0, None, False, 8.0),
    ],
)
def test_one_that_follows_another_is_no_faster(mine, other, throttled, rate):
    """It is as slow as the other was made, not as slow as that was meant to be; and it climbs back to its own rate."""
    pace, former = Pace(mine, now=100.0), Pace(other, now=0.0)
    former.slots(1, 100.1)
    if throttled:
        former.throttled(100.1)
    pace.follow(former)
    assert pace.rate == rate
    assert pace.next_at(100.1) == pytest.approx(100.1 + 1 / rate)
    now, slowed = 100.1, pace.slowed
    while pace.slowed:
        now += 0.5
        pace.settled(now)
    assert pace.rate == mine
    assert now == pytest.approx(130.1 if slowed else 100.1, abs=0.6)  # half of it is missing


def test_one_that_follows_another_waits_out_its_rest_and_knows_what_it_started():
    """A carrier's wish holds; an unlimited one that takes the calls over is halved from what they were."""
    pace, former = Pace(None, now=100.0), Pace(None, now=90.0)
    former.slots(20, 99.9)
    former.throttled(99.9, retry_after_s=30.0)
    busy = Pace(None, now=90.0)
    busy.slots(40, 99.5)
    pace.follow(former)
    assert pace.next_at(100.0) == 129.9
    assert pace.rate == former.rate
    calm = Pace(None, now=100.0)
    calm.follow(busy)
    calm.throttled(100.0)
    assert calm.rate == 20.0
