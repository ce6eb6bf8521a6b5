"""Campaigns looked up whole: by id or alias, with counters and file, and people of them in the same look."""

from datetime import time

import pytest
from attrs import evolve
from stored import NOW, ask, begin, campaign, claim, number

from dialerd.model.campaign import CampaignSpec, Window
from dialerd.model.states import CampaignState
from dialerd.store import campaign_pages, campaigns, lookup, recipient_pages
from dialerd.store.database import MEMORY, connect
from dialerd.store.migrate import create
from dialerd.store.records import NewCampaign, TakenFile

NINE, TEN = time(9), time(10)


@pytest.fixture
def db():
    """Return a connection to an empty store in memory, in a transaction."""
    engine = connect(MEMORY)
    create(engine)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def new(uid, **more):
    """Return a campaign that is to be stored."""
    values = {"spec": CampaignSpec(name=uid, agent="a"), "timezone": "UTC", "start_at": 1, "end_at": 2, **more}
    return NewCampaign(uid=uid, created_at=NOW, **values)


def test_one_look_finds_what_three_did(db):
    """The row, the counters with the calls that are on, and the file; by id before alias; nothing that is loading."""
    key = campaign(db, [number(i) for i in range(3)], "u1")
    claim(db, ask(key, 2))
    other = campaigns.begin(db, new("u2", alias="u1", dialect="n1", extra={"k": [1]}))
    assert campaign_pages.one_by_name(db, "u2") is None
    file = TakenFile(fingerprint="f", name="spring.toml", campaign="u2", taken_at=NOW, moved=True)
    campaigns.publish(db, other, state=CampaignState.DRAFT, taken=file, now=NOW)
    found = campaign_pages.one_by_name(db, "u1")
    assert (found.row, found.file) == (campaign_pages.by_name(db, "u1"), None)
    assert (found.totals.recipients, found.totals.dialing, found.totals.pending) == (3, 2, 1)
    assert found == campaign_pages.one(db, key)
    second = campaign_pages.one_by_name(db, "u2")
    assert (second.file, second.totals.recipients, second.row.extra) == ("spring.toml", 0, {"k": [1]})
    assert campaign_pages.one_by_name(db, "u3") is None


def test_every_look_returns_the_same_row(db):
    """Whichever statement it was read by: columns are told apart by their place alone."""
    spec = CampaignSpec(name="u", agent="a", windows=(Window(start=NINE, end=TEN),))
    key = campaigns.begin(db, new("u", spec=spec, alias="al", dialect="n1", extra={"k": 1}))
    campaigns.publish(db, key, state=CampaignState.RUNNING, taken=None, now=NOW + 5)
    (row,) = campaigns.by_ids(db, [key, key + 1])
    assert (row.uid, row.spec, row.timezone, row.start_at, row.end_at) == ("u", spec, "UTC", 1, 2)
    assert (row.created_at, row.state_at, row.started_at, row.ended_at) == (NOW, NOW + 5, NOW + 5, None)
    assert (row.state, row.alias, row.dialect, row.extra) == (CampaignState.RUNNING, "al", "n1", {"k": 1})
    assert lookup.campaigns_named(db, "al") == [campaign_pages.by_name(db, "al")] == [row]


def test_a_changed_spec_is_seen_at_once(db):
    """What is remembered of a spec's text is never another text's; long ones are read each time."""
    campaign(db, [number(0)], "u", state=CampaignState.DRAFT)
    for words in ("short", "shore", "long " * 2_000, "lone " * 2_000, "short"):
        row = campaign_pages.by_name(db, "u")
        changed = evolve(row, spec=evolve(row.spec, prompt=words))
        assert campaigns.change(db, changed, expected=(CampaignState.DRAFT,), now=NOW)
        assert campaign_pages.by_name(db, "u").spec == changed.spec


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING])
def test_what_begins_published_is_as_if_it_was_loaded_first(db, state):
    """One statement less for those that come in one piece; nothing else."""
    loaded = begin(db, "u1")
    campaigns.publish(db, loaded, state=state, taken=None, now=NOW)
    at_once = campaigns.begin(db, new("u2", start_at=None, end_at=None), state=state)
    first, second = campaign_pages.one(db, loaded), campaign_pages.one(db, at_once)
    changes = {"id": first.row.id, "uid": first.row.uid, "spec": first.row.spec, "timezone": first.row.timezone}
    assert evolve(second, row=evolve(second.row, **changes)) == first


def test_people_are_found_by_their_campaigns_name(db):
    """In the same look; of none there are none."""
    key = campaign(db, [number(i) for i in range(3)], "u1")
    page = recipient_pages.page_of(db, "u1", limit=2)
    assert page == recipient_pages.page(db, key, "u1", limit=2)
    assert [one.view.number for one in page[0]] == [number(0), number(1)]
    assert recipient_pages.page_of(db, "u2", limit=2) is None
