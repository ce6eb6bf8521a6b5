"""Retry: what follows an attempt that counts, the next try or the end.

All outcomes draw on one budget of attempts, the recipient's own or the policy's. An outcome's own rule may be stricter
than the budget, never wider: a recipient may not be rung more often because it was busy. Knows nothing of windows: a
retry that falls into a closed one is held by the gate until the next opening. Attempts that do not count are
`dialerd.rules.refund`'s.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

from attrs import frozen

from dialerd.model.errors import Fault
from dialerd.model.instants import Instant
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import Final as FinalState
from dialerd.model.states import Outcome

SPREAD: Final = 0.1
"""By how much of itself a delay may be lengthened at random. A tenth is enough to pull apart the hundreds of calls
that one cause ended in the same second, and no reader of `delay = "30m"` is surprised by 33 minutes."""

_MOST_GROWTH: Final = 300
"""Bound of the exponent: 10**300 is a float and beyond every `max_delay`, 10**309 is an error."""


@frozen
class RetryAt:
    """The recipient is tried again.

    Args:
        at: when the next attempt is due; never before it, but as long after it as the gate demands.
    """

    at: Instant


@frozen
class Done:
    """The recipient is not tried again.

    Args:
        final: what became of it.
    """

    final: FinalState


_DONE: Final = {final: Done(final) for final in FinalState}


def after(
    *,
    outcome: Outcome,
    attempts: int,
    policy: RetryPolicy,
    limit: int | None = None,
    now: Instant,
    message_left: bool = False,
    random: Random | None = None,
) -> RetryAt | Done:
    """Return what follows an attempt that counts.

    Answered and cancelled calls are never tried again. Nor is a machine that took the message, whatever the rule for
    voicemail: that person was reached. What nobody can tell about stays uncertain when it is not tried again, because
    "failed" would be a claim. Otherwise an outcome whose rule allows one attempt has failed, and a budget or a rule
    that is used up has exhausted the recipient.

    The wait grows as `delay * backoff ** (attempts - 1)` up to the policy's `max_delay`; a plain delay beyond
    `max_delay` is somebody's explicit wish and is kept.

    Args:
        outcome: how the attempt ended.
        attempts: attempts that counted so far, this one included; at least 1.
        policy: the campaign's.
        limit: the recipient's own number of attempts, which replaces the policy's; None = the policy's.
        now: when the attempt ended.
        message_left: whether the agent's message was left on a machine.
        random: lengthens the wait by up to `SPREAD`, within `max_delay`; None = exactly as written.
    """
    if outcome is Outcome.ANSWERED or message_left:
        return _DONE[FinalState.SUCCEEDED]
    if outcome is Outcome.CANCELLED:
        return _DONE[FinalState.CANCELLED]
    rule = policy.rule_for(outcome)
    budget = policy.max_attempts if limit is None else limit
    if attempts >= budget or (rule.max_attempts is not None and attempts >= rule.max_attempts):
        return _DONE[_final(outcome, rule.max_attempts)]
    delay = policy.delay if rule.delay is None else rule.delay
    backoff = policy.backoff if rule.backoff is None else rule.backoff
    if backoff == 1.0 and random is None:
        return RetryAt(now + delay)
    wait = delay * backoff ** min(attempts - 1, _MOST_GROWTH)
    if random is not None:
        wait *= 1 + SPREAD * random.random()
    return RetryAt(now + int(min(wait, max(policy.max_delay, delay))))


def over_budget(policy: RetryPolicy) -> Iterator[tuple[Outcome, Fault]]:
    """Yield each outcome whose own limit is above the budget, which is never reached then, with the fault.

    Args:
        policy: a campaign's or the daemon's, the table `retry` of its file.
    """
    budget = policy.max_attempts
    for outcome in Outcome:
        limit = policy.rule_for(outcome).max_attempts
        if limit is not None and limit > budget:
            allows = "1 attempt" if budget == 1 else f"{budget} attempts"
            message = f"is {limit}, but retry.max_attempts allows {allows} in all; raise it, or lower this"
            yield outcome, Fault(f"retry.{outcome}.max_attempts", message)


def _final(outcome: Outcome, rule_limit: int | None) -> FinalState:
    if outcome is Outcome.UNCERTAIN:
        return FinalState.UNCERTAIN
    return FinalState.FAILED if rule_limit == 1 else FinalState.EXHAUSTED
