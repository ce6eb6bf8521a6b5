"""Limits, pace and fairness: never exceeded, and never left unused."""

import itertools

import trio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from phone import ANSWERED, BUSY, OUTAGE, Phone, ends, hung_up, talk
from rig import CALLER_ID, LONDON, NEW_YORK, OTHER_ID, START, number, rig, settings, trunk
from trio.testing import MockClock

from dialerd.model.campaign import Pacing
from dialerd.model.instants import HOUR, SECOND
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import AgentSettings, DaemonSettings, NumberSettings, PersonSettings
from dialerd.model.states import Final, Rotation
from dialerd.plugin.provider import MaybePlaced


def least_gap(phone, trunk_name="t"):
    """Return the shortest time between two calls that left over a trunk, in milliseconds."""
    at = sorted(left.at for left in phone.left if left.order.trunk == trunk_name)
    return round(min(b - a for a, b in itertools.pairwise(at)) * SECOND, 3)


LIMIT = st.integers(1, 6)


@given(
    daemon=LIMIT,
    trunks=st.tuples(LIMIT, LIMIT),
    numbers=st.tuples(LIMIT | st.none(), LIMIT | st.none(), LIMIT | st.none()),
    agents=st.tuples(LIMIT | st.none(), LIMIT | st.none()),
    many=st.lists(
        st.tuples(
            st.integers(1, 25), LIMIT | st.none(), st.sampled_from("ab"), st.sampled_from(Rotation), st.booleans()
        ),
        min_size=1,
        max_size=5,
    ),
    length=st.sampled_from([0.0, 0.3, 2.0]),
)
@hypothesis_settings(max_examples=40)
def test_no_limit_is_ever_exceeded_and_everybody_is_reached(*, daemon, trunks, numbers, agents, many, length):
    """Random limits of daemon, trunks, caller ids, agents and campaigns, over random campaigns."""
    third = "+441632960003"
    wanted = settings(
        daemon=DaemonSettings(max_concurrent=daemon),
        trunks={"t": trunk(max_concurrent=trunks[0]), "u": trunk(max_concurrent=trunks[1], countries=("GB",))},
        numbers={
            CALLER_ID: NumberSettings(trunk="t", max_concurrent=numbers[0]),
            OTHER_ID: NumberSettings(trunk="u", max_concurrent=numbers[1]),
            third: NumberSettings(trunk="u", max_concurrent=numbers[2]),
        },
        agents={
            "a": AgentSettings(say="x", max_concurrent=agents[0]),
            "b": AgentSettings(say="x", max_concurrent=agents[1]),
        },
    )
    phone = Phone(talk(length))

    async def main():
        async with rig(phone, wanted) as bench:
            rows = []
            for i, (people, most, agent, rotation, two_countries) in enumerate(many):
                groups = (LONDON, NEW_YORK) if two_countries else (LONDON,)
                rows.append(
                    await bench.add(
                        [number(1000 * i + j) for j in range(people)],
                        name=f"c{i}",
                        agent=agent,
                        rotation=rotation,
                        groups=groups,
                        pacing=Pacing(max_concurrent=most, priority=1 + 7 * i),
                    )
                )
            await bench.over(*rows, within_s=600)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    peak = phone.peak
    assert sorted(phone.numbers()) == sorted(number(1000 * i + j) for i, c in enumerate(many) for j in range(c[0]))
    assert peak["all"] <= daemon
    assert all(peak["trunk", name] <= most for name, most in zip("tu", trunks, strict=True))
    assert all(
        peak["number", name] <= (most or 99) for name, most in zip((CALLER_ID, OTHER_ID, third), numbers, strict=True)
    )
    assert all(peak["agent", name] <= (most or 99) for name, most in zip("ab", agents, strict=True))
    assert all(peak["campaign", f"c{i}"] <= (c[1] or 99) for i, c in enumerate(many))


async def test_every_line_is_used(autojump_clock):
    """A hundred calls of a second over ten lines take ten seconds, whichever limit is the narrow one."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=10)})) as bench:
        rows = [await bench.add([number(1000 * i + j) for j in range(10)], name=f"c{i}") for i in range(10)]
        await bench.over(*rows)
        assert phone.peak["all"] == 10
        assert phone.left[-1].at <= 9.5


async def test_lines_that_a_campaign_gives_back_wake_the_others(autojump_clock):
    """A campaign that took every line and had nobody for them lets go of them, and who waited for them is served."""
    phone = Phone(talk(1))
    person = PersonSettings(cooldown=3_600_000)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=2)}, person=person)) as bench:
        first = await bench.add(2, name="first")
        await bench.over(first)
        held = await bench.add(2, name="held", adopt=False)
        waiting = await bench.add([number(50)], name="waiting", adopt=False)
        await bench.engine.campaigns.adopt(held.id)
        await bench.engine.campaigns.adopt(waiting.id)
        await bench.over(waiting, within_s=30)
        assert number(50) in phone.numbers()
        await bench.over(held, within_s=4000)


async def test_a_free_line_is_not_lost_on_a_campaign_that_cannot_use_it(autojump_clock):
    """A line that frees goes to the next campaign in the queue when the first was paused meanwhile."""
    phone = Phone(talk(10))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        first = await bench.add([number(0)], name="first")
        await trio.sleep(1)
        paused = await bench.add([number(1)], name="paused")
        await trio.sleep(1)
        third = await bench.add([number(2)], name="third")
        await trio.sleep(1)
        await bench.engine.steering.pause("paused")
        await bench.over(first, third, within_s=60)
        assert phone.numbers() == [number(0), number(2)]
        await bench.engine.steering.cancel("paused")
        await bench.over(paused)


async def test_a_line_taken_from_a_doubtful_call_goes_to_who_waits(autojump_clock):
    """A campaign that waits for a line gets that of a call whose carrier cannot be asked."""

    async def script(phone, order, report):
        phone.leave(order)
        if order.number == number(0):
            await trio.sleep(5)
            raise MaybePlaced(OUTAGE)
        return ANSWERED

    phone = Phone(script, answer=lambda _: ConnectionError("down"))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)}), clean=False) as bench:
        await bench.add([number(0)], name="doubtful")
        await trio.sleep(1)
        waiting = await bench.add([number(1)], name="waiting")
        await bench.over(waiting, within_s=30)


async def test_two_campaigns_do_not_share_out_a_daily_cap_twice(autojump_clock):
    """A caller id that may make five calls a day makes five, however many campaigns ask for it at once."""
    phone = Phone(talk())
    capped = {CALLER_ID: NumberSettings(trunk="t", calls_per_day=5)}
    async with rig(phone, settings(numbers=capped)) as bench:
        rows = [await bench.add([number(1000 * i + j) for j in range(4)], name=f"c{i}", adopt=False) for i in range(4)]
        for row in rows:
            await bench.engine.campaigns.adopt(row.id)
        await trio.sleep(60)
        assert len(phone.left) == 5
        await bench.over(*rows, within_s=4 * 86_400, poll_s=600)
        days = sorted((left.at + 10 * 3600) // 86_400 for left in phone.left)
        assert [days.count(day) for day in sorted(set(days))] == [5, 5, 5, 1]


async def test_starts_are_spaced_and_the_rate_is_reached_by_one_campaign(autojump_clock):
    """300 calls at 20 a second take 15 seconds, and no two of them start within 50 ms."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=20)})) as bench:
        await bench.over(await bench.add(300))
        assert least_gap(phone) >= 49.99
        assert phone.left[-1].at - phone.left[0].at <= 15.5


async def test_starts_are_spaced_and_the_rate_is_reached_by_many_campaigns(autojump_clock):
    """So it is with 300 campaigns of one recipient each."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=20)})) as bench:
        rows = [await bench.add([number(i)], name=f"c{i}") for i in range(300)]
        await bench.over(*rows)
        assert least_gap(phone) >= 49.99
        assert phone.left[-1].at - phone.left[0].at <= 17


async def test_campaigns_with_a_pace_of_their_own_fill_a_trunk(autojump_clock):
    """Twenty campaigns of one call a second each fill a trunk of twenty, each keeping to its own pace."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=20)})) as bench:
        pacing = Pacing(calls_per_second=1)
        rows = [
            await bench.add([number(1000 * i + j) for j in range(20)], name=f"c{i}", pacing=pacing) for i in range(20)
        ]
        await bench.over(*rows)
        assert least_gap(phone) >= 49.99
        for i in range(20):
            at = [left.at for left in phone.left if left.order.campaign == f"c{i}"]
            assert min(b - a for a, b in itertools.pairwise(at)) >= 0.999
        assert phone.left[-1].at - phone.left[0].at <= 24


@given(
    rate=st.sampled_from([3.0, 7.0, 20.0, 50.0]),
    many=st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from([None, 0.5, 2.0, 15.0, 40.0]), st.sampled_from(Rotation)),
        min_size=1,
        max_size=6,
    ),
    busy=st.booleans(),
)
@hypothesis_settings(max_examples=30)
def test_starts_are_spaced_whoever_starts_them(rate, many, busy):
    """Random campaigns with and without a pace of their own on one trunk with two caller ids."""
    wanted = settings(
        trunks={"t": trunk(calls_per_second=rate)},
        numbers={CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="t", max_concurrent=2)},
    )
    phone = Phone(talk(1.0 if busy else 0.0))

    async def main():
        async with rig(phone, wanted) as bench:
            rows = [
                await bench.add(
                    [number(1000 * i + j) for j in range(people)],
                    name=f"c{i}",
                    rotation=rotation,
                    pacing=Pacing(calls_per_second=own),
                )
                for i, (people, own, rotation) in enumerate(many)
            ]
            await bench.over(*rows, within_s=600)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert len(phone.left) == sum(people for people, _, _ in many)
    if len(phone.left) > 1:
        assert least_gap(phone) >= 1000 / rate - 0.01
    for i, (_, own, _) in enumerate(many):
        at = [left.at for left in phone.left if left.order.campaign == f"c{i}"]
        if own is not None:
            assert all(b - a >= 1 / own - 1e-5 for a, b in itertools.pairwise(at))


async def test_a_small_campaign_is_not_delayed_by_a_big_one(autojump_clock):
    """5,000 slow calls and 10 started together: the ten are rung as lines free, one in two of them."""

    async def script(phone, order, report):
        phone.leave(order)
        await hung_up(order.hangup, 5 + int(order.number[-6:-3]) / 100)  # so that lines free one by one
        return ANSWERED

    phone = Phone(script)
    async with rig(phone, clean=False) as bench:
        big = await bench.add(5_000, name="big", adopt=False)
        small = await bench.add([number(100_000 + i) for i in range(10)], name="small", adopt=False)
        await bench.engine.campaigns.adopt(big.id)
        await bench.engine.campaigns.adopt(small.id)
        await trio.sleep(1)
        assert "small" in {left.order.campaign for left in phone.left}
        late = await bench.add([number(200_000 + i) for i in range(10)], name="late")
        await trio.sleep(12)
        order = [left.order.campaign for left in phone.left]
        assert order.count("small") == order.count("late") == 10
        came = order.index("late")
        assert order[came : came + 30].count("late") >= 9
        assert late.id
        bench.engine.hang_up()
        await bench.engine.steering.cancel("big", now=True)
        await bench.over(big)


async def test_lines_are_shared_by_priority(autojump_clock):
    """Two campaigns of the same size with priorities 30 and 10: lines go to them three to one."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=8)})) as bench:
        rows = [
            await bench.add([number(j) for j in range(400)], name="high", pacing=Pacing(priority=30), adopt=False),
            await bench.add(
                [number(1000 + j) for j in range(400)], name="low", pacing=Pacing(priority=10), adopt=False
            ),
        ]
        for row in rows:
            await bench.engine.campaigns.adopt(row.id)
        await trio.sleep(40)
        order = [left.order.campaign for left in phone.left]
        assert 2.5 <= order.count("high") / order.count("low") <= 3.5
        await bench.over(*rows)


async def test_lines_that_free_one_by_one_are_shared_by_priority(autojump_clock):
    """So it is when lines free at different times and three campaigns wait for each."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(1 + int(order.number[-6:-3]) % 97 / 100)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=8)})) as bench:
        weights = {"high": 40, "middle": 20, "low": 10}
        rows = [
            await bench.add([number(1000 * i + j) for j in range(300)], name=name, pacing=Pacing(priority=weight))
            for i, (name, weight) in enumerate(weights.items())
        ]
        await trio.sleep(60)
        order = [left.order.campaign for left in phone.left]
        assert 3.5 <= order.count("high") / order.count("low") <= 4.5
        assert 1.7 <= order.count("middle") / order.count("low") <= 2.3
        await bench.over(*rows)


async def test_starts_of_a_sticky_campaign_are_spaced(autojump_clock):
    """Also where only those people are due again who keep the second of two caller ids."""

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        phone.leave(order)
        again = phone.numbers().count(order.number) > 3
        return ANSWERED if order.caller_id == CALLER_ID or again else BUSY

    wanted = settings(
        trunks={"t": trunk(calls_per_second=20)},
        numbers={CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="t")},
    )
    phone = Phone(script)
    async with rig(phone, wanted) as bench:
        policy = RetryPolicy(max_attempts=5, delay=300)
        row = await bench.add(30, rotation=Rotation.STICKY, retry=policy)
        await trio.sleep(1.6)
        await bench.engine.steering.pause("x")
        await trio.sleep(5)
        await bench.engine.steering.resume("x")
        await bench.over(row, within_s=10)  # 45 calls or fewer are left, 20 a second
        assert len(phone.left) == 15 + 15 * 4
        assert least_gap(phone) >= 49.99


async def test_a_sticky_campaign_whose_number_is_worn_out_goes_on(autojump_clock):
    """People keep their caller id over retries, also when it is used up for the day and rests until the next."""
    phone = Phone(ends(BUSY))
    numbers = {
        CALLER_ID: NumberSettings(trunk="t", calls_per_day=3),
        OTHER_ID: NumberSettings(trunk="t"),
    }
    async with rig(phone, settings(numbers=numbers), start=START + 14 * HOUR - 300 * SECOND) as bench:
        row = await bench.add(6, rotation=Rotation.STICKY, retry=RetryPolicy(max_attempts=2, delay=60_000))
        await bench.over(row, within_s=7_200, poll_s=60)
        shown = {}
        for left in phone.left:
            shown.setdefault(left.order.number, set()).add(left.order.caller_id)
        assert len(phone.left) == 12
        assert all(len(ids) == 1 for ids in shown.values())
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 6


async def test_two_campaigns_that_share_people_never_ring_them_together(autojump_clock):
    """Nobody has two live calls, and nobody is rung again within the cooldown."""
    phone = Phone(talk(20))
    async with rig(phone, settings(person=PersonSettings(cooldown=60_000))) as bench:
        rows = [await bench.add(100, name=name, adopt=False) for name in "pq"]
        for row in rows:
            await bench.engine.campaigns.adopt(row.id)
        await bench.over(*rows)
        at = {}
        for left in phone.left:
            at.setdefault(left.order.number, []).append(left.at)
        assert len(at) == 100
        assert all(len(calls) == 2 and calls[1] - calls[0] >= 80 for calls in at.values())
        assert max(count for kind, count in phone.peak.items() if kind[0] == "person") == 1
