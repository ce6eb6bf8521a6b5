"""A campaign on its way to the end: counters, retries, limits of attempts, refunds, doubt."""

import pytest
import trio
from phone import ANSWERED, BUSY, OUTAGE, Phone, ends, talk
from rig import number, rig, settings

from dialerd.model.call import CallEnd, CannotTell, Cause, WasNotPlaced, WasPlaced
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.states import AtFault, CampaignState, Final, Outcome
from dialerd.plugin.provider import Answered, MaybePlaced, NotPlaced, Throttled, Withdrawn

MINUTE_S = 60.0
CALLEE = Cause(fault=AtFault.CALLEE, q850=1)
US = Cause(fault=AtFault.US, detail="no")


async def test_everybody_is_dialled_once_and_the_counters_add_up(autojump_clock):
    """300 recipients, one call each; the campaign completes and every line is free again."""
    phone = Phone(talk(5, ring=3))
    async with rig(phone) as bench:
        row = await bench.add(300)
        await bench.over(row)
        totals = await bench.totals(row)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(300))
        assert totals.recipients == totals.finals[Final.SUCCEEDED] == totals.outcomes[Outcome.ANSWERED] == 300
        assert (totals.pending, totals.dialing, totals.talk_ms) == (0, 0, 300 * 5_000)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert trio.current_time() < 300 / 50 * 8 + 10
