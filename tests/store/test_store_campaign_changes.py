"""Campaigns changed, released, hidden and pruned; and pages of them."""

import pytest
from attrs import evolve
from stored import NOW, ask, begin, campaign, check, claim, end, number, rows

from dialerd.model.campaign import CampaignSpec, Pacing
from dialerd.model.errors import KeyReused
from dialerd.model.instants import DAY, HOUR
from dialerd.model.once import Once
from dialerd.model.states import CampaignState
from dialerd.store import answers, campaign_pages, campaigns, lookup, pruning, spool_files
from dialerd.store.campaign_pages import Filter
from dialerd.store.database import MEMORY, connect
from dialerd.store.migrate import create
from dialerd.store.persons import LOOK_BACK
from dialerd.store.records import NewCampaign, TakenFile

DRAFT, SCHEDULED, RUNNING = CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING


@pytest.fixture
def db():
    """Return a connection to an empty store in memory, in a transaction."""
    engine = connect(MEMORY)
    create(engine)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def row(db, key):
    """Return a campaign."""
    (found,) = campaigns.by_ids(db, [key])
    return found


def people(db):
    """Return how many recipients there are."""
    return rows(db, "SELECT count(*) FROM recipients")[0][0]


def ended(db, name="x", **changes):
    """Store a campaign whose three people were called, and which is over."""
    key = campaign(db, [number(i) for i in range(3)], name)
    (answer,) = claim(db, ask(key, 3, name))
    claim(db, ended=[end(one, key) for one in answer.claimed])
    campaigns.set_state(db, key, CampaignState.COMPLETED, now=NOW)
    return key


def test_a_change_is_stored_in_the_states_that_allow_it(db):
    """Spec, hours and extra; the columns that lists look at follow."""
    key = campaign(db, [number(1)], state=DRAFT)
    spec = CampaignSpec(name="y", agent="b", pacing=Pacing(max_concurrent=3))
    wanted = evolve(row(db, key), spec=spec, timezone="UTC", start_at=NOW + 1, end_at=NOW + 2, extra={"k": 1})
    assert not campaigns.change(db, wanted, expected=[SCHEDULED], now=NOW)
    assert row(db, key).spec.name == "x"
    assert campaigns.change(db, wanted, expected=[DRAFT], now=NOW)
    assert row(db, key) == wanted
    assert rows(db, "SELECT name, agent FROM campaigns") == [("y", "b")]


def test_a_release_takes_the_start_only_from_what_is_launched(db):
    """And only from what waits."""
    draft, scheduled = begin(db, "d", start_at=NOW + DAY), begin(db, "s", start_at=NOW + DAY)
    campaigns.publish(db, draft, state=DRAFT, taken=None, now=NOW)
    campaigns.publish(db, scheduled, state=SCHEDULED, taken=None, now=NOW)
    assert not campaigns.release(db, scheduled, RUNNING, expected=[DRAFT], now=NOW)
    assert campaigns.release(db, draft, SCHEDULED, expected=[DRAFT], now=NOW)
    assert (row(db, draft).state, row(db, draft).start_at) == (SCHEDULED, NOW + DAY)
    assert campaigns.release(db, scheduled, RUNNING, expected=[SCHEDULED], now=NOW + 7)
    launched = row(db, scheduled)
    assert (launched.state, launched.start_at, launched.started_at) == (RUNNING, None, NOW + 7)
    born = begin(db, "b")
    campaigns.publish(db, born, state=RUNNING, taken=None, now=NOW + 8)
    assert row(db, born).started_at == NOW + 8


def test_only_drafts_and_what_is_over_are_hidden(db):
    """A draft is discarded at once or by the next start, with all that names it; its key may be given again."""
    live, draft = campaign(db, [number(1)], "live"), campaign(db, [number(2)], "draft", state=DRAFT)
    taken = TakenFile(fingerprint="f", name="x.json", campaign="file", taken_at=NOW, moved=True)
    file = begin(db, "file")
    campaigns.publish(db, file, state=DRAFT, taken=taken, now=NOW)
    assert campaigns.hide(db, live) is None
    for key in (draft, file):
        assert campaigns.hide(db, key) is DRAFT
    assert campaigns.loading(db) == [draft, file]
    for key in (draft, file):
        while campaigns.discard_some(db, key):
            pass
    assert people(db) == 1
    assert spool_files.taken_file(db, "f") is None
    assert rows(db, "SELECT count(*) FROM spool_files") == [(0,)]
    check(db)


def test_what_was_deleted_stays_unseen_until_its_calls_are_old(db):
    """A start does not discard it, nor does pruning, before nobody's rest or cap looks back at it any more."""
    key = ended(db)
    assert campaigns.hide(db, key) is CampaignState.COMPLETED
    assert campaigns.hide(db, key) is None
    assert campaigns.loading(db) == []
    assert campaigns.discard_some(db, key) is False
    assert lookup.campaigns_named(db, "x") == []
    assert (campaign_pages.by_name(db, "x"), campaign_pages.one(db, key)) == (None, None)
    assert campaign_pages.page(db, Filter(), limit=10) == ([], 0)
    long_ago = NOW - 100 * DAY  # of what is kept as long as the settings say, none is old enough
    assert pruning.prune_some(db, ended_before=long_ago, now=NOW + LOOK_BACK) is False
    assert rows(db, "SELECT count(*) FROM attempts") == [(3,)]
    while pruning.prune_some(db, ended_before=long_ago, now=NOW + LOOK_BACK + 1):
        pass
    assert [rows(db, f"SELECT count(*) FROM {table}") for table in ("attempts", "recipients", "campaigns")] == [
        [(0,)]
    ] * 3


def test_an_alias_finds_its_campaign_and_is_free_again_after_it(db):
    """A campaign's id comes before another one's alias."""
    keys = []
    for uid, alias in (("u1", "7"), ("u2", "u1")):
        new = NewCampaign(
            spec=CampaignSpec(name=uid, agent="a"), uid=uid, timezone="UTC", start_at=None, end_at=None, created_at=NOW,
            alias=alias, dialect="n1", extra={"k": [1]},
        )  # fmt: skip
        keys.append(campaigns.begin(db, new))
        assert campaign_pages.by_name(db, uid) is None or uid == "u1"
        campaigns.publish(db, keys[-1], state=DRAFT, taken=None, now=NOW)
    assert campaign_pages.by_name(db, "7").uid == "u1"
    assert campaign_pages.by_name(db, "u1").uid == "u1"
    assert campaign_pages.by_name(db, "u2").extra == {"k": [1]}
    campaigns.hide(db, keys[0])
    assert campaign_pages.by_name(db, "7") is None
    assert campaign_pages.by_name(db, "u1").uid == "u2"


def test_pages_count_all_and_show_some(db):
    """With counters and the file that each came from."""
    ended(db, "over")
    for i in range(4):
        campaign(db, [number(10 + i)], f"Draft_{i}", agent="b" if i else "a", state=DRAFT)
    begin(db, "loading")
    found, total = campaign_pages.page(db, Filter(), limit=2)
    assert ([one.row.uid for one in found], total) == (["Draft_3", "Draft_2"], 5)
    found, total = campaign_pages.page(db, Filter(), limit=9, before=found[-1].row.id)
    assert ([one.row.uid for one in found], total) == (["Draft_1", "Draft_0", "over"], 5)
    assert (found[-1].totals.recipients, found[-1].file) == (3, None)
    for wanted, names in (
        (Filter(agents=("b", "x")), ["Draft_3", "Draft_2", "Draft_1"]),
        (Filter(states=[CampaignState.COMPLETED]), ["over"]),
        (Filter(name="Draft_2"), ["Draft_2"]),
        (Filter(name="draft_2"), []),
        (Filter(dialect="n1"), []),
    ):
        assert [one.row.uid for one in campaign_pages.page(db, wanted, limit=9)[0]] == names


def test_a_key_is_claimed_once_in_a_day(db):
    """What it made is found again; what was answered is the first answer; then it is forgotten."""
    once = Once(key="k", fingerprint="f")
    answers.claim(db, once, '{"a": 1}', NOW)
    with pytest.raises(KeyReused):
        answers.claim(db, once, "{}", NOW + DAY - 1)
    answers.keep(db, Once(key="k", fingerprint="g"), 200, "t", "other")
    assert answers.result(db, "k", now=NOW).status is None
    answers.keep(db, once, 201, "t", "first")
    answers.keep(db, once, 201, "t", "second")
    found = answers.result(db, "k", now=NOW + 23 * HOUR)
    assert (found.result, found.status, found.body) == ('{"a": 1}', 201, "first")
    assert answers.result(db, "k", now=NOW + DAY) is None
    assert answers.prune_some(db, now=NOW + DAY - 1) is False
    assert rows(db, "SELECT count(*) FROM answers") == [(1,)]
    answers.claim(db, once, "{}", NOW + DAY)
    answers.prune_some(db, now=NOW + 2 * DAY)
    assert rows(db, "SELECT count(*) FROM answers") == [(0,)]
