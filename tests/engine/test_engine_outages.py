"""Trunks whose carrier is away: how long they rest, what a rest costs, and when they are tried again."""

import math

import pytest
import trio
from phone import ANSWERED, OUTAGE, Phone, talk
from rig import LONDON, NEW_YORK, TWO, TWO_NUMBERS, places, rig, settings, trunk

from dialerd.model.states import Final
from dialerd.plugin.provider import NotPlaced, Ringing


def outage(until, length=1.0, *, down=False):
    """Return the script of a trunk that takes no call before some second."""

    async def script(phone, order, report):
        await trio.sleep(0.01)
        phone.leave(order)
        if trio.current_time() < until:
            raise NotPlaced(OUTAGE, trunk_down=down)
        report(Ringing())
        await trio.sleep(length)
        return ANSWERED

    return script


@pytest.mark.parametrize("down", [False, True])
async def test_a_trunk_that_is_down_rests_probes_and_recovers(autojump_clock, down):
    """An outage of ten minutes costs few calls, and the campaign is done soon after it."""
    phone = Phone(outage(600, length=30, down=down))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=5)})) as bench:
        row = await bench.add(places(50))
        await trio.sleep(600)
        assert len(phone.left) <= (13 if down else 16)
        await trio.sleep(60)
        assert phone.live["all"] == 5
        await bench.over(row, within_s=10 * 40)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 50


async def test_a_probe_that_talks_long_does_not_hold_the_trunk(autojump_clock):
    """The trunk works again as soon as the probe rings, not when its call of an hour is over."""
    phone = Phone(outage(60, length=3600))
    async with rig(phone) as bench:
        row = await bench.add(places(30))
        await trio.sleep(200)
        assert phone.live["all"] == 30
        await bench.over(row, within_s=3 * 3600)


@pytest.mark.parametrize("works", [True, False])
async def test_a_trunk_whose_carrier_is_heard_of_again_is_tried_at_once(autojump_clock, works):
    """Its rest would have lasted minutes more; where the carrier is dead all the same, little comes of it."""
    made = {}

    def make(site, _):
        made["reachable"] = site.reachable
        return phone

    phone = Phone(outage(1000 if works else math.inf, down=True))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=5)}), make=make) as bench:
        row = await bench.add(places(50))
        await trio.sleep(1001)
        tried = len(phone.left)
        for _ in range(100):
            made["reachable"]()
            await trio.sleep(0.1)
        if works:
            assert phone.live["all"] == 5
            await bench.over(row, within_s=20)
        else:
            assert len(phone.left) == tried + 2, "one at once, and one when as long a time as the first rest had passed"


async def test_an_outage_holds_only_its_own_trunk(autojump_clock):
    """One trunk is down for an hour; the other's campaigns are dialled as if nothing were."""
    phones = {"t": Phone(outage(3600)), "u": Phone(talk(1))}
    async with rig(phones, settings(trunks=TWO, numbers=TWO_NUMBERS)) as bench:
        await bench.add(places(20), name="british")
        american = await bench.add(20, name="american", groups=(NEW_YORK,))
        await bench.over(american, within_s=10)
        mixed = await bench.add(places(20), name="mixed", groups=(LONDON, NEW_YORK))
        await trio.sleep(60)
        assert len(phones["u"].left) == 30
        await bench.over(mixed, within_s=2 * 3600)
