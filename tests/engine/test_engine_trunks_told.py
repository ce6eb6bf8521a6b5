"""What the log says of trunks that fail: once for all calls, and what to do."""

import pytest
import trio
from phone import ANSWERED, BUSY, OUTAGE, Phone, talk
from rig import number, rig, settings, trunk

from dialerd.model.call import CallEnd, Cause
from dialerd.model.instants import SECOND
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled

PLACES = [number(1000 * i) for i in range(100)]


async def test_a_trunk_that_is_down_is_told_once(autojump_clock, logged):
    """A hundred calls find it out together: one line, which says what to do."""

    async def down(phone, order, report):
        await trio.sleep(0.01)
        phone.leave(order)
        raise NotPlaced(OUTAGE, trunk_down=True)

    phone = Phone(down)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=100)})) as bench:
        await bench.add(PLACES)
        await trio.sleep(1)
        assert len(phone.left) == 100
    told = [entry for entry in logged if entry["log_level"] in ("warning", "error")]
    assert [entry["event"] for entry in told] == ["trunk.rested"]
    assert told[0]["remedy"]
    assert "out of order" in told[0]["reason"]


async def test_a_connection_that_breaks_under_all_calls_is_told_once(autojump_clock, logged):
    """A hundred calls of which nobody knows what became: one line, and what happens to them."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(1)
        raise MaybePlaced(OUTAGE)

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=100)})) as bench:
        await bench.add(PLACES)
        await trio.sleep(1.5)
        assert len(phone.left) == 100
        told = [entry for entry in logged if entry["event"] == "call.uncertain"]
        assert len(told) == 1
        assert told[0]["remedy"]


async def test_a_provider_that_was_up_for_long_is_tried_again_soon(autojump_clock, logged):
    """What failed before it was up for a good while counts no more, and the log says when it is tried again."""

    class Ageing(Phone):
        fails = 3

        async def __aenter__(self):
            if self.fails:
                self.fails -= 1
                raise OSError("address in use")
            self.manager = trio.open_nursery()
            (await self.manager.__aenter__()).start_soon(self.die)
            return self

        async def die(self):
            await trio.sleep(120)
            raise ConnectionResetError("lost the carrier")

        async def __aexit__(self, *error):
            return await self.manager.__aexit__(*error)

    async with rig(Ageing(talk())):
        await trio.sleep(130)
        assert [entry["retry_s"] for entry in logged if entry["event"] == "trunk.failed"] == [1, 2, 4, 1]


async def test_a_carrier_that_throttles_is_told_once_a_minute(autojump_clock, logged):
    """Two minutes of refusals: what the carrier said, how long it asks to be left alone, and what to do."""

    async def refused(phone, order, report):
        raise Throttled(retry_after=2 * SECOND, cause=Cause(fault=AtFault.TRUNK, code="429", detail="too many"))

    phone = Phone(refused)
    async with rig(phone, settings(trunks={"t": trunk(calls_per_second=10.0)})) as bench:
        await bench.add(100)
        await trio.sleep(2)
        assert 1 <= len(phone.placed) <= 2
        await trio.sleep(98)
        told = [entry for entry in logged if entry["event"] == "trunk.throttled"]
        assert [entry["reason"] for entry in told] == ["429 too many"] * 2
        assert {entry["retry_after_s"] for entry in told} == {2.0}
        assert told[1]["more"] > 1
        assert all("calls_per_second" in entry["remedy"] for entry in told)
        await bench.engine.steering.cancel("x")


OURS = Cause(fault=AtFault.US, code="variables", detail="no variable 'first'")
ENDS = [
    (ANSWERED, None),
    (BUSY, None),
    (CallEnd(outcome=Outcome.FAILED, cause=Cause(fault=AtFault.CALLEE, code="x")), None),
    (CallEnd(outcome=Outcome.FAILED, cause=OUTAGE), "503 out of order"),
    (CallEnd(outcome=Outcome.CONGESTION, cause=OUTAGE), "503 out of order"),
    (NotPlaced(Cause(fault=AtFault.CALLEE, code="21217")), None),
    (NotPlaced(OURS), "variables no variable 'first'"),
    (NotPlaced(Cause(fault=AtFault.TRUNK)), "trunk"),
    (Throttled(), "throttled"),
]


@pytest.mark.parametrize(("end", "cause"), ENDS)
async def test_why_a_call_did_not_count_stands_in_its_line(autojump_clock, logged, end, cause):
    """So does the cause of a failure that is not the callee's; of other ends the outcome says enough."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(0.01)
        if isinstance(end, Exception):
            raise end
        return end

    async with rig(Phone(script)) as bench:
        await bench.add(1)
        await trio.sleep(1)
        line = next(entry for entry in logged if entry["event"] == "call.ended")
        assert line.get("cause") == cause
