"""The claim and the persons: live calls, rests, caps and do-not-call entries over all campaigns."""

import pytest
from stock import LONDON, NEW_YORK, NOW, Stock, ended, number

from dialerd.model.instants import DAY, HOUR, MINUTE, NEVER, SECOND, WEEK
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, Final, Rule
from dialerd.rules.gate import Opening
from dialerd.store import suppressions


@pytest.fixture
def stock():
    """Return an empty store in memory."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


@pytest.fixture
def history():
    """Return an empty store in memory whose past calls are written by hand, so that no audit can hold."""
    found = Stock()
    yield found
    found.close()


DAYS = PersonSettings(cooldown=0, calls_per_day=2)
WEEKS = PersonSettings(cooldown=0, calls_per_week=2)


@pytest.mark.parametrize(
    ("calls", "limits", "held"),
    [
        ([], PersonSettings(), None),
        # a call under way; nobody knows when it ends
        ([(HOUR, None)], PersonSettings(cooldown=0), (Rule.LIVE_CALL, NOW + SECOND)),
        ([(HOUR, None)], PersonSettings(cooldown=5 * MINUTE), (Rule.LIVE_CALL, NOW + 5 * MINUTE)),
        # nobody has found out for a week how it ended
        ([(WEEK + DAY - 1, None)], PersonSettings(cooldown=0), (Rule.LIVE_CALL, NOW + SECOND)),
        # the rest after a call, from its end on
        ([(2 * MINUTE, 90 * SECOND)], PersonSettings(cooldown=MINUTE), (Rule.COOLDOWN, NOW + 30 * SECOND)),
        ([(2 * MINUTE, MINUTE)], PersonSettings(cooldown=MINUTE), None),
        # the longest rest and the longest call: it began more than a week ago and its rest still lasts
        ([(WEEK + DAY - MINUTE, DAY)], PersonSettings(cooldown=WEEK), (Rule.COOLDOWN, NOW + MINUTE)),
        # rolling days and weeks: free when the oldest that counts leaves the span
        ([(DAY - 7, 0), (5, 0)], DAYS, (Rule.PERSON_DAY_CAP, NOW + 7)),
        ([(DAY, 0), (5, 0)], DAYS, None),
        ([(WEEK - 7, 0), (5, 0)], WEEKS, (Rule.PERSON_WEEK_CAP, NOW + 7)),
        ([(WEEK, 0), (5, 0)], WEEKS, None),
        ([(DAY - 1, 0), (9, 0), (8, 0)], DAYS, (Rule.PERSON_DAY_CAP, NOW + DAY - 9)),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_number_may_bear(history, calls, limits, held, elsewhere):
    """Calls of this campaign and of any other count alike; the held one is due at the instant that the gate names."""
    key = history.campaign(1)
    other = history.campaign(1, "other")
    for ago, lasted in calls:
        history.call(other if elsewhere else key, number(0), at=NOW - ago, lasted=lasted)
    answer = history.claim(key, 1, limits=limits)
    if held is None:
        assert [one.number for one in answer.claimed] == [number(0)]
        assert not answer.held
        return
    rule, again_at = held
    assert answer.claimed == []
    assert answer.held == {rule: 1}
    assert history.next_at(key) == {number(0): again_at}
    assert answer.heads == {1: again_at}
    if rule is not Rule.LIVE_CALL:
        assert history.claim(key, 1, limits=limits, now=again_at - 1).claimed == []
        assert len(history.claim(key, 1, limits=limits, now=again_at).claimed) == 1


@pytest.mark.parametrize("limits", [PersonSettings(cooldown=HOUR), DAYS, WEEKS])
def test_what_did_not_ring_is_not_held_against_anybody(history, limits):
    """Refunded attempts are no calls to that person."""
    key = history.campaign(1)
    for ago in (3, 2, 1):
        history.call(key, number(0), at=NOW - ago, refunded=True)
    assert len(history.claim(key, limits=limits).claimed) == 1


def test_two_campaigns_and_one_number_in_one_turn(stock):
    """One is claimed; the other is put off, and rung when the first call and the rest after it are over."""
    keys = [stock.campaign([number(i), number(7)], f"c{i}") for i in range(2)]
    limits = PersonSettings(cooldown=MINUTE)
    first, second = stock.turn(*(stock.ask(key, 5) for key in keys), limits=limits)
    assert [one.number for one in first.claimed] == [number(0), number(7)]
    assert [one.number for one in second.claimed] == [number(1)]
    assert second.held == {Rule.LIVE_CALL: 1}
    assert second.heads == {1: NOW + MINUTE}
    over_at = NOW + 30 * SECOND
    (answer,) = stock.turn(
        stock.ask(keys[1], 5),
        ends=[ended(one, keys[0], at=over_at) for one in first.claimed],
        limits=limits,
        now=NOW + MINUTE,
    )
    assert answer.held == {Rule.COOLDOWN: 1}
    assert answer.heads == {1: over_at + MINUTE}
    answer = stock.claim(keys[1], 5, limits=limits, now=over_at + MINUTE)
    assert [one.number for one in answer.claimed] == [number(7)]


def test_a_call_of_this_turn_counts_for_the_caps_too(history):
    """What one campaign has just claimed is seen by the next in the same turn, whatever was known of the number."""
    keys = [history.campaign([number(0)], name) for name in ("a", "b", "c")]
    history.call(keys[0], number(0), at=NOW - DAY)
    answers = history.turn(*(history.ask(key) for key in keys))
    assert [len(answer.claimed) for answer in answers] == [1, 0, 0]
    assert [dict(answer.held) for answer in answers] == [{}, {Rule.LIVE_CALL: 1}, {Rule.LIVE_CALL: 1}]


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ("all", "abc"),
        ("agent:anna", "ab"),
        ("agent:ann", ""),
        ("campaign:b", "b"),
        ("campaign:d", ""),
        ("agent:zoe", "c"),
    ],
)
@pytest.mark.parametrize("for_good", [True, False])
def test_scopes_of_do_not_call_entries(stock, scope, concerned, for_good):
    """An entry concerns everybody, one agent's campaigns or one campaign; one that expires holds and does not end."""
    keys = {name: stock.begin(name, agent=agent) for name, agent in (("a", "anna"), ("b", "anna"), ("c", "zoe"))}
    until = NEVER if for_good else NOW + HOUR
    stock.do(suppressions.add, [number(0)], scope=scope, expires_at=until, now=NOW)  # before: the claim must see it
    for name, key in keys.items():
        stock.add(key, [(1, number(0)), (2, number(ord(name)))])
        stock.publish(key)
        answer = stock.claim(key, 2)
        if name not in concerned:
            assert len(answer.claimed) == 2
            assert (answer.finished[Final.SUPPRESSED], answer.held) == (0, {})
            stock.turn(ends=[ended(one, key) for one in answer.claimed])
            continue
        assert [one.number for one in answer.claimed] == [number(ord(name))]
        if for_good:
            assert (answer.finished[Final.SUPPRESSED], answer.held) == (1, {})
            assert stock.states(key) == {("done", "suppressed"): 1, ("dialing", None): 1}
        else:
            assert (answer.finished[Final.SUPPRESSED], answer.held) == (0, {Rule.SUPPRESSED: 1})
            assert stock.next_at(key) == {number(0): NOW + HOUR}
            assert stock.claim(key, 2, now=NOW + HOUR - 1).claimed == []
            (one,) = stock.claim(key, 2, now=NOW + HOUR).claimed
            assert one.number == number(0)
            stock.turn(ends=[ended(one, key, refunded=True)])


def test_the_longest_entry_counts(stock):
    """An entry for good in one scope outweighs one that expires in another."""
    key = stock.begin("c", agent="anna")
    for scope, until in (("all", NOW + HOUR), ("agent:anna", NEVER), ("campaign:c", NOW + MINUTE)):
        stock.do(suppressions.add, [number(0)], scope=scope, expires_at=until, now=NOW)
    stock.add(key, [(1, number(0))])
    stock.publish(key)
    assert stock.claim(key).finished[Final.SUPPRESSED] == 1


@pytest.mark.parametrize(
    ("state", "opening", "rule", "again_at"),
    [
        (CampaignState.RUNNING, Opening(Rule.QUIET_HOURS, 0, NOW + HOUR), Rule.QUIET_HOURS, NOW + HOUR),
        (CampaignState.RUNNING, Opening(None, 0, NOW), Rule.CLOSING, NOW + MINUTE),
        (CampaignState.PAUSED, Opening(None, 0, NEVER), Rule.PAUSED, NOW + MINUTE),
    ],
)
def test_the_gate_holds_whole_groups(stock, state, opening, rule, again_at):
    """A closed group or a paused campaign that is asked all the same gives nobody."""
    key = stock.campaign(3)
    answer = stock.claim(key, 3, groups=[(1, opening)], state=state, limits=PersonSettings(cooldown=MINUTE))
    assert answer.claimed == []
    assert answer.held == {rule: 3}
    assert set(stock.next_at(key).values()) == {again_at}
    assert answer.heads == {1: again_at}


def test_held_people_do_not_stand_in_the_way(history):
    """Behind many who are held, those who may be rung are found in the same turn."""
    key = history.campaign(60)
    other = history.campaign(1, "other")
    for i in range(50):
        history.call(other, number(i), at=NOW - 1, lasted=None)
    answer = history.claim(key, 10)
    assert [one.number for one in answer.claimed] == [number(i) for i in range(50, 60)]
    assert answer.held == {Rule.LIVE_CALL: 50}


def test_looks_are_bounded_and_the_next_ask_goes_on(history):
    """A campaign whose people are all held costs a bounded number of rows an ask, and gets through in the end."""
    people = 1_000
    key = history.campaign(people, groups=(LONDON, NEW_YORK))
    other = history.campaign(1, "other")
    for i in range(people - 2):
        history.call(other, number(i), at=NOW - 1, lasted=None)
    claimed, asks = [], 0
    while len(claimed) < 2:
        answer = history.claim(key, 4)
        looked = sum(answer.held.values()) + len(answer.claimed)
        assert 0 < looked <= 4 + 256
        claimed += [one.number for one in answer.claimed]
        asks += 1
    assert sorted(claimed) == [number(people - 2), number(people - 1)]
    assert asks <= 5
    assert len(set(history.next_at(key))) == people - 2, "nobody was lost"


def test_entries_that_expire_and_final_ones_in_one_look(stock):
    """Of one set of candidates some are ended, some put off, some claimed."""
    key = stock.begin()
    stock.do(suppressions.add, [number(1), number(4)], now=NOW)
    stock.do(suppressions.add, [number(2)], expires_at=NOW + HOUR, now=NOW)
    stock.add(key, [(i + 1, number(i)) for i in range(6)])
    stock.publish(key)
    answer = stock.claim(key, 6)
    assert [one.number for one in answer.claimed] == [number(0), number(3), number(5)]
    assert (answer.finished[Final.SUPPRESSED], answer.held) == (2, {Rule.SUPPRESSED: 1})
    assert answer.heads == {1: NOW + HOUR}
    assert stock.states(key) == {("dialing", None): 3, ("pending", None): 1, ("done", Final.SUPPRESSED): 2}
