"""Trunks that fail, rest, come up, and change under a reload; and the plugins that look on."""

from contextlib import asynccontextmanager
from datetime import time

import trio
import trio.lowlevel
from attrs import evolve
from dialerd_simulator import Simulator, SimulatorOptions
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import CALLER_ID, NEW_YORK, OTHER_ID, START, TWO, TWO_NUMBERS, number, places, rig, settings, trunk

from dialerd.model.call import CallEnd
from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.settings import AgentSettings, CallbackSettings, NumberSettings, QuietHours
from dialerd.model.states import Final, Outcome
from dialerd.plugin.hookspecs import Veto
from dialerd.plugin.provider import Ringing


class Flaky(Phone):
    """A provider that fails to come up a few times."""

    fails = 3

    async def __aenter__(self):
        if self.fails:
            self.fails -= 1
            raise OSError("address in use")
        return await super().__aenter__()


async def test_a_provider_that_does_not_come_up_is_tried_again(autojump_clock):
    """The engine starts without it, the other trunk's calls leave meanwhile, and it is up a few seconds later."""
    phones = {"t": Flaky(talk(1)), "u": Phone(talk(1))}
    async with rig(phones, settings(trunks=TWO, numbers=TWO_NUMBERS)) as bench:
        british = await bench.add(5, name="british")
        american = await bench.add(5, name="american", groups=(NEW_YORK,))
        await bench.over(american, within_s=5)
        await bench.over(british, within_s=20)
        assert phones["t"].entered == phones["u"].entered == 1
    assert phones["t"].exited == phones["u"].exited == 1


async def test_a_provider_whose_background_task_dies_is_entered_again(autojump_clock):
    """What breaks inside a provider keeps its trunk down for a moment, and nothing else."""

    class Fragile(Phone):
        async def __aenter__(self):
            self.manager = self.background()
            await self.manager.__aenter__()
            return await super().__aenter__()

        async def __aexit__(self, *error):
            await super().__aexit__(*error)
            return await self.manager.__aexit__(*error)

        @asynccontextmanager
        async def background(self):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.die)
                yield
                nursery.cancel_scope.cancel()

        async def die(self):
            await trio.sleep(5)
            if self.entered == 1:
                raise ConnectionResetError("lost the carrier")

    phone = Fragile(talk(1))
    async with rig(phone) as bench:
        await trio.sleep(5.5)
        row = await bench.add(5)
        await bench.over(row, within_s=20)
        assert phone.entered == 2


async def test_a_provider_that_fails_to_close_fails_alone(autojump_clock):
    """An error on the way out is logged; the engine stops in order."""

    class Sticky(Phone):
        async def __aexit__(self, *error):
            raise RuntimeError("cannot close")

    async with rig(Sticky(talk())) as bench:
        await bench.over(await bench.add(2))


async def test_a_new_trunk_comes_up_and_a_removed_one_drains(autojump_clock):
    """A reload adds a trunk and takes one away: live calls of the old one end by themselves, then it is closed."""
    phones = {"t": Phone(talk(30)), "u": Phone(talk(1))}
    async with rig(phones, settings(trunks={"t": trunk(max_concurrent=3)})) as bench:
        row = await bench.add(10)
        await trio.sleep(5)
        moved = settings(trunks={"u": trunk()}, numbers={CALLER_ID: NumberSettings(trunk="u")})
        await bench.engine.reload(moved)
        await trio.sleep(5)
        assert (len(phones["t"].left), len(phones["u"].left)) == (3, 7)
        assert phones["t"].exited == 0
        await bench.over(row)
        await trio.sleep(5)
        assert phones["t"].exited == 1
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 10


async def test_changed_options_bring_up_another_provider(autojump_clock):
    """Calls in progress stay with the old one, new ones go to the new one, and the old one is closed though the
    trunk never rests."""
    made = []

    def make(site, table):
        made.append(Phone(talk(20)))
        return made[-1]

    wanted = settings(trunks={"t": trunk(max_concurrent=4)})
    async with rig(Phone(talk()), wanted, make=make) as bench:
        row = await bench.add(100)
        await trio.sleep(5)
        changed = {"t": trunk(max_concurrent=6, options={"x": 1})}
        await bench.engine.reload(evolve(wanted, trunks=changed))
        await trio.sleep(58)
        old, new = made
        assert (len(old.left), old.live["all"], old.exited) == (4, 0, 1)
        assert new.live["all"] == 6
        await bench.over(row)


async def test_a_reload_at_any_instant_breaks_nothing(autojump_clock):
    """Trunk, number and agent are taken away while calls are claimed, wait for their start or for a screen."""

    async def slow_screen(order):
        await trio.sleep(0.05)

    wanted = settings(trunks={"t": trunk(calls_per_second=50)})
    gone = settings(trunks={}, numbers={}, agents={})
    other = evolve(wanted, trunks={"t": trunk(calls_per_second=50, options={"x": 1})})
    phone = Phone(talk(0.1))
    async with rig(phone, wanted, screens={"slow": slow_screen}) as bench:
        row = await bench.add(200)
        for i in range(40):
            for _ in range(i):
                await trio.lowlevel.checkpoint()
            await trio.sleep(0.011)
            await bench.engine.reload([gone, other, wanted][i % 3])
        await bench.engine.reload(wanted)
        await bench.over(row)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(200))


async def test_limits_follow_a_reload(autojump_clock):
    """A lowered limit holds new calls back while the old ones go on; a raised one is used at once."""
    wanted = settings(trunks={"t": trunk(max_concurrent=10)})
    phone = Phone(talk(10))
    async with rig(phone, wanted) as bench:
        row = await bench.add(60)
        await trio.sleep(5)
        await bench.engine.reload(settings(trunks={"t": trunk(max_concurrent=2)}))
        await trio.sleep(10)
        assert phone.live["all"] == 2
        await bench.engine.reload(settings(trunks={"t": trunk(max_concurrent=30)}))
        await trio.sleep(1)
        assert phone.live["all"] == 30
        await bench.over(row)


async def test_changed_quiet_hours_reach_the_next_call(autojump_clock):
    """Quiet hours that begin with a reload stop the calls that wait for their start."""
    phone = Phone(talk(1))
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=10)})) as bench:
        row = await bench.add(300)
        await trio.sleep(5)
        quiet = QuietHours(start=time(12), end=time(21))
        await bench.engine.reload(settings(trunks={"t": trunk(calls_per_second=10)}, quiet_hours=quiet))
        left = len(phone.left)
        await trio.sleep(600)
        assert len(phone.left) == left
        await bench.over(row, within_s=2 * 3600)
        assert phone.left[left].at >= 3600  # it is 11:00 in London when the test begins


async def test_screens_hold_suppress_and_fail_safe(autojump_clock):
    """A veto holds or ends; a screen that raises, hangs or answers nonsense holds; the others are rung."""
    hanging = number(4)

    async def screen(order):
        i = int(order.number[-6:-3])
        if i == 1:
            return Veto(reason="not now", until=START + HOUR) if trio.current_time() < 3600 else None
        if i == 2:
            return Veto(reason="never", suppress=True)
        if i == 3 and trio.current_time() < 300:
            raise RuntimeError("broken")
        if order.number == hanging and trio.current_time() < 300:
            await trio.sleep_forever()
        if i == 5 and trio.current_time() < 300:
            return "no"
        if i == 6 and trio.current_time() < 30:
            return Veto(reason="past", until=0)
        return None

    phone = Phone(talk())
    async with rig(phone, screens={"s": screen}) as bench:
        row = await bench.add(8)
        await trio.sleep(9)
        assert sorted(phone.numbers()) == [number(0), number(7)]
        await trio.sleep(90)
        assert number(6) in phone.numbers()
        await bench.over(row, within_s=2 * 3600)
        totals = await bench.totals(row)
        assert (totals.finals[Final.SUCCEEDED], totals.finals[Final.SUPPRESSED]) == (7, 1)
        at = {left.order.number: left.at for left in phone.left}
        assert at[number(1)] >= 3600
        assert 300 <= min(at[number(i)] for i in (3, 4, 5)) <= 400


async def test_notices_are_told_in_order_and_at_least_once(autojump_clock):
    """Each plugin is told everything in order; one that fails is told again, one that hangs holds nobody up."""
    told = {"good": [], "bad": [], "hanging": []}
    fails = [True] * 4

    async def good(notices):
        told["good"] += notices

    async def bad(notices):
        if fails:
            fails.pop()
            raise OSError("refused")
        told["bad"] += notices

    async def hanging(notices):
        await trio.sleep_forever()

    notifiers = {"good": good, "bad": bad, "hanging": hanging}
    async with rig(Phone(ends()), notifiers=notifiers) as bench:
        row = await bench.add(250)
        await bench.over(row)
        await trio.sleep(5)
        assert [n.id for n in told["good"]] == sorted({n.id for n in told["good"]})
        kinds = [n.kind for n in told["good"]]
        assert kinds.count("call.ended") == 250
        assert kinds[-1] == "campaign.completed"
        await trio.sleep(5 * 60)
        assert [n.id for n in told["bad"]] == [n.id for n in told["good"]]
        assert told["hanging"] == []


async def test_an_agent_that_is_gone_holds_its_campaigns(autojump_clock):
    """A campaign whose agent is not configured waits, and goes on when it is."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        row = await bench.add(3, agent="b")
        await trio.sleep(100)
        assert phone.left == []
        await bench.engine.reload(settings(agents={"a": AgentSettings(say="x"), "b": AgentSettings(say="y")}))
        await bench.over(row, within_s=40)
        assert {left.order.agent_name for left in phone.left} == {"b"}


async def test_a_trunk_that_throttles_is_slowed_down(autojump_clock):
    """A carrier of ten calls a second is not asked for a hundred a second for long."""
    calls = {"placed": 0}

    class Counting(Simulator):
        async def place(self, order, report):
            calls["placed"] += 1
            return await super().place(order, report)

    options = SimulatorOptions(ring_time=0, talk_time=0, outcomes={Outcome.ANSWERED: 1.0}, capacity=10)
    wanted = settings(trunks={"t": trunk(calls_per_second=100)})
    async with rig(Counting("t", options), wanted) as bench:
        row = await bench.add(1_000)
        await bench.over(row)
        totals = await bench.totals(row)
        assert totals.finals[Final.SUCCEEDED] == 1_000
        assert totals.refunded < 600
        assert 95 <= trio.current_time() < 60 * 6


async def test_failures_on_the_way_to_one_place_do_not_stop_the_trunk(autojump_clock):
    """A trunk fault over one prefix only is retried by refunds; the other prefixes are rung meanwhile."""

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        phone.leave(order)
        if order.number.startswith("+447100") and trio.current_time() < MINUTE / 1000:
            return CallEnd(outcome=Outcome.CONGESTION, cause=OUTAGE)
        report(Ringing())
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        bad = await bench.add([number(i) for i in range(50)], name="bad")
        good = await bench.add(places(40)[1:], name="good")
        await bench.over(good, within_s=60)
        await bench.over(bad, within_s=600)
        assert (await bench.totals(bad)).finals[Final.SUCCEEDED] == 50


async def test_a_changed_site_brings_up_another_provider(autojump_clock):
    """It is told of each caller id and of the public URL, and calls in progress stay with the one that has them."""
    made = {"t": [], "u": []}

    def make(site, table):
        made[site.name].append((site, Phone(talk(20))))
        return made[site.name][-1][1]

    wanted = settings(trunks={"t": trunk(max_concurrent=4), "u": trunk()})
    async with rig(Phone(talk()), wanted, make=make) as bench:
        row = await bench.add(30)
        await trio.sleep(5)
        one = made["t"][0][1]
        await bench.engine.reload(evolve(wanted, agents={"a": AgentSettings(say="other")}))
        assert [len(of_trunk) for of_trunk in made.values()] == [1, 1]
        numbers = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="t")}
        await bench.engine.reload(evolve(wanted, numbers=numbers))
        assert [site.caller_ids for site, _ in made["t"]] == [(CALLER_ID,), (CALLER_ID, OTHER_ID)]
        assert [site.caller_ids for site, _ in made["u"]] == [()]
        assert (one.live["all"], one.exited) == (4, 0)
        await bench.engine.reload(evolve(wanted, numbers=numbers, callbacks=CallbackSettings(url="https://e.com")))
        assert [of_trunk[-1][0].callbacks for of_trunk in made.values()] == ["https://e.com/t", "https://e.com/u"]
        await bench.over(row)
        await trio.sleep(5)
        assert one.exited == 1
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 30
