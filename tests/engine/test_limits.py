"""Limits: units are counted, and who found none is brought back in its turn."""

from hypothesis import given
from hypothesis import strategies as st

from dialerd.engine.limits import Limit, take


def test_a_permit_is_all_or_nothing():
    """What has no free unit leaves the others untouched; a permit gives everything back once."""
    wide, narrow, endless = Limit(2), Limit(1), Limit(None)
    first = take((wide, narrow, endless))
    assert first is not None
    assert take((wide, narrow, endless)) is None
    assert (wide.used, narrow.used, endless.used) == (1, 1, 1)
    first.release()
    first.release()
    assert (wide.used, narrow.used, endless.used) == (0, 0, 0)
    assert take((wide, narrow, endless)) is not None


def test_a_lowered_limit_has_nothing_free_until_calls_have_ended():
    """Calls beyond it go on, and no unit is free meanwhile."""
    limit = Limit(3)
    permits = [take((limit,)) for _ in range(3)]
    limit.set_total(1)
    assert limit.free == 0
    for permit in permits[:2]:
        assert permit is not None
        permit.release()
    assert (limit.used, limit.free) == (1, 0)
    assert take((limit,)) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.floats(0, 100)), max_size=300))
def test_the_lowest_tag_is_brought_back_first_and_nobody_twice(steps):
    """Whoever parks again counts by its new tag."""
    queue, waiting = Limit(1), {}
    for who, tag in steps:
        if tag is None:
            found = queue.unpark()
            if found is None:
                assert not waiting
            else:
                of_found = waiting.pop(found)
                assert all(of_found <= other for other in waiting.values())
        else:
            queue.park(who, tag)
            waiting[who] = tag
        assert queue.awaited == bool(waiting)
