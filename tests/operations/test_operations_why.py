"""Why a number is not dialled: the gate's rules, and what a running engine waits for."""

import msgspec
import pytest
import trio
from groundwork import ground
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import CALLER_ID, LONDON, OTHER_ID, START, number, rig, settings, trunk

from dialerd.model.call import UNFIT_AGENT, Cause
from dialerd.model.campaign import CampaignSpec, Pacing
from dialerd.model.errors import InvalidInput, NotFound
from dialerd.model.instants import DAY, SECOND
from dialerd.model.settings import AgentSettings, DaemonSettings, NumberSettings
from dialerd.model.states import AtFault, AttemptState, CampaignState, Final, RecipientState, Rule
from dialerd.operations.resources import Resources
from dialerd.operations.why import Why
from dialerd.plugin.hookspecs import Veto
from dialerd.plugin.provider import NotPlaced
from dialerd.store import campaigns, recipients
from dialerd.store.records import NewCampaign, RecipientBatch

LONG = 10_000.0


async def test_a_rule_is_told_with_since_and_until(autojump_clock):
    """What holds somebody, since when, and the next instant as far as all rules know; never where none comes."""
    async with rig(Phone(talk())) as bench:
        why = Why(ground(bench))
        await bench.add(1, name="later", start_at=START + DAY)
        (reason,) = await why.why(number(0))
        assert (reason.rule, reason.since, reason.next_at, reason.never) == (
            Rule.NOT_STARTED,
            START,
            START + DAY,
            False,
        )
        assert reason.words == "the campaign has not begun"
        assert (reason.campaign, reason.campaign_state, reason.live) == ("later", CampaignState.SCHEDULED, ())
        await trio.sleep(60)
        await bench.engine.steering.pause("later")
        (paused,) = await why.why(number(0), "later")
        assert (paused.rule, paused.since, paused.next_at) == (Rule.PAUSED, START + 60 * SECOND, None)
        await bench.engine.suppress([number(0)])
        (done,) = await why.why(number(0))
        assert (done.state, done.final, done.rule) == (RecipientState.DONE, Final.SUPPRESSED, Rule.DONE)
        assert (done.until, done.next_at, done.never) == (None, None, True)


async def test_every_campaign_of_a_number_is_told(autojump_clock):
    """Those not over first, then the latest; a name means all that have it; any form of the number will do."""
    wanted = settings(daemon=DaemonSettings(default_region="GB"))
    async with rig(Phone(talk()), wanted) as bench:
        why = Why(ground(bench))
        old = await bench.add(1, name="old")
        await bench.over(old)
        for name in ("a", "b"):
            await bench.add(2, name=name, start_at=START + DAY)
        spec = CampaignSpec(name="same", agent="a")
        loading = NewCampaign(spec=spec, uid="l", timezone="UTC", start_at=None, end_at=None, created_at=START)
        key = await bench.store.write(campaigns.begin, loading)
        row = msgspec.json.encode([[1, number(1), 0, None, None, None, None]]).decode()
        await bench.store.write(recipients.add, key, RecipientBatch(groups=(LONDON,), rows=row, count=1))
        found = await why.why("07100 000000")
        assert [reason.campaign_id for reason in found] == ["b", "a", "old"]
        assert [reason.rule for reason in found] == [Rule.NOT_STARTED, Rule.NOT_STARTED, Rule.DONE]
        assert [call.state for call in found[2].calls] == [AttemptState.ENDED]
        assert [reason.campaign_id for reason in await why.why(number(1))] == ["b", "a"]
        await bench.store.write(lambda c: c.exec_driver_sql("UPDATE campaigns SET name = 'same', alias = uid || '!'"))
        assert [reason.campaign_id for reason in await why.why(number(1), "same")] == ["b", "a"]
        assert [reason.campaign_id for reason in await why.why(number(1), "a!")] == ["a"]
        with pytest.raises(NotFound, match="is no recipient of 'old'"):
            await why.why(number(1), "old")
        with pytest.raises(NotFound, match="is no recipient of any campaign"):
            await why.why(number(9))
        with pytest.raises(NotFound, match="no campaign has the id or the name 'new'"):
            await why.why(number(1), "new")
        with pytest.raises(InvalidInput):
            await why.why("nobody")


async def kinds(why: Why, called: str, campaign: str = "x") -> list[tuple[str, str | None]]:
    """Return what the daemon waits for before it dials somebody whom no rule holds."""
    (reason,) = await why.why(called, campaign)
    assert reason.rule is None, reason
    assert reason.live is not None
    return [(one.kind, one.name) for one in reason.live]


@pytest.mark.parametrize(
    ("changes", "pacing", "found"),
    [
        ({"daemon": DaemonSettings(max_concurrent=1)}, None, [("daemon", None)]),
        ({"agents": {"a": AgentSettings(say="hi", max_concurrent=1)}}, None, [("agent", "a")]),
        ({"trunks": {"t": trunk(max_concurrent=1)}}, None, [("trunk", "t")]),
        ({"numbers": {CALLER_ID: NumberSettings(trunk="t", max_concurrent=1)}}, None, [("number", CALLER_ID)]),
        ({}, Pacing(max_concurrent=1), [("campaign", "x")]),
        ({}, Pacing(calls_per_second=0.01), [("pace", "x")]),
        ({"trunks": {"t": trunk(calls_per_second=0.01)}}, None, [("pace", "t")]),
    ],
    ids=["daemon", "agent", "trunk", "number", "campaign", "campaign's pace", "trunk's pace"],
)
async def test_a_limit_that_is_full_is_named(autojump_clock, changes, pacing, found):
    """Whichever it is for which somebody waits whom no rule holds; and nothing once there is room."""
    async with rig(Phone(talk(LONG)), settings(**changes)) as bench:
        why = Why(ground(bench))
        await bench.add(2, pacing=pacing)
        await trio.sleep(110)  # the first start of a slow pace comes after its first interval
        assert await kinds(why, number(1)) == found
        (dialing,) = await why.why(number(0), "x")
        assert (dialing.rule, dialing.live) == (Rule.DIALING, ())
        assert [call.state for call in dialing.calls] == [AttemptState.ANSWERED]
        bench.engine.hang_up()
        await bench.engine.steering.cancel("x", now=True)


async def test_one_free_caller_id_is_enough(autojump_clock):
    """What keeps one caller id is told only where it keeps them all; those that may not ring there do not count."""
    numbers = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")}
    trunks = {"t": trunk(max_concurrent=1), "u": trunk(max_concurrent=1)}
    async with rig({"t": Phone(talk(LONG)), "u": Phone(talk(LONG))}, settings(trunks=trunks, numbers=numbers)) as bench:
        why = Why(ground(bench))
        await bench.add(3)
        await trio.sleep(1)
        assert await kinds(why, number(2)) == [("trunk", "t"), ("trunk", "u")]
        bench.engine.lines.trunks["u"].limit.set_total(5)  # room that the dispatcher has not seen yet
        assert await kinds(why, number(2)) == []
        await bench.engine.steering.cancel("x", now=True)
    trunks["u"] = trunk(max_concurrent=1, countries=("US",))
    async with rig({"t": Phone(talk(LONG)), "u": Phone(talk(LONG))}, settings(trunks=trunks, numbers=numbers)) as bench:
        await bench.add(3)
        await trio.sleep(1)
        assert await kinds(Why(ground(bench)), number(2)) == [("trunk", "t")]
        await bench.engine.steering.cancel("x", now=True)


async def test_a_trunk_that_takes_no_calls_is_named(autojump_clock):
    """One that rests after faults, with its reason and when it is tried; one whose provider did not come up."""

    class Broken(Phone):
        async def __aenter__(self):
            raise OSError("no route")

    down = NotPlaced(OUTAGE, trunk_down=True)
    async with rig(Phone(ends(down, down, then=ANSWERED))) as bench:
        why = Why(ground(bench))
        await bench.add(2)
        await trio.sleep(1)
        await bench.add([number(7)], name="y")
        (reason,) = await why.why(number(7), "y")
        (waits,) = reason.live or ()
        assert (waits.kind, waits.name) == ("resting", "t")
        assert "out of order" in waits.words
        assert waits.until is not None
        assert 0 < waits.until - bench.clock.now() <= 10 * SECOND
    async with rig(Broken(talk())) as bench:
        await bench.add(1)
        assert await kinds(Why(ground(bench)), number(0)) == [("down", "t")]
        await bench.engine.steering.cancel("x")


async def test_a_screen_that_held_a_call_is_told(autojump_clock):
    """Somebody whom a screen holds waits for the next attempt, and the screen's own words say why."""

    async def screen(order):
        return Veto(reason="on holiday")

    async with rig(Phone(talk()), screens={"crm": screen}) as bench:
        await bench.add(1)
        await trio.sleep(1)
        (reason,) = await Why(ground(bench)).why(number(0))
        assert reason.rule is Rule.RETRY_DELAY
        assert reason.detail == "a screen held its last call: crm: on holiday"
        assert [call.counted for call in reason.calls] == [False]
        await bench.engine.steering.cancel("x")


async def test_a_daemon_that_stops_says_so(autojump_clock):
    """Nobody is dialled any more, whatever is free."""
    async with rig(Phone(talk(20)), settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        await bench.add(2)
        await trio.sleep(1)
        bench.engine.stop()
        assert await kinds(Why(ground(bench)), number(1)) == [("stopping", None)]


async def test_an_agent_that_cannot_speak_is_told(autojump_clock):
    """The agent's view, and why of those who wait for it: of whoever was refused himself, and of the rest."""
    cause = Cause(fault=AtFault.US, code=UNFIT_AGENT, detail="its server cannot be reached")

    async def mute(phone, order, report):
        await trio.sleep(0.01)
        raise NotPlaced(cause)

    agents = {"a": AgentSettings(say="x"), "b": AgentSettings(say="y")}
    async with rig(Phone(mute), settings(agents=agents, trunks={"t": trunk(max_concurrent=3)})) as bench:
        await bench.add(20)
        await trio.sleep(0.5)
        resting, other = Resources(ground(bench)).agents()
        assert resting.why == "agent a rests on trunk t, since it cannot speak there: its server cannot be reached"
        assert bench.clock.now() < resting.until
        assert (other.why, other.until) == (None, None)
        why = Why(ground(bench))
        (waits,) = await why.why(number(19))
        assert (waits.rule, waits.state) == (None, RecipientState.PENDING)
        assert [(one.kind, one.name, one.words, one.until) for one in waits.live] == [
            ("unfit", "a", resting.why, resting.until)
        ]
        told = [(await why.why(number(i)))[0] for i in range(20)]
        refused = [reason for reason in told if reason.rule is Rule.RETRY_DELAY]
        assert refused
        for reason in refused:
            assert reason.detail == (
                "its last call was not placed, since its agent cannot speak: its server cannot be reached"
            )
            assert reason.attempts == 0
