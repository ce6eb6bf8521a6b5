"""Small files that are taken together: few waits for the disk, and none of them keeps another one back."""

import os
import signal

import trio
from spooling import SETTINGS, Place, eventually, inline, names_stored, now, poison, rows, spec
from sqlalchemy import text

from dialerd.intake import handful
from dialerd.intake.kinds import SPEC
from dialerd.intake.lane import HANDFUL, HANDFUL_BYTES, Lane
from dialerd.intake.reading import Reader
from dialerd.intake.watchlist import Seen, Watched
from dialerd.store import campaigns, spool_files
from dialerd.store.records import RecipientBatch

REFUSE = """CREATE TRIGGER refuse BEFORE INSERT ON campaigns WHEN new.name = 'Bad'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END"""


async def test_many_files_share_few_transactions(tmp_path):
    """Three hundred campaigns cost some tens of operations, not some for each of them."""
    place = Place.make(tmp_path)
    names = [f"c{index}.toml" for index in range(300)]
    for name in names:
        place.drop(name, inline(name))
    async with place.life() as store:
        before = store.writes
        await place.until("accepted", *names)
        assert sorted(await names_stored(store)) == sorted(names)
        assert place.published == sorted(place.published)
        assert store.writes - before < 60


async def test_one_that_cannot_be_stored_keeps_none_of_the_others_back(tmp_path):
    """The store refuses one campaign of a handful: the others are taken, and it is when it can be."""
    place = Place.make(tmp_path)
    names = [f"{index}.toml" for index in range(20)]
    for name in names:
        place.drop(name, inline("Bad" if name == "7.toml" else name))
    others = [name for name in names if name != "7.toml"]
    async with place.store() as store, trio.open_nursery() as nursery:
        await store.write(lambda connection: connection.execute(text(REFUSE)))
        await nursery.start(place.spool(store).run)
        await place.until_only("accepted", *others)
        assert place.listing("incoming") == ["7.toml"]
        assert sorted(await names_stored(store)) == sorted(others)
        await store.write(lambda connection: connection.execute(text("DROP TRIGGER refuse")))
        await place.until_only("accepted", *names)
        assert len(place.published) == len(names) == len(set(place.published))
        assert await store.read(campaigns.loading) == []
        nursery.cancel_scope.cancel()


async def test_a_file_that_changes_meanwhile_keeps_none_of_the_others_back(tmp_path, monkeypatch):
    """Something else came to lie under its name after it was read: that is what is stored."""
    place = Place.make(tmp_path)
    compare = handful._compare_all
    replaced = []

    def replace(read):
        if not replaced:
            replaced.append(True)
            place.drop("b.toml", inline("New"))
        return compare(read)

    monkeypatch.setattr(handful, "_compare_all", replace)
    for name in ("a", "b", "c"):
        place.drop(f"{name}.toml", inline(name))
    async with place.life() as store:
        await place.until_only("accepted", "a.toml", "b.toml", "c.toml")
        assert sorted(await names_stored(store)) == ["New", "a", "c"]


async def test_the_reading_process_dies_over_a_handful(tmp_path):
    """Nothing is refused for it: what was not read is read again, and each file becomes one campaign."""
    place = Place.make(tmp_path)
    names = [f"{index}.toml" for index in range(150)]
    async with place.life() as store:
        place.drop("first.toml", inline("first"))
        await place.until("accepted", "first.toml")
        for name in names:
            place.drop(name, inline(name))
        await eventually(lambda: bool(workers()))
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
        await place.until_only("accepted", "first.toml", *names)
        assert place.listing("rejected") == []
        assert sorted(await names_stored(store)) == sorted([*names, "first"])


async def test_a_file_over_which_the_reading_process_always_dies_is_refused(tmp_path, monkeypatch):
    """When it happens again, with the reason; the files beside it are taken."""
    place = Place.make(tmp_path)
    # as if its bytes brought down the interpreter that parses them
    poison(tmp_path, monkeypatch, "SIGKILL")
    names = [f"{index}.toml" for index in range(10)]
    for name in [*names, "poison.toml"]:
        place.drop(name, inline(name))
    async with place.life() as store:
        await place.until("accepted", *names)
        await place.until_only("rejected", "poison.toml", "poison.toml.error.txt")
        assert "the reading process died (SIGKILL)" in place.read("rejected", "poison.toml.error.txt")
        assert sorted(await names_stored(store)) == sorted(names)


async def test_known_files_and_faulty_ones_among_new_ones(tmp_path):
    """Each is judged by itself, and one that stands twice in its list is dialled once."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("known.toml", inline("Known"))
        await place.until_only("accepted", "known.toml")
        await eventually(lambda: store_knows_moved(store))
        place.drop("known.toml", inline("Known"))
        place.drop("faulty.toml", inline("x").replace("agent", "agnet"))
        place.drop("twice.csv", rows(2) + rows(2).partition("\n")[2])
        place.drop("twice.toml", spec("Twice", recipients_file='"twice.csv"'))
        place.drop("new.toml", inline("New"))
        await place.until("accepted", "new.toml", "twice.toml", "twice.csv", "twice.toml.warnings.txt")
        await place.until("rejected", "known.toml", "known.toml.error.txt", "faulty.toml", "faulty.toml.error.txt")
        assert "already" in place.read("rejected", "known.toml.error.txt")
        assert "agnet" in place.read("rejected", "faulty.toml.error.txt")
        assert place.read("accepted", "twice.toml.warnings.txt").count("stands in line 2 already") == 1
        assert sorted(await names_stored(store)) == ["Known", "New", "Twice"]


async def test_the_worker_dies_in_the_middle_of_many(tmp_path):
    """What was read before is kept; it is told of the one that it was reading, and the others are missing."""
    specs = []
    for index in range(4):
        specs.append(tmp_path / f"{index}.toml")
        specs[-1].write_text(inline(str(index)))
    async with Reader() as reader:

        class Take:
            def __init__(self, index):
                self.index = index

            async def fingerprint(self, _fingerprint):
                return True

            async def campaign(self, _new):
                if self.index == 2:
                    os.kill(reader._worker.pid, signal.SIGKILL)
                    reader._worker._buffer.clear()

            async def recipients(self, _batch: RecipientBatch):
                return ()

        readings = await reader.read_small(
            specs,
            SETTINGS,
            now(),
            [Take(index) for index in range(4)],
            listings=[tmp_path / f"{index}.listing" for index in range(4)],
        )
        assert [(reading.valid, reading.died) for reading in readings[:2]] == [(True, False)] * 2
        assert [reading.died for reading in readings[2:]] in ([True], [False, True])


async def test_a_lane_gives_small_files_together_and_large_ones_alone():
    """In their order, and never more bytes than a transaction has room for."""
    lane = Lane()
    weights = [10] * (HANDFUL + 5) + [HANDFUL_BYTES, 10, HANDFUL_BYTES // 2, HANDFUL_BYTES // 2, 5]
    for index, weight in enumerate(weights):
        watched = Watched(Seen(str(index), 0, weight, 0, 0), SPEC, since=0.0, arrived=0.0)
        watched.weight = weight
        lane.put(watched)
    taken = []
    while sum(map(len, taken)) < len(weights):
        taken.append(await lane.next())
    assert [int(watched.name) for some in taken for watched in some] == list(range(len(weights)))
    assert [len(some) for some in taken] == [HANDFUL, 5, 1, 2, 2]
    assert all(len(some) == 1 or sum(one.weight for one in some) <= HANDFUL_BYTES for some in taken)


def workers() -> list[int]:
    """Return the reading processes that this process has started."""
    found = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as children:
            found += [int(pid) for pid in children.read().split()]
    return found


async def store_knows_moved(store) -> bool:
    """Tell whether every file that was taken is marked as moved."""
    return not await store.read(spool_files.unmoved_files)
