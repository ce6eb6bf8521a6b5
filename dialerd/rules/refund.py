"""Refunds: when a recipient whose attempt did not count is due again.

An attempt is refunded where nothing rang and the callee had no part in it: the carrier throttled, was congested or
down, or we could not place the call. The wait grows with each refund of the same recipient, so that a trunk in trouble
is not asked for the same people again and again, and there is a bound, so that a number that can never be placed does
not go round for ever.

A call that was withdrawn at the last instant (pause, suppression, window, a stop of the daemon) is none of these: it
is due again as it was, it is not counted here, and there is no bound to it; a campaign may be paused a thousand times.
"""

from typing import Final

from dialerd.model.instants import HOUR, MINUTE, SECOND, Duration, Instant

FIRST_DELAY: Final[Duration] = SECOND
"""Most throttling is over within a second, because carriers count calls per second."""

MAX_DELAY: Final[Duration] = 5 * MINUTE
"""As long as a breaker rests at most: whoever waits longer than the trunk would delay people for nothing."""

MAX_RETRY_AFTER: Final[Duration] = HOUR
"""What a carrier may ask for. Retry-After has no bound of its own (RFC 3261, section 20.33), and a mistaken one of a
year must not lose a recipient."""

BOUND: Final = 100
"""Refunds a recipient may have. With the delays above, somebody who is first in every queue uses them up in 7 h 43 min
at the earliest: 511 s for the first nine, then 5 min each. So an outage of a working day burns nobody even where no
breaker opens; where one does, few are asked at all."""

_DOUBLINGS: Final = 9  # 1 s doubled nine times is beyond MAX_DELAY


def refund(*, refunds: int, retry_after: Duration | None = None, now: Instant) -> Instant | None:
    """Return when a recipient is due again after an attempt that does not count; None = it counts after all.

    Args:
        refunds: how often this recipient was refunded before.
        retry_after: how long the carrier asked to be left alone, or None; wins where it is longer than the delay of
            1 s, 2 s, 4 s and so on, up to `MAX_RETRY_AFTER`.
        now: when the attempt ended.
    """
    if refunds >= BOUND:
        return None
    delay = min(FIRST_DELAY << min(refunds, _DOUBLINGS), MAX_DELAY)
    if retry_after is not None and retry_after > delay:
        delay = min(retry_after, MAX_RETRY_AFTER)
    return now + delay
