"""A campaign's life in the store: begun, filled, published, suppressed, ended, deleted."""

from sqlite3 import IntegrityError

import pytest
from stock import NOW, Stock, ended, new, number

from dialerd.model.campaign import Pacing
from dialerd.model.instants import DAY
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.store import campaigns, lookup, pruning, reports, spool_files, suppressions
from dialerd.store.records import TakenFile


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def taken(name="f.toml", campaign="c", moved=False):
    """Return a spool file."""
    return TakenFile(fingerprint=f"sum of {name}", name=name, campaign=campaign, taken_at=NOW, moved=moved)


def test_a_campaign_comes_back_as_it_was_stored(stock):
    """The whole spec, its own numbers and instants."""
    wanted = new("c", start_at=NOW + 1, pacing=Pacing(calls_per_second=0.5), variables={"a": [1, None, "ü"]})
    key = stock.do(campaigns.begin, wanted)
    (row,) = stock.do(campaigns.by_ids, [key])
    assert (row.spec, row.uid, row.timezone) == (wanted.spec, "c", "Europe/London")
    assert (row.start_at, row.end_at, row.created_at, row.started_at, row.ended_at) == (NOW + 1, None, NOW, None, None)
    assert stock.do(campaigns.by_ids, [key + 1]) == []
    with pytest.raises(IntegrityError):
        stock.do(campaigns.begin, wanted)


def test_loading_is_invisible_and_published_once(stock):
    """Neither the scheduler nor status files see it before; twice is an error that changes nothing."""
    key = stock.begin()
    assert stock.do(campaigns.loading) == [key]
    assert stock.do(campaigns.open_keys) == []
    assert stock.do(reports.changed_since, 0) == []
    stock.publish(key, taken=taken())
    assert stock.do(campaigns.loading) == []
    assert stock.do(campaigns.open_keys) == [key]
    with pytest.raises(AssertionError):
        stock.publish(key, taken=taken("other"))
    assert stock.do(spool_files.taken_file, "sum of other") is None


def test_open_keys_are_of_those_with_work(stock):
    """Drafts wait for somebody, ended ones for nobody; a cancelled one is at work until its last call has ended."""
    states = dict(enumerate((s for s in CampaignState if s is not CampaignState.LOADING), 1))
    for key, state in states.items():
        assert stock.campaign(0, state.value) == key
        stock.do(campaigns.set_state, key, state, now=NOW)
    at_work = ["scheduled", "running", "paused", "cancelled"]
    assert [states[key] for key in stock.do(campaigns.open_keys)] == at_work
    (cancelled,) = stock.do(lookup.campaigns_named, "cancelled")
    stock.do(campaigns.end, cancelled.id, now=NOW + 1)
    assert cancelled.id not in stock.do(campaigns.open_keys)
    assert stock.do(campaigns.by_ids, [cancelled.id])[0].ended_at == NOW + 1


def test_states_keep_their_instants(stock):
    """The first start is kept, a completed campaign has ended with that, and every change is seen by status files."""
    key, other = stock.campaign(1), stock.campaign([number(9)], "other")
    for i, state in enumerate(("running", "paused", "running", "completed"), 1):
        stock.do(campaigns.set_state, key, CampaignState(state), now=NOW + i)
        assert [row.id for row in stock.do(reports.changed_since, NOW + i)] == [key]
        (row,) = stock.do(campaigns.by_ids, [key])
        assert (row.state, row.state_at, row.started_at) == (state, NOW + i, NOW + 1)
        assert row.ended_at == (NOW + i if state == "completed" else None)
    assert [row.id for row in stock.do(reports.changed_since, NOW)] == [key, other]
    assert stock.do(reports.changed_since, NOW + 5) == []


def test_find_by_id_and_name(stock):
    """Names may come twice; the latest stands first."""
    for name, uid in (("a", "1"), ("b", "2"), ("a", "3"), ("c", "a")):
        key = stock.begin(uid + name)
        stock.publish(key)
        stock.run("UPDATE campaigns SET uid=:u, name=:n WHERE id=:k", u=uid, n=name, k=key)
    assert [row.uid for row in stock.do(lookup.campaigns_named, "a")] == ["a", "3", "1"]
    assert [row.uid for row in stock.do(lookup.campaigns_named, "2")] == ["2"]
    assert stock.do(lookup.campaigns_named, "nobody") == []


def test_discarding_goes_in_chunks_and_spares_the_others(stock):
    """A load that was cut off disappears with all its rows; a published campaign is never discarded."""
    published = stock.campaign(3, "p")
    key = stock.begin("l")
    for start in range(0, 4_500, 1_500):
        stock.add(key, [(i + 1, number(i)) for i in range(start, start + 1_500)])
    steps = 0
    while stock.do(campaigns.discard_some, key):
        steps += 1
        assert stock.states(key).get(("pending", None), 0) == max(0, 4_500 - 2_000 * steps)
    assert steps == 3
    assert stock.rows("SELECT id FROM campaigns") == stock.rows("SELECT campaign_id FROM totals") == [(published,)]
    assert stock.do(campaigns.discard_some, published) is False
    assert stock.states(published) == {("pending", None): 3}


@pytest.mark.parametrize("people", [0, 1_999, 2_000, 2_001, 4_000])
def test_finishing_goes_in_chunks(stock, people):
    """Every pending recipient gets its final word; whoever is in a call, or another campaign's, is left alone."""
    other = stock.campaign(2, "other")
    key = stock.campaign([number(100 + i) for i in range(people + 2)])
    calls = stock.claim(key, 2).claimed
    done = 0
    while True:
        more = stock.do(campaigns.finish_pending_some, key, Final.CANCELLED, now=NOW + 1)
        now_done = stock.states(key).get(("done", "cancelled"), 0)
        assert now_done - done <= 2_000
        done = now_done
        if not more:
            break
    assert stock.states(key) == {k: n for k, n in {("done", "cancelled"): people, ("dialing", None): 2}.items() if n}
    assert stock.states(other) == {("pending", None): 2}
    assert len(calls) == 2


def test_spool_files(stock):
    """A file is known by its fingerprint from the moment its campaign is, and forgotten by nobody until it is moved."""
    a, b, c = (stock.begin(name) for name in "abc")
    stock.publish(a, taken=taken("a.toml", "a"))
    stock.publish(b, taken=taken("b.toml", "b", moved=True))
    stock.publish(c)
    assert stock.do(spool_files.taken_file, "sum of a.toml") == taken("a.toml", "a")
    assert stock.do(spool_files.taken_file, "sum of c.toml") is None
    assert stock.do(spool_files.taken_file, "sum of b.toml") == taken("b.toml", "b", moved=True)
    assert stock.do(spool_files.unmoved_files) == [taken("a.toml", "a")]
    stock.do(spool_files.mark_moved, "sum of a.toml")
    assert stock.do(spool_files.unmoved_files) == []
    assert stock.do(spool_files.taken_file, "sum of a.toml") == taken("a.toml", "a", moved=True)


@pytest.mark.parametrize(
    ("scope", "ended_in"),
    [("all", "rspd"), ("agent:anna", "rsp"), ("agent:zoe", "d"), ("campaign:s", "s"), ("agent:x", "")],
)
def test_an_entry_ends_queued_people(stock, scope, ended_in):
    """At once, in every open campaign it concerns, paused ones too; what is over, loading or in a call is left."""
    states = {"r": "running", "s": "scheduled", "p": "paused", "d": "draft", "o": "completed", "x": "cancelled"}
    keys = {}
    for name, state in states.items():
        keys[name] = stock.campaign([number(0), number(1), number(2)], name, agent="zoe" if name == "d" else "anna")
        stock.do(campaigns.set_state, keys[name], CampaignState(state), now=NOW)
    keys["l"] = stock.begin("l", agent="anna")
    stock.add(keys["l"], [(1, number(0))])
    (call,) = stock.claim(keys["r"], 1).claimed
    assert call.number == number(0)
    found = stock.do(suppressions.add, [number(0), number(1), number(0), number(7)], scope=scope, now=NOW + 1)
    assert found == {keys[name]: 1 if name == "r" else 2 for name in ended_in}
    for name, key in keys.items():
        assert stock.states(key).get(("done", "suppressed"), 0) == found.get(key, 0), name
    assert {row.id for row in stock.do(reports.changed_since, NOW + 1)} == set(found)


def test_an_entry_that_expires_ends_nobody(stock):
    """It is stored, and holds at the claim; said again, the later word counts."""
    key = stock.campaign(1)
    for until, reason in ((NOW + 5, "first"), (NOW + 9, "second")):
        assert stock.do(suppressions.add, [number(0)], reason=reason, source="s", expires_at=until, now=NOW) == {}
    assert stock.rows("SELECT number, scope, reason, source, created_at, expires_at FROM suppressions") == [
        (number(0), "all", "second", "s", NOW, NOW + 9)
    ]
    assert stock.states(key) == {("pending", None): 1}


def lived(stock, name, *, people=3, end_at=NOW, reported=True, first=0):
    """Store a campaign that ended, with attempts, a file and an entry of its own."""
    key = stock.begin(name)
    stock.add(key, [(i + 1, number(first + i)) for i in range(people)])
    stock.publish(key, taken=taken(name, name))
    stock.turn(ends=[ended(one, key, Outcome.BUSY, final=None) for one in stock.claim(key, people).claimed])
    stock.turn(ends=[ended(one, key) for one in stock.claim(key, people - 1).claimed])
    stock.do(campaigns.finish_pending_some, key, Final.EXPIRED, now=NOW)
    stock.do(suppressions.add, [number(999)], scope=f"campaign:{name}", now=NOW)
    stock.do(campaigns.set_state, key, CampaignState.COMPLETED, now=end_at)
    if reported:
        stock.do(reports.mark_reported, key, now=end_at)
    return key


def test_pruning_spares_what_lies_between(stock):
    """Two campaigns were loaded at the same time: the rows of the one that stays lie among those that go."""
    gone, stays = stock.begin("gone"), stock.begin("stays")
    for i in range(4):
        for key in (gone, stays):
            stock.add(key, [(i + 1, number(i))])
    for key in (gone, stays):
        stock.publish(key)
    answers = stock.turn(stock.ask(gone, 2), stock.ask(stays, 4))
    stock.turn(ends=[ended(one, key) for key, a in zip((gone, stays), answers, strict=True) for one in a.claimed])
    stock.do(campaigns.finish_pending_some, gone, Final.CANCELLED, now=NOW)
    stock.do(campaigns.set_state, gone, CampaignState.COMPLETED, now=NOW)
    stock.do(reports.mark_reported, gone, now=NOW)
    while stock.do(pruning.prune_some, ended_before=NOW + 1):
        pass
    assert stock.one("SELECT count(*) FROM recipients") == 4
    assert stock.rows("SELECT DISTINCT campaign_id FROM attempts") == [(stays,)]


def test_pruning_deletes_whole_campaigns_and_nothing_else(stock):
    """Those that ended before the instant and were reported go with all that was theirs, in bounded steps."""
    stock.do(suppressions.add, [number(999)], now=NOW)
    old = lived(stock, "old", people=1_200)
    keep = [
        lived(stock, "young", end_at=NOW + DAY),
        lived(stock, "unreported", reported=False, first=1),
        stock.campaign(4, "open"),
    ]
    also_old = lived(stock, "also", people=4)
    tables = ("recipients", "attempts", "totals", "spool_files")

    def held():
        return {
            (table, key): stock.one(f"SELECT count(*) FROM {table} WHERE campaign_id=:k", k=key)
            for table in tables
            for key in (old, also_old, *keep)
        }

    before, steps = held(), 0
    rows = before["recipients", old]
    while stock.do(pruning.prune_some, ended_before=NOW + 1):
        steps += 1
        left = stock.one("SELECT count(*) FROM recipients WHERE campaign_id=:k", k=old)
        assert rows - left <= 500
        rows = left
        orphans = "SELECT count(*) FROM attempts WHERE recipient_id NOT IN (SELECT id FROM recipients)"
        assert stock.one(orphans) == 0
    after = held()
    assert steps == 6
    for key in keep:
        assert all(after[table, key] == before[table, key] for table in tables)
    assert not any(after[table, key] for table in tables for key in (old, also_old))
    assert {row[0] for row in stock.rows("SELECT id FROM campaigns")} == set(keep)
    scopes = {scope for (scope,) in stock.rows("SELECT scope FROM suppressions")}
    assert scopes == {"all", "campaign:young", "campaign:unreported"}
    assert stock.do(pruning.prune_some, ended_before=NOW + 1) is False
