"""Agents that cannot speak: they rest with their campaigns, the others go on, and nobody's attempts are used up."""

import pytest
import trio
from attrs import evolve
from phone import ANSWERED, OUTAGE, Phone, talk
from rig import CALLER_ID, LONDON, NEW_YORK, OTHER_ID, number, rig, settings, trunk

from dialerd.model.call import UNFIT_AGENT, UNFIT_CALL, CannotTell, Cause
from dialerd.model.settings import AgentSettings, NumberSettings
from dialerd.model.states import AtFault, Final
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Ringing, Throttled, Withdrawn

MUTE = Cause(fault=AtFault.US, code=UNFIT_AGENT, detail="its server cannot be reached")
LACKING = Cause(fault=AtFault.US, code=UNFIT_CALL, detail='there is no variable "name"')
FATES = {
    "withdrawn": Withdrawn("not now"),
    "uncertain": MaybePlaced(OUTAGE),
    "throttled": Throttled(),
    "the trunk's fault": NotPlaced(OUTAGE),
}
AGENTS = {"a": AgentSettings(say="x"), "b": AgentSettings(say="y")}


def mute(cause=MUTE, *, until=float("inf"), agents=("a",), trunks=("t", "u"), length=1.0):
    """Return the script of a carrier over which some agents cannot speak before some second."""

    async def script(phone, order, report):
        await trio.sleep(0.01)
        if order.agent_name in agents and order.trunk in trunks and trio.current_time() < until:
            raise NotPlaced(cause)
        phone.leave(order)
        report(Ringing())
        await trio.sleep(length)
        return ANSWERED

    return script


def named(logged, name):
    """Return the lines of one event."""
    return [line for line in logged if line["event"] == name]


async def test_an_agent_that_cannot_speak_rests_and_the_others_go_on(autojump_clock, logged):
    """A few calls find it out, its campaigns wait, one call a rest looks again, and then everybody is rung."""
    phone = Phone(mute(until=600, length=30))
    wanted = settings(agents=AGENTS, trunks={"t": trunk(max_concurrent=5)})
    async with rig(phone, wanted) as bench:
        rows = [await bench.add([number(100 * i + j) for j in range(20)], name=f"c{i}") for i in range(2)]
        other = await bench.add([number(500 + i) for i in range(50)], name="other", agent="b")
        await bench.over(other, within_s=600)
        assert trio.current_time() < 400
        await trio.sleep_until(600)
        refused = [order for order in phone.placed if order.agent_name == "a"]
        assert 5 <= len(refused) <= 17  # the first ones, and a probe each 5, 10, 20 s and so on
        await trio.sleep(301)
        assert phone.live["agent", "a"] == 5
        await bench.over(*rows, within_s=600)
        for row in rows:
            totals = await bench.totals(row)
            assert totals.finals[Final.SUCCEEDED] == 20
        assert sum([(await bench.totals(row)).refunded for row in rows]) == len(refused)
    rests = named(logged, "agent.rested")
    assert [line["probe_in_s"] for line in rests][:4] == [5, 10, 20, 40]
    assert all((line["agent"], line["trunk"], line["reason"]) == ("a", "t", MUTE.detail) for line in rests)
    assert [(line["agent"], line["trunk"]) for line in named(logged, "agent.recovered")] == [("a", "t")]
    assert not named(logged, "trunk.rested")


async def test_it_is_told_once_a_minute(autojump_clock, logged):
    """The first time at once, and then with how many there were meanwhile."""
    async with rig(Phone(mute(LACKING))) as bench:
        await bench.add(40)
        await trio.sleep(130)
    lines = named(logged, "agent.unfit")
    assert len(lines) == 3
    first = lines[0]
    assert (first["agent"], first["trunk"], first["campaign"], first["reason"]) == ("a", "t", "x", LACKING.detail)
    assert first["log_level"] == "warning"
    assert first["more"] == 0 < lines[1]["more"]


async def test_what_recipients_lack_is_not_held_against_their_agent(autojump_clock, logged):
    """Those who lack something are tried again by and by; the campaign's others are rung meanwhile."""

    lacking = {number(i) for i in range(30)}

    async def script(phone, order, report):
        await trio.sleep(0.01)
        if order.number in lacking:
            raise NotPlaced(LACKING)
        return await talk(1.0)(phone, order, report)

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(60)
        await trio.sleep(5)
        assert len(phone.left) == 30
        assert (await bench.recipients(row))["pending", None] == 30
    assert not named(logged, "agent.rested")


async def test_one_person_in_trouble_is_no_trouble_of_the_agent(autojump_clock, logged):
    """Failures of one or two people, however many, let an agent go on; so do those between calls that get through."""
    phone = Phone(mute())
    async with rig(phone) as bench:
        await bench.add(2)
        await trio.sleep(600)
    assert len(phone.placed) == 20  # ten times each, by the refunds' growing delay
    turn = 0

    async def script(phone, order, report):
        nonlocal turn
        turn += 1
        if turn % 5:
            raise NotPlaced(MUTE)
        return await talk(0.0)(phone, order, report)

    async with rig(Phone(script), settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        await bench.over(await bench.add(20))
    assert not named(logged, "agent.rested")


async def test_it_rests_on_one_trunk_alone(autojump_clock, logged):
    """Where another trunk takes it, its campaigns go on over that one."""
    two = {"t": trunk(countries=("GB",)), "u": trunk(countries=("US",))}
    numbers = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")}
    phone = Phone(mute(trunks=("t",)))
    async with rig(phone, settings(trunks=two, numbers=numbers)) as bench:
        row = await bench.add(40, groups=(LONDON, NEW_YORK))
        await trio.sleep(60)
        assert len(phone.left) == 20
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 20
    assert {line["trunk"] for line in named(logged, "agent.rested")} == {"t"}


async def test_a_reload_tries_it_at_once(autojump_clock, logged):
    """Whatever was mended: nobody waits for the end of a long rest."""
    phone = Phone(mute(until=320))
    wanted = settings(agents=AGENTS)
    async with rig(phone, wanted) as bench:
        row = await bench.add(20)
        await trio.sleep(330)
        assert bench.engine.lines.trunks["t"].unfit.breaker("a").until - trio.current_time() > 200
        mended = {**AGENTS, "a": evolve(AGENTS["a"], say="z")}
        await bench.engine.reload(evolve(wanted, agents=mended))
        await bench.over(row, within_s=10)


@pytest.mark.parametrize("fate", FATES)
async def test_a_probe_that_finds_nothing_out_lets_another_follow(autojump_clock, fate):
    """Whatever becomes of it, the agent does not rest for the quarter of an hour of a lost probe."""
    probes = 0

    async def script(phone, order, report):
        nonlocal probes
        if trio.current_time() < 4:
            raise NotPlaced(MUTE)
        probes += 1
        if probes == 1:
            raise FATES[fate]
        return await talk(1.0)(phone, order, report)

    def answer(_):
        return OSError("no answer") if trio.current_time() < 600 else CannotTell(reason="no records")

    phone = Phone(script, answer)
    async with rig(phone) as bench:
        row = await bench.add(20)
        await trio.sleep(120)
        assert len(phone.left) >= 19
        await bench.over(row)


async def test_a_probe_of_a_former_rest_takes_none_of_the_next_one_back(autojump_clock):
    """It was heard long ago; when its call ends, the agent rests again, and has its one probe out."""
    silent_s, late_s = 60.0, 100.0
    heard = False

    async def script(phone, order, report):
        nonlocal heard
        began_s = trio.current_time()
        await trio.sleep(0.01)
        if began_s > 5 and not heard:
            phone.leave(order)
            heard = True
            report(Ringing())
            await trio.sleep_until(silent_s)
            return ANSWERED
        if began_s > 9:
            phone.leave(order)
            await trio.sleep_until(late_s)
            return ANSWERED
        raise NotPlaced(MUTE)

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=5)})) as bench:
        row = await bench.add(50)
        await trio.sleep_until(silent_s - 1)
        assert len(phone.left) == 2
        await trio.sleep_until(late_s - 1)
        assert len(phone.left) == 2
        await bench.over(row)
