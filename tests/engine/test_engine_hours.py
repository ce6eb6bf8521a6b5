"""Hours: windows, quiet hours, summer time, daily caps, and a wall clock that is stepped."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
import trio
from phone import ANSWERED, BUSY, Phone, ends, talk
from rig import CALLER_ID, LONDON, NEW_YORK, START, SteppedClock, rig, settings, trunk

from dialerd.model.call import CallEnd
from dialerd.model.campaign import Pacing, Window
from dialerd.model.instants import DAY, HOUR, MINUTE, SECOND, to_datetime, to_instant
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import NumberSettings, QuietHours
from dialerd.model.states import CampaignState, Final, Outcome

UK = ZoneInfo("Europe/London")
DAY_S = DAY / SECOND


def local(left, zone=UK, start=START):
    """Return the local time at which a call left."""
    return to_datetime(start + round(left.at * SECOND)).astimezone(zone)


async def test_nothing_leaves_outside_the_window(autojump_clock):
    """Two hours a day, forty slow calls over one line: a few days, always inside, never ringing past the close."""
    phone = Phone(talk(600))
    window = Window(start=time(14), end=time(16))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        row = await bench.add(40, windows=(window,))
        await bench.over(row, within_s=6 * DAY_S, poll_s=600)
        times = [local(left).time() for left in phone.left]
        assert len(times) == 40
        assert all(time(14) <= at <= time(15, 59, 15) for at in times)
        assert len({local(left).date() for left in phone.left}) == 4


async def test_quiet_hours_of_every_group_and_of_a_reload(autojump_clock):
    """A campaign for London and New York rings each of them between eight and nine at night of its own."""
    phone = Phone(talk(3_000))
    wanted = settings(trunks={"t": trunk(max_concurrent=3)}, quiet_hours=QuietHours())
    async with rig(phone, wanted) as bench:
        row = await bench.add(60, groups=(LONDON, NEW_YORK))
        await bench.over(row, within_s=6 * DAY_S, poll_s=600)
        for left in phone.left:
            zone = UK if int(left.order.number[-6:-3]) % 2 == 0 else ZoneInfo("America/New_York")
            assert time(8) <= local(left, zone).time() <= time(20, 59, 15)
        assert len(phone.left) == 60


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
async def test_summer_time_begins_and_ends(autojump_clock, day):
    """A window across the change of the clocks, from half past midnight to three, keeps to the clock on the wall."""
    start = to_instant(day) - 3 * HOUR
    phone = Phone(talk(300))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)}), start=start) as bench:
        row = await bench.add(60, windows=(Window(start=time(0, 30), end=time(3)),))
        await bench.over(row, within_s=4 * DAY_S, poll_s=600)
        walls = [local(left, start=start) for left in phone.left]
        assert all(time(0, 30) <= at.time() <= time(2, 59, 15) for at in walls)
        first_night = [at for at in walls if at.date() == day.date()]
        assert len(first_night) == (18 if day.month == 3 else 42)  # an hour and a half, three and a half


async def test_a_window_that_closes_while_calls_wait_for_their_start(autojump_clock):
    """Calls that prepare for longer than the window lasts are withdrawn, and come again when it opens."""

    phone = Phone(talk(1, prepare=30))
    close = Window(start=time(10), end=time(11, 1))  # 11:00 in London now; a phone rings for 45 s
    async with rig(phone) as bench:
        row = await bench.add(20, windows=(close,))
        await trio.sleep(3_600)
        assert phone.left == []
        assert len(phone.placed) == 20
        totals = await bench.totals(row)
        assert (totals.refunded, totals.pending) == (20, 20)
        await bench.over(row, within_s=2 * DAY_S, poll_s=600)
        assert all(local(left).time() >= time(10) and local(left).hour == 10 for left in phone.left)


async def test_a_group_that_never_opens_again_expires(autojump_clock):
    """Two groups, of which one has no opening before the campaign's end: its people expire by its end."""
    phone = Phone(talk(1))
    wanted = settings(quiet_hours=QuietHours(start=time(10), end=time(21)))
    async with rig(phone, wanted) as bench:
        row = await bench.add(10, groups=(LONDON, NEW_YORK), end_at=START + 2 * HOUR)
        await bench.over(row, within_s=2 * 3600 + 120)
        finals = (await bench.totals(row)).finals
        assert (finals[Final.SUCCEEDED], finals[Final.EXPIRED]) == (5, 5)
        assert await bench.state(row) is CampaignState.COMPLETED


async def test_who_is_due_again_after_the_end_expires(autojump_clock):
    """A retry that would come after the campaign's end never comes."""
    async with rig(Phone(ends(then=BUSY))) as bench:
        row = await bench.add(3, end_at=START + HOUR, retry=RetryPolicy(max_attempts=5, delay=40 * MINUTE))
        await bench.over(row, within_s=2 * 3600)
        totals = await bench.totals(row)
        assert totals.finals[Final.EXPIRED] == 3
        assert sum(totals.outcomes.values()) == 6


async def test_a_campaign_that_starts_later_is_scheduled_until_then(autojump_clock):
    """Scheduled until its start, running from its first claim on."""
    phone = Phone(talk(60))
    async with rig(phone) as bench:
        row = await bench.add(2, start_at=START + HOUR)
        await trio.sleep(3_590)
        assert await bench.state(row) is CampaignState.SCHEDULED
        await trio.sleep(20)
        assert await bench.state(row) is CampaignState.RUNNING
        assert [left.at for left in phone.left] == [3600, 3600]
        await bench.over(row)


async def test_daily_caps_resume_the_next_day(autojump_clock):
    """A campaign of seven a day and a caller id of five a day, each by its own zone's midnight."""
    phone = Phone(talk(1))
    wanted = settings(numbers={CALLER_ID: NumberSettings(trunk="t", calls_per_day=20)})
    async with rig(phone, wanted) as bench:
        row = await bench.add(30, pacing=Pacing(calls_per_day=7), timezone="Asia/Tokyo")
        await bench.over(row, within_s=7 * DAY_S, poll_s=600)
        days = [local(left, ZoneInfo("Asia/Tokyo")).date() for left in phone.left]
        assert [days.count(day) for day in sorted(set(days))] == [7, 7, 7, 7, 2]


async def test_what_did_not_count_is_given_back_to_the_day(autojump_clock):
    """Refunded calls do not use up the daily cap, neither in memory nor in the store."""
    phone = Phone(ends(CallEnd(outcome=Outcome.CONGESTION)))
    async with rig(phone) as bench:
        row = await bench.add(5, pacing=Pacing(calls_per_day=5))
        await bench.over(row, within_s=600)
        assert len(phone.left) == 10
        assert [tuple(count) for count in await bench.rows("SELECT key, calls FROM day_counts")] == [("campaign:1", 5)]


async def test_daily_caps_hold_over_a_restart(autojump_clock, tmp_path):
    """The counts are read again at the start."""
    url = f"sqlite:///{tmp_path}/dialerd.db"
    wanted = settings(numbers={CALLER_ID: NumberSettings(trunk="t", calls_per_day=5)})
    autojump_clock.autojump_threshold = float("inf")
    autojump_clock.rate = 1.0
    dialled = []
    for _ in range(2):
        phone = Phone(talk())
        async with rig(phone, wanted, url=url) as bench:
            if not dialled:
                await bench.add(9)
            await trio.sleep(0.3)
        dialled.append(len(phone.left))
    assert dialled == [5, 0]


@pytest.mark.parametrize("step", [3 * HOUR, -3 * HOUR, -26 * HOUR])
async def test_a_stepped_clock_is_noticed(autojump_clock, step):
    """Whatever the wall clock does, calls leave only while it shows a time inside the window."""
    clock = SteppedClock(START)
    shown = []

    async def script(phone, order, report):
        await trio.sleep(0.5)
        phone.leave(order)
        shown.append(to_datetime(clock.now()).astimezone(UK).time())
        await trio.sleep(20)
        return BUSY if len(shown) % 3 == 0 else ANSWERED

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=2)}), clock=clock) as bench:
        window = Window(start=time(9), end=time(13))
        policy = RetryPolicy(max_attempts=3, delay=MINUTE)
        row = await bench.add(60, windows=(window,), retry=policy)
        await trio.sleep(100)
        clock.offset += step
        await trio.sleep(100)
        if step == 3 * HOUR:
            left = len(phone.left)
            await trio.sleep(600)
            assert len(phone.left) == left
        clock.offset -= step
        before = len(phone.left)
        await trio.sleep(100)
        assert len(phone.left) > before
        await bench.over(row, within_s=60 * DAY_S, poll_s=600)
        assert all(time(9) <= at <= time(12, 59, 15) for at in shown)


@pytest.mark.parametrize("step", [3 * HOUR, -3 * HOUR])
async def test_a_step_amid_calls_leaves_them_as_long_as_they_lasted(autojump_clock, step):
    """Ringing and answer are told by the clock that tells the end; the counters and the rows agree."""
    clock = SteppedClock(START)
    async with rig(Phone(talk(60)), clock=clock) as bench:
        row = await bench.add(3)
        await trio.sleep(20)
        clock.offset += step
        await bench.over(row)
        calls = await bench.rows("SELECT answered_at, ended_at FROM attempts")
        assert [ended - answered for answered, ended in calls] == [60 * SECOND] * 3
        assert all(abs(ended - clock.now()) < MINUTE for _, ended in calls)
        assert (await bench.totals(row)).talk_ms == 180 * SECOND


async def test_a_clock_set_back_over_midnight_does_not_begin_the_day_anew(autojump_clock):
    """Yesterday's count is remembered: a cap of five is not ten because midnight came twice."""
    clock = SteppedClock(START + 13 * HOUR - MINUTE)  # a minute before midnight in London
    phone = Phone(talk())
    async with rig(phone, clock=clock) as bench:
        row = await bench.add(30, pacing=Pacing(calls_per_day=5))
        await trio.sleep(30)
        assert len(phone.left) == 5
        await trio.sleep(40)
        assert len(phone.left) == 10
        clock.offset -= 5 * MINUTE
        await trio.sleep(100)
        assert len(phone.left) == 10
        await bench.engine.steering.cancel("x")
        await bench.over(row)
