"""Orders that cannot be stored are taken back, and campaigns that cannot be read are taken in later."""

from collections import Counter

import pytest
import trio
from attrs import evolve
from phone import Phone, talk
from rig import START, rig

from dialerd.model.errors import StoreError
from dialerd.model.instants import HOUR
from dialerd.model.states import CampaignState
from dialerd.store import recipients


def failing(bench, name):
    """Let the operation of a name fail once, when the engine has just looked at every campaign, as in memory."""
    write = bench.store.write
    once = [name]

    async def watched(op, *args, **kwargs):
        if op.__name__ in once:
            once.clear()
            await bench.engine.reload(bench.engine.settings)
            raise StoreError("the disk is full")
        return await write(op, *args, **kwargs)

    bench.store.write = watched


async def test_a_launch_that_is_not_stored_has_not_been(autojump_clock):
    """The campaign is scheduled as before, and sleeps until its start."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        row = await bench.add(3, start_at=START + HOUR)
        campaign = bench.engine.campaigns.campaign("x")
        failing(bench, "_write_launch")
        with pytest.raises(StoreError):
            await bench.engine.steering.launch("x")
        assert (campaign.state, campaign.row.start_at) == (CampaignState.SCHEDULED, START + HOUR)
        assert campaign.wake_at == START + HOUR
        await trio.sleep(3_500)
        assert phone.left == []
        await bench.over(row)
        assert len(phone.left) == 3


async def test_a_pause_that_is_not_stored_has_not_been(autojump_clock):
    """The campaign begins at its start, though it was looked at while it seemed to be paused."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        row = await bench.add(3, start_at=START + HOUR)
        failing(bench, "_write_state")
        with pytest.raises(StoreError):
            await bench.engine.steering.pause("x")
        await bench.over(row, within_s=2 * 3600)
        assert len(phone.left) == 3


async def test_a_change_that_is_not_stored_has_not_been(autojump_clock):
    """The campaign begins at the start that it had."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        row = await bench.add(3, start_at=START + HOUR)
        campaign = bench.engine.campaigns.campaign("x")
        failing(bench, "_write_change")
        with pytest.raises(StoreError):
            await bench.engine.steering.change(campaign, evolve(campaign.row, start_at=START + 5 * HOUR))
        assert (campaign.row.start_at, campaign.wake_at) == (START + HOUR, START + HOUR)
        await bench.over(row, within_s=2 * 3600)
        assert len(phone.left) == 3


async def test_a_campaign_that_cannot_be_read_is_taken_in_later(autojump_clock, logged):
    """Whoever handed it over does not wait for that, and the log says it once."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        rows = [await bench.add(1, name=name, adopt=False) for name in "xyz"]
        read = bench.store.read
        failed = []

        async def watched(op, *args, **kwargs):
            if op is recipients.with_heads and len(failed) < 20:
                failed.append(args)
                raise StoreError("the disk is full")
            return await read(op, *args, **kwargs)

        bench.store.read = watched
        before = trio.current_time()
        await bench.engine.campaigns.adopt(rows[0].id)
        await bench.engine.campaigns.adopt(rows[1].id, rows[2].id)
        assert trio.current_time() == before
        assert list(bench.engine.campaigns.live()) == []
        await trio.sleep(15)
        await bench.over(*rows)
        assert len(phone.left) == 3
        assert Counter(entry["event"] for entry in logged)["store.campaign_not_read"] == 1
