"""What a changed campaign means for those who were called already, and for calls that are about to leave."""

import trio
from desk import desk
from phone import ANSWERED, BUSY, Phone, ends, talk
from rig import settings, trunk

from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.settings import DaemonSettings
from dialerd.model.states import Final

RETRY = {"max_attempts": 3, "delay": "1h"}


def paced():
    """Return settings of many lines over which a hundred calls a second start, so that some are claimed ahead."""
    lines = {"t": trunk(max_concurrent=200, calls_per_second=100.0)}
    return settings(daemon=DaemonSettings(max_concurrent=200), trunks=lines)


async def test_nobody_who_waits_is_rung_beyond_a_budget_that_was_lowered(autojump_clock, tmp_path):
    """Everybody was called once; with one attempt allowed by now the campaign is over."""
    phone = Phone(ends(BUSY))
    async with desk(phone, tmp_path) as at:
        made = (await at.create(5, retry=RETRY)).campaign
        await trio.sleep(60)
        assert len(phone.left) == 5
        await at.operations.campaigns.update(made.id, {"retry": {"max_attempts": 1}})
        await trio.sleep(5)
        view = await at.operations.campaigns.get(made.id)
        assert (view.state, len(phone.left), view.counters.done[Final.EXHAUSTED]) == ("completed", 5, 5)


async def test_a_shorter_delay_brings_those_who_wait_forward(autojump_clock, tmp_path):
    """It counts from their last call."""
    phone = Phone(ends(BUSY, then=ANSWERED))
    async with desk(phone, tmp_path) as at:
        made = (await at.create(3, retry=RETRY)).campaign
        await trio.sleep(60)
        await at.operations.campaigns.update(made.id, {"retry": {**RETRY, "delay": "5m"}})
        await trio.sleep(5 * MINUTE / 1_000 - 55)
        assert len(phone.left) == 6


async def test_a_new_daily_cap_counts_the_calls_of_today(autojump_clock, tmp_path):
    """Twenty were made; a cap of ten lets nobody be rung any more today."""
    phone = Phone(talk(30))
    async with desk(phone, tmp_path, settings(daemon=DaemonSettings(max_concurrent=10))) as at:
        made = (await at.create(60)).campaign
        await trio.sleep(50)
        placed = len(phone.left)
        assert placed >= 20
        await at.operations.campaigns.update(made.id, {"pacing": {"calls_per_day": 10}})
        await trio.sleep(HOUR / 1_000)
        assert len(phone.left) == placed


async def test_calls_claimed_ahead_do_not_leave_beyond_a_lowered_limit(autojump_clock, tmp_path):
    """Those that wait for their start in a paced trunk are kept back, and are rung later."""
    phone = Phone(talk(20))
    async with desk(phone, tmp_path, paced()) as at:
        made = (await at.create(100)).campaign
        await trio.sleep(0.2)
        await at.operations.campaigns.update(made.id, {"pacing": {"max_concurrent": 1}})
        placed = len(phone.left)
        assert 10 < placed < 60
        await trio.sleep(5)
        assert len(phone.left) == placed
        await at.over(made.id)
        assert len(set(phone.numbers())) == 100


async def test_whoever_is_hung_up_on_before_the_call_left_is_left_alone_for_the_retry_delay(autojump_clock, tmp_path):
    """The call does not count, and does not come back the next second."""
    phone = Phone(talk(1))
    async with desk(phone, tmp_path, paced()) as at:
        made = (await at.create(100, retry=RETRY)).campaign
        calls = at.operations.calls
        await trio.sleep(0.2)
        waiting = [call for call in at.bench.engine.dispatcher.calls.values() if not call.left]
        number = waiting[-1].claimed.number
        await calls.hangup(waiting[-1].claimed.uid)
        await trio.sleep(30 * 60)
        assert number not in phone.numbers()
        await trio.sleep(31 * 60)
        assert number in phone.numbers()
        assert (await at.operations.campaigns.get(made.id)).counters.calls == 100
