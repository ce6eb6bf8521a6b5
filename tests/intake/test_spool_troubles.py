"""What goes wrong with many files at once is told once, not once for each of them."""

import errno

import trio
from spooling import Place, eventually, inline
from sqlalchemy import text

from dialerd.intake import durable
from dialerd.store import campaigns

COUNT = 300

REFUSE = """CREATE TRIGGER refuse BEFORE INSERT ON campaigns WHEN new.name = 'Bad'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END"""


async def test_many_files_and_a_store_that_fails(tmp_path, logged):
    """One line says of how many, and of a few by name; everything is taken when the store is well again."""
    place = Place.make(tmp_path)
    names = [f"{index}.toml" for index in range(COUNT)]
    async with place.store() as store:
        await store.write(lambda connection: connection.execute(text(REFUSE)))
        for name in names:
            place.drop(name, inline("Bad"))
        spool = place.spool(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(spool.run)
            await eventually(lambda: [one.failures > 1 for one in spool._watchlist._files.values()] == [True] * COUNT)
            told = [entry for entry in logged if entry["event"] == "spool.file_deferred"]
            assert place.listing("incoming") == sorted(names)
            await store.write(lambda connection: connection.execute(text("DROP TRIGGER refuse")))
            await place.until_only("accepted", *names)
            nursery.cancel_scope.cancel()
    assert 1 <= len(told) <= 3, f"{len(told)} lines about one trouble"
    assert told[0]["error"] == "not this one"
    assert told[0]["remedy"]
    assert told[0]["files"] > 1
    assert told[0]["file"] in names
    assert set(told[0]["others"]) < set(names)


async def test_many_files_that_cannot_leave(tmp_path, monkeypatch, logged):
    """The folder they should go to is full: one line says of how many."""
    place = Place.make(tmp_path)
    names = [f"{index}.toml" for index in range(COUNT)]
    create = durable.create
    tries = []

    def refuse(path):
        if path.parent == place.folders.rejected:
            tries.append(path)
            raise OSError(errno.ENOSPC, "no space left on device", str(path))
        return create(path)

    async with place.life() as store:
        with monkeypatch.context() as patch:
            patch.setattr(durable, "create", refuse)
            for name in names:
                place.drop(name, "x = 1")
            await eventually(lambda: len(tries) > COUNT)
            told = [entry for entry in logged if entry["event"] == "spool.move_failed"]
        await place.until("rejected", *names)
        assert await store.read(campaigns.open_keys) == []
    assert 1 <= len(told) <= 3, f"{len(told)} lines about one trouble"
    assert "free space" in told[0]["remedy"]
    assert told[0]["files"] > 1
