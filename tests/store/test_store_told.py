"""What the store tells: notices, reports and their pages, one recipient, the attempts that are open."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from stock import LATER, LONDON, NEW_YORK, NOW, OTHER_ID, Stock, ended, number

from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.states import AttemptState, CampaignState, Final, Outcome, RecipientState
from dialerd.store import (
    attempts,
    campaigns,
    lookup,
    notices,
    report_pages,
    reports,
)
from dialerd.store.ending import Progress
from dialerd.store.records import CallRow, UndialedRow


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def news(one, state, **others):
    """Return news of a call."""
    plain = dict.fromkeys(("ringing_at", "answered_at", "reference", "provider_state"))
    return Progress(attempt_id=one.attempt_id, state=state, **{**plain, **others})


def test_the_outbox_is_read_in_order_and_at_least_once(stock):
    """Each reader has its own place; what is not marked comes again; what all have read is deleted and no id reused."""
    stock.do(notices.forget_readers_but, ["slow", "fast"])
    for i in range(5):
        stock.do(notices.add, "campaign.paused", "c", {"i": i}, now=NOW + i)
    found = stock.do(notices.unread, "fast", 3)
    assert [(n.body["i"], n.at, n.kind, n.campaign) for n in found] == [
        (i, NOW + i, "campaign.paused", "c") for i in range(3)
    ]
    assert stock.do(notices.unread, "fast", 3) == found, "not marked, so it comes again"
    stock.do(notices.mark_read, "fast", found[-1].id)
    assert [n.body["i"] for n in stock.do(notices.unread, "fast", 9)] == [3, 4]
    assert [n.body["i"] for n in stock.do(notices.unread, "slow", 9)] == [0, 1, 2, 3, 4], "nothing is deleted yet"
    stock.do(notices.mark_read, "slow", found[1].id)
    assert stock.one("SELECT count(*) FROM notices") == 3
    for reader in ("slow", "fast"):
        stock.do(notices.mark_read, reader, 5)
    assert stock.one("SELECT count(*) FROM notices") == 0
    stock.do(notices.add, "k", "c", {}, now=NOW)
    assert [n.id for n in stock.do(notices.unread, "slow", 9)] == [6]


def test_readers_that_are_gone_hold_nothing_up(stock):
    """A plugin that was taken away loses its place; a new one begins with what is there; known ones go on."""
    stock.do(notices.forget_readers_but, ["gone", "stays"])
    for i in range(4):
        stock.do(notices.add, "k", "c", {"i": i}, now=NOW)
    stock.do(notices.mark_read, "stays", 2)
    assert stock.one("SELECT count(*) FROM notices") == 4
    stock.do(notices.forget_readers_but, ["stays", "new"])
    assert [n.body["i"] for n in stock.do(notices.unread, "stays", 9)] == [2, 3]
    assert [n.body["i"] for n in stock.do(notices.unread, "new", 9)] == [0, 1, 2, 3]
    stock.do(notices.mark_read, "new", 3)
    assert [n.body["i"] for n in stock.do(notices.unread, "new", 9)] == [3]
    assert stock.one("SELECT min(id) FROM notices") == 3


def test_notices_of_ends_name_the_campaign_and_keep_the_order(stock):
    """Written with the ends they tell of, in the order of the ends, over several campaigns."""
    keys = [stock.campaign([number(100 * j + i) for i in range(40)], f"c{j}") for j in range(3)]
    answers = stock.turn(*(stock.ask(key, 40) for key in keys))
    pairs = [
        (one, key)
        for group in zip(*(a.claimed for a in answers), strict=True)
        for one, key in zip(group, keys, strict=True)
    ]
    ends = [
        ended(one, key, at=NOW + i, notice=None if i % 5 == 4 else json.dumps({"i": i}))
        for i, (one, key) in enumerate(pairs)
    ]
    stock.turn(ends=ends)
    found = stock.do(notices.unread, "r", 999)
    assert [n.body["i"] for n in found] == [i for i in range(120) if i % 5 != 4]
    assert all(n.campaign == f"c{n.body['i'] % 3}" and n.at == NOW + n.body["i"] for n in found)
    assert {n.kind for n in found} == {"call.ended"}


def test_unreported_campaigns_are_those_that_ended(stock):
    """Each is told until its report is durable."""
    done, key, _ = (stock.campaign(0, name) for name in ("done", "ended", "open"))
    for ended_key in (done, key):
        stock.do(campaigns.set_state, ended_key, CampaignState.COMPLETED, now=NOW)
    stock.do(reports.mark_reported, done, now=NOW)
    assert [row.id for row in stock.do(reports.unreported)] == [key]
    stock.do(reports.mark_reported, key, now=NOW)
    assert stock.do(reports.unreported) == []


def test_totals_of_campaigns(stock):
    """Refunds are not outcomes, talk is counted from the answer on, a call that goes on is dialing."""
    key, other = stock.campaign(6), stock.campaign([number(9)], "other")
    a, b, c, d = stock.claim(key, 4).claimed
    stock.turn(
        ends=[
            ended(a, key, answered_at=NOW - 70_000),
            ended(b, key, Outcome.BUSY, final=Final.EXHAUSTED, answered_at=NOW + 5),
            ended(c, key, Outcome.CONGESTION, final=None, next_at=LATER, refunded=True, bounded=True),
        ],
        now=NOW + MINUTE,
    )
    found = stock.do(reports.totals, [key, other, 77])
    assert set(found) == {key, other}
    told = found[key]
    assert (told.recipients, told.pending, told.dialing, told.refunded, told.talk_ms) == (6, 3, 1, 1, 70_000)
    assert {word: n for word, n in told.finals.items() if n} == {Final.SUCCEEDED: 1, Final.EXHAUSTED: 1}
    assert {word: n for word, n in told.outcomes.items() if n} == {Outcome.ANSWERED: 1, Outcome.BUSY: 1}
    assert (found[other].recipients, found[other].pending, found[other].dialing) == (1, 1, 0)
    assert [row.id for row in stock.do(reports.changed_since, NOW + MINUTE)] == [key]
    assert [one.claimed.attempt_id for one in stock.do(attempts.open_attempts)] == [d.attempt_id]


def test_open_attempts_tell_all_that_is_needed_to_go_on(stock):
    """What a former life knew of a call comes back: rows of both kinds, news, the provider's state."""
    key = stock.begin()
    stock.add(key, [[1, number(0), 0, "hi", 4, '{"a":1}', '{"b":1}'], [2, number(1)]])
    stock.publish(key)
    first, second = stock.claim(key, [OTHER_ID] * 2).claimed
    stock.turn(progress=[news(first, AttemptState.RINGING, ringing_at=NOW + 1, reference="r1", provider_state="c3Q=")])
    stock.turn(progress=[news(first, AttemptState.ANSWERED, ringing_at=NOW + 1, answered_at=NOW + 2)])
    one, other = stock.do(attempts.open_attempts)
    for name in ("attempt_id", "uid", "recipient_id", "group_id", "number", "caller_id", "attempts", "refunds"):
        assert getattr(one.claimed, name) == getattr(first, name), name
    assert (one.claimed.max_attempts, one.claimed.prompt) == (4, "hi")
    assert (one.claimed.variables, one.claimed.metadata) == ('{"a":1}', '{"b":1}')
    assert (one.campaign_id, one.trunk, one.state, one.claimed_at) == (key, "u", AttemptState.ANSWERED, NOW)
    assert (one.ringing_at, one.answered_at) == (NOW + 1, NOW + 2)
    assert (one.reference, one.provider_state) == ("r1", "c3Q="), "what later news leave out stays"
    assert (other.claimed.attempt_id, other.state, other.reference) == (second.attempt_id, AttemptState.CLAIMED, None)
    stock.turn(ends=[ended(first, key), ended(second, key, reference="r2")])
    assert stock.do(attempts.open_attempts) == []
    assert stock.rows("SELECT reference FROM attempts ORDER BY id") == [("r1",), ("r2",)]


def test_look_up_of_one_recipient(stock):
    """Everything that `why` tells: its row, where it may lie, its attempts in order; of this campaign alone."""
    key, other = stock.campaign(2, groups=(LONDON, NEW_YORK)), stock.campaign([number(1), number(5)], "other")
    for i in range(3):
        stock.run("UPDATE recipients SET next_at=0 WHERE number=:n", n=number(1))
        (one,) = stock.claim(key, [OTHER_ID], groups=[stock.group(NEW_YORK)], now=NOW + i * HOUR, sticky=True).claimed
        if i < 2:
            retry = {"final": None, "next_at": LATER, "refunded": i == 1}
            stock.turn(ends=[ended(one, key, Outcome.BUSY, at=NOW + i * HOUR + 9, **retry)])
    found = stock.do(lookup.recipient, key, number(1))
    assert (found.number, found.position, found.group) == (number(1), 2, NEW_YORK)
    assert (found.state, found.final, found.attempts, found.caller_id) == (RecipientState.DIALING, None, 1, OTHER_ID)
    tried = [(t.claimed_at, t.ended_at, t.outcome, t.counted, t.state) for t in (one.view for one in found.tried)]
    assert tried == [
        (NOW, NOW + 9, Outcome.BUSY, True, AttemptState.ENDED),
        (NOW + HOUR, NOW + HOUR + 9, Outcome.BUSY, False, AttemptState.ENDED),
        (NOW + 2 * HOUR, None, None, True, AttemptState.CLAIMED),
    ]
    assert stock.do(lookup.recipient, other, number(1)).tried == []
    assert stock.do(lookup.recipient, key, number(5)) is None


@given(tries=st.lists(st.integers(0, 3), max_size=12), page=st.integers(1, 13))
@hypothesis_settings(max_examples=30, deadline=None)
def test_pages_lose_and_double_nothing(tries, page):
    """At any page size: everybody in order, with all attempts in order or none, and nobody of another campaign."""
    found = Stock()
    key, other = found.begin("c"), found.begin("o")
    for i in range(len(tries)):  # interleaved, the other campaign calling the same people
        found.add(key, [(i + 1, number(i))])
        found.add(other, [(i + 1, number(i))])
    for one in (key, other):
        found.publish(one)
    for round_ in range(3):
        for i, n in enumerate(tries):
            for one, wanted in ((key, n), (other, 1)):
                if round_ < wanted:
                    found.run("UPDATE recipients SET next_at=-1 WHERE number=:n AND campaign_id=:k", n=number(i), k=one)
                    (call,) = found.claim(one, 1, now=NOW + round_, groups=[1]).claimed
                    found.turn(
                        ends=[ended(call, one, Outcome.BUSY, final=None, at=NOW + round_, cause='{"code":"486"}')]
                    )
    rows, after, pages = [], 0, 0
    while after is not None:
        some, after = found.do(report_pages.report_page, key, after, page)
        assert len({row.id for row in some}) <= page
        rows += some
        pages += 1
        assert pages <= len(tries) // page + 2
    expected = [(i + 1, number(i), round_) for i, n in enumerate(tries) for round_ in (range(n) if n else [None])]
    assert [
        (row.position, row.number, row.claimed_at - NOW if isinstance(row, CallRow) else None) for row in rows
    ] == expected
    for row in rows:
        assert isinstance(row, CallRow | UndialedRow)
        assert row.metadata == {}
        if isinstance(row, CallRow):
            assert (row.outcome, row.cause, row.recipient, row.refunded) == ("busy", "486", "pending", False)
    assert len({row.attempt_id for row in rows if isinstance(row, CallRow)}) == sum(tries)
    assert found.faults() == []
    found.close()


def test_pages_of_nothing(stock):
    """A campaign without recipients, or none at all, has no pages."""
    key = stock.campaign(0)
    for wanted in (key, 77):
        assert stock.do(report_pages.report_page, wanted, 0, 10) == ([], None)
