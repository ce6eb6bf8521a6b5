"""A reading process that stands still, as on a disk that does not answer: intake goes on without it."""

import os
import signal

import pytest
import trio
from spooling import Place, eventually, inline, names_stored, poison, spec
from test_handful import workers

from dialerd.intake import worker_process

STILL_S = 3.0  # longer than the start of a process takes, shorter than patience


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Let the daemon wait for less than a minute."""
    monkeypatch.setattr(worker_process, "STILL_S", STILL_S)


async def test_a_reading_process_that_is_stopped_is_replaced(tmp_path, logged):
    """It is ended, that is said with what to do, and the file is read by another one."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("first.toml", inline("first"))
        await place.until_only("accepted", "first.toml")
        (pid,) = workers()
        os.kill(pid, signal.SIGSTOP)
        place.drop("second.toml", inline("second"))
        await place.until_only("accepted", "first.toml", "second.toml")
        assert await names_stored(store) == ["first", "second"]
        assert pid not in workers()
    (told,) = [entry for entry in logged if entry["event"] == "spool.reader_stuck"]
    assert told["file"] == "second.toml"
    assert told["log_level"] == "warning"
    assert told["remedy"]


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
async def test_a_file_over_which_it_always_stands_still_is_refused(tmp_path, monkeypatch, large):
    """After the second time, with the reason; the file beside it is taken."""
    place = Place.make(tmp_path)
    # as if the file lay on blocks that the disk cannot read
    poison(tmp_path, monkeypatch, "SIGSTOP")
    place.drop("good.toml", inline("good"))
    place.drop("poison.toml", inline("poison", 1_000) if large else inline("poison"))
    async with place.life() as store:
        await place.until("rejected", "poison.toml", "poison.toml.error.txt")
        await place.until_only("accepted", "good.toml")
        assert "stood still" in place.read("rejected", "poison.toml.error.txt")
        assert await names_stored(store) == ["good"]


async def test_a_reading_process_at_work_is_left_alone(tmp_path, monkeypatch):
    """A file of which nothing comes for long, as one that is all faults, is read to its end: processor time tells."""
    monkeypatch.setattr(worker_process, "STILL_S", 0.6)
    monkeypatch.setattr(worker_process, "_SILENT", 100)
    place = Place.make(tmp_path)
    async with place.life():
        place.drop("bad.csv", "phone\n" + "no number\n" * 150_000)
        place.drop("bad.toml", spec("Bad", recipients_file='"bad.csv"'))
        await place.until_only("rejected", "bad.csv", "bad.toml", "bad.toml.error.txt")
        assert "150,000 faults" in place.read("rejected", "bad.toml.error.txt")


async def test_one_that_cannot_even_be_killed_holds_up_nothing(tmp_path, monkeypatch):
    """A process that waits for a disk does not end before the disk answers: it is left behind."""
    monkeypatch.setattr(worker_process, "_END_S", 0.2)
    monkeypatch.setattr(trio.Process, "kill", lambda _process: None)
    worker = await worker_process.Worker.start()
    os.kill(worker.pid, signal.SIGSTOP)
    with trio.fail_after(60):
        await worker.end()
    os.kill(worker.pid, signal.SIGKILL)
    await eventually(lambda: worker._process.poll() is not None)
