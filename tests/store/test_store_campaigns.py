"""Campaigns and their people: begun, filled, published or discarded; notices and files beside them."""

import pytest
from stored import LONDON, NOW, PARIS, ask, batch, begin, campaign, check, claim, end, number, rows

from dialerd.model.campaign import ZoneGroup
from dialerd.model.states import CampaignState, Final
from dialerd.store import campaigns, lookup, notices, recipients, reports, spool_files
from dialerd.store.database import MEMORY, connect
from dialerd.store.migrate import create
from dialerd.store.records import Duplicate, TakenFile


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


def test_duplicates_are_told_with_their_places(db):
    """Within a batch and over batches the first one is kept; another campaign has its own."""
    key, other = begin(db), begin(db, "y")
    assert recipients.add(db, key, batch([number(1), number(2), number(1)])) == (Duplicate(3, number(1), 1),)
    second = recipients.add(db, key, batch([number(3), number(2), number(1)], first=4))
    assert set(second) == {Duplicate(5, number(2), 2), Duplicate(6, number(1), 1)}
    assert recipients.add(db, other, batch([number(1)])) == ()
    assert reports.totals(db, [key])[key].recipients == 3
    assert rows(db, "SELECT position FROM recipients WHERE campaign_id = 1 ORDER BY id") == [(1,), (2,), (4,)]


def test_people_are_due_at_once_whatever_their_campaigns_start(db):
    """The campaign's start alone says when it begins, so that it can be brought forward; the heads go by group."""
    key, later = begin(db), begin(db, "y", start_at=NOW + 5)
    nowhere = ZoneGroup(country=None, zones=(), placeless=True)
    recipients.add(db, key, batch(numbers(6), groups=(LONDON, PARIS, nowhere)))
    recipients.add(db, later, batch(numbers(2), groups=(LONDON,)))
    assert recipients.heads(db, key) == {1: 0, 2: 0, 3: 0}
    assert recipients.heads(db, later) == {1: 0}
    assert [recipients.group(db, i) for i in (1, 2, 3)] == [LONDON, PARIS, nowhere]
    assert recipients.heads(db, 99) == {}


def test_a_loading_campaign_is_invisible_until_it_is_published(db):
    """Then it appears whole, together with its file."""
    key = begin(db)
    recipients.add(db, key, batch(numbers(3)))
    assert (campaigns.loading(db), campaigns.open_keys(db)) == ([key], [])
    taken = TakenFile(fingerprint="f", name="x.toml", campaign="x", taken_at=NOW, moved=False)
    campaigns.publish(db, key, state=CampaignState.SCHEDULED, taken=taken, now=NOW)
    assert campaigns.loading(db) == []
    assert campaigns.open_keys(db) == [key]
    assert spool_files.taken_file(db, "f") == taken
    with pytest.raises(AssertionError):
        campaigns.publish(db, key, state=CampaignState.SCHEDULED, taken=None, now=NOW)


def test_a_discarded_load_leaves_nothing(db):
    """In chunks, without touching campaigns whose rows lie between."""
    key, other = begin(db), begin(db, "y")
    for i in range(3):
        recipients.add(db, key, batch(numbers(1_500, i * 1_500), first=1 + i * 1_500))
        recipients.add(db, other, batch(numbers(10, i * 10), first=1 + i * 10))
    chunks = 0
    while campaigns.discard_some(db, key):
        chunks += 1
    assert chunks == 3
    assert rows(db, "SELECT campaign_id, count(*) FROM recipients GROUP BY 1") == [(other, 30)]
    assert rows(db, "SELECT count(*) FROM totals") == [(1,)]
    campaigns.publish(db, other, state=CampaignState.SCHEDULED, taken=None, now=NOW)
    assert campaigns.discard_some(db, other) is False
    check(db)


def test_pending_people_are_finished_in_chunks(db):
    """All of them, counted in the totals; who is on the phone is left."""
    key = campaign(db, numbers(2_000), groups=(LONDON, PARIS))
    (answer,) = claim(db, ask(key, 3))
    while campaigns.finish_pending_some(db, key, Final.CANCELLED, now=NOW):
        pass
    totals = reports.totals(db, [key])[key]
    assert (totals.pending, totals.dialing, totals.finals[Final.CANCELLED]) == (0, 3, 1_997)
    claim(db, ended=[end(one, key) for one in answer.claimed])
    check(db)


def test_campaigns_are_found_by_id_and_name(db):
    """Latest first."""
    for name in ("x", "y"):
        campaign(db, numbers(1), name)
    assert [row.uid for row in lookup.campaigns_named(db, "x")] == ["x"]
    assert lookup.campaigns_named(db, "z") == []
    campaigns.set_state(db, 1, CampaignState.RUNNING, now=NOW + 7)
    campaigns.set_state(db, 1, CampaignState.COMPLETED, now=NOW + 9)
    (row,) = campaigns.by_ids(db, [1])
    assert (row.state, row.started_at, row.ended_at) == (CampaignState.COMPLETED, NOW + 7, NOW + 9)
    assert campaigns.open_keys(db) == [2]


def test_each_reader_has_a_place_of_its_own(db):
    """Notices are kept until every reader has read them, in order, and an id is never given twice."""
    notices.forget_readers_but(db, ["slow", "fast"])
    for i in range(5):
        notices.add(db, "k", "c", {"i": i}, now=NOW + i)
    assert [notice.body["i"] for notice in notices.unread(db, "fast", 3)] == [0, 1, 2]
    notices.mark_read(db, "fast", 5)
    assert notices.unread(db, "fast", 9) == []
    assert len(notices.unread(db, "slow", 9)) == 5
    notices.mark_read(db, "slow", 2)
    assert rows(db, "SELECT count(*) FROM notices") == [(3,)]
    notices.forget_readers_but(db, ["fast", "new"])
    assert [notice.id for notice in notices.unread(db, "new", 9)] == [3, 4, 5]
    notices.mark_read(db, "new", 5)
    notices.mark_read(db, "fast", 5)
    assert rows(db, "SELECT count(*) FROM notices") == [(0,)]
    notices.add(db, "k", "c", {}, now=NOW)
    assert [notice.id for notice in notices.unread(db, "fast", 9)] == [6]


def test_an_end_with_a_notice_tells_the_outside_id(db):
    """The notice stands in the transaction of what it tells."""
    key = campaign(db, numbers(2))
    (answer,) = claim(db, ask(key, 2))
    claim(db, ended=[end(one, key, notice=f'{{"n":"{one.number}"}}') for one in answer.claimed])
    assert [(notice.kind, notice.campaign, notice.body) for notice in notices.unread(db, "r", 9)] == [
        ("call.ended", "x", {"n": number(0)}),
        ("call.ended", "x", {"n": number(1)}),
    ]


def test_changed_campaigns_are_found_by_their_counters(db):
    """Claims that start a campaign, ends and states mark it; loading ones stay hidden."""
    key = campaign(db, numbers(3))
    begin(db, "hidden")
    assert reports.changed_since(db, NOW + 1) == []
    claim(db, ask(key, 1, state=CampaignState.SCHEDULED), now=NOW + 10)
    assert [row.uid for row in reports.changed_since(db, NOW + 10)] == ["x"]
    assert reports.changed_since(db, NOW + 11) == []
