"""Reading in a worker process: what the daemon gets, and what happens when the worker does not go on."""

import json
import os
import signal
from pathlib import Path

import pytest
import trio
from attrs import evolve
from dropped import NOW, SETTINGS, drop

from dialerd.intake import frames
from dialerd.intake.findings import SHOWN
from dialerd.intake.read_now import read_now
from dialerd.intake.reading import Reader
from dialerd.intake.worker_process import Worker, WorkerDied
from dialerd.model.settings import DaemonSettings
from dialerd.store.records import Duplicate

ANN = "+447111000001"


class Store:
    """Takes what is read, as a store would, and does `at_batch` with every batch."""

    def __init__(self, wanted=True, at_batch=None):
        self.said = []
        self.rows = []
        self.groups = ()
        self.numbers = {}
        self._wanted = wanted
        self._at_batch = at_batch

    async def fingerprint(self, fingerprint):
        self.said.append("fingerprint")
        return self._wanted

    async def campaign(self, new):
        self.said.append("campaign")
        self.new = new

    async def recipients(self, batch):
        self.said.append(batch.count)
        if self._at_batch is not None:
            await self._at_batch()
        rows = json.loads(batch.rows)
        assert len(rows) == batch.count
        assert batch.groups[: len(self.groups)] == self.groups
        self.groups = batch.groups
        twice = [Duplicate(row[0], row[1], self.numbers[row[1]]) for row in rows if row[1] in self.numbers]
        self.rows += [row for row in rows if row[1] not in self.numbers]
        self.numbers |= {row[1]: row[0] for row in self.rows}
        return tuple(twice)


@pytest.fixture
async def reader():
    """A reader whose worker ends with the test."""
    async with Reader() as reader:
        yield reader


def numbers(count, begin=0):
    """Return the lines of a CSV file of `count` recipients."""
    return "phone,name\n" + "".join(f"+447111{begin + i:06d},Person {i}\n" for i in range(count))


async def test_the_daemon_gets_what_reading_in_place_gives(reader, tmp_path):
    """Campaign and rows arrive in order, in bounded batches, and say what `read_now` says."""
    header, *lines = numbers(4_500).splitlines()
    zones = ["Europe/Paris"] * 1_000 + ["Europe/London"] * 2_000 + ["Europe/Paris"] * 1_500
    rows = [f"{line},{zone}" for line, zone in zip(lines, zones, strict=True)]
    spec = drop(tmp_path, "\n".join([f"{header},timezone", *rows]), more="variables = {a = 1}\n")
    store = Store()
    reading = await reader.read(spec, SETTINGS, NOW, store, listing=tmp_path / "listing")
    new, recipients = read_now(spec, SETTINGS, NOW)
    assert reading.valid
    assert store.said == ["fingerprint", "campaign", 1_000, 1_000, 1_000, 1_000, 500]
    assert evolve(store.new, uid="") == evolve(new, uid="") == evolve(reading.new, uid="")
    assert [
        (row[0], row[1], store.groups[row[2]], row[3], row[4], json.loads(row[5]), row[6]) for row in store.rows
    ] == [(r.position, r.number, r.group, None, None, r.variables, None) for r in recipients]
    assert [group.zones for group in store.groups] == [("Europe/Paris",), ("Europe/London",)]
    assert (reading.rows, reading.duplicates, reading.warnings.total) == (4_500, 0, 0)
    assert not (tmp_path / "listing").exists()


async def test_one_worker_reads_file_after_file(reader, tmp_path):
    """The worker stays, learns of new settings, and tells files apart by name, spec and recipients."""
    spec = drop(tmp_path, "phone\n07111000001\n")
    seen = []
    for settings in (SETTINGS, evolve(SETTINGS, daemon=DaemonSettings()), SETTINGS):
        reading = await reader.read(spec, settings, NOW, Store(), listing=tmp_path / "listing")
        seen.append((reading.valid, reading.fingerprint, reader._worker.pid))
    assert [valid for valid, _, _ in seen] == [True, False, True]
    assert len({rest for _, *rest in seen for rest in [tuple(rest)]}) == 1


async def test_a_known_file_is_not_read(reader, tmp_path):
    """Where the fingerprint is known, nothing follows, though the file would be refused by now."""
    spec = drop(tmp_path, numbers(3), more="end = 2020-01-01\n")
    store = Store(wanted=False)
    reading = await reader.read(spec, SETTINGS, NOW, store, listing=tmp_path / "listing")
    assert (reading.new, reading.valid, reading.faults.total, store.said) == (None, False, 0, ["fingerprint"])


async def test_a_small_file_with_a_fault_delivers_nothing(reader, tmp_path):
    """A fault among the first rows keeps the campaign from being delivered at all."""
    store = Store()
    reading = await reader.read(drop(tmp_path, "phone\nx\n"), SETTINGS, NOW, store, listing=tmp_path / "listing")
    assert (reading.new, store.said, reading.faults.total) == (None, ["fingerprint"], 1)
    assert (tmp_path / "listing").read_text() == f"{reading.faults.first[0]}\n"


async def test_after_a_late_fault_no_more_rows_come_but_all_faults(reader, tmp_path):
    """Batches stop with the first fault, faults do not."""
    text = numbers(3_000) + "x\n" + numbers(3_000, 5_000).partition("\n")[2] + "y\n"
    store = Store()
    reading = await reader.read(drop(tmp_path, text), SETTINGS, NOW, store, listing=tmp_path / "listing")
    assert store.said == ["fingerprint", "campaign", 1_000, 1_000, 1_000]
    assert not reading.valid
    assert [fault.line for fault in reading.faults.first] == [3_002, 6_003]


async def test_many_faults_are_listed_whole_and_held_in_part(reader, tmp_path):
    """The listing has every line, the answer the first of them and their number."""
    text = "phone\n" + "x\n" * 30_000
    reading = await reader.read(drop(tmp_path, text), SETTINGS, NOW, Store(), listing=tmp_path / "listing")
    assert (reading.faults.total, len(reading.faults.first)) == (30_000, SHOWN)
    lines = (tmp_path / "listing").read_text().splitlines()
    assert len(lines) == 30_000
    assert lines[-1].startswith("tuesday.csv:30001:1: phone: ")


async def test_duplicates_and_left_out_rows_are_warnings(reader, tmp_path):
    """What does not refuse the file is in the listing, marked, and counted."""
    spec = drop(tmp_path, numbers(2_000) + f"x,y\n{ANN},again\n", more="skip_invalid = true\n")
    reading = await reader.read(spec, SETTINGS, NOW, Store(), listing=tmp_path / "listing")
    assert reading.valid
    assert (reading.rows, reading.duplicates, reading.warnings.total, reading.faults.total) == (2_001, 1, 2, 0)
    lines = (tmp_path / "listing").read_text().splitlines()
    assert sorted(line.split(": ")[:2] for line in lines) == [
        ["warning", "tuesday.csv:2002:1"],
        ["warning", "tuesday.csv:2003"],
    ]


async def test_a_worker_that_is_killed_is_a_fault_of_its_file(reader, tmp_path):
    """The file is refused with a word on how the worker ended; the next file is read by a new one."""

    async def kill():
        os.kill(reader._worker.pid, signal.SIGKILL)

    spec = drop(tmp_path, numbers(100_000))
    reading = await reader.read(spec, SETTINGS, NOW, Store(at_batch=kill), listing=tmp_path / "listing")
    assert not reading.valid
    assert "the reading process died (SIGKILL)" in str(reading.faults.first[0])
    assert "the reading process died (SIGKILL)" in (tmp_path / "listing").read_text()
    assert (await reader.read(spec, SETTINGS, NOW, Store(), listing=tmp_path / "again")).valid


async def test_a_worker_that_fails_is_a_fault_of_its_file(reader, tmp_path):
    """An exception nobody thought of ends the worker, not the daemon."""
    spec = drop(tmp_path, "phone\n07111000001\n")
    broken = evolve(SETTINGS, daemon=evolve(SETTINGS.daemon, default_region=44))  # such settings cannot be configured
    reading = await reader.read(spec, broken, NOW, Store(), listing=tmp_path / "listing")
    assert "the reading process died (exit status 1)" in str(reading.faults.first[0])


async def test_signals_to_the_whole_group_do_not_spoil_the_file(reader, tmp_path):
    """SIGTERM, SIGINT and SIGHUP, which systemd and terminals send to every process, leave the worker alone."""

    async def terminate():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(reader._worker.pid, number)

    spec = drop(tmp_path, numbers(5_000))
    assert (await reader.read(spec, SETTINGS, NOW, Store(at_batch=terminate), listing=tmp_path / "listing")).valid


async def test_cancellation_ends_the_worker(reader, tmp_path):
    """A reading that is given up leaves no process behind, and the next file is read."""
    spec = drop(tmp_path, numbers(50_000))
    pids = []

    async def cancel():
        pids.append(reader._worker.pid)
        scope.cancel()
        await trio.lowlevel.checkpoint()

    with trio.CancelScope() as scope:
        await reader.read(spec, SETTINGS, NOW, Store(at_batch=cancel), listing=tmp_path / "listing")
    assert scope.cancelled_caught
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert (await reader.read(spec, SETTINGS, NOW, Store(), listing=tmp_path / "listing")).valid


async def test_what_deliver_raises_passes_out(reader, tmp_path):
    """The store's errors are the caller's, and the reader goes on with the next file."""

    async def fail():
        raise OSError("disk full")

    spec = drop(tmp_path, numbers(3))
    with pytest.raises(OSError, match="disk full"):
        await reader.read(spec, SETTINGS, NOW, Store(at_batch=fail), listing=tmp_path / "listing")
    assert (await reader.read(spec, SETTINGS, NOW, Store(), listing=tmp_path / "listing")).valid


def offset(pid, name):
    """Return how far a process has read the file called `name`, in bytes (proc(5), fdinfo)."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(entry).endswith(name):
            return int(Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split()[1])
    raise AssertionError(f"{name} is not open")


async def test_the_worker_waits_for_the_daemon(reader, tmp_path):
    """While a batch is being stored, no more is read than fits into a pipe and a buffer."""
    progress = []

    async def look():
        progress.append(offset(reader._worker.pid, "tuesday.csv"))
        await trio.lowlevel.checkpoint()

    spec = drop(tmp_path, numbers(200_000))
    size = (tmp_path / "tuesday.csv").stat().st_size
    reading = await reader.read(spec, SETTINGS, NOW, Store(at_batch=once(look)), listing=tmp_path / "listing")
    assert reading.rows == 200_000
    assert progress[0] < size / 4


@pytest.mark.parametrize("which", ["tuesday.csv", "tuesday.toml"])
async def test_a_file_that_changes_meanwhile_is_a_fault(reader, tmp_path, which):
    """A file written to, replaced or taken away while it is read is refused: nobody knows what was read."""
    for change in (
        lambda path: path.write_text(path.read_text() + "\n"),
        lambda path: (path.with_name("new").write_text(path.read_text()), path.with_name("new").replace(path)),
        lambda path: path.write_bytes(path.read_bytes()),
        lambda path: path.unlink(),
    ):
        spec = drop(tmp_path, numbers(10_000))  # more than the pipe takes while the first batch is delivered

        async def meddle(change=change):
            change(tmp_path / which)

        reading = await reader.read(spec, SETTINGS, NOW, Store(at_batch=once(meddle)), listing=tmp_path / "listing")
        assert not reading.valid
        assert "while it was read; drop it again" in str(reading.faults.first[0])
        assert reading.faults.first[0].file == which


def once(action):
    """Return what does `action` the first time it is awaited, and nothing afterwards."""
    left = [action]

    async def act():
        if left:
            await left.pop()()

    return act


async def test_secrets_do_not_go_to_the_worker():
    """Trunks' options stay in the daemon."""
    body = frames.settings_body(SETTINGS)
    assert b"hunter2" not in body
    assert frames.read_settings(body).trunks["main"].options == {}


async def test_a_worker_ends_with_its_input():
    """When the daemon is gone, its worker goes, too."""
    worker = await Worker.start()
    await worker._in.aclose()
    with trio.fail_after(60), pytest.raises(WorkerDied, match="exit status 0"):
        await worker.receive()
    await worker.end()
