"""The simulator's ledger: durable before anything is told, read as a carrier's records after a restart."""

import json
import os
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import trio
from dialerd_simulator import Simulator
from dialerd_simulator.ledger import LedgerError
from dialerd_simulator.ledger_index import LedgerIndex
from hypothesis import given
from hypothesis import strategies as st
from simulated import CALLER_ID, EPOCH, NUMBER, lines, log, order, ref, simulator
from trio.testing import MockClock

from dialerd.model.call import CallEnd, WasNotPlaced, WasPlaced
from dialerd.model.states import Amd, AnsweredBy, AtFault, Outcome
from dialerd.plugin.provider import CallEvent, HangUp, MaybePlaced, NotPlaced, Withdrawn


@pytest.fixture
def clock() -> MockClock:
    """A virtual clock that leaves worker threads the time to finish."""
    return MockClock(autojump_threshold=0.05)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where the ledger goes."""
    return tmp_path / "ledger.jsonl"


class Steps:
    """Notes in which order a ledger is written and made durable and things are told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ledger: Path) -> None:
        self.taken: list[str] = []
        self._ledger = ledger.stat()
        for name in ("write", "fsync"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def _noting(self, name: str, call: Any) -> Any:
        def noting(fd: int, *args: Any) -> Any:
            if os.path.samestat(os.fstat(fd), self._ledger):  # other threads write to pipes and sockets of theirs
                self.taken.append(name)
            return call(fd, *args)

        return noting

    def told(self, event: CallEvent) -> None:
        self.taken.append(type(event).__name__)


async def test_line_is_as_documented(clock: MockClock, ledger: Path) -> None:
    """Each call the network takes is one JSON line with attempt, number, caller id and an ISO instant."""
    async with simulator(ledger=ledger) as trunk:
        await trunk.place(order("a1"), log())
        await trunk.place(order("a2"), log())
    first, second = lines(ledger)
    assert json.loads(first) == {
        "attempt": "a1",
        "number": NUMBER,
        "caller_id": CALLER_ID,
        "at": "2027-01-15T08:00:00Z",
    }
    assert json.loads(second)["attempt"] == "a2"


async def test_line_is_durable_before_anything_is_told(
    clock: MockClock, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call leaves, its line is written in the same step, made durable, and only then reported."""
    async with simulator(ledger=ledger) as trunk:
        steps = Steps(monkeypatch, ledger)
        placed = order()
        monkeypatch.setattr(type(placed), "leave", lambda _: steps.taken.append("leave"))
        await trunk.place(placed, log(steps.told))
    assert steps.taken == ["leave", "write", "fsync", "Accepted", "Answered"]


async def test_nothing_runs_between_leaving_and_the_line(clock: MockClock, ledger: Path) -> None:
    """Of many calls at once, each one's line follows its leaving before any other call leaves."""
    left: list[str] = []

    async with simulator(ledger=ledger) as trunk, trio.open_nursery() as nursery:
        for count in range(50):
            placed = order(str(count))
            placed.left_at_s = _Noting(left, str(count), ledger)
            nursery.start_soon(trunk.place, placed, log())
    assert left == [json.loads(line)["attempt"] for line in lines(ledger)]


class _Noting(list[float]):
    """Notes a leaving with the number of lines that must stand in the ledger by then."""

    def __init__(self, left: list[str], attempt: str, ledger: Path) -> None:
        super().__init__()
        self.left, self.attempt, self.ledger = left, attempt, ledger

    def append(self, at_s: float) -> None:
        assert len(lines(self.ledger)) == len(self.left)
        self.left.append(self.attempt)
        super().append(at_s)


async def test_calls_share_their_fsync(clock: MockClock, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that come while the disk works are made durable together."""
    async with simulator(ledger=ledger) as trunk:
        steps = Steps(monkeypatch, ledger)
        async with trio.open_nursery() as nursery:
            for count in range(200):
                nursery.start_soon(trunk.place, order(str(count)), log())
    assert steps.taken.count("write") == 200
    assert 1 <= steps.taken.count("fsync") <= 5


async def test_fsync_counts_only_for_what_was_written_before(
    clock: MockClock, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is written while the disk works on others is told of after the next turn of the disk only."""
    fsync, release = os.fsync, threading.Event()
    turns: list[int] = []

    def slow(fd: int) -> None:
        turns.append(len(turns))
        release.wait(60)
        fsync(fd)

    told_after: dict[str, int] = {}

    async with simulator(ledger=ledger) as trunk, trio.open_nursery() as nursery:
        monkeypatch.setattr(os, "fsync", slow)

        async def call(attempt: str) -> None:
            def told(_: CallEvent) -> None:
                told_after.setdefault(attempt, len(turns))

            await trunk.place(order(attempt), log(told))

        nursery.start_soon(call, "first")
        while not turns:
            await trio.lowlevel.checkpoint()
        nursery.start_soon(call, "second")
        while len(lines(ledger)) < 2:
            await trio.lowlevel.checkpoint()
        release.set()
    assert told_after == {"first": 1, "second": 2}


async def test_cancelled_leader_leaves_nobody_waiting(clock: MockClock, ledger: Path) -> None:
    """When the call that started the fsync is cancelled, those that wait for it still come to their ends."""
    ends = []

    async with simulator(ledger=ledger) as trunk:

        async def cancelled() -> None:
            with trio.move_on_after(0):
                await trunk.place(order("leader"), log())

        async def call(attempt: str) -> None:
            ends.append(await trunk.place(order(attempt), log()))

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancelled)
                for count in range(10):
                    nursery.start_soon(call, str(count))
    assert len(ends) == 10


async def test_withdrawn_call_leaves_no_line(clock: MockClock, ledger: Path) -> None:
    """A call that the gate stops at the last instant never reaches the network."""
    async with simulator(ledger=ledger) as trunk:
        with pytest.raises(Withdrawn):
            await trunk.place(order("a1", withdrawal=Withdrawn("paused")), log())
    assert lines(ledger) == []


async def test_restarted_trunk_knows_its_calls(clock: MockClock, ledger: Path) -> None:
    """After a restart a call is over, alive or was never placed, as its fate and the clock will have it."""
    times = {"ring_time": 2000, "talk_time": 8000}
    await _drop(simulator(ledger=ledger, **times), "a1")
    async with simulator(ledger=ledger, **times) as trunk:
        assert await trunk.reconcile(ref("a0")) == WasNotPlaced()
        assert await trunk.reconcile(ref("a1")) == WasPlaced(end=None)
        report = log()
        end = await trunk.follow(ref("a1"), report, HangUp())
        assert trio.current_time() == pytest.approx(10, abs=0.01)
        assert report.names() == ["Ringing", "Answered"]
        expected = CallEnd(outcome=Outcome.ANSWERED, ringing_at=EPOCH, answered_at=EPOCH + 2000)
        assert end == expected
        again = await trunk.reconcile(ref("a1"))
        assert isinstance(again, WasPlaced)
        assert again.end is not None
        assert again.end.ended_at == EPOCH + 10_000


async def test_followed_call_is_hung_up(clock: MockClock, ledger: Path) -> None:
    """A followed call ends at the hang-up: cancelled while it rings, answered after."""
    await _drop(simulator(ledger=ledger, ring_time=5000, talk_time=5000), "a1")
    hangup = HangUp()
    hangup.set()
    async with simulator(ledger=ledger, ring_time=5000, talk_time=5000) as trunk:
        end = await trunk.follow(ref("a1"), log(), hangup)
        assert (end.outcome, end.answered_at) == (Outcome.CANCELLED, None)
        await trio.sleep(6)
        end = await trunk.follow(ref("a1"), log(), hangup)
        assert (end.outcome, end.answered_at) == (Outcome.ANSWERED, EPOCH + 5000)


async def test_detection_survives_the_restart(clock: MockClock, ledger: Path) -> None:
    """What was ordered about machines comes back in the attempt's state, and with it the same end."""
    machines: dict[str, Any] = {"amd": {AnsweredBy.MACHINE: 1.0}, "talk_time": 8000}
    report = log()
    async with simulator(ledger=ledger, **machines) as trunk:
        end = await trunk.place(order("a1", amd=Amd.DETECT), report)
    async with simulator(ledger=ledger, **machines) as trunk:
        answer = await trunk.reconcile(ref("a1", state=report.last_state))
    assert isinstance(answer, WasPlaced)
    assert answer.end is not None
    assert (answer.end.outcome, answer.end.answered_by) == (end.outcome, end.answered_by)
    assert end.outcome is Outcome.VOICEMAIL


async def test_lost_calls_are_in_the_ledger_or_not(clock: MockClock, ledger: Path) -> None:
    """Of the calls that may have been placed the ledger says which were; `reconcile` follows it."""
    attempts = [f"a{count}" for count in range(24)]
    async with simulator(ledger=ledger, maybe_placed=1.0) as trunk:
        for attempt in attempts:
            with pytest.raises(MaybePlaced):
                await trunk.place(order(attempt), log())
        written = {json.loads(line)["attempt"] for line in lines(ledger)}
        assert 3 < len(written) < 21
        for attempt in attempts:
            answer = await trunk.reconcile(ref(attempt))
            assert isinstance(answer, WasPlaced if attempt in written else WasNotPlaced)


async def test_script_goes_on_after_a_restart(clock: MockClock, ledger: Path) -> None:
    """The outcomes of a scripted number follow the order of its calls over all lives of the trunk."""
    script: dict[str, Any] = {"numbers": {NUMBER: (Outcome.BUSY, Outcome.REJECTED, Outcome.ANSWERED)}}
    outcomes = []
    for attempt in ("a1", "a2", "a3"):
        async with simulator(ledger=ledger, **script) as trunk:
            await trunk.place(order(f"other {attempt}", number="+12125550199"), log())
            outcomes.append((await trunk.place(order(attempt), log())).outcome)
    assert outcomes == [Outcome.BUSY, Outcome.REJECTED, Outcome.ANSWERED]
    async with simulator(ledger=ledger, **script) as trunk:
        answer = await trunk.reconcile(ref("a2"))
    assert isinstance(answer, WasPlaced)
    assert answer.end is not None
    assert answer.end.outcome is Outcome.REJECTED


async def test_torn_line_is_no_call_and_spoils_no_other(clock: MockClock, ledger: Path) -> None:
    """What a crash left of a line is read as not placed, and the next line stands on its own."""
    async with simulator(ledger=ledger) as trunk:
        await trunk.place(order("a1"), log())
        await trunk.place(order("a2"), log())
    file = trio.Path(ledger)
    await file.write_bytes((await file.read_bytes())[:-20])
    async with simulator(ledger=ledger) as trunk:
        assert await trunk.reconcile(ref("a2")) == WasNotPlaced()
        await trunk.place(order("a3"), log())
        assert isinstance(await trunk.reconcile(ref("a1")), WasPlaced)
        assert isinstance(await trunk.reconcile(ref("a3")), WasPlaced)
        assert await trunk.reconcile(ref("a2")) == WasNotPlaced()


async def test_full_disk_places_nothing() -> None:
    """A line that cannot be written is a call that was not taken."""
    async with simulator(ledger=Path("/dev/full")) as trunk:
        with pytest.raises(NotPlaced) as caught:
            await trunk.place(order(), log())
    assert caught.value.cause.fault is AtFault.PROVIDER
    assert "No space left" in str(caught.value)


async def test_half_a_line_places_nothing(clock: MockClock, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes half a line took no call, and the next line is whole."""
    write = os.write
    async with simulator(ledger=ledger) as trunk:
        with monkeypatch.context() as half:
            half.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
            with pytest.raises(NotPlaced, match="disk full"):
                await trunk.place(order("a1"), log())
        await trunk.place(order("a2"), log())
        assert await trunk.reconcile(ref("a1")) == WasNotPlaced()
        assert isinstance(await trunk.reconcile(ref("a2")), WasPlaced)


async def test_failing_disk_may_have_placed(clock: MockClock, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a line was written but cannot be made durable, nobody can promise anything."""

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    async with simulator(ledger=ledger) as trunk:
        monkeypatch.setattr(os, "fsync", fail)
        report = log()
        with pytest.raises(MaybePlaced, match="Input/output error"):
            await trunk.place(order("a1"), report)
        assert report.told == []


async def test_ledger_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A trunk whose ledger has no directory does not start, and says which file it is about."""
    path = tmp_path / "missing" / "ledger.jsonl"
    with pytest.raises(LedgerError, match=str(path)):
        await simulator(ledger=path).__aenter__()


@given(st.lists(st.text(min_size=1, max_size=40), unique=True, max_size=60), st.integers(0, 60))
def test_index_finds_what_was_written(tmp_path_factory: pytest.TempPathFactory, attempts: list[str], cut: int) -> None:
    """Whatever is written, in however many goes, is found, and nothing else."""
    path = tmp_path_factory.mktemp("index") / "ledger.jsonl"
    index = LedgerIndex(path, frozenset())
    for part in (attempts[:cut], attempts[cut:]):
        with path.open("a") as file:
            for attempt in part:
                file.write(_line(attempt))
        index.read_on()
    for attempt in attempts:
        entry = index.find(attempt)
        assert entry is not None
        assert (entry.attempt_id, entry.at) == (attempt, EPOCH)
    assert index.find("".join(attempts) + "?") is None


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """A line that is being written while the ledger is read is left for the next time."""
    path = tmp_path / "ledger.jsonl"
    index = LedgerIndex(path, frozenset())
    line = _line("a1")
    path.write_text(line[:30])
    index.read_on()
    path.write_text(line)
    index.read_on()
    assert index.find("a1") is not None


def test_index_stays_small(tmp_path: Path) -> None:
    """A large ledger takes a few ten bytes of memory a line, however long its lines are."""
    path = tmp_path / "ledger.jsonl"
    count = 20_000
    with path.open("w") as file:
        file.writelines(_line(f"0192f0c0-0000-7000-8000-{number:012d}") for number in range(count))
    tracemalloc.start()
    index = LedgerIndex(path, frozenset())
    empty, _ = tracemalloc.get_traced_memory()
    index.read_on()
    full, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (full - empty) / count < 40
    assert index.find(f"0192f0c0-0000-7000-8000-{count - 1:012d}") is not None


def _line(attempt: str) -> str:
    entry = {"attempt": attempt, "number": NUMBER, "caller_id": CALLER_ID, "at": "2027-01-15T08:00:00Z"}
    return json.dumps(entry) + "\n"


async def _drop(provider: Simulator, attempt_id: str) -> None:
    """Place a call and drop it, with its trunk, when it is accepted: as a crash does."""
    scope = trio.CancelScope()

    async with provider as trunk:
        with scope:
            await trunk.place(order(attempt_id), log(lambda _: scope.cancel()))
