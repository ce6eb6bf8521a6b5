"""Pause, resume, cancel, suppress and stop, while everything is busy."""

import pytest
import trio
from phone import ANSWERED, BUSY, Phone, ends, hung_up, talk
from rig import START, number, rig, settings, trunk, until

from dialerd.model.call import CallEnd
from dialerd.model.errors import NotFound, WrongState
from dialerd.model.instants import HOUR, MINUTE, NEVER, SECOND
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import DaemonSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.plugin.provider import Answered, Ringing
from dialerd.store import suppressions

BUSY_LINES = 500


def busy(**changes):
    """Return settings with 500 lines."""
    return settings(
        daemon=DaemonSettings(max_concurrent=BUSY_LINES), trunks={"t": trunk(max_concurrent=BUSY_LINES)}, **changes
    )


def unsteady():
    """Return a script of calls that leave after up to 100 ms and last up to two seconds, each another time."""

    async def script(phone, order, report):
        i = int(order.number[-6:-3])
        await trio.sleep(i % 10 / 100)
        phone.leave(order)
        await hung_up(order.hangup, (i % 20) / 10)
        return ANSWERED

    return script


@pytest.mark.parametrize("operation", ["pause", "cancel"])
async def test_not_one_call_leaves_after_it_was_acknowledged(autojump_clock, operation):
    """500 lines busy: when pause or cancel returns, the last call has left."""
    phone = Phone(unsteady())
    async with rig(phone, busy()) as bench:
        row = await bench.add(4_000)
        await trio.sleep(3.33)
        assert phone.live["all"] > 400
        await getattr(bench.engine.steering, operation)("x")
        left = len(phone.left)
        await trio.sleep(60)
        assert len(phone.left) == left
        totals = await bench.totals(row)
        assert totals.dialing == 0
        assert totals.pending + sum(totals.finals.values()) == 4_000
        if operation == "pause":
            assert totals.finals[Final.SUCCEEDED] == left
            await bench.engine.steering.resume("x")
            await bench.over(row)
            assert sorted(phone.numbers()) == sorted(number(i) for i in range(4_000))
        else:
            assert await bench.state(row) is CampaignState.CANCELLED
            assert totals.pending == 0


async def test_pause_leaves_live_calls_alone_and_cancel_ends_the_unanswered(autojump_clock):
    """A pause hangs nobody up; a cancel hangs up who still rings; a cancel now hangs up everybody."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Ringing())
        if int(order.number[-6:-3]) % 2 and await hung_up(order.hangup, 600):
            return CallEnd(outcome=Outcome.CANCELLED)
        report(Answered())
        await hung_up(order.hangup, 300)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(10)
        await trio.sleep(5)
        await bench.engine.steering.pause("x")
        await trio.sleep(5)
        assert phone.live["all"] == 10
        await bench.engine.steering.cancel("x")
        await trio.sleep(5)
        assert phone.live["all"] == 5
        totals = await bench.totals(row)
        assert (totals.outcomes[Outcome.CANCELLED], totals.finals[Final.CANCELLED]) == (5, 5)
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 5
        again = await bench.add(10, name="y")
        await trio.sleep(5)
        await bench.engine.steering.cancel("y", now=True)
        await bench.over(again, within_s=3)


async def test_a_cancelled_campaign_tries_nobody_again(autojump_clock):
    """A call that ends busy after the cancel ends its recipient as cancelled, whatever the retry policy."""
    phone = Phone(talk(10, end=BUSY))
    async with rig(phone) as bench:
        row = await bench.add(3, retry=RetryPolicy(max_attempts=9, delay=0))

        async def deaf(phone, order, report):
            phone.leave(order)
            await trio.sleep(10)
            return BUSY

        phone.script = deaf
        await trio.sleep(1)
        await bench.engine.steering.cancel("x")
        await bench.over(row)
        assert len(phone.left) == 3
        assert (await bench.totals(row)).finals[Final.CANCELLED] == 3


async def test_a_paused_campaign_completes_when_its_end_passes(autojump_clock):
    """Nobody can be rung under it any more: its recipients expire without anybody resuming it."""
    phone = Phone(talk(10, end=BUSY))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=2)})) as bench:
        row = await bench.add(10, end_at=START + HOUR, retry=RetryPolicy(max_attempts=9, delay=0))
        await trio.sleep(5)
        await bench.engine.steering.pause("x")
        await trio.sleep(3500)
        assert await bench.state(row) is CampaignState.PAUSED
        await bench.over(row, within_s=200)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert (await bench.totals(row)).finals[Final.EXPIRED] == 10


async def test_an_end_that_passes_while_calls_are_on(autojump_clock):
    """Who waits expires, who is on the phone is not cut off, and who was busy then is not tried again."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(600)
        return ANSWERED if order.number == number(0) else BUSY

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=2)})) as bench:
        row = await bench.add(6, end_at=START + 5 * MINUTE, retry=RetryPolicy(max_attempts=3, delay=0))
        await trio.sleep(400)
        assert (await bench.totals(row)).finals[Final.EXPIRED] == 4
        await bench.over(row)
        finals = (await bench.totals(row)).finals
        assert (finals[Final.SUCCEEDED], finals[Final.EXPIRED]) == (1, 5)


async def test_states_that_do_not_allow_it_say_so(autojump_clock):
    """Resuming what runs, pausing what is paused, and anything with what is over are refused in words."""
    phone = Phone(talk(5))
    async with rig(phone) as bench:
        row = await bench.add(1)
        with pytest.raises(WrongState):
            await bench.engine.steering.resume("x")
        await bench.engine.steering.pause("x")
        with pytest.raises(WrongState):
            await bench.engine.steering.pause("x")
        await bench.engine.steering.resume("x")
        await bench.over(row)
        with pytest.raises(NotFound):
            await bench.engine.steering.cancel("x")


async def test_a_paused_campaign_completes_when_its_last_call_ends(autojump_clock):
    """Nobody is left when the live calls have ended, so that there is nothing to resume."""
    phone = Phone(talk(10))
    async with rig(phone) as bench:
        row = await bench.add(3)
        await trio.sleep(1)
        await bench.engine.steering.pause("x")
        await bench.over(row, within_s=30)
        assert await bench.state(row) is CampaignState.COMPLETED


async def test_an_empty_campaign_completes(autojump_clock):
    """A campaign without anybody is over at once."""
    async with rig(Phone(talk())) as bench:
        await bench.over(await bench.add(0), within_s=5)


async def test_nobody_leaves_after_a_suppression_was_acknowledged(autojump_clock):
    """500 lines busy: when `suppress` returns, no call to those numbers leaves, and queued ones are ended."""
    phone = Phone(unsteady())
    async with rig(phone, busy()) as bench:
        row = await bench.add(4_000)
        for _ in range(8):
            await trio.sleep(0.617)
            gone = {order.number for order in phone.placed[-300:]} | {number(i) for i in range(3_000, 4_000, 7)}
            left = len(phone.left)
            await bench.engine.suppress(sorted(gone))
            at = len(phone.left)
            assert at >= left
            await trio.sleep(2)
            assert not gone & set(phone.numbers()[at:])
        await bench.over(row)
        totals = await bench.totals(row)
        assert totals.finals[Final.SUPPRESSED] > 0
        assert totals.finals[Final.SUCCEEDED] == len(phone.left)
        assert sum(totals.finals.values()) == 4_000
        assert not bench.engine.dispatcher.withheld.numbers


async def test_a_suppression_concerns_its_scope(autojump_clock):
    """An entry of one campaign does not end the same person's place in another."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        p = await bench.add(3, name="p", start_at=START + HOUR)
        q = await bench.add(3, name="q", start_at=START + HOUR)
        assert await bench.engine.suppress([number(0)], scope="campaign:p") == 1
        assert await bench.engine.suppress([number(1)], scope="agent:b") == 0
        assert await bench.engine.suppress([number(2)], expires_at=START + HOUR + 10 * MINUTE) == 0
        await bench.over(p, q, within_s=2 * 3600)
        assert (await bench.totals(p)).finals[Final.SUPPRESSED] == 1
        assert (await bench.totals(q)).finals[Final.SUCCEEDED] == 3
        assert min(left.at for left in phone.left if left.order.number == number(2)) >= 3600 + 600
        with pytest.raises(NotFound):
            bench.engine.campaigns.campaign("p")


async def test_a_suppression_that_ends_a_campaign(autojump_clock):
    """When everybody was suppressed, the campaign completes before its first opening."""
    async with rig(Phone(talk())) as bench:
        row = await bench.add(2, start_at=START + HOUR)
        await bench.engine.suppress([number(0), number(1)])
        await bench.over(row, within_s=5)
        assert await bench.state(row) is CampaignState.COMPLETED


async def test_a_stop_originates_nothing_and_drains(autojump_clock):
    """After `stop` no call leaves, not even one that was on its way; live calls end by themselves; all is stored."""
    phone = Phone(talk(20, prepare=3))
    wanted = settings(trunks={"t": trunk(max_concurrent=20)}, daemon=DaemonSettings(drain=5 * MINUTE))
    async with rig(phone, wanted) as bench:
        await bench.add(100)
        await trio.sleep(24)
        left = len(phone.left)
        assert phone.live["all"] == 20
        bench.engine.stop()
    assert len(phone.left) == left == 20
    assert trio.current_time() <= 28


async def test_a_phone_that_rang_when_dialerd_stopped_is_not_forgotten(autojump_clock):
    """Hung up while it rings, a call counts, and its recipient is tried again as after no answer."""
    phone = Phone(talk(60, ring=3600.0))
    async with rig(phone, settings(daemon=DaemonSettings(drain=SECOND))) as bench:
        row = await bench.add(3, retry=RetryPolicy(max_attempts=2))
        await until(lambda: len(phone.left) == 3)
        bench.engine.stop()
        await until(lambda: not bench.engine.dispatcher.calls, 60)
        assert await bench.recipients(row) == {("pending", None): 3}
        assert (await bench.totals(row)).outcomes[Outcome.CANCELLED] == 3


async def test_a_stop_hangs_up_after_the_drain_time(autojump_clock):
    """Calls that last longer than the drain time are hung up, and their ends are stored."""
    phone = Phone(talk(7200))
    async with rig(phone, settings(daemon=DaemonSettings(drain=30 * SECOND))) as bench:
        row = await bench.add(5)
        await trio.sleep(10)
        bench.engine.stop()
        await trio.sleep(29)
        assert phone.live["all"] == 5
        await trio.sleep(2)
        assert phone.live["all"] == 0
        await trio.sleep(2)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 5


async def test_a_stop_does_not_wait_for_ever_for_a_deaf_provider(autojump_clock):
    """A call that cannot be hung up is left to the next start; the engine ends all the same."""

    async def deaf(phone, order, report):
        phone.leave(order)
        await trio.sleep_forever()
        return ANSWERED

    async with rig(Phone(deaf), settings(daemon=DaemonSettings(drain=5 * SECOND)), clean=False) as bench:
        await bench.add(2)
        await trio.sleep(1)
        bench.engine.stop()
    assert trio.current_time() < 30


async def test_a_stop_at_any_instant_leaves_no_doubt(autojump_clock):
    """Stopped after every possible number of steps of the start, the store holds no open attempt."""
    for steps in range(0, 60, 3):
        phone = Phone(talk(0.01))
        async with rig(phone) as bench:
            row = await bench.add(60)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            bench.engine.stop()
        totals_left = len(phone.left)
        assert totals_left <= 60
        assert row.id == 1


async def test_who_was_hung_up_before_leaving_is_put_back(autojump_clock):
    """A provider that notices the hang-up of a stop before it lets the call go has rung nobody."""

    async def careful(phone, order, report):
        if await hung_up(order.hangup, 5):
            return CallEnd(outcome=Outcome.CANCELLED)
        phone.leave(order)
        return ANSWERED

    phone = Phone(careful)
    async with rig(phone) as bench:
        row = await bench.add(3)
        await trio.sleep(1)
        bench.engine.stop()
        await trio.sleep(1)
        assert await bench.recipients(row) == {("pending", None): 3}


async def test_a_person_is_held_for_good_by_a_permanent_entry_only(autojump_clock):
    """The store's constant for ever is the one that ends people."""
    async with rig(Phone(ends())) as bench:
        row = await bench.add(1, start_at=START + HOUR)
        await bench.store.write(suppressions.add, [number(0)], expires_at=NEVER, now=START)
        await bench.engine.campaigns.refresh(bench.engine.campaigns.campaign("x"))
        bench.engine.campaigns.idle(bench.engine.campaigns.campaign("x"))
        await bench.over(row, within_s=5)


async def test_a_cancelled_campaign_ends_whichever_comes_first(tmp_path):
    """The last call may end while those who wait are being ended: its campaign ends all the same."""
    for attempt in range(12):
        phone = Phone(talk(5, ring=5))
        people = (1, 60, 500)[attempt % 3]
        async with rig(
            phone, settings(trunks={"t": trunk(max_concurrent=20)}), url=f"sqlite:///{tmp_path}/{attempt}.db"
        ) as bench:
            row = await bench.add(people)
            await until(lambda phone=phone, people=people: len(phone.left) == min(20, people))
            await bench.engine.steering.cancel("x")
            await bench.over(row, within_s=60, poll_s=0.01)
            assert (await bench.totals(row)).finals[Final.CANCELLED] == people
