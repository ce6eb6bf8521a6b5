"""Trunks of one account: together no faster than the carrier allows, slowed together, and so after every reload."""

import itertools
from typing import NamedTuple

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import CALLER_ID, OTHER_ID, number, rig, settings, trunk, until
from trio.testing import MockClock

from dialerd.engine.asking import Asked, Slot, give_back
from dialerd.engine.limits import Permit
from dialerd.engine.lines import Lines
from dialerd.model.campaign import Pacing
from dialerd.model.instants import MINUTE, SECOND
from dialerd.model.settings import NumberSettings, PersonSettings
from dialerd.model.states import Rotation
from dialerd.plugin.provider import NotPlaced, Throttled
from dialerd.rules.pacing import Pace

NUMBERS = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")}


def two(account="acme", t=None, u=None, **changes):
    """Return settings with two trunks of one account, or of none, and a caller id for each."""
    trunks = {
        "t": trunk(account=account, calls_per_second=t, **changes),
        "u": trunk(account=account, calls_per_second=u, **changes),
    }
    return settings(trunks=trunks, numbers=NUMBERS)


def gap(lefts):
    """Return the shortest time between two calls, in milliseconds."""
    at = sorted(left.at for left in lefts)
    return round(min((b - a for a, b in itertools.pairwise(at)), default=1e9) * SECOND, 3)


def share(phone, name):
    """Return how many of the calls that left went over a trunk."""
    return sum(left.order.trunk == name for left in phone.left)


RATE = st.sampled_from([0.5, 2.0, 7.0, 25.0, 60.0])


@given(
    rate=RATE,
    other=RATE | st.none(),
    many=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(Rotation), st.none() | RATE, st.sampled_from([0, 5, 20])),
        min_size=1,
        max_size=4,
    ),
    lines=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    length=st.sampled_from([0.0, 0.7, 3.0]),
    cooldown=st.sampled_from([0, 2 * SECOND]),
    reloads=st.lists(st.tuples(st.sampled_from([0.03, 0.31, 2.0]), st.sampled_from(["tu", "t", "apart"])), max_size=4),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_an_account_is_never_faster_than_the_least_of_its_paces(*, rate, other, many, lines, length, cooldown, reloads):
    """Whatever calls are asked for and given back, and whichever trunks come to it or leave it: every gap is kept."""
    together = two(t=rate, u=other)
    trunks = {name: evolve(together.trunks[name], max_concurrent=most) for name, most in zip("tu", lines, strict=True)}
    together = evolve(together, trunks=trunks, person=PersonSettings(cooldown=cooldown))
    wanted = {
        "tu": together,
        "t": evolve(together, trunks={"t": trunks["t"]}, numbers={CALLER_ID: NUMBERS[CALLER_ID]}),
        "apart": evolve(together, trunks=trunks | {"u": evolve(trunks["u"], account="other")}),
    }
    phone = Phone(talk(length))
    spans = []

    async def main():
        async with rig(phone, together) as bench:
            rows = [
                await bench.add(
                    [number(first + j) for j in range(people)],
                    name=f"c{i}",
                    rotation=rotation,
                    pacing=Pacing(calls_per_second=own, priority=1 + 3 * i),
                )
                for i, (people, rotation, own, first) in enumerate(many)
            ]
            for wait_s, state in reloads:
                await trio.sleep(wait_s)
                spans.append((trio.current_time(), state))
                await bench.engine.reload(wanted[state])
            spans.append((trio.current_time(), "tu"))
            await bench.engine.reload(together)
            await bench.over(*rows, within_s=4000)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    least = min(rate, other or rate)
    slowest = least if all(state == "tu" for _, state in spans) else rate
    apart = [
        at
        for (at, state), (until, _) in itertools.pairwise([*spans, (0.0, "")])
        if state == "apart"
        for at in (at, until)
    ]
    # starts that two paces had handed out may be exchanged between trunks that come together
    of_t = [
        left for left in phone.left if left.order.trunk == "t" and not any(0 <= left.at - at <= 0.1 for at in apart)
    ]
    assert gap(of_t) >= SECOND / slowest - 0.01
    if not apart:
        assert gap(phone.left) >= SECOND / slowest - 0.01
    else:  # once they are together again, and what was let go apart has left
        assert gap(left for left in phone.left if left.at > apart[-1] + 0.1) >= SECOND / slowest - 0.01
    assert len(phone.left) == sum(people for people, *_ in many)
    assert all(phone.peak["trunk", name] <= most for name, most in zip("tu", lines, strict=True))


async def test_two_trunks_have_one_pace_between_them(autojump_clock):
    """Forty calls take as long as over one trunk; each has its part; a campaign's own pace is another matter."""
    phone = Phone(talk(1))
    async with rig(phone, two(t=4.0, u=4.0)) as bench:
        await bench.over(await bench.add(40))
        assert gap(phone.left) == 250
        assert phone.left[-1].at < 10.5
        assert (share(phone, "t"), share(phone, "u")) == (20, 20)
        row = await bench.add([number(50 + i) for i in range(4)], name="slow", pacing=Pacing(calls_per_second=0.5))
        await bench.over(row)
        assert gap(phone.left[40:]) >= 2000


async def test_trunks_apart_have_a_pace_each(autojump_clock):
    """Without an account nothing is shared; nor are lines and what fails where there is one."""
    phone = Phone(talk(1))
    async with rig(phone, two(account=None, t=4.0, u=4.0)) as bench:
        await bench.over(await bench.add(40))
        assert phone.left[-1].at < 5.5
    down = Phone(ends(*[NotPlaced(OUTAGE, trunk_down=True)] * 3))
    phone = Phone(talk(100))
    async with rig({"t": down, "u": phone}, two(t=4.0, max_concurrent=3), clean=False) as bench:
        await bench.add(10)
        await trio.sleep(20)
        assert phone.live["all"] == 3  # its own lines, while the other rests
        assert bench.engine.lines.trunks["t"].breaker.until is not None
        assert bench.engine.lines.trunks["u"].breaker.until is None
        await bench.engine.steering.cancel("x", now=True)


async def test_a_trunk_that_is_full_leaves_its_starts_to_the_other(autojump_clock):
    """The pace is used up as long as one of them has a line."""
    phone = Phone(talk(3))
    wanted = two(t=5.0)
    wanted = evolve(wanted, trunks=wanted.trunks | {"t": evolve(wanted.trunks["t"], max_concurrent=1)})
    async with rig(phone, wanted) as bench:
        await bench.over(await bench.add(50))
        assert phone.left[-1].at < 10.5
        assert gap(phone.left) == 200


async def test_what_one_is_refused_slows_both(autojump_clock):
    """By half, until calls over either get through; a Retry-After keeps both still."""

    async def refuse(phone, order, report):
        raise Throttled(20 * SECOND)

    fine = Phone(talk(0.1))
    async with rig({"t": Phone(refuse), "u": fine}, two(t=8.0)) as bench:
        row = await bench.add(300)
        await trio.sleep(5)
        before = len(fine.left)
        lines = bench.engine.lines.trunks
        assert before <= 1
        assert lines["t"].slowed
        assert lines["u"].slowed
        assert (lines["t"].pace.rate, lines["u"].trouble) == (4.0, lines["t"].trouble)
        assert lines["u"].trouble is not None
        await trio.sleep(10)
        assert len(fine.left) == before
        await bench.engine.steering.cancel("x")
        await bench.over(row)


class Keeper:
    """What a campaign whose people keep their caller ids is to those who give its lines back."""

    sticky = True
    agent = "a"

    def __init__(self) -> None:
        self.pace = Pace(None, 0.0)


class Kept(NamedTuple):
    """Somebody who was claimed, and keeps a caller id."""

    caller_id: str


@pytest.mark.parametrize("used", ["", "u", "t", "tu", "ttu", "tuu", "ttuu"])
async def test_starts_given_back_are_none_of_those_in_use(autojump_clock, used):
    """Whichever trunk those who are called keep to: the earliest starts are theirs, and the next one comes after."""
    lines, keeper = Lines(two(t=50.0)), Keeper()
    await trio.sleep(1)
    slots = []
    for name, shown in zip("tu", NUMBERS, strict=True):
        trunk = lines.trunks[name]
        trunk.starts.last_taker = keeper
        for at in trunk.pace.slots(2, trio.current_time(), 0.1):
            slots.append(Slot(lines.caller_ids[shown], trunk, Permit(()), at, probe=False))
    asked = Asked(keeper, None, slots)
    shown_by = dict(zip("tu", NUMBERS, strict=True))
    taken, unused = asked.split([Kept(shown_by[name]) for name in used])
    assert [slot.trunk.name for slot in taken] == list(used)
    give_back(keeper, unused)
    (after,) = lines.trunks["t"].pace.slots(1, trio.current_time(), 1.0)
    at = sorted(slot.start_at for slot in taken)
    assert [b - a for a, b in itertools.pairwise(at)] == pytest.approx([0.02] * (len(used) - 1))
    assert after >= max(at, default=0.0) + 0.02 - 1e-9


@pytest.mark.parametrize("state", ["apart", "tu"])
async def test_starts_that_are_given_back_after_a_reload_are_gone(autojump_clock, state):
    """A trunk that has come to another pace meanwhile gives nothing back there, since nothing was taken there."""
    lines, keeper = Lines(two(t=50.0)), Keeper()
    other = evolve(two(t=50.0), trunks={**two(t=50.0).trunks, "u": trunk(account="other", calls_per_second=50.0)})
    if state == "tu":
        lines.update(other)
    await trio.sleep(1)
    slots = {}
    for name, shown in zip("tu", NUMBERS, strict=True):
        of = lines.trunks[name]
        of.starts.last_taker = keeper
        slots[name] = [
            Slot(lines.caller_ids[shown], of, Permit(()), at, probe=False)
            for at in of.pace.slots(2, trio.current_time(), 0.1)
        ]
    last = max(slot.start_at for of in slots.values() for slot in of)
    lines.update(other if state == "apart" else two(t=50.0))
    give_back(keeper, slots["t"] if state == "apart" else slots["u"])
    for name in "tu":
        assert lines.trunks[name].pace.next_at(0.0) >= last + 0.02 - 1e-9


async def test_a_reload_takes_no_start_away(autojump_clock):
    """However often the settings are read: who has waited for a start has not waited in vain."""
    phone = Phone(talk())
    async with rig(phone, two(t=0.1)) as bench:
        row = await bench.add(3)
        for _ in range(11):
            await trio.sleep(3)
            await bench.engine.reload(two(t=0.1))
        assert [left.at for left in phone.left] == pytest.approx([10.0, 20.0, 30.0])
        await bench.over(row)


async def test_lines_and_starts_that_are_free(autojump_clock):
    """Of trunks that are up: the lines of each, and once the starts of those that share them."""
    wanted = two(max_concurrent=5)
    lines = Lines(evolve(wanted, trunks=wanted.trunks | {"v": trunk(max_concurrent=3, calls_per_second=1.0)}))
    assert lines.free() == 1  # to find out
    for name, most in zip("tuv", (5, 10, 10), strict=True):
        lines.trunks[name].provider = Phone(talk())
        assert lines.free() == most
    await trio.sleep(2)
    assert lines.free() == 11
    lines.update(two(t=50.0, u=25.0, max_concurrent=5))
    await trio.sleep(2)
    assert lines.free() == 3


async def test_a_reload_speeds_nothing_up(autojump_clock):
    """Slowed trunks stay so, whichever of them leaves, comes back, comes to an account or goes by another name."""

    async def refuse(phone, order, report):
        raise Throttled

    calm = two(t=8.0, u=8.0)
    alone = evolve(calm, trunks={"u": calm.trunks["u"]}, numbers={OTHER_ID: NUMBERS[OTHER_ID]})
    third = evolve(calm, trunks=calm.trunks | {"v": trunk(account="acme", calls_per_second=6.0)})
    async with rig(Phone(refuse), calm) as bench:
        await bench.add(1)
        await trio.sleep(0.5)
        await bench.engine.steering.cancel("x")
        lines = bench.engine.lines
        assert lines.trunks["u"].pace.rate == 4.0
        for wanted, names, most in (
            (alone, "u", 8.0),
            (calm, "tu", 8.0),
            (third, "tuv", 6.0),
            (two("other", t=8.0, u=8.0), "tu", 8.0),
            (two(None, t=8.0, u=8.0), "tu", 8.0),
            (two(t=8.0, u=2.0), "tu", 2.0),
        ):
            await bench.engine.reload(wanted)
            paces = [lines.trunks[name].pace for name in names]
            assert {pace.configured for pace in paces} == {most}
            assert {pace.rate for pace in paces} == {min(4.0, most)}
        assert not lines.trunks["t"].slowed


async def test_a_rest_that_the_carrier_asked_for_outlasts_a_change_of_account(autojump_clock):
    """It holds for a trunk that comes to another account, and for those which it finds there."""

    async def script(phone, order, report):
        if trio.current_time() < 30:
            raise Throttled(MINUTE)
        phone.leave(order)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone, two(None)) as bench:
        row = await bench.add(1, caller_ids=(CALLER_ID,))
        await until(lambda: bench.engine.lines.trunks["t"].trouble is not None)
        assert bench.engine.lines.trunks["u"].trouble is None
        await bench.engine.reload(two("acme"))
        assert bench.engine.lines.trunks["u"].trouble
        began = trio.current_time()
        other = await bench.add([number(7)], name="other", caller_ids=(OTHER_ID,))
        await bench.over(other, within_s=100)
        assert began + 59 < min(left.at for left in phone.left) < began + 62
        await bench.over(row)


async def test_campaigns_that_wait_for_a_pace_go_on_at_another(autojump_clock):
    """A trunk that leaves a slow account does not leave behind who waited for it there."""
    phone = Phone(talk(), answer=lambda _: ANSWERED)
    async with rig(phone, two(t=0.001, u=10.0)) as bench:
        row = await bench.add(20)
        await trio.sleep(3)
        assert not phone.left
        away = two(t=0.001, u=10.0)
        away = evolve(away, trunks=away.trunks | {"u": evolve(away.trunks["u"], account="fast")})
        await bench.engine.reload(away)
        await bench.over(row, within_s=10)
        assert share(phone, "u") == 20
