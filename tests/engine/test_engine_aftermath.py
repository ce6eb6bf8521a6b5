"""What is known of a call only later: it is added to the attempt, and nobody waits for it."""

import pytest
import trio
from attrs import evolve
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import crashed, number, rig, settings, trunk, until

from dialerd.engine import aftermath, dispatcher
from dialerd.model.call import CallEnd, WasPlaced
from dialerd.model.instants import MINUTE
from dialerd.model.states import Final, Outcome
from dialerd.plugin.provider import MaybePlaced

DETAILS = "SELECT detail FROM attempts ORDER BY id"


def priced(found, after_s=0.0, **detail):
    """Return an end of which something is found out later; an exception is raised."""

    async def afterwards():
        await trio.sleep(after_s)
        if isinstance(found, BaseException):
            raise found
        return found

    return CallEnd(outcome=Outcome.ANSWERED, detail=detail, afterwards=afterwards)


async def details(bench):
    """Return what is kept with the attempts."""
    return [row[0] for row in await bench.rows(DETAILS)]


async def become(bench, wanted):
    """Wait until that is kept with the attempts."""
    with trio.fail_after(5):
        while sorted(map(str, await details(bench))) != wanted:  # noqa: ASYNC110  # it has no event
            await trio.sleep(0.02)


@pytest.mark.parametrize("after_s", [0.0, 300.0])
async def test_it_is_put_over_the_detail(after_s, autojump_clock):
    """What is found out is added, and takes the place of what was known before."""
    found = {"price": "-0.014", "stirverstat": {"a": 1}}
    phone = Phone(talk(1, end=priced(found, after_s, sid="CA1", price=None, nested={"b": 2})))
    async with rig(phone) as bench:
        await bench.add(2)
        await trio.sleep(10 + after_s)
        assert await details(bench) == ['{"sid":"CA1","price":"-0.014","nested":{"b":2},"stirverstat":{"a":1}}'] * 2


async def test_nobody_waits_for_it(autojump_clock):
    """The line is free, the campaign ends, and a stop does not wait either."""
    phone = Phone(talk(1, end=priced({"price": "1"}, 500)))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        row = await bench.add(5)
        await bench.over(row, within_s=60)
        assert bench.borrowed() == {}
        began = trio.current_time()
        bench.engine.stop()
    assert trio.current_time() - began < 5


async def test_a_failure_costs_what_was_to_be_added(logged, autojump_clock):
    """Whatever is raised or returned, one line says so, and all else goes on."""
    broken = [OSError("no"), SystemExit(3), ["price"], {"price": object()}, {1.5j: 1}, {"a": float}, None]
    phone = Phone(ends(then=ANSWERED))

    async def script(phone, order, report):
        phone.leave(order)
        return priced(broken[len(phone.left) - 1])

    phone.script = script
    async with rig(phone) as bench:
        row = await bench.add(len(broken))
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == len(broken)
        assert await details(bench) == [None] * len(broken)
        await trio.sleep(70)
        more = await bench.add([number(50)], name="more")
        broken.append(OSError("again"))
        await bench.over(more)
    told = [one for one in logged if one["event"] == "call.afterwards_failed"]
    assert [one["more"] for one in told] == [0, len(broken) - 2]
    assert all(one["trunk"] == "t" and one["remedy"] and one["call_id"] for one in told)


async def test_who_takes_too_long_is_left(logged, autojump_clock):
    """After ten minutes it is given up."""
    phone = Phone(talk(1, end=priced({"price": "1"}, 601)))
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row)
        await trio.sleep(700)
        assert await details(bench) == [None]
    assert [one["event"] for one in logged].count("call.afterwards_failed") == 1


async def test_it_waits_for_the_end_to_be_stored(tmp_path, monkeypatch):
    """What is found out before the end is durable is not lost, and makes no end of its own."""
    monkeypatch.setattr(aftermath, "rest_s", lambda _: 0.1)
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.1)
    phone = Phone(talk(0.02, end=priced({"price": "1"}, sid="CA1")))
    async with rig(phone, url=f"sqlite:///{tmp_path}/d.db") as bench:
        refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF ended_at ON attempts BEGIN SELECT RAISE(ABORT, 'no'); END"
        await bench.store.write(lambda c: c.exec_driver_sql(refuse))
        await bench.add(1)
        await until(lambda: phone.left and not phone.live["all"])
        await trio.sleep(0.3)
        assert await details(bench) == [None]
        await bench.store.write(lambda c: c.exec_driver_sql("DROP TRIGGER refuse"))
        await until(lambda: not bench.engine.dispatcher.calls)
        await become(bench, ['{"sid":"CA1","price":"1"}'])


async def test_an_end_that_is_found_out_later(tmp_path):
    """Of a call that was lost, followed or known after a restart it is asked as of any other."""
    url = f"sqlite:///{tmp_path}/d.db"
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        await bench.add(2)
        await until(lambda: len(phone.left) == 2)

    async def followed(attempt, report, hangup):
        return priced({"price": "2"})

    def answer(attempt):
        return WasPlaced(end=None if attempt.number == number(0) else priced({"price": "1"}))

    async with rig(Phone(talk(), answer=answer, followed=followed), url=url) as bench:
        await become(bench, ['{"price":"1"}', '{"price":"2"}'])


async def test_a_lost_call(autojump_clock):
    """So is that of a call of this life which was lost."""

    async def script(phone, order, report):
        phone.leave(order)
        raise MaybePlaced(OUTAGE)

    end = evolve(priced({"price": "3"}), ended_at=None)
    async with rig(Phone(script, answer=lambda _: WasPlaced(end=end))) as bench:
        row = await bench.add(1, max_duration=MINUTE)
        await bench.over(row)
        await trio.sleep(5)
        assert await details(bench) == ['{"price":"3"}']
