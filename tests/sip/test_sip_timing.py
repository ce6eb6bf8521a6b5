"""Timers: done in order, once, not when cancelled; the heap does not grow with what was cancelled."""

from dialerd_sip.core.timing import Timers, Timing
from hypothesis import given
from hypothesis import strategies as st


def test_figures_of_rfc_3261() -> None:
    """Table 4."""
    assert Timing().patience == 32
    assert Timing().timer_d == 32
    assert Timing(t1=0.05).patience == 3.2
    assert Timing(t1=0.05).timer_d == 32
    assert Timing(t1=1.0).timer_d == 64


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60), st.integers(0, 60))
def test_what_is_due_is_done_in_order_and_once(planned: list[tuple[int, bool]], until: int) -> None:
    """Whatever was cancelled in between; the next deadline is that of the first that is left."""
    timers = Timers()
    done: list[tuple[int, int]] = []
    set_ = [
        timers.at(at, lambda now, at=at, number=number: done.append((at, number)))
        for number, (at, _) in enumerate(planned)
    ]
    for timer, (_, cancelled) in zip(set_, planned, strict=True):
        if cancelled:
            timer.cancel()
            timer.cancel()
    left = sorted((at, number) for number, (at, cancelled) in enumerate(planned) if not cancelled)
    assert len(timers) == len(left)
    assert timers.next_deadline() == (left[0][0] if left else None)
    timers.handle(until)
    timers.handle(until)
    assert done == [one for one in left if one[0] <= until]
    assert len(timers) == len(left) - len(done)


def test_cancelled_timers_do_not_pile_up() -> None:
    """A heap of 32 seconds of calls would otherwise hold each of their timers."""
    timers = Timers()
    kept = [timers.at(1e6 + number, lambda now: None) for number in range(100)]
    for number in range(50_000):
        timers.at(1e5 + number, lambda now: None).cancel()
    assert len(timers) == 100
    assert len(timers._heap) < 2_000
    for timer in kept:
        timer.cancel()
    assert timers.next_deadline() is None


def test_what_is_set_for_now_while_timers_run_is_done_too() -> None:
    """So that a pump needs one call."""
    timers = Timers()
    done: list[str] = []

    def first(now: float) -> None:
        done.append("first")
        timers.at(now, lambda now: done.append("second"))
        for _ in range(1000):
            timers.at(9, lambda now: None).cancel()

    timers.at(1, first)
    timers.handle(1)
    assert done == ["first", "second"]
