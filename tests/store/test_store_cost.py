"""What a call costs in row writes."""

import pytest
from stock import LATER, LONDON, NEW_YORK, NOW, Stock, ended, number

from dialerd.model.states import AttemptState, CampaignState, Outcome
from dialerd.store.counters import driver
from dialerd.store.ending import Progress

CALLS = 100


def writes(stock, *asks, **turn):
    """Take a turn; return its answers and how many rows it wrote."""
    before = driver(stock.connection).total_changes
    answers = stock.turn(*asks, **turn)
    return answers, driver(stock.connection).total_changes - before


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("retried", [False, True])
def test_four_row_writes_a_call(tmp_path, sticky, retried):
    """Two rows at the claim, two at the end, and one counter row a campaign and turn."""
    stock = Stock(f"sqlite:///{tmp_path / 'd.db'}")
    key = stock.campaign(3 * CALLS, groups=(LONDON, NEW_YORK))
    ask = stock.ask(key, CALLS, sticky=sticky)
    (answer,), written = writes(stock, ask)
    assert len(answer.claimed) == CALLS
    assert written == 2 * CALLS
    for _ in range(2):  # ends and claims in one turn, as the dispatcher does
        final = {"final": None, "next_at": LATER, "outcome": Outcome.BUSY} if retried else {}
        ends = [ended(one, key, **final) for one in answer.claimed]
        (answer,), written = writes(stock, ask, ends=ends)
        assert len(answer.claimed) == CALLS
        assert written <= 4 * CALLS + 1
    stock.close()


def test_what_comes_on_top(tmp_path):
    """The first claim starts its campaign, day counts are one row a key, news one row a call, notices one a call."""
    stock = Stock(f"sqlite:///{tmp_path / 'd.db'}")
    key = stock.campaign(CALLS)
    keys = {"": [("campaign:1", "d")], "+441632960001": [("number:1", "d")]}
    (answer,), written = writes(stock, stock.ask(key, CALLS, day_keys=keys, state=CampaignState.SCHEDULED))
    assert written == 2 * CALLS + 2 + 2
    news = [
        Progress(
            attempt_id=one.attempt_id,
            state=AttemptState.RINGING,
            ringing_at=NOW,
            answered_at=None,
            reference="r",
            provider_state=None,
        )
        for one in answer.claimed
    ]
    _, written = writes(stock, progress=news)
    assert written == CALLS
    _, written = writes(stock, ends=[ended(one, key, notice="{}") for one in answer.claimed])
    assert written == 3 * CALLS + 1
    stock.close()


def test_those_who_are_held_cost_one_write(tmp_path):
    """Put off or suppressed is one row each; whoever is put off is not looked at again before its time."""
    stock = Stock(f"sqlite:///{tmp_path / 'd.db'}")
    key, other = stock.campaign(CALLS), stock.campaign(1, "other")
    for i in range(CALLS):
        stock.call(other, number(i), at=NOW - 1, lasted=None)
    (answer,), written = writes(stock, stock.ask(key, CALLS))
    assert sum(answer.held.values()) == written == CALLS
    (answer,), written = writes(stock, stock.ask(key, CALLS))
    assert (answer.claimed, dict(answer.held), written) == ([], {}, 0)
    stock.close()
