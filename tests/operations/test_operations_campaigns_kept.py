"""Campaigns through the operations: ordered by dialects, read from large documents, listed, thrown away, deleted."""

from datetime import UTC, datetime

import msgspec
import pytest
import trio
from desk import desk, document, number
from phone import Phone, ends
from rig import START, settings, trunk

from dialerd.model.errors import Fault, InvalidInput, NotFound, WrongState
from dialerd.model.instants import DAY, MINUTE, to_iso
from dialerd.model.settings import DaemonSettings, PersonSettings
from dialerd.model.states import CampaignState, Final
from dialerd.plugin.dialect import Order
from dialerd.store import campaigns as stored
from dialerd.store import reports

D, S, R, P = CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED
TOMORROW = to_iso(START + DAY)


def busy(**changes):
    """Return settings with 50 lines and more."""
    return settings(daemon=DaemonSettings(max_concurrent=50), trunks={"t": trunk(max_concurrent=50)}, **changes)


def paths(error):
    """Return the paths of an error's faults."""
    return [fault.path for fault in error.value.faults]


async def test_a_cancelled_draft_is_thrown_away(autojump_clock, tmp_path):
    """It is over, and so is everybody in it; deleted, it is not seen any more and its rows are gone."""
    async with desk(Phone(ends()), tmp_path) as at:
        ask = at.operations.campaigns
        thrown = (await at.create(3, state="draft")).campaign.id
        view = await ask.cancel(thrown)
        assert (view.state, view.counters.done[Final.CANCELLED]) == (CampaignState.CANCELLED, 3)
        assert view.ended_at is not None
        deleted = (await at.create(200, state="draft")).campaign.id
        await ask.delete(deleted)
        with pytest.raises(NotFound):
            await ask.get(deleted)
        (row,) = await at.bench.rows("SELECT count(*) FROM campaigns")
        assert row[0] == 1
        (row,) = await at.bench.rows("SELECT count(*) FROM recipients")
        assert row[0] == 3


async def test_a_deleted_campaign_is_unseen_and_its_calls_still_count(autojump_clock, tmp_path):
    """Nobody is rung more often for it: the weekly cap of a person holds over the deletion."""
    phone = Phone(ends())
    wanted = busy(person=PersonSettings(cooldown=0, calls_per_week=1))
    async with desk(phone, tmp_path, wanted) as at:
        ask = at.operations.campaigns
        first = (
            await ask.create(Order(spec={"name": "x", "agent": "a"}, recipients=[{"phone": number(0)}], alias="7"))
        ).campaign
        with pytest.raises(WrongState, match="'7'"):
            await ask.create(Order(spec={"name": "x", "agent": "a"}, recipients=[{"phone": number(0)}], alias="7"))
        await at.over("7")
        await ask.delete("7")
        for name in (first.id, "7"):
            with pytest.raises(NotFound):
                await ask.get(name)
        assert (await ask.list()).total == 0
        again = await ask.create(Order(spec={"name": "x", "agent": "a"}, recipients=[{"phone": number(0)}], alias="7"))
        await trio.sleep(DAY / 1_000)
        assert len(phone.left) == 1
        await trio.sleep((6 * DAY + MINUTE) / 1_000)
        assert len(phone.left) == 2
        assert (await ask.get(again.campaign.id)).state is CampaignState.COMPLETED
        assert len(await at.bench.store.read(reports.unreported)) == 2, "its report is owed all the same"


async def test_orders_of_dialects_keep_what_is_theirs(autojump_clock, tmp_path):
    """Alias, dialect and extra come back; id and alias find the same campaign."""
    async with desk(Phone(ends()), tmp_path) as at:
        ask = at.operations.campaigns
        order = Order(
            spec={"name": "x", "agent": "a"}, draft=True, alias="99", dialect="n1", extra={"raw": {"k": [1, None]}}
        )
        made = (await ask.create(order)).campaign
        assert await ask.get("99") == await ask.get(made.id) == made
        assert (made.alias, made.dialect, made.extra, made.state) == ("99", "n1", {"raw": {"k": [1, None]}}, D)
        assert await ask.uid("99") == made.id
        with pytest.raises(InvalidInput) as error:
            await ask.create(Order(spec={"name": "x", "agent": "a", "state": "draft"}))
        assert paths(error) == ["recipients"]
        with pytest.raises(InvalidInput):
            await ask.create(Order(spec={"name": object(), "agent": "a"}, draft=True))


async def test_lists_are_filtered_and_come_in_pages(autojump_clock, tmp_path):
    """Latest first, by offset and by cursor, with the total of all that the filter lets through."""
    wanted = settings()
    async with desk(Phone(ends()), tmp_path, wanted) as at:
        ask = at.operations.campaigns
        ids = []
        for i in range(7):
            order = Order(spec={"name": f"Run {i}", "agent": "a"}, draft=True, dialect="n1" if i % 2 else None)
            ids.insert(0, (await ask.create(order)).campaign.id)
        seen, after = [], None
        while True:
            page = await ask.list(limit=3, after=after)
            assert page.total == 7
            seen += [one.id for one in page.items]
            after = page.next
            if after is None:
                break
        assert seen == ids
        assert [one.id for one in (await ask.list(limit=2, offset=5)).items] == ids[5:]
        assert (await ask.list(limit=2, offset=5)).next is None
        assert [one.id for one in (await ask.list(dialect="n1")).items] == ids[1::2]
        assert [one.spec.name for one in (await ask.list(name="Run 3")).items] == ["Run 3"]
        assert (await ask.list(name="Run")).total == 0
        assert (await ask.list(agent="a")).total == 7
        assert (await ask.list(agent="b")).total == 0
        await ask.cancel(ids[0])
        assert (await ask.list(states=[CampaignState.CANCELLED])).total == 1
        assert (await ask.list(states=[CampaignState.CANCELLED, D])).total == 7
        with pytest.raises(InvalidInput) as error:
            await ask.list(limit=101, offset=-1, after="x")
        assert paths(error) == ["limit", "offset", "after"]


async def test_a_large_document_is_read_beside_the_daemon(tmp_path):
    """By the reading process, in batches that nobody sees before all are there; its faults are told, too."""
    url = f"sqlite:///{tmp_path}/store.db"
    async with desk(Phone(ends()), tmp_path, url=url) as at:
        ask = at.operations.campaigns
        made = await at.create(2_500, start=to_iso(at.bench.clock.now() + DAY))
        assert (made.campaign.counters.total, made.recipients.added, made.campaign.state) == (2_500, 2_500, S)
        file = tmp_path / "body"
        file.write_bytes(document(2_500, windows=[{"start": "9", "end": "10:00"}], recipients=[{"phone": "1"}] * 2_500))
        with pytest.raises(InvalidInput) as error:
            await ask.create_document(file)
        assert len(error.value.faults) == 1_001
        assert Fault("", "there are 1501 faults more; mend these first") in error.value.faults
        file.write_bytes(document(0, state="draft", recipients=None, prompt="x" * 9_000))
        draft = await ask.create_document(file)
        assert (draft.campaign.state, draft.campaign.counters.total) == (D, 0)
        twice = [{"phone": number(i % 2_000)} for i in range(2_100)]
        file.write_bytes(document(start=TOMORROW, recipients=twice))
        both = await ask.create_document(file, draft=True)
        assert (both.recipients.added, both.recipients.duplicates) == (2_000, 100)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("campaign-")] == []
        assert await at.bench.store.read(stored.loading) == []
        await ask.delete(both.campaign.id)
        assert await at.bench.rows("SELECT DISTINCT campaign_id FROM recipients") == [(1,)]


@pytest.mark.parametrize("size", [3, 2_500])
async def test_what_is_launched_with_its_creation_is_told(tmp_path, size):
    """Its first claim tells nothing any more; and what waits for its start, or is a draft, is not told yet."""
    closed = [{"days": ["sat"], "start": "20:00", "end": "20:01"}]
    async with desk(Phone(ends()), tmp_path, url=f"sqlite:///{tmp_path}/store.db") as at:
        await at.create(size, name="unheard", launch=True, windows=closed)
        at.bench.engine.telling.follow(True)
        made = (await at.create(size, launch=True, windows=closed)).campaign
        await at.create(size, windows=closed)
        await at.create(size, draft=True)
        (told,) = await at.bench.rows("SELECT kind, campaign, body FROM notices")
        assert told[:2] == ("campaign.running", made.id)
        assert msgspec.json.decode(told[2]) == {
            "campaign_id": made.id, "campaign": "x", "state": "running", "at": to_iso(made.started_at)
        }  # fmt: skip


async def test_windows_of_a_view_are_those_that_hold(autojump_clock, tmp_path):
    """Its zone is the one that its hours are in, whoever gave it."""
    async with desk(Phone(ends()), tmp_path) as at:
        made = (await at.create(1, timezone="Europe/Paris", start="2026-06-02T09:00")).campaign
        assert made.start_at == datetime(2026, 6, 2, 7, tzinfo=UTC).timestamp() * 1_000
        assert made.timezone == "Europe/Paris"
        assert to_iso(made.start_at) == "2026-06-02T07:00:00Z"
