"""What is tried again, when, and how often."""

from typing import Final

from attrs import field, frozen, validators

from dialerd.model.instants import DAY, MINUTE, Duration
from dialerd.model.states import Outcome

MAX_ATTEMPTS: Final = 100
"""Attempts that any budget may allow; who wants more rings people without end."""


@frozen(kw_only=True)
class RetryRule:
    """How one outcome departs from its campaign's policy; what is None follows the policy.

    Args:
        max_attempts: attempts after which this outcome is final, the first one counted; 1 = never tried again;
            more than the policy's own is refused, as it could not be reached.
        delay: wait before the next attempt.
        backoff: factor by which the delay grows with each attempt.
    """

    max_attempts: int | None = field(
        default=None, validator=validators.optional(validators.in_(range(1, MAX_ATTEMPTS + 1)))
    )
    delay: Duration | None = field(default=None, validator=validators.optional(validators.ge(0)))
    backoff: float | None = field(default=None, validator=validators.optional([validators.ge(1), validators.le(10)]))


_NEVER_AGAIN = RetryRule(max_attempts=1)


@frozen(kw_only=True)
class RetryPolicy:
    """When a recipient is tried again. All outcomes draw on one budget of attempts.

    Args:
        max_attempts: attempts a recipient may have in all, the first one counted.
        delay: wait before the next attempt.
        backoff: factor by which the delay grows with each attempt; 1 = always the same.
        max_delay: bound of the grown delay.
        busy, no_answer, voicemail, rejected, invalid_number, unreachable, congestion, failed, uncertain: how that
            outcome departs from the policy. A rejected call, an invalid number, a voicemail and an uncertain attempt
            are not tried again unless they are given here.
    """

    max_attempts: int = field(default=1, validator=[validators.ge(1), validators.le(MAX_ATTEMPTS)])
    delay: Duration = field(default=30 * MINUTE, validator=validators.ge(0))
    backoff: float = field(default=1.0, validator=[validators.ge(1), validators.le(10)])
    max_delay: Duration = field(default=DAY, validator=validators.ge(0))
    busy: RetryRule = RetryRule()
    no_answer: RetryRule = RetryRule()
    voicemail: RetryRule = _NEVER_AGAIN
    rejected: RetryRule = _NEVER_AGAIN
    invalid_number: RetryRule = _NEVER_AGAIN
    unreachable: RetryRule = RetryRule()
    congestion: RetryRule = RetryRule()
    failed: RetryRule = RetryRule()
    uncertain: RetryRule = _NEVER_AGAIN

    def rule_for(self, outcome: Outcome) -> RetryRule:
        """Return the override for `outcome`; answered and cancelled calls have none and are never tried again."""
        if outcome in (Outcome.ANSWERED, Outcome.CANCELLED):
            return _NEVER_AGAIN
        rule: RetryRule = getattr(self, outcome.value)
        return rule
