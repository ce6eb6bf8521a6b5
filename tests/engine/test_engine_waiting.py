"""A campaign of which people are on their way waits for them: it does not end before, and costs nothing meanwhile."""

import msgspec
import pytest
import trio
from phone import Phone, talk
from rig import LONDON, START, number, rig, until

from dialerd.model.states import CampaignState
from dialerd.store import adding, recipients
from dialerd.store.adding import Step
from dialerd.store.records import RecipientBatch

LATER = range(100, 105)


def url(tmp_path):
    """Return where a test's database lies; a store in memory would hide who does something again and again."""
    return f"sqlite:///{tmp_path}/d.db"


async def begun(bench, row, people=LATER):
    """Store an addition that is not published yet; return its key."""
    key = await bench.store.write(adding.begin, row.id, now=START)
    rows = [[i + 1, number(one), 0, None, None, None, None] for i, one in enumerate(people)]
    batch = RecipientBatch(groups=(LONDON,), rows=msgspec.json.encode(rows).decode(), count=len(rows))
    if rows:
        await bench.store.write_bulk(recipients.add, key, batch, into=row.id)
    return key


async def published(bench, row, people=LATER):
    """Store an addition that is published; return its key."""
    key = await begun(bench, row, people)
    await bench.store.write(adding.publish, key, row.id)
    return key


async def moved(bench, row, key):
    """Move an addition to its end, and let the engine know, as whoever moves it does."""
    step = Step.MOVED
    while step is Step.MOVED:
        step = (await bench.store.write_bulk(adding.move_some, key, now=START)).step
        await bench.engine.campaigns.refresh(bench.engine.campaigns.by_key(row.id))
    bench.engine.campaigns.idle(bench.engine.campaigns.by_key(row.id))


async def nothing_happens(bench):
    """Look that the store is left alone for a while."""
    await trio.sleep(0.05)
    before = bench.store.writes
    await trio.sleep(0.2)
    assert bench.store.writes == before


def before_the_end(bench, do):
    """Have something done once, after a campaign was found to be over and before that is stored."""
    write = bench.store.write
    once = [do]

    async def watched(op, *args, **kwargs):
        if op.__name__ == "_write_end" and once:
            await once.pop()()
        return await write(op, *args, **kwargs)

    bench.store.write = watched  # the very store, looked at before each write


def after_the_end(bench, do):
    """Have something done once, after it was stored whether a campaign has ended and before the engine knows."""
    write = bench.store.write
    once = [do]

    async def watched(op, *args, **kwargs):
        result = await write(op, *args, **kwargs)
        if op.__name__ == "_write_end" and once:
            await once.pop()()
        return result

    bench.store.write = watched  # the very store, looked at after each write


@pytest.mark.parametrize("people", [LATER, ()])
async def test_a_campaign_with_nobody_left_waits(tmp_path, people):
    """For those on their way, or for the news that all of them stood there already; then it ends."""
    phone = Phone(talk())
    async with rig(phone, url=url(tmp_path)) as bench:
        row = await bench.add(1, adopt=False)
        key = await published(bench, row, people)
        await bench.engine.campaigns.adopt(row.id)
        await until(lambda: len(phone.left) == 1 and not bench.engine.dispatcher.calls)
        await nothing_happens(bench)
        assert await bench.state(row) is CampaignState.RUNNING
        assert bench.engine.campaigns.campaign("x").state is CampaignState.RUNNING
        await moved(bench, row, key)
        await bench.over(row, within_s=10, poll_s=0.01)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert sorted(phone.numbers()) == sorted(number(i) for i in (0, *people))


async def test_a_start_waits_as_well(tmp_path):
    """What was published in a former life is on its way in this one."""
    phone = Phone(talk())
    async with rig(phone, url=url(tmp_path)) as bench:
        row = await bench.add(0, adopt=False)
        key = await published(bench, row)
    async with rig(phone, url=url(tmp_path)) as bench:
        await nothing_happens(bench)
        assert await bench.state(row) is CampaignState.SCHEDULED
        await moved(bench, row, key)
        await bench.over(row, within_s=10, poll_s=0.01)
        assert sorted(phone.numbers()) == sorted(map(number, LATER))


async def test_published_between_two_looks(tmp_path):
    """The campaign was found to be over, and then people were sent on their way: it goes on with them."""
    phone = Phone(talk())
    async with rig(phone, url=url(tmp_path)) as bench:
        row = await bench.add(1, adopt=False)
        key = await begun(bench, row)
        before_the_end(bench, lambda: bench.store.write(adding.publish, key, row.id))
        await bench.engine.campaigns.adopt(row.id)
        await until(lambda: len(phone.left) == 1 and not bench.engine.dispatcher.calls)
        await nothing_happens(bench)
        assert await bench.store.read(adding.under_way) == [(key, row.id)]
        assert await bench.state(row) is CampaignState.RUNNING
        await moved(bench, row, key)
        await bench.over(row, within_s=10, poll_s=0.01)
        assert sorted(phone.numbers()) == sorted(number(i) for i in (0, *LATER))


@pytest.mark.parametrize("people", [LATER, ()])
async def test_all_arrive_while_it_is_found_to_wait(tmp_path, people):
    """They were still on their way in the transaction that looked, and are there before its answer is: nobody waits."""
    phone = Phone(talk())
    async with rig(phone, url=url(tmp_path)) as bench:
        row = await bench.add(1, adopt=False)
        key = await published(bench, row, people)
        after_the_end(bench, lambda: moved(bench, row, key))
        await bench.engine.campaigns.adopt(row.id)
        await bench.over(row, within_s=10, poll_s=0.01)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert sorted(phone.numbers()) == sorted(number(i) for i in (0, *people))


@pytest.mark.parametrize("paused", [False, True])
async def test_a_waiting_campaign_is_cancelled(tmp_path, paused):
    """It has ended when those on their way are there, and ended with it."""
    phone = Phone(talk())
    async with rig(phone, url=url(tmp_path)) as bench:
        row = await bench.add(1, adopt=False)
        key = await published(bench, row)
        await bench.engine.campaigns.adopt(row.id)
        await until(lambda: len(phone.left) == 1 and not bench.engine.dispatcher.calls)
        await nothing_happens(bench)
        if paused:
            await bench.engine.steering.pause("x")
        await bench.engine.steering.cancel("x")
        await nothing_happens(bench)
        assert bench.engine.campaigns.by_key(row.id) is not None
        await moved(bench, row, key)
        await bench.over(row, within_s=10, poll_s=0.01)
        assert await bench.recipients(row) == {("done", "succeeded"): 1, ("done", "cancelled"): 5}
        assert await bench.state(row) is CampaignState.CANCELLED
