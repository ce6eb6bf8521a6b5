"""The claim and the lines: order, heads, caller ids, day counts, the start of a campaign."""

import pytest
from stock import CALLER_ID, LATER, LONDON, NEW_YORK, NOW, OTHER_ID, PARIS, Stock, ended, number

from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.states import CampaignState, Outcome
from dialerd.store import campaigns, days, notices
from dialerd.store.counters import add_day_counts, driver


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def again(one, key, at=NOW, next_at=None, **others):
    """Return an end after which the recipient is tried again."""
    return ended(one, key, Outcome.BUSY, final=None, at=at, next_at=next_at, **others)


def test_the_longest_due_first(stock):
    """Within a group recipients come by their due instants, then by their place in the list; not yet due ones wait."""
    key = stock.campaign(6)
    for i, due in enumerate([NOW, NOW - 5, NOW + 1, NOW - 5, NOW - 9, NOW]):
        stock.run("UPDATE recipients SET next_at = :due WHERE number = :n", due=due, n=number(i))
    assert [one.number for one in stock.claim(key, 3).claimed] == [number(4), number(1), number(3)]
    answer = stock.claim(key, 3)
    assert [one.number for one in answer.claimed] == [number(0), number(5)]
    assert answer.heads == {1: NOW + 1}
    assert [one.number for one in stock.claim(key, 3, now=NOW + 1).claimed] == [number(2)]
    assert stock.claim(key, 3, now=LATER).heads == {1: None}


def test_groups_in_the_order_of_the_ask(stock):
    """The first group is emptied before the next; groups that are not asked for are not touched."""
    key = stock.campaign(9, groups=(LONDON, NEW_YORK, PARIS))
    london, new_york, paris = (stock.group(group) for group in (LONDON, NEW_YORK, PARIS))
    answer = stock.claim(key, 5, groups=[paris, london])
    assert [one.group_id for one in answer.claimed] == [paris] * 3 + [london] * 2
    assert answer.heads == {paris: None, london: 0}
    answer = stock.claim(key, 5, groups=[paris, london])
    assert [one.group_id for one in answer.claimed] == [london]
    assert answer.heads == {paris: None, london: None}
    answer = stock.claim(key, 1, groups=[new_york, london])
    assert answer.heads == {new_york: 0}, "a group behind the last line was not asked"
    assert stock.do(campaigns.by_ids, [key])[0].state is CampaignState.SCHEDULED


def test_what_is_claimed_is_in_the_rows(stock):
    """The attempt stands with all its facts, and the answer says what the row says."""
    key = stock.begin()
    stock.add(key, [[1, number(0), 0, "say hi", 7, '{"a":1}', '{"b":2}']])
    stock.publish(key)
    (one,) = stock.claim(key, [OTHER_ID]).claimed
    assert (one.number, one.caller_id, one.prompt, one.max_attempts) == (number(0), OTHER_ID, "say hi", 7)
    assert (one.variables, one.metadata, one.attempts, one.refunds) == ('{"a":1}', '{"b":2}', 0, 0)
    columns = "id, uid, recipient_id, campaign_id, number, caller_id, trunk, state, claimed_at, refunded"
    assert stock.rows(f"SELECT {columns} FROM attempts") == [
        (one.attempt_id, one.uid, one.recipient_id, key, number(0), OTHER_ID, "u", "claimed", NOW, 0)
    ]
    stock.turn(
        ends=[
            again(one, key),
        ]
    )
    (one,) = stock.claim(key).claimed
    assert (one.attempts, one.refunds) == (1, 0)
    stock.turn(ends=[again(one, key, refunded=True, bounded=True)])
    (one,) = stock.claim(key).claimed
    assert (one.attempts, one.refunds) == (1, 1)
    stock.turn(ends=[again(one, key, refunded=True)])
    (one,) = stock.claim(key).claimed
    assert (one.attempts, one.refunds) == (1, 1), "what the gate stopped is no refund of the bounded kind"
    assert len({uid for (uid,) in stock.rows("SELECT uid FROM attempts")}) == 4


def test_lines_are_used_in_their_order(stock):
    """The first due recipient gets the first line."""
    key = stock.campaign(4)
    slots = [CALLER_ID, OTHER_ID, OTHER_ID, CALLER_ID]
    assert [one.caller_id for one in stock.claim(key, slots).claimed] == slots


def test_a_sticky_recipient_keeps_its_caller_id(stock):
    """The first attempt's stays for all others, also when other lines are free, and the others wait for theirs."""
    key = stock.campaign(4)
    first = stock.claim(key, [CALLER_ID, CALLER_ID, OTHER_ID, OTHER_ID], sticky=True).claimed
    kept = {one.number: one.caller_id for one in first}
    assert sorted(kept.values()) == [CALLER_ID] * 2 + [OTHER_ID] * 2
    stock.turn(ends=[again(one, key) for one in first])
    answer = stock.claim(key, [OTHER_ID] * 4, sticky=True)
    assert {one.number for one in answer.claimed} == {n for n, shown in kept.items() if shown == OTHER_ID}
    assert {one.caller_id for one in answer.claimed} == {OTHER_ID}
    assert answer.heads == {1: NOW}, "the others are due still"
    assert not answer.held, "nobody was put off"
    stock.turn(ends=[again(one, key) for one in answer.claimed])
    (one,) = stock.claim(key, [CALLER_ID, OTHER_ID], sticky=True, groups=[1]).claimed[:1]
    assert one.caller_id == kept[one.number]
    assert dict(stock.rows("SELECT number, caller_id FROM recipients")) == kept


def test_sticky_lines_are_shared_out(stock):
    """Newcomers take any line; a line is never used twice, and what nobody can use is left."""
    key = stock.campaign(3)
    (one,) = stock.claim(key, [OTHER_ID], sticky=True).claimed
    stock.turn(ends=[again(one, key, next_at=NOW - HOUR)])
    claimed = stock.claim(key, [CALLER_ID, CALLER_ID], sticky=True).claimed  # the one that waits for the other line
    assert {one.number for one in claimed} == {number(1), number(2)}
    stock.turn(ends=[again(one, key) for one in claimed])
    claimed = stock.claim(key, [OTHER_ID, CALLER_ID, OTHER_ID, CALLER_ID], sticky=True).claimed
    assert {one.number: one.caller_id for one in claimed} == {
        number(0): OTHER_ID,
        number(1): CALLER_ID,
        number(2): CALLER_ID,
    }


def test_a_kept_line_is_used_once(stock):
    """Two who keep the same caller id need two lines that show it, however many others are free."""
    key = stock.campaign(2)
    stock.turn(ends=[again(one, key) for one in stock.claim(key, [CALLER_ID] * 2, sticky=True).claimed])
    answer = stock.claim(key, [CALLER_ID, OTHER_ID, OTHER_ID], sticky=True)
    assert [(one.number, one.caller_id) for one in answer.claimed] == [(number(0), CALLER_ID)]
    assert answer.heads == {1: NOW}


def test_a_newcomer_may_take_the_line_that_another_keeps(stock):
    """Whoever finds its line taken by one before it stays due, and loses nothing."""
    key = stock.campaign(2)
    (one,) = stock.claim(key, [CALLER_ID], sticky=True).claimed
    stock.turn(ends=[again(one, key, next_at=NOW - 1)])
    stock.run("UPDATE recipients SET next_at = :at WHERE number = :n", at=NOW - 2, n=number(1))
    answer = stock.claim(key, [CALLER_ID], sticky=True)
    assert [one.number for one in answer.claimed] == [number(1)]
    assert answer.heads == {1: NOW - 1}
    answer = stock.claim(key, [OTHER_ID, CALLER_ID], sticky=True)
    assert [(one.number, one.caller_id) for one in answer.claimed] == [(number(0), CALLER_ID)]


def test_who_keeps_a_caller_id_that_was_taken_away_is_a_newcomer(stock):
    """What may not be shown any more binds nobody; the next one is kept instead."""
    key = stock.campaign(2)
    stock.turn(ends=[again(one, key) for one in stock.claim(key, [CALLER_ID] * 2, sticky=True).claimed])
    answer = stock.claim(key, [OTHER_ID] * 2, sticky=True, caller_ids=(OTHER_ID,))
    assert [one.caller_id for one in answer.claimed] == [OTHER_ID] * 2
    assert set(stock.rows("SELECT caller_id FROM recipients")) == {(OTHER_ID,)}


@pytest.mark.parametrize("told", [True, False])
def test_the_start_is_told_once(stock, told):
    """Where somebody listens, one notice says that the campaign is running, and none where it was paused meanwhile."""
    key, paused = stock.campaign(3), stock.campaign([number(9)], "p")
    stock.do(campaigns.set_state, paused, CampaignState.PAUSED, now=NOW)
    for _ in range(2):
        stock.turn(*(stock.ask(k, state=CampaignState.SCHEDULED, told=told) for k in (key, paused)))
    found = stock.do(notices.unread, "r", 9)
    assert [(n.kind, n.campaign, n.body["state"]) for n in found] == [("campaign.running", "c", "running")] * told


def test_not_sticky_forgets_caller_ids(stock):
    """A campaign that rotates stores none with its recipients."""
    key = stock.campaign(1)
    stock.claim(key, [OTHER_ID])
    assert stock.one("SELECT caller_id FROM recipients") is None


def test_day_counts_go_up_with_claims_and_back_with_what_never_left(stock):
    """Each caller id counts for itself, the campaign for all; an end that gives back does so once."""
    key = stock.campaign(5)
    ours, theirs, all_day = ("number:1", "2026-06-01"), ("number:2", "2026-06-01"), ("campaign:1", "2026-06-01")
    keys = {CALLER_ID: [ours], OTHER_ID: [theirs], "": [all_day]}
    claimed = stock.claim(key, [CALLER_ID, CALLER_ID, OTHER_ID], day_keys=keys).claimed
    everything = [ours, theirs, all_day, ("nobody", "2026-06-01")]
    assert stock.do(days.calls, everything) == {ours: 2, theirs: 1, all_day: 3}
    stock.turn(
        ends=[again(claimed[0], key, refunded=True, uncount=[ours, all_day], next_at=LATER), ended(claimed[1], key)]
    )
    assert stock.do(days.calls, everything) == {ours: 1, theirs: 1, all_day: 2}
    # given back and taken in one turn
    stock.turn(
        stock.ask(key, [CALLER_ID], day_keys=keys),
        ends=[again(claimed[2], key, refunded=True, uncount=[theirs, all_day], next_at=LATER)],
    )
    assert stock.do(days.calls, everything) == {ours: 2, theirs: 0, all_day: 2}


def test_a_day_count_is_never_negative(stock):
    """What is given back for a day whose count was dropped meanwhile does not become a credit."""
    key = ("campaign:1", "2026-06-01")
    for _ in range(2):
        stock.do(lambda c: add_day_counts(driver(c), {key: -1}))
        assert stock.do(days.calls, [key]).get(key, 0) == 0
    stock.do(lambda c: add_day_counts(driver(c), {key: 2}))
    assert stock.do(days.calls, [key]) == {key: 2}
    stock.do(lambda c: add_day_counts(driver(c), {key: -5}))
    assert stock.do(days.calls, [key]) == {key: 0}


def test_days_of_the_past_are_forgotten(stock):
    """Only days before the given one go."""
    keys = [("k", f"2026-06-0{day}") for day in (1, 2, 3)]
    stock.do(lambda c: add_day_counts(driver(c), dict.fromkeys(keys, 4)))
    stock.do(days.forget_before, "2026-06-02")
    assert stock.do(days.calls, keys) == dict.fromkeys(keys[1:], 4)


@pytest.mark.parametrize(
    ("stored", "asked", "after"),
    [
        (CampaignState.SCHEDULED, CampaignState.SCHEDULED, CampaignState.RUNNING),
        (CampaignState.PAUSED, CampaignState.SCHEDULED, CampaignState.PAUSED),
        (CampaignState.CANCELLED, CampaignState.SCHEDULED, CampaignState.CANCELLED),
        (CampaignState.RUNNING, CampaignState.RUNNING, CampaignState.RUNNING),
    ],
)
def test_the_first_claim_starts_a_scheduled_campaign(stock, stored, asked, after):
    """It becomes running only where it is scheduled still: a pause that was stored meanwhile stays."""
    key = stock.campaign(2)
    stock.do(campaigns.set_state, key, stored, now=NOW)
    stock.claim(key, state=asked, now=NOW + MINUTE)
    (row,) = stock.do(campaigns.by_ids, [key])
    assert row.state is after
    started = {CampaignState.SCHEDULED: NOW + MINUTE, CampaignState.RUNNING: NOW}.get(stored)
    assert row.started_at == started
    assert stock.one("SELECT changed_at FROM totals") == (NOW + MINUTE if asked is CampaignState.SCHEDULED else NOW)


def test_an_ask_that_finds_nobody_starts_nothing(stock):
    """A campaign is running from its first call on, not from its first look."""
    key = stock.campaign(1)
    stock.run("UPDATE recipients SET next_at = :later", later=NOW + HOUR)
    answer = stock.claim(key, state=CampaignState.SCHEDULED)
    assert (answer.claimed, answer.heads) == ([], {1: NOW + HOUR})
    (row,) = stock.do(campaigns.by_ids, [key])
    assert (row.state, row.started_at) == (CampaignState.SCHEDULED, None)


def test_a_turn_with_nothing_does_nothing(stock):
    """No row is written."""
    key = stock.campaign(2)
    stock.claim(key)
    before = driver(stock.connection).total_changes
    assert stock.turn() == []
    assert stock.turn(stock.ask(key, 0), now=NOW)[0].claimed == []
    assert driver(stock.connection).total_changes == before
