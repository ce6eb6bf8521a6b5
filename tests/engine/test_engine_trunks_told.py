"""What the log says of trunks that fail: once for all calls, and what to do."""

import trio
from phone import OUTAGE, Phone, talk
from rig import number, rig, settings, trunk

from dialerd.plugin.provider import MaybePlaced, NotPlaced

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
