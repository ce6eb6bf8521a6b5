"""Claims and ends: who is taken, who is held, what it costs, and that the counters are always true."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import (
    CALLER_IDS,
    LONDON,
    NOW,
    OPEN,
    PARIS,
    ask,
    begin,
    campaign,
    check,
    claim,
    end,
    number,
    rows,
)

from dialerd.model.instants import DAY, HOUR, MINUTE, NEVER, SECOND, WEEK
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, Final, Outcome, Rule
from dialerd.rules.gate import Opening
from dialerd.store import campaigns, days, recipients, suppressions
from dialerd.store.counters import driver
from dialerd.store.database import MEMORY, connect
from dialerd.store.migrate import create
from dialerd.store.records import CallRow, RecipientBatch
from dialerd.store.report_pages import report_page


@pytest.fixture
def db():
    """Return a connection to an empty store in memory, in a transaction."""
    engine = connect(MEMORY)
    create(engine)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def numbers(n, first=0):
    """Return n numbers."""
    return [number(first + i) for i in range(n)]


ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["\0", 'a"b\\c', "\u2028", "☎"])


@given(prompt=st.none() | ODD.filter(lambda text: "\0" not in text), word=ODD)
def test_a_claim_brings_texts_as_they_were_stored(prompt, word):
    """Whatever characters a prompt and variables have, the call gets them unchanged."""
    engine = connect(MEMORY)
    create(engine)
    stored = msgspec.json.encode({"word": word}).decode()
    with engine.connect() as db, db.begin():
        key = begin(db)
        rows_ = msgspec.json.encode([[1, number(0), 0, prompt, 3, stored, None]]).decode()
        assert recipients.add(db, key, RecipientBatch(groups=(LONDON,), rows=rows_, count=1)) == ()
        campaigns.publish(db, key, state=CampaignState.SCHEDULED, taken=None, now=NOW)
        (answer,) = claim(db, ask(key, 1))
        found = rows(db, "SELECT prompt, variables, max_attempts FROM recipients")[0]
    engine.dispose()
    (one,) = answer.claimed
    assert (one.prompt, one.variables, one.max_attempts) == tuple(found)
    assert one.prompt == prompt
    assert msgspec.json.decode(one.variables) == {"word": word}


def test_a_claim_takes_the_longest_due_and_says_when_the_next_is(db):
    """Three of five, in order; the head of the group is exact."""
    key = campaign(db, numbers(5))
    (answer,) = claim(db, ask(key, 3))
    assert [one.number for one in answer.claimed] == numbers(3)
    assert answer.heads == {1: 0}
    (answer,) = claim(db, ask(key, 3))
    assert [one.number for one in answer.claimed] == numbers(2, 3)
    assert answer.heads == {1: None, 2: None}
    check(db)


def test_a_claim_starts_a_scheduled_campaign_and_no_other(db):
    """The state moves with the first claim; a pause that came between is not overwritten."""
    key = campaign(db, numbers(5))
    claim(db, ask(key, 1, state=CampaignState.SCHEDULED))
    assert rows(db, "SELECT state, started_at FROM campaigns") == [("running", NOW)]
    other = campaign(db, numbers(5, 10), "y", state=CampaignState.DRAFT)
    claim(db, ask(other, 0, "y", state=CampaignState.SCHEDULED))
    assert rows(db, "SELECT state FROM campaigns WHERE id = :key", key=other) == [("draft",)]


def test_a_person_on_the_phone_is_not_claimed_by_another_campaign(db):
    """In the same turn and in the next; the person is put off and not lost."""
    p, q = campaign(db, numbers(3), "p"), campaign(db, numbers(3), "q")
    first, second = claim(db, ask(p, 2, "p"), ask(q, 5, "q"))
    assert [one.number for one in first.claimed] == numbers(2)
    assert [one.number for one in second.claimed] == [number(2)]
    assert second.held == {Rule.LIVE_CALL: 2}
    assert second.heads[1] == NOW + SECOND
    (again,) = claim(db, ask(q, 5, "q"), now=NOW + SECOND)
    assert (again.claimed, again.held) == ([], {Rule.LIVE_CALL: 2})
    done = [end(one, p, now=NOW + SECOND) for one in first.claimed]
    (last,) = claim(db, ask(q, 5, "q"), now=NOW + 2 * SECOND, ended=done)
    assert [one.number for one in last.claimed] == numbers(2)
    check(db)


def test_the_cooldown_runs_from_the_end_of_the_last_call(db):
    """Held exactly until the cooldown is over."""
    limits = PersonSettings(cooldown=MINUTE)
    p, q = campaign(db, numbers(1), "p"), campaign(db, numbers(1), "q")
    (answer,) = claim(db, ask(p, 1, "p"), limits=limits)
    (held,) = claim(
        db, ask(q, 1, "q"), now=NOW + HOUR, limits=limits, ended=[end(answer.claimed[0], p, now=NOW + HOUR)]
    )
    assert (held.claimed, held.heads[1]) == ([], NOW + HOUR + MINUTE)
    assert not claim(db, ask(q, 1, "q"), now=NOW + HOUR + MINUTE - 1, limits=limits)[0].claimed
    assert claim(db, ask(q, 1, "q"), now=NOW + HOUR + MINUTE, limits=limits)[0].claimed


@pytest.mark.parametrize(
    ("limits", "rule", "span"),
    [
        (PersonSettings(cooldown=0, calls_per_day=2), Rule.PERSON_DAY_CAP, DAY),
        (PersonSettings(cooldown=0, calls_per_week=2), Rule.PERSON_WEEK_CAP, WEEK),
    ],
)
def test_a_person_is_called_so_often_and_no_more(db, limits, rule, span):
    """A cap of two in a rolling day or week; refunded calls do not count."""
    key = campaign(db, numbers(1))
    for i, refunded in enumerate([False, True, False]):
        (answer,) = claim(db, ask(key, 1), now=NOW + i * HOUR, limits=limits)
        (one,) = answer.claimed
        done = end(one, key, final=None, now=NOW + i * HOUR, refunded=refunded, outcome=Outcome.BUSY)
        claim(db, ended=[done], now=NOW + i * HOUR)
    (held,) = claim(db, ask(key, 1), now=NOW + 3 * HOUR, limits=limits)
    assert (held.held, held.heads[1]) == ({rule: 1}, NOW + span)
    assert claim(db, ask(key, 1), now=NOW + span, limits=limits)[0].claimed
    check(db)


def test_suppressions_end_or_hold_by_scope(db):
    """For all, for an agent, for a campaign; one that expires holds; one of somebody else does nothing."""
    key = campaign(db, numbers(6))
    with_scope = {0: "all", 1: "agent:a", 2: "campaign:x", 3: "agent:b", 4: "campaign:y"}
    for i, scope in with_scope.items():
        db.exec_driver_sql(
            "INSERT INTO suppressions (number, scope, created_at, expires_at) VALUES (?, ?, 0, ?)",
            (number(i), scope, NEVER),
        )
    suppressions.add(db, [number(5)], expires_at=NOW + HOUR, now=NOW)
    (answer,) = claim(db, ask(key, 10))
    assert [one.number for one in answer.claimed] == numbers(2, 3)
    assert (answer.finished[Final.SUPPRESSED], answer.held, answer.heads[1]) == (3, {Rule.SUPPRESSED: 1}, NOW + HOUR)
    assert claim(db, ask(key, 10), now=NOW + HOUR)[0].claimed[0].number == number(5)
    check(db)


def test_a_suppression_ends_the_queued_rows_it_concerns(db):
    """Pending ones of the campaigns in its scope; drafts too; not those of a campaign that is over or loading."""
    p = campaign(db, numbers(3), "p")
    q = campaign(db, numbers(3), "q", agent="b", state=CampaignState.DRAFT)
    (answer,) = claim(db, ask(p, 1, "p"))
    assert suppressions.add(db, numbers(3), now=NOW) == {p: 2, q: 3}
    assert suppressions.add(db, numbers(3), now=NOW) == {}
    assert rows(db, "SELECT state FROM recipients WHERE id = :id", id=answer.claimed[0].recipient_id) == [("dialing",)]
    r, s = campaign(db, numbers(2, 10), "r"), campaign(db, numbers(2, 10), "s", agent="b")
    assert suppressions.add(db, [number(10)], scope="agent:b", now=NOW) == {s: 1}
    assert suppressions.add(db, [number(11)], scope="campaign:r", now=NOW) == {r: 1}
    assert suppressions.add(db, [number(11)], scope="campaign:s", expires_at=NOW + 1, now=NOW) == {}
    check(db)


def test_looks_are_bounded(db):
    """A campaign whose people are all held looks at so many of them a turn, and loses none."""
    p, q = campaign(db, numbers(1_000), "p"), campaign(db, numbers(1_000), "q")
    claim(db, ask(p, 1_000, "p"))
    (answer,) = claim(db, ask(q, 10, "q"))
    assert sum(answer.held.values()) == 10 + 256
    assert answer.heads[1] == 0
    check(db)


def test_a_sticky_campaign_shows_each_person_one_number(db):
    """A retry gets the caller id of the first attempt or waits, and newcomers take the others."""
    key = campaign(db, numbers(3))
    a, b = CALLER_IDS
    (answer,) = claim(db, ask(key, 2, slots=[a, b], sticky=True))
    shown = {one.number: one.caller_id for one in answer.claimed}
    assert shown == {number(0): a, number(1): b}
    again = [end(one, key, final=None, outcome=Outcome.BUSY) for one in answer.claimed]
    (answer,) = claim(db, ask(key, 2, slots=[b, b], sticky=True), ended=again)
    assert {one.number: one.caller_id for one in answer.claimed} == {number(1): b, number(2): b}
    (answer,) = claim(db, ask(key, 2, slots=[b, a], sticky=True))
    assert {one.number: one.caller_id for one in answer.claimed} == {number(0): a}
    check(db)


def test_a_closed_group_is_not_touched(db):
    """Rows of a group that is not asked for stay as they are."""
    key = campaign(db, numbers(4), groups=(LONDON, PARIS))
    (answer,) = claim(db, ask(key, 9, groups=[(2, OPEN)]))
    assert [one.number for one in answer.claimed] == [number(1), number(3)]
    assert answer.heads == {2: None}


def test_an_opening_that_does_not_cover_now_holds(db):
    """What is known of the hours may be older than the claim."""
    key = campaign(db, numbers(2))
    (answer,) = claim(db, ask(key, 2, groups=[(1, Opening(None, 0, NOW))]))
    assert (answer.claimed, answer.held) == ([], {Rule.CLOSING: 2})


def test_day_counts_go_up_and_down(db):
    """A claim counts for its caller id and its campaign, a refund gives back."""
    key = campaign(db, numbers(3))
    keys = {CALLER_IDS[0]: [("number:1", "d")], "": [("campaign:1", "d")]}
    (answer,) = claim(db, ask(key, 3, day_keys=keys))
    wanted = [("number:1", "d"), ("campaign:1", "d")]
    assert days.calls(db, wanted) == dict.fromkeys(wanted, 3)
    claim(db, ended=[end(answer.claimed[0], key, final=None, refunded=True, uncount=wanted)])
    assert days.calls(db, wanted) == dict.fromkeys(wanted, 2)
    days.forget_before(db, "e")
    assert days.calls(db, wanted) == {}


@pytest.mark.parametrize("n", [1, 7, 100])
def test_a_call_costs_four_row_writes(db, n):
    """Recipient and attempt, once at the claim and once at the end; a turn adds one row for the campaign's counters."""
    key = campaign(db, numbers(200))
    claim(db, ask(key, 1))
    dbapi = driver(db)
    before = dbapi.total_changes
    (answer,) = claim(db, ask(key, n))
    claim(db, ended=[end(one, key) for one in answer.claimed])
    assert dbapi.total_changes - before == 4 * n + 1
    check(db)


STEP = st.tuples(
    st.sampled_from(["claim", "end", "retry", "refund", "suppress", "pass"]), st.integers(0, 3), st.integers(1, 6)
)


@given(steps=st.lists(STEP, max_size=25), shared=st.booleans())
@settings(max_examples=60)
def test_counters_are_true_whatever_happens(steps, shared):
    """Random claims, ends, retries, refunds and do-not-call entries over two campaigns that may share people."""
    engine = connect(MEMORY)
    create(engine)
    with engine.connect() as db, db.begin():
        keys = [campaign(db, numbers(12), "p"), campaign(db, numbers(12, 0 if shared else 50), "q")]
        live = []
        now = NOW
        for what, which, n in steps:
            key, name = keys[which % 2], "pq"[which % 2]
            if what == "claim":
                answers = claim(db, ask(key, n, name), ask(keys[0], 1, "p"), now=now)
                live += [(one, key) for one in answers[0].claimed] + [(one, keys[0]) for one in answers[1].claimed]
            elif what == "suppress":
                suppressions.add(db, [number(n), number(50 + which)], now=now)
            elif what == "pass":
                now += n * HOUR
            else:
                over, live = live[:n], live[n:]
                kinds = {
                    "end": {"answered_at": now - n * SECOND},
                    "retry": {"final": None, "outcome": Outcome.BUSY, "next_at": now + n * HOUR},
                    "refund": {"final": None, "refunded": True, "bounded": True, "outcome": Outcome.CONGESTION},
                }
                claim(db, ended=[end(one, of, now=now, **kinds[what]) for one, of in over], now=now)
            check(db)
            dialled = rows(db, "SELECT number, count(*) FROM attempts WHERE ended_at IS NULL GROUP BY 1")
            assert all(count == 1 for _, count in dialled)
    engine.dispose()


def test_pages_list_everybody_in_order(db):
    """Calls and people without any, page by page, across two campaigns' interleaved keys."""
    key = campaign(db, numbers(10))
    campaign(db, numbers(5), "y")
    (answer,) = claim(db, ask(key, 4))
    claim(db, ended=[end(one, key, final=None, outcome=Outcome.BUSY) for one in answer.claimed])
    (answer,) = claim(db, ask(key, 2), now=NOW + 1)
    claim(
        db, ended=[end(one, key, final=Final.EXHAUSTED, cause='{"code":"486"}') for one in answer.claimed], now=NOW + 2
    )
    found, at = [], 0
    while at is not None:
        page, at = report_page(db, key, at, 3)
        found += page
    calls = [row for row in found if isinstance(row, CallRow)]
    assert sorted(call.number for call in calls) == sorted(numbers(4) + [one.number for one in answer.claimed])
    assert [row.position for row in found] == sorted(row.position for row in found)
    dialled = {call.number for call in calls}
    undialed = [row.number for row in found if not isinstance(row, CallRow)]
    assert undialed == [called for called in numbers(10) if called not in dialled]


def test_nobody_is_rung_beyond_a_limit_that_was_lowered(db):
    """Who has had as many attempts as the campaign allows by now is done; one's own limit stands above that."""
    key = campaign(db, numbers(3))
    db.exec_driver_sql("UPDATE recipients SET attempts = 2 WHERE position < 3")
    db.exec_driver_sql("UPDATE recipients SET max_attempts = 3 WHERE position = 2")
    (answer,) = claim(db, ask(key, 5, max_attempts=2))
    assert [one.number for one in answer.claimed] == numbers(2, 1)
    assert answer.finished == {Final.EXHAUSTED: 1}
    assert rows(db, "SELECT state, final FROM recipients ORDER BY id")[0] == ("done", "exhausted")
    assert rows(db, "SELECT final_exhausted FROM totals") == [(1,)]
