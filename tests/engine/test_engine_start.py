"""The start: nothing that a trunk does keeps the others from dialling, or a stop from being obeyed."""

import threading

import pytest
import trio
from phone import ANSWERED, BUSY, OUTAGE, Phone, ends, talk
from rig import (
    CALLER_ID,
    LONDON,
    OTHER_ID,
    START,
    crashed,
    number,
    rig,
    settings,
    trunk,
    until,
)

from dialerd.engine.clock import VirtualClock
from dialerd.engine.engine import Engine
from dialerd.model.call import CallEnd, WasNotPlaced, WasPlaced
from dialerd.model.campaign import Pacing, ZoneGroup
from dialerd.model.errors import StoreError
from dialerd.model.instants import DAY, HOUR, SECOND
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import NumberSettings, QuietHours, TrunkSettings
from dialerd.model.states import CampaignState, Final, Rotation
from dialerd.plugin.provider import CallOrder, NotPlaced, Provider, Report, TrunkSite
from dialerd.rules.breaker import BreakerState
from dialerd.store.database import MEMORY
from dialerd.store.store import open_store

NOWHERE = ZoneGroup(country="GB", zones=())


class Stuck(Phone):
    """A provider that never comes up."""

    async def __aenter__(self) -> "Stuck":
        await trio.sleep_forever()
        return self


async def test_a_provider_that_hangs_at_its_start_holds_only_its_own_trunk(autojump_clock):
    """The others dial after some seconds of patience, and a stop is a stop."""
    phone = Phone(talk(1))
    wanted = settings(
        trunks={"t": trunk(), "u": trunk()},
        numbers={CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")},
    )
    began_s = trio.current_time()
    async with rig({"t": phone, "u": Stuck(talk())}, wanted) as bench:
        assert trio.current_time() - began_s < 60
        row = await bench.add(5, caller_ids=(CALLER_ID,))
        await bench.over(row, within_s=60)
        assert len(phone.left) == 5


async def test_a_stop_during_the_start_is_obeyed_and_nobody_is_dialled(autojump_clock):
    """Stopped while it still waits for a trunk, the engine ends without having accepted anything."""
    async with open_store(MEMORY) as store:
        engine = Engine(store, settings(), lambda _name, _table: Stuck(talk()), VirtualClock(START))
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.run)
                await trio.sleep(1)
                engine.stop()
        assert not engine.ready.is_set()


async def test_phones_that_ring_prove_that_the_trunk_works(autojump_clock):
    """Calls that fail here and there do not open the breaker while long calls are on that rang."""

    seen: list[str] = []

    async def script(phone: Phone, order: CallOrder, report: Report) -> CallEnd:
        seen.append(order.number)
        if len(seen) % 3 == 0:
            raise NotPlaced(OUTAGE)
        return await talk(600, ring=1.0)(phone, order, report)

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=1.0)})) as bench:
        row = await bench.add([number(i * 1000) for i in range(40)])
        states = set()
        with trio.move_on_after(500):  # nobody has ended yet
            while True:
                states.add(bench.engine.lines.trunks["t"].breaker.state)
                await trio.sleep(1)
        assert len(seen) > 40
        assert states == {BreakerState.CLOSED}
        await bench.over(row, within_s=3600)


async def test_a_caller_id_that_is_gone_lets_its_people_go(autojump_clock):
    """Whoever keeps a caller id that is not configured any more is shown another one."""
    both = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="t")}
    phone = Phone(ends(*[BUSY] * 6))
    async with rig(phone, settings(numbers=both)) as bench:
        row = await bench.add(6, rotation=Rotation.STICKY, retry=RetryPolicy(max_attempts=2, delay=60 * SECOND))
        await until(lambda: len(phone.left) == 6)
        assert {left.order.caller_id for left in phone.left} == {CALLER_ID, OTHER_ID}
        await bench.engine.reload(settings())
        await bench.over(row, within_s=600)
        assert len(phone.left) == 12
        assert {left.order.caller_id for left in phone.left[6:]} == {CALLER_ID}


async def test_people_to_whom_no_hour_opens_are_given_up_after_a_day(autojump_clock):
    """A campaign without an end completes, and says expired; nobody of it is given up before the others are done."""
    phone = Phone(talk(1))
    async with rig(phone, settings(quiet_hours=QuietHours())) as bench:
        row = await bench.add(4, groups=(LONDON, NOWHERE))
        await trio.sleep(20 * HOUR / SECOND)
        assert bench.engine.campaigns.by_key(row.id) is not None
        await bench.over(row, within_s=6 * HOUR / SECOND, poll_s=60)
        totals = await bench.totals(row)
        assert (totals.finals[Final.SUCCEEDED], totals.finals[Final.EXPIRED]) == (2, 2)


async def test_settings_that_shut_everybody_out_by_mistake_lose_nobody(autojump_clock):
    """Mended within a day, they cost nothing but time."""
    phone = Phone(talk(1))
    async with rig(phone, settings(quiet_hours=QuietHours())) as bench:
        row = await bench.add(4, groups=(NOWHERE,))
        await trio.sleep(20 * HOUR / SECOND)
        await bench.engine.reload(settings(quiet_hours=QuietHours(unknown_zone="Europe/London")))
        await bench.over(row, within_s=2 * DAY / SECOND, poll_s=60)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 4


async def test_a_call_that_was_not_placed_gives_its_daily_count_back_after_a_crash(tmp_path):
    """With a cap of two a day, two calls lost in a crash before they were placed are dialled the same day."""
    url = f"sqlite:///{tmp_path}/dialerd.db"
    pacing = Pacing(calls_per_day=2)
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(2, pacing=pacing)
        await until(lambda: len(phone.left) == 2)
    after = Phone(talk(), answer=lambda _: WasNotPlaced())
    async with rig(after, url=url, start=START + 60 * SECOND) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        assert len(after.left) == 2


async def test_a_slow_provider_that_was_replaced_does_not_take_the_trunk_down(autojump_clock):
    """The one that was made first comes up last, and is let go at once."""

    class Slow(Phone):
        async def __aenter__(self) -> "Slow":
            await trio.sleep(15)
            await super().__aenter__()
            return self

    slow, quick = Slow(talk(1)), Phone(talk(1))
    wanted = settings(trunks={"t": trunk()})
    changed = settings(trunks={"t": trunk(options={"x": 1})})

    def make(_site: TrunkSite, table: TrunkSettings) -> Provider:
        return quick if table.options else slow

    async with rig(quick, wanted, make=make) as bench:
        await bench.engine.reload(changed)
        await trio.sleep(60)
        row = await bench.add(3)
        await bench.over(row, within_s=60)
        assert (len(quick.left), len(slow.left)) == (3, 0)
        assert slow.exited == slow.entered == 1


async def test_a_reload_beside_a_stop_changes_nothing_any_more(autojump_clock):
    """A stop does not wait for it, and it breaks nothing."""
    phone = Phone(talk(1))
    wanted = settings(trunks={"t": trunk()})
    async with rig(phone, wanted) as bench:
        bench.engine.stop()
        await bench.engine.reload(settings(trunks={"t": trunk(options={"x": 1}), "u": trunk()}))
        assert set(bench.engine.lines.trunks) == {"t"}


async def test_a_doubtful_attempt_is_asked_about_when_its_trunk_comes_back(tmp_path):
    """A trunk taken out of the settings during an outage of the daemon, and put back, is the same trunk."""
    url = f"sqlite:///{tmp_path}/dialerd.db"
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(2)
        await until(lambda: len(phone.left) == 2)
    after = Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))
    elsewhere = settings(trunks={"other": trunk()}, numbers={OTHER_ID: NumberSettings(trunk="other")})
    async with rig(after, elsewhere, url=url) as bench:
        assert not after.asked
        await bench.engine.reload(settings())
        await bench.over(row, within_s=10, poll_s=0.01)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 2


async def test_a_daily_cap_that_goes_and_comes_back_goes_on_counting(autojump_clock):
    """Taken away and put back within a day, it is as it was."""
    phone = Phone(talk(1))
    capped = settings(pacing=Pacing(calls_per_day=4))
    async with rig(phone, capped) as bench:
        await bench.add(20)
        await trio.sleep(60)
        assert len(phone.left) == 4
        bench.engine.campaigns.campaign("x").state = CampaignState.PAUSED  # nobody leaves meanwhile
        await bench.engine.reload(settings())
        await bench.engine.reload(capped)
        bench.engine.campaigns.campaign("x").state = CampaignState.RUNNING
        await bench.engine.reload(capped)
        await trio.sleep(600)
        assert len(phone.left) == 4


async def test_a_reload_that_cannot_read_the_store_changes_nothing(autojump_clock):
    """Refused, it leaves the lines and the campaigns on the settings they had."""
    capped = {CALLER_ID: NumberSettings(trunk="t", calls_per_day=5)}
    async with rig(Phone(talk(1))) as bench:
        await bench.store.write(lambda c: c.exec_driver_sql("DROP TABLE day_counts"))
        with pytest.raises(StoreError, match="day_counts"):
            await bench.engine.reload(settings(trunks={"t": trunk(max_concurrent=1)}, numbers=capped))
        assert bench.engine.lines.trunks["t"].limit.total == 50
        assert bench.engine.lines.caller_ids[CALLER_ID].day is None
        assert bench.engine.settings == settings()


async def test_a_number_that_moves_to_another_trunk_while_it_is_claimed(tmp_path):
    """Calls go over the trunk that was asked and is stored with them, though a reload comes between."""
    old, new = Phone(talk()), Phone(talk())
    trunks = {"t": trunk(), "u": trunk(max_concurrent=2, countries=("US",))}
    before = settings(trunks=trunks, numbers={CALLER_ID: NumberSettings(trunk="t")})
    after = settings(trunks=trunks, numbers={CALLER_ID: NumberSettings(trunk="u")})
    started, go = threading.Event(), threading.Event()

    def busy(_connection):
        started.set()
        assert go.wait(60)

    async with rig({"t": old, "u": new}, before, url=f"sqlite:///{tmp_path}/dialerd.db") as bench:
        row = await bench.add(10, adopt=False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.store.write, busy)
            await trio.to_thread.run_sync(started.wait)
            await bench.engine.campaigns.adopt(row.id)
            await until(lambda: bench.engine.dispatcher.storing)  # the claim waits for the writer
            await bench.engine.reload(after)
            go.set()
        await until(lambda: len(old.left) == 10)
        assert new.left == []
        assert await bench.rows("SELECT DISTINCT trunk FROM attempts") == [("t",)]
