"""What follows an attempt that counts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.instants import DAY, HOUR, MINUTE
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.states import Final, Outcome
from dialerd.rules.retry import SPREAD, Done, RetryAt, after, over_budget

NOW = 1_800_000_000_000
THREE = RetryPolicy(max_attempts=3, delay=10 * MINUTE)
WORN = RetryPolicy(
    max_attempts=5,
    delay=10 * MINUTE,
    busy=RetryRule(max_attempts=2, delay=MINUTE),
    voicemail=RetryRule(max_attempts=3),
    uncertain=RetryRule(max_attempts=2),
    rejected=RetryRule(max_attempts=9),
)

F, End = Final, Outcome


@pytest.mark.parametrize(
    ("policy", "end", "expected"),
    [
        # ends whatever the budget
        (THREE, (End.ANSWERED, 1, None, False), F.SUCCEEDED),
        (THREE, (End.CANCELLED, 1, None, False), F.CANCELLED),
        (WORN, (End.VOICEMAIL, 1, None, True), F.SUCCEEDED),
        (THREE, (End.VOICEMAIL, 3, None, True), F.SUCCEEDED),
        # never tried again by their own rule
        (THREE, (End.VOICEMAIL, 1, None, False), F.FAILED),
        (THREE, (End.REJECTED, 1, None, False), F.FAILED),
        (THREE, (End.INVALID_NUMBER, 1, None, False), F.FAILED),
        (THREE, (End.UNCERTAIN, 1, None, False), F.UNCERTAIN),
        (THREE, (End.REJECTED, 2, None, False), F.FAILED),
        (RetryPolicy(), (End.REJECTED, 1, None, False), F.FAILED),
        # the budget
        (THREE, (End.BUSY, 1, None, False), 10 * MINUTE),
        (THREE, (End.BUSY, 2, None, False), 10 * MINUTE),
        (THREE, (End.BUSY, 3, None, False), F.EXHAUSTED),
        (THREE, (End.BUSY, 4, None, False), F.EXHAUSTED),
        (RetryPolicy(), (End.BUSY, 1, None, False), F.EXHAUSTED),
        (RetryPolicy(), (End.CONGESTION, 1, None, False), F.EXHAUSTED),
        (THREE, (End.UNREACHABLE, 2, None, False), 10 * MINUTE),
        (THREE, (End.FAILED, 2, None, False), 10 * MINUTE),
        (THREE, (End.NO_ANSWER, 2, None, False), 10 * MINUTE),
        # the recipient's own budget replaces the policy's, both ways, and never an outcome's own
        (THREE, (End.BUSY, 1, 1, False), F.EXHAUSTED),
        (THREE, (End.BUSY, 4, 5, False), 10 * MINUTE),
        (THREE, (End.BUSY, 5, 5, False), F.EXHAUSTED),
        (THREE, (End.REJECTED, 1, 50, False), F.FAILED),
        (WORN, (End.BUSY, 2, 50, False), F.EXHAUSTED),
        # overrides
        (WORN, (End.BUSY, 1, None, False), MINUTE),
        (WORN, (End.BUSY, 2, None, False), F.EXHAUSTED),
        (WORN, (End.NO_ANSWER, 2, None, False), 10 * MINUTE),
        (WORN, (End.VOICEMAIL, 2, None, False), 10 * MINUTE),
        (WORN, (End.VOICEMAIL, 3, None, False), F.EXHAUSTED),
        (WORN, (End.UNCERTAIN, 1, None, False), 10 * MINUTE),
        (WORN, (End.UNCERTAIN, 2, None, False), F.UNCERTAIN),
        (WORN, (End.UNCERTAIN, 1, 1, False), F.UNCERTAIN),
        # a rule that is wider than the budget does not widen it
        (WORN, (End.REJECTED, 5, None, False), F.EXHAUSTED),
        # a budget of nothing, or a policy that shrank meanwhile
        (THREE, (End.BUSY, 1, 0, False), F.EXHAUSTED),
    ],
)
def test_after(policy, end, expected):
    """Each row is one attempt's end (outcome, attempts, own limit, message left) and what follows it."""
    outcome, attempts, limit, left = end
    result = after(outcome=outcome, attempts=attempts, policy=policy, limit=limit, now=NOW, message_left=left)
    assert result == (Done(expected) if isinstance(expected, Final) else RetryAt(NOW + expected))


@pytest.mark.parametrize(
    ("attempts", "policy", "wait"),
    [
        (1, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2), MINUTE),
        (2, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2), 2 * MINUTE),
        (5, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2), 16 * MINUTE),
        (12, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2), DAY),
        (98, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=10), DAY),
        (3, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=1.5), 135_000),
        (3, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2, max_delay=HOUR, busy=RetryRule(backoff=10)), HOUR),
        (3, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2, busy=RetryRule(delay=2 * MINUTE)), 8 * MINUTE),
        (3, RetryPolicy(max_attempts=99, delay=MINUTE, backoff=2, busy=RetryRule(backoff=1)), MINUTE),
        # an explicit delay beyond the bound is kept, and does not grow
        (1, RetryPolicy(max_attempts=99, delay=2 * DAY, max_delay=DAY), 2 * DAY),
        (4, RetryPolicy(max_attempts=99, delay=2 * DAY, max_delay=DAY, backoff=3), 2 * DAY),
        (1, RetryPolicy(max_attempts=99, delay=MINUTE, max_delay=0), MINUTE),
        (4, RetryPolicy(max_attempts=99, delay=0, backoff=3), 0),
    ],
)
def test_delay_grows(attempts, policy, wait):
    """The wait grows with each attempt up to the bound, and is never shorter than the plain delay."""
    assert after(outcome=Outcome.BUSY, attempts=attempts, policy=policy, now=NOW) == RetryAt(NOW + wait)


def test_growth_of_an_unbounded_budget():
    """A recipient's own limit of ten thousand attempts does not overflow the growth."""
    policy = RetryPolicy(delay=10**14, backoff=10.0, max_delay=DAY)
    assert after(outcome=Outcome.BUSY, attempts=9_999, policy=policy, limit=10_000, now=0) == RetryAt(10**14)


RULES = st.builds(
    RetryRule,
    max_attempts=st.none() | st.integers(1, 6),
    delay=st.none() | st.integers(0, DAY),
    backoff=st.none() | st.floats(1, 10),
)
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 6),
    delay=st.integers(0, 2 * DAY),
    backoff=st.floats(1, 10),
    max_delay=st.integers(0, 3 * DAY),
    busy=RULES,
    no_answer=RULES,
    voicemail=RULES,
    uncertain=RULES,
)


@given(
    policy=POLICIES,
    outcome=st.sampled_from(Outcome),
    limit=st.none() | st.integers(1, 9),
    seed=st.none() | st.integers(0, 99),
    left=st.booleans(),
)
def test_a_life_ends_within_the_budget(policy, outcome, limit, seed, left):
    """Whatever the policy, the same end again and again stops at or before the budget, with growing, bounded waits."""
    budget = policy.max_attempts if limit is None else limit
    random = None if seed is None else Random(seed)
    rule = policy.rule_for(outcome)
    delay = policy.delay if rule.delay is None else rule.delay
    for attempts in range(1, 100):
        result = after(
            outcome=outcome,
            attempts=attempts,
            policy=policy,
            limit=limit,
            now=NOW,
            message_left=left and outcome is Outcome.VOICEMAIL,
            random=random,
        )
        if isinstance(result, Done):
            break
        assert attempts < min(budget, rule.max_attempts or 999)
        assert delay <= result.at - NOW <= max(delay, policy.max_delay)
    assert attempts <= budget
    assert (result.final is Final.UNCERTAIN) == (outcome is Outcome.UNCERTAIN)
    assert (result.final is Final.CANCELLED) == (outcome is Outcome.CANCELLED)


@given(seed=st.integers(0, 1000))
def test_spread(seed):
    """A random spread lengthens the wait by a tenth at most and never shortens it."""
    at = after(outcome=Outcome.BUSY, attempts=1, policy=THREE, now=NOW, random=Random(seed)).at
    assert 10 * MINUTE <= at - NOW <= 10 * MINUTE * (1 + SPREAD)
    assert at == after(outcome=Outcome.BUSY, attempts=1, policy=THREE, now=NOW, random=Random(seed)).at


def test_spread_parts():
    """People whose calls ended together are not due together."""
    random = Random(1)
    ats = {after(outcome=Outcome.BUSY, attempts=1, policy=THREE, now=NOW, random=random).at for _ in range(100)}
    assert len(ats) > 90


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (RetryPolicy(), []),
        (RetryPolicy(max_attempts=3, busy=RetryRule(max_attempts=3)), []),
        (
            RetryPolicy(busy=RetryRule(max_attempts=3)),
            [
                "retry.busy.max_attempts: is 3, but retry.max_attempts allows 1 attempt in all; raise it, or lower"
                " this",
            ],
        ),
        (
            WORN,
            [
                "retry.rejected.max_attempts: is 9, but retry.max_attempts allows 5 attempts in all; raise it, or lower"
                " this",
            ],
        ),
    ],
)
def test_a_limit_above_the_budget(policy, expected):
    """An outcome's own limit that can never be reached is told, with both ways out."""
    assert [str(fault) for _, fault in over_budget(policy)] == expected
