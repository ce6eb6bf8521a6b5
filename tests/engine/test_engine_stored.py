"""What a provider tells of a call is durable when `report.notify_stored` tells it, and not merely soon."""

from base64 import b64encode

import trio
from phone import ANSWERED, Phone
from rig import rig

from dialerd.engine import dispatcher
from dialerd.model.errors import StoreError, StoreLost
from dialerd.plugin.provider import Accepted, Answered, Ringing


async def stored(report):
    """Wait until a report says that all of it is durable, and return whether it is."""
    told, said = [], trio.Event()
    report.notify_stored(lambda done: (told.append(done), said.set()))
    await said.wait()
    (done,) = told
    return done


STATES = "SELECT provider_state FROM attempts ORDER BY id"


def telling(stage, found, *, times=1):
    """Return the script of calls that look into the store as soon as they are told that it has their state."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Accepted(order.attempt_id))
        for at in range(times):
            state = f"{order.attempt_id} {at}".encode()
            report.state(state)
            began_s = trio.current_time()
            assert await stored(report)
            took_s = trio.current_time() - began_s
            kept = [row[0] for row in await stage[0].rows(STATES)]
            found.append((b64encode(state).decode() in kept, took_s))
        assert await stored(report)  # there is nothing new
        report(Ringing())
        report(Answered())
        await trio.sleep(1)
        return ANSWERED

    return script


async def test_it_is_in_the_store_when_it_is_told(autojump_clock):
    """For many calls at once and several times in a call; nothing is gathered first."""
    stage, found = [], []
    async with rig(Phone(telling(stage, found, times=3))) as bench:
        stage.append(bench)
        row = await bench.add(20)
        await bench.over(row)
    assert len(found) == 60
    assert all(there for there, _ in found)
    assert max(took_s for _, took_s in found) < 0.1  # news is gathered for 0.2 s otherwise


async def test_it_waits_while_the_store_is_in_trouble(autojump_clock, monkeypatch):
    """A store that fails a while keeps it waiting, and it is told when the store works again."""
    stage, found = [], []
    phone = Phone(telling(stage, found))
    async with rig(phone) as bench:
        stage.append(bench)
        write, failing = bench.store.write, [True] * 3

        async def trouble(operation, *args):
            if phone.left and failing:
                failing.pop()
                raise StoreError("the disk is full", remedy="make room")
            return await write(operation, *args)

        monkeypatch.setattr(bench.store, "write", trouble)
        row = await bench.add(1)
        await bench.over(row)
    ((there, took_s),) = found
    assert there
    assert took_s >= 3 * dispatcher._STORE_RETRY_S


async def test_a_lost_store_is_told(monkeypatch, autojump_clock):
    """What can never be stored is not said to be."""
    told = []

    async def script(phone, order, report):
        phone.leave(order)
        report.state(b"state")
        for _ in range(2):
            told.append(await stored(report))
        return ANSWERED

    phone = Phone(script)
    async with rig(phone, clean=False) as bench:
        write = bench.store.write

        async def lost(operation, *args):
            if phone.left:
                raise StoreLost("the database is gone", remedy="mend it")
            return await write(operation, *args)

        monkeypatch.setattr(bench.store, "write", lost)
        await bench.add(1)
        with trio.fail_after(60):
            while len(told) < 2:  # noqa: ASYNC110  # it has no event
                await trio.sleep(1)
        assert told == [False, False]
        monkeypatch.setattr(bench.store, "write", write)


async def test_one_that_fails_when_it_is_told_costs_nobody_else(autojump_clock):
    """A provider's error stays its own."""
    told = []

    async def script(phone, order, report):
        phone.leave(order)
        report.state(b"state")
        fails = len(phone.left) % 2

        def say(done):
            told.append(done)
            if fails:
                raise RuntimeError("made to fail")

        report.notify_stored(say)
        await trio.sleep(1)
        return ANSWERED

    async with rig(Phone(script)) as bench:
        row = await bench.add(10)
        await bench.over(row)
    assert told == [True] * 10


async def test_one_may_ask_again_when_it_is_told(autojump_clock):
    """Each time it is told of what it handed over last."""
    stage, kept = [], []

    async def script(phone, order, report):
        phone.leave(order)
        over = trio.Event()
        states = iter((b"one", b"two", b"three"))

        def go_on(done):
            assert done
            state = next(states, None)
            if state is None:
                over.set()
            else:
                report.state(state)
                report.notify_stored(go_on)

        go_on(True)
        await over.wait()
        kept.extend(row[0] for row in await stage[0].rows(STATES))
        return ANSWERED

    async with rig(Phone(script)) as bench:
        stage.append(bench)
        row = await bench.add(1)
        await bench.over(row)
    assert kept == [b64encode(b"three").decode()]


async def test_what_comes_while_it_is_written_is_waited_for(autojump_clock, monkeypatch):
    """Told is what the last state before the asking said, or one after it; never one before."""
    stage, kept = [], []

    async def script(phone, order, report):
        phone.leave(order)
        report.state(b"one")
        report.notify_stored(lambda _: None)
        await trio.sleep(0.02)  # its write is under way
        report.state(b"two")
        await stored(report)
        kept.extend(row[0] for row in await stage[0].rows(STATES))
        return ANSWERED

    async with rig(Phone(script)) as bench:
        stage.append(bench)
        write = bench.store.write

        async def slow(operation, *args):
            await trio.sleep(0.05)
            return await write(operation, *args)

        monkeypatch.setattr(bench.store, "write", slow)
        row = await bench.add(1)
        await bench.over(row)
    assert kept == [b64encode(b"two").decode()]


async def test_nobody_is_told_whose_call_is_over(autojump_clock):
    """Its end says everything, and nothing of it is kept."""
    told = []

    async def script(phone, order, report):
        phone.leave(order)
        report.state(b"state")
        report.notify_stored(told.append)
        return ANSWERED

    async with rig(Phone(script)) as bench:
        row = await bench.add(5)
        await bench.over(row)
        await trio.sleep(5)
    assert told == []
