"""Who waits for a retry follows a changed policy."""

from functools import partial

import pytest
from stock import NOW, Stock, number

from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.states import Final
from dialerd.rules.retry import after
from dialerd.store import rejudging


@pytest.fixture
def stock():
    """Return an empty store in memory; past calls are written by hand, so that no audit can hold."""
    found = Stock()
    yield found
    found.close()


def judge(policy):
    """Return what says what follows by a policy."""
    return lambda outcome, attempts, limit, ended_at: after(
        outcome=outcome, attempts=attempts, policy=policy, limit=limit, now=ended_at
    )


def waiting(stock, *outcomes):
    """Return a campaign whose recipients were called an hour ago, with these outcomes."""
    key = stock.campaign(len(outcomes))
    for at, outcome in enumerate(outcomes):
        if outcome is not None:
            stock.call(key, number(at), at=NOW - HOUR)
            stock.run("UPDATE attempts SET outcome = :o WHERE number = :n", o=outcome, n=number(at))
            stock.run("UPDATE recipients SET attempts = 1, next_at = :t WHERE number = :n", t=NOW + HOUR, n=number(at))
    stock.run("UPDATE attempts SET recipient_id = (SELECT id FROM recipients AS r WHERE r.number = attempts.number)")
    return key


def rejudge(stock, key, policy):
    """Judge everybody of a campaign anew."""
    place = 0
    while place is not None:
        place = stock.do(partial(rejudging.rejudge_some, judge=judge(policy)), key, place, now=NOW)


def test_a_budget_that_is_used_up_ends_them(stock):
    """Those who have had what the policy allows are done; whoever was not called yet is left alone."""
    key = waiting(stock, "busy", "no_answer", None, "cancelled")
    rejudge(stock, key, RetryPolicy(max_attempts=1))
    assert stock.states(key) == {("done", Final.EXHAUSTED): 3, ("pending", None): 1}
    assert stock.rows("SELECT final_exhausted FROM totals") == [(3,)]
    assert stock.next_at(key) == {number(2): 0}


def test_a_changed_delay_counts_from_the_last_call(stock):
    """Each outcome by its own rule, earlier or later than before; one's own limit stands."""
    key = waiting(stock, "busy", "no_answer", "unreachable")
    stock.run("UPDATE recipients SET max_attempts = 1 WHERE number = :n", n=number(2))
    rejudge(stock, key, RetryPolicy(max_attempts=3, delay=90 * MINUTE, busy=RetryRule(delay=5 * MINUTE)))
    assert stock.next_at(key) == {number(0): NOW - HOUR + 5 * MINUTE, number(1): NOW + 30 * MINUTE}
    assert stock.states(key)["done", Final.EXHAUSTED] == 1


def test_everybody_is_reached_in_steps(stock, monkeypatch):
    """However few are looked at in one transaction."""
    monkeypatch.setattr(rejudging, "_SCANNED", 2)
    key = waiting(stock, *["busy"] * 5)
    stock.campaign(3, "other")
    rejudge(stock, key, RetryPolicy(max_attempts=1))
    assert stock.states(key) == {("done", Final.EXHAUSTED): 5}
