"""Stops at the worst moments: nothing is lost, nothing is stored twice."""

import errno
import math

import pytest
import trio
import trio.testing
from spooling import Place, eventually, inline, names_stored, rows, spec

from dialerd.intake import durable
from dialerd.intake.mover import Mover
from dialerd.store import campaigns, recipients, spool_files
from dialerd.store.records import RecipientBatch
from dialerd.store.store import Store


async def all_moved(store: Store) -> bool:
    """Tell whether nothing is left to be marked."""
    return not await store.read(spool_files.unmoved_files)


async def die_after_storing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a life that ends when something was published and before any of it is moved."""
    with monkeypatch.context() as patch:
        patch.setattr(Mover, "add", lambda _mover, _departure: None)
        async with place.life():
            await eventually(lambda: bool(place.published))


@pytest.mark.parametrize(
    "files", [{"a.toml": inline("A")}, {"a.toml": spec("A", recipients_file='"a.csv"'), "a.csv": rows()}]
)
async def test_a_stop_between_storing_and_moving(tmp_path, monkeypatch, files):
    """The next life moves what is stored and does not store it again."""
    place = Place.make(tmp_path)
    for name, text in files.items():
        place.drop(name, text)
    await die_after_storing(place, monkeypatch)
    assert place.listing("incoming") == sorted(files)
    async with place.life() as store:
        await place.until_only("accepted", *files)
        await eventually(lambda: all_moved(store))
        assert await names_stored(store) == ["A"]
        assert len(place.published) == 1
        assert place.listing("rejected") == []


async def test_a_stop_between_the_two_moves(tmp_path, monkeypatch):
    """The recipients have left, under another name because theirs was taken; the spec follows."""
    place = Place.make(tmp_path)
    (place.folders.accepted / "a.csv").write_text("phone\n+447111999999\n")
    place.drop("a.csv", rows())
    place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
    await die_after_storing(place, monkeypatch)
    (place.folders.incoming / "a.csv").rename(place.folders.accepted / "a.2.csv")
    async with place.life() as store:
        await place.until_only("accepted", "a.csv", "a.2.csv", "a.toml")
        assert await names_stored(store) == ["A"]


async def test_a_stop_between_moving_and_marking(tmp_path, monkeypatch):
    """Only the mark is made up for; the same file dropped after that is refused as known."""
    place = Place.make(tmp_path)
    place.drop("a.toml", inline("A"))
    await die_after_storing(place, monkeypatch)
    (place.folders.incoming / "a.toml").rename(place.folders.accepted / "a.toml")
    async with place.life() as store:
        assert await store.read(spool_files.unmoved_files) == []
        place.drop("a.toml", inline("A"))
        await place.until_only("rejected", "a.toml", "a.toml.error.txt")
        assert await names_stored(store) == ["A"]


async def test_another_file_under_the_name_of_one_that_was_stored(tmp_path, monkeypatch):
    """It is taken for what it is: a new campaign."""
    place = Place.make(tmp_path)
    place.drop("a.toml", inline("A"))
    await die_after_storing(place, monkeypatch)
    place.drop("a.toml", inline("B"))
    async with place.life() as store:
        await place.until_only("accepted", "a.toml")
        assert sorted(await names_stored(store)) == ["A", "B"]
        await eventually(lambda: all_moved(store))


async def test_a_stop_in_the_middle_of_a_list(tmp_path, monkeypatch):
    """What was half stored is discarded by the next life, and the file is taken from its beginning."""
    place = Place.make(tmp_path)
    place.drop("a.csv", "phone\n" + "".join(f"+4471112{number:05}\n" for number in range(9_000)))
    place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
    batches = []
    add = recipients.add

    def slow(connection, campaign_id, batch: RecipientBatch):
        batches.append(batch.count)
        return add(connection, campaign_id, batch)

    with monkeypatch.context() as patch:
        patch.setattr(recipients, "add", slow)
        async with place.life():
            await eventually(lambda: bool(batches))
    assert place.listing("incoming") == ["a.csv", "a.toml"]
    assert place.published == []
    async with place.store() as store:
        assert len(await store.read(campaigns.loading)) == 1
        assert await names_stored(store) == []
    async with place.life() as store:
        await place.until_only("accepted", "a.csv", "a.toml")
        assert await names_stored(store) == ["A"]
        assert await store.read(campaigns.loading) == []


async def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    """While no note can be written, what is refused stays in incoming/; when there is room, it leaves."""
    place = Place.make(tmp_path)
    create = durable.create

    def refuse(path):
        if path.parent == place.folders.rejected:
            raise OSError(errno.ENOSPC, "no space left on device")
        return create(path)

    async with place.life() as store:
        with monkeypatch.context() as patch:
            patch.setattr(durable, "create", refuse)
            place.drop("a.toml", "x = 1")
            place.drop("b.toml", inline("B"))
            await place.until_only("accepted", "b.toml")
            assert place.listing("incoming") == ["a.toml"]
            assert place.listing("rejected") == []
        await place.until_only("rejected", "a.toml", "a.toml.error.txt")
        assert await names_stored(store) == ["B"]


async def test_what_cannot_be_moved_is_told_beside_it_once(tmp_path, monkeypatch):
    """It is stored and dialled once, and the administrator is told what to do; then it leaves by itself."""
    place = Place.make(tmp_path)
    move = durable.move
    tries = []

    def refuse(source, target):
        tries.append(source)
        raise OSError(errno.EPERM, "operation not permitted")

    async with place.life() as store:
        with monkeypatch.context() as patch:
            patch.setattr(durable, "move", refuse)
            began_s = trio.current_time()
            place.drop("a.toml", inline("A"))
            await place.until_only("incoming", "a.toml", "a.toml.error.txt")
            assert "operation not permitted" in place.read("incoming", "a.toml.error.txt")
            await trio.sleep(0.3)
            # the first again after a second, the next after two, and so on
            assert len(tries) <= 2 + math.log2(1 + trio.current_time() - began_s)
        assert durable.move is move
        await place.until_only("accepted", "a.toml")
        assert place.listing("incoming") == []
        assert await names_stored(store) == ["A"]


async def test_a_file_replaced_while_it_is_taken_stays(tmp_path, monkeypatch):
    """What came to lie under the name of a stored file is not moved away unread."""
    place = Place.make(tmp_path)
    carry_out = Mover.carry_out

    async def replace_first(mover, now):
        if "b" not in place.listing("accepted") and not replaced:
            replaced.append(True)
            place.drop("a.toml", inline("B"))
        await carry_out(mover, now)

    replaced: list[bool] = []
    monkeypatch.setattr(Mover, "carry_out", replace_first)
    place.drop("a.toml", inline("A"))
    async with place.life() as store:
        await eventually(lambda: place.listing("incoming") == [] and len(place.published) == 2)
        assert sorted(await names_stored(store)) == ["A", "B"]


async def test_a_note_tells_what_a_file_waits_for(tmp_path, monkeypatch):
    """After a while, beside the file; it goes when the wait is over, or with a new life."""
    monkeypatch.setattr("dialerd.intake.spool._NOTE_AFTER_S", 0.2)
    place = Place.make(tmp_path, rescan=100)
    place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
    async with place.life():
        await place.until_only("incoming", "a.toml", "a.toml.waiting.txt")
        assert "a.csv" in place.read("incoming", "a.toml.waiting.txt")
        await trio.sleep(0.3)
        assert place.listing("incoming") == ["a.toml", "a.toml.waiting.txt"]
    async with place.life():
        place.drop("a.csv", rows())
        await place.until_only("accepted", "a.csv", "a.toml")
        await place.until_only("incoming")
        assert place.listing("rejected") == []


async def die_after_moving_recipients(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a life that ends when the recipients of a refused file have left and the file itself has not."""
    move = durable.move

    def tear(source, target):
        if source.suffix == ".toml":
            raise OSError(errno.EIO, "the machine dies")
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "move", tear)
        async with place.life():
            await eventually(lambda: place.listing("incoming") == ["a.toml", "a.toml.error.txt"])


@pytest.mark.parametrize("before", [{}, {"a.toml": "old", "a.toml.error.txt": "old", "a.csv": "old"}])
async def test_a_stop_between_the_two_moves_of_a_refused_file(tmp_path, monkeypatch, before):
    """It follows its recipients to `rejected/`, beside the note that says why, and does not wait for them for ever."""
    place = Place.make(tmp_path)
    for name, text in before.items():
        (place.folders.rejected / name).write_text(text)
    place.drop("a.csv", "phone\nnonsense\n")
    place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
    await die_after_moving_recipients(place, monkeypatch)
    left = "a.2.toml" if before else "a.toml"
    async with place.life():
        await eventually(lambda: place.listing("incoming") == [])
    assert (place.folders.rejected / left).read_text() == spec("A", recipients_file='"a.csv"')
    assert "a.toml is refused for 1 fault" in (place.folders.rejected / f"{left}.error.txt").read_text()
    assert len(place.listing("rejected")) == 3 + len(before)


async def test_a_file_dropped_anew_after_such_a_stop_waits(tmp_path, monkeypatch):
    """What was corrected and dropped under the same name is not taken for the one that was refused."""
    place = Place.make(tmp_path)
    place.drop("a.csv", "phone\nnonsense\n")
    place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
    await die_after_moving_recipients(place, monkeypatch)
    place.drop("a.toml", spec("B", recipients_file='"a.csv"'))
    async with place.life() as store:
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert "a.toml" in place.listing("incoming")
        place.drop("a.csv", rows())
        await place.until_only("accepted", "a.toml", "a.csv")
        assert await names_stored(store) == ["B"]
