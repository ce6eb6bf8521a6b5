"""Events: nothing missed, nothing twice, whatever breaks off in between; kept for as long as was promised."""

import sqlite3
from contextlib import closing
from random import Random

import pytest
import trio
from happening import ids_of, lost_in, place, settings, take

from dialerd.model.errors import NotFound
from dialerd.operations.ring import Ring, chunk
from dialerd.store import notices

KEEP = {"events_keep": 10_000}


@pytest.mark.parametrize("seed", range(5))
async def test_a_follower_that_is_cut_at_random_has_everything_once(tmp_path, seed):
    """What all its connections got together is what was written, in order: cut while it waits, and between chunks."""
    random = Random(seed)
    got: list[int] = []
    cuts = 0
    async with place(tmp_path / "x.db") as there:
        if seed % 2:
            there.events.ring = Ring(2_000)  # most of what it comes back for is not in memory any more
        async with there.events.follow() as follower:
            last = follower.last
        key = await there.dial(2_500)
        with trio.fail_after(60):
            while there.engine.campaigns.by_key(key) is not None or got[-1:] != (await there.ids())[-1:]:
                cuts += 1
                async with there.events.follow(last) as follower:
                    with trio.move_on_after(random.random() * 0.1):
                        for _ in range(random.randrange(8)):
                            data = await anext(follower)
                            assert lost_in(data) == []
                            got += ids_of(data)
                            last = follower.last
                    assert follower.last == last, "what was not given counts as given"
        written = await there.ids()
    assert got == written
    assert len(written) == 2_500 + 2  # each call, the campaign's beginning and its end
    assert cuts > 3


async def test_a_restart_loses_nothing(tmp_path):
    """What happens while nobody is connected, before and after the daemon's restart, is there for who comes back."""
    async with place(tmp_path / "x.db") as there:
        async with there.events.follow() as follower:
            await there.dialled(await there.dial(20, "before"))
            got = await take(follower, (await there.ids())[-1])
            last = follower.last
        await there.dialled(await there.dial(20, "between"))
    async with place(tmp_path / "x.db") as there:
        await there.dialled(await there.dial(20, "after"))
        async with there.events.follow(last) as follower:
            first = await anext(follower)
            assert lost_in(first) == []
            got += await take(follower, (await there.ids())[-1])
        assert got == await there.ids()
        assert len(got) == 3 * 22


async def test_nothing_is_written_while_nobody_has_followed(tmp_path):
    """A daemon whose events nobody wants has none."""
    async with place(tmp_path / "x.db") as there:
        await there.dialled(await there.dial(20))
        assert await there.ids() == []
        assert await there.rows("SELECT * FROM notice_places") == []


async def test_many_get_the_same_bytes(tmp_path):
    """Text is made once, however many follow; one who wants less gets what it wants."""
    async with place(tmp_path / "x.db") as there, there.events.follow() as one, there.events.follow() as other:
        await there.dial(1, "y")
        key = await there.dial(50)
        async with there.events.follow(0, campaigns=["x"], kinds=["campaign."]) as choosy:
            await there.dialled(key)
            upto = (await there.ids())[-1]
            assert await anext(one) == await anext(other)  # how a stream begins
            shared = [(await anext(one), await anext(other)) for _ in range(1)]
            assert all(a is b for a, b in shared)
            ids = await take(choosy, upto)
    rows = "SELECT id FROM notices WHERE kind LIKE 'campaign.%' AND campaign = 'x' ORDER BY id"
    async with place(tmp_path / "x.db") as there:
        assert ids == [row[0] for row in await there.rows(rows)]
        with pytest.raises(NotFound):
            async with there.events.follow(campaigns=["nobody's"]):
                raise AssertionError


async def test_a_slow_follower_reads_on_at_its_own_pace(tmp_path):
    """One that takes nothing holds up neither the engine nor the others, and has everything in the end."""
    async with place(tmp_path / "x.db") as there:
        there.events.ring = Ring(4_000)
        async with there.events.follow() as slow, there.events.follow() as quick:
            await anext(slow)
            key = await there.dial(1_500)
            await there.dialled(key)
            written = await there.ids()
            assert await take(quick, written[-1]) == written
            assert there.events.ring.next_after(slow.last) is None, "it has not fallen behind"
            assert await take(slow, written[-1]) == written
            await there.dialled(await there.dial(5, "again"))  # and is back among the others
            more = (await there.ids())[len(written) :]
            assert await take(slow, more[-1]) == more


async def test_the_ring_is_bounded():
    """It keeps the newest chunk, and of the others as many as its bytes allow."""
    ring = Ring(1_000)
    for at in range(1, 200):
        ring.add(chunk(at - 1, [(at, "k", "c", "x" * 50)]))
    assert ring.next_after(50) is None
    assert ring.next_after(198).part(198, None).startswith(b"id: 199\n")
    kept = [at for at in range(199) if ring.next_after(at) is not None]
    assert 5 < len(kept) < 20


async def test_events_are_kept_for_a_while_after_the_last_has_left(autojump_clock):
    """Then nothing is written any more, and nothing of it is left; who comes back later is told what is missing."""
    async with place(None, settings(**KEEP)) as there:
        async with there.events.follow() as follower:
            await there.dialled(await there.dial(3, "one"))
            last = follower.last
        await trio.sleep(5)
        await there.dialled(await there.dial(3, "two"))
        assert len(await there.ids()) == 10
        async with there.events.follow(last) as follower:  # in time
            assert len(await take(follower, 10)) == 10
        await trio.sleep(15)
        assert await there.ids() == []
        assert await there.rows("SELECT * FROM notice_places") == []
        assert not there.engine.telling.on
        await there.dialled(await there.dial(3, "three"))
        assert await there.ids() == []
        async with there.events.follow(10) as follower:
            assert lost_in(await anext(follower)) == [{"last_event_id": 10, "from": 11}]
            await there.dialled(await there.dial(1, "four"))
            assert await take(follower, 13) == [11, 12, 13]


async def test_events_grow_old_while_somebody_follows(autojump_clock):
    """Who stays away for longer than they are kept is told from which on there are any, and gets those."""
    async with place(None, settings(**KEEP)) as there, there.events.follow():
        await there.dialled(await there.dial(3, "one"))
        await trio.sleep(8)
        await there.dialled(await there.dial(3, "two"))
        await trio.sleep(4)
        assert await there.ids() == list(range(6, 11))
        async with there.events.follow(2) as late:
            assert lost_in(await anext(late)) == [{"last_event_id": 2, "from": 6}]
            assert await take(late, 10) == list(range(6, 11))


async def test_a_follower_whose_next_events_were_dropped_is_told(autojump_clock):
    """One that takes nothing for so long misses them, and hears of it in its place of the stream."""
    async with place(None, settings(**KEEP)) as there:
        there.events.ring = Ring(100)
        async with there.events.follow() as slow:
            await anext(slow)
            await there.dialled(await there.dial(3, "one"))
            await trio.sleep(15)
            await there.dialled(await there.dial(3, "two"))
            await trio.sleep(1)
            assert lost_in(await anext(slow)) == [{"last_event_id": 0, "from": 6}]
            assert await take(slow, 10) == list(range(6, 11))


@pytest.mark.parametrize("asked", [3, 99])
async def test_an_id_of_another_database_is_not_believed(tmp_path, asked):
    """Older than what is there, or newer: the stream begins with what is missing."""
    async with place(tmp_path / "x.db") as there:
        await there.store.write(lambda c: [notices.add(c, "k", "", {}, now=1) for _ in range(7)])
        async with there.events.follow():
            await there.store.write(notices.add, "k", "", {}, now=there.clock.now())
            async with there.events.follow(asked) as follower:
                assert lost_in(await anext(follower)) == [{"last_event_id": asked, "from": 8}]
                assert await take(follower, 8) == [8]


async def test_plugins_and_followers_hold_notices_for_each_other(autojump_clock):
    """A notice is dropped when plugins were told it and it is too old for followers, not before."""
    refusing = True

    async def notifier(batch):
        if refusing:
            raise OSError("refused")

    async with place(None, settings(**KEEP), notifiers={"n": notifier}) as there:
        async with there.events.follow():
            await there.dialled(await there.dial(3))
            await trio.sleep(15)
            assert len(await there.ids()) == 5, "the plugin was not told yet"
            assert (await there.store.read(notices.backlog)) == {"n": 5}
            refusing = False
            await trio.sleep(600)
            assert await there.ids() == []
            await there.dialled(await there.dial(3, "y"))
            await trio.sleep(2)
            assert (await there.store.read(notices.backlog)) == {"n": 0}
            assert len(await there.ids()) == 5, "followers may still come back for them"
        await trio.sleep(15)
        assert await there.ids() == []
        assert there.engine.telling.on, "the plugin listens"


async def test_a_wrong_clock_keeps_nothing_for_ever(autojump_clock):
    """What was written under a clock that was hours ahead is dropped like the rest."""
    async with place(None, settings(**KEEP)) as there, there.events.follow():
        await there.store.write(notices.add, "k", "", {}, now=there.clock.now() + 7_200_000)
        await there.store.write(notices.add, "k", "", {}, now=there.clock.now())
        await trio.sleep(15)
        assert await there.ids() == []


async def test_the_end_of_the_daemon_is_told_too(tmp_path):
    """Followers get what was stored last, and then their streams end."""
    got: list[int] = []
    ended = trio.Event()

    async with trio.open_nursery() as nursery:
        async with place(tmp_path / "x.db", settings(talk="30s")) as there:

            async def follow(task_status: trio.TaskStatus[None]) -> None:
                async with there.events.follow() as follower:
                    task_status.started()
                    async for data in follower:
                        got.extend(ids_of(data))
                ended.set()

            await nursery.start(follow)
            await there.dial(15)
            with trio.fail_after(60):
                while len(there.engine.dispatcher.calls) < 15:  # noqa: ASYNC110  # it has no event
                    await trio.sleep(0.01)
            there.engine.hang_up()
        with trio.fail_after(60):
            await ended.wait()
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:  # before another life writes events of its own
        stored = [row[0] for row in db.execute("SELECT id FROM notices ORDER BY id")]
    assert got == stored
    assert len(got) >= 16
