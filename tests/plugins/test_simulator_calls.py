"""Simulated calls on a virtual clock: bounds, hang-up, capacity, outages and losses, without a ledger."""

import os
import threading

import pytest
import trio
from dialerd_simulator.options import Outage
from simulated import NUMBER, log, order, ref, simulator
from trio.testing import MockClock

from dialerd.model.call import CallEnd, CannotTell, WasNotPlaced, WasPlaced
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, AnsweredBy, AtFault, OnVoicemail, Outcome
from dialerd.plugin.provider import HangUp, MaybePlaced, NotPlaced, Ringing, Throttled


async def test_call_takes_its_time(autojump_clock: MockClock) -> None:
    """A call rings, is answered and talks as long as the options say; its instants are left to the reports."""
    report = log()
    async with simulator(ring_time=2000, talk_time=3000) as trunk:
        end = await trunk.place(order(), report)
    assert end == CallEnd(outcome=Outcome.ANSWERED)
    assert [(type(told.event).__name__, told.at_s) for told in report.told] == [
        ("Accepted", 0.0),
        ("Ringing", 0.0),
        ("Answered", 2.0),
    ]
    assert trio.current_time() == 5.0


async def test_call_without_duration_needs_nothing_but_its_task() -> None:
    """A call without ring and talk time needs no timer and no thread, and ends in the turn in which it began."""
    turns: list[int] = []
    threads = threading.active_count()

    async def other() -> None:
        while len(turns) < 5:
            turns.append(len(turns))
            await trio.lowlevel.checkpoint()

    async with simulator() as trunk, trio.open_nursery() as nursery:
        nursery.start_soon(other)
        before = trio.lowlevel.current_statistics()
        for count in range(5):
            report = log()
            await trunk.place(order(str(count)), report)
            assert report.names() == ["Accepted", "Answered"]
        assert not turns
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == before.seconds_to_next_deadline
    assert threading.active_count() == threads


async def test_no_answer_rings_as_long_as_the_network_lets_it(autojump_clock: MockClock) -> None:
    """An unanswered phone rings until the ring timeout, or for the network's own time where that is shorter."""
    outcomes = {Outcome.NO_ANSWER: 1.0}
    async with simulator(outcomes=outcomes) as trunk:
        end = await trunk.place(order(ring_timeout=20_000), log())
    assert (end.outcome, trio.current_time()) == (Outcome.NO_ANSWER, 20.0)
    async with simulator(outcomes=outcomes, no_answer_time=5000) as trunk:
        await trunk.place(order(), log())
    assert trio.current_time() == 25.0


@pytest.mark.parametrize(
    ("at_s", "outcome"), [(1, Outcome.CANCELLED), (3, Outcome.ANSWERED)], ids=["ringing", "answered"]
)
async def test_hang_up_ends_the_call_then(autojump_clock: MockClock, at_s: float, outcome: Outcome) -> None:
    """Hung up while it rings a call is cancelled, after the answer it was answered; both end at that instant."""
    placed = order()

    async def hang_up() -> None:
        await trio.sleep(at_s)
        placed.hangup.set()

    async with simulator(ring_time=2000, talk_time=3000) as trunk, trio.open_nursery() as nursery:
        nursery.start_soon(hang_up)
        end = await trunk.place(placed, log())
        assert (end.outcome, trio.current_time()) == (outcome, at_s)


async def test_message_that_was_cut_is_not_left(autojump_clock: MockClock) -> None:
    """A call hung up while the agent speaks to a machine is a voicemail without a message."""
    agent = AgentSettings(say="hello", on_voicemail=OnVoicemail.LEAVE_MESSAGE)
    for hang_up, left in ((False, True), (True, False)):
        placed = order(amd=Amd.DETECT, agent=agent)
        report = log()
        async with simulator(amd={AnsweredBy.MACHINE: 1}, talk_time=5000) as trunk, trio.open_nursery() as nursery:
            if hang_up:
                nursery.start_soon(_set_after, placed.hangup, 1)
            end = await trunk.place(placed, report)
        assert (end.outcome, end.message_left) == (Outcome.VOICEMAIL, left)
        assert report.names() == ["Accepted", "Answered", "AmdResult"]
        assert report.last_state == b"detect leave_message"


async def test_capacity_throttles_and_says_how_long(autojump_clock: MockClock) -> None:
    """A second's worth of calls passes at once; the next is throttled until the time it is told."""
    async with simulator(capacity=2.0) as trunk:
        for count in range(2):
            await trunk.place(order(str(count)), log())
        with pytest.raises(Throttled) as caught:
            await trunk.place(order("x"), log())
        assert caught.value.retry_after == 500
        await trio.sleep(0.5)
        assert (await trunk.place(order("x"), log())).outcome is Outcome.ANSWERED


async def test_channels_are_counted_and_come_back(autojump_clock: MockClock) -> None:
    """No more calls than channels are in progress; ended, cancelled and refused calls give theirs back."""
    async with simulator(max_channels=1, talk_time=1000) as trunk:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trunk.place, order("1"), log())
            await trio.sleep(0.1)
            with pytest.raises(Throttled):
                await trunk.place(order("2"), log())
            nursery.cancel_scope.cancel()
        await trunk.place(order("3"), log())
        await trunk.place(order("4"), log())


@pytest.mark.parametrize("silent", [False, True])
async def test_outages_come_and_go(autojump_clock: MockClock, silent: bool) -> None:
    """In an outage no call is placed, at the trunk's fault; a silent one says so after the ring timeout only."""
    outage = Outage(every=60_000, lasts=30_000, after=10_000, silent=silent)
    async with simulator(outages=(outage,)) as trunk:
        await trunk.place(order("1"), log())
        await trio.sleep(10)
        with pytest.raises(NotPlaced) as caught:
            await trunk.place(order("2", ring_timeout=5000), log())
        assert caught.value.cause.fault is AtFault.TRUNK
        assert trio.current_time() == (15.0 if silent else 10.0)
        await trio.sleep_until(40)
        await trunk.place(order("3"), log())
        await trio.sleep_until(70)
        with pytest.raises(NotPlaced):
            await trunk.place(order("4", ring_timeout=5000), log())


async def test_silent_outage_ends_with_the_hang_up(autojump_clock: MockClock) -> None:
    """A call that hears nothing can be hung up."""
    placed = order()
    async with (
        simulator(outages=(Outage(every=1000, lasts=1000, silent=True),)) as trunk,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_set_after, placed.hangup, 0.25)
        with pytest.raises(NotPlaced):
            await trunk.place(placed, log())
        assert trio.current_time() == 0.25


async def test_lost_calls_are_told_apart_afterwards(autojump_clock: MockClock) -> None:
    """Without a ledger the trunk knows of the calls it lost itself whether they were placed, and of no others."""
    async with simulator(maybe_placed=1.0, talk_time=10_000) as trunk:
        answers = {}
        for count in range(20):
            with pytest.raises(MaybePlaced):
                await trunk.place(order(str(count)), log())
            answers[str(count)] = await trunk.reconcile(ref(str(count)))
        live = [attempt for attempt, answer in answers.items() if answer == WasPlaced(end=None)]
        assert 3 < len(live) < 17
        assert all(answer == WasNotPlaced() for attempt, answer in answers.items() if attempt not in live)
        assert isinstance(await trunk.reconcile(ref("unknown")), CannotTell)
        end = await trunk.follow(ref(live[0]), log(), HangUp())
        assert (end.outcome, trio.current_time()) == (Outcome.ANSWERED, 10.0)
        answer = await trunk.reconcile(ref(live[1]))
        assert isinstance(answer, WasPlaced)
        assert answer.end is not None


async def test_script_counts_only_calls_that_were_placed() -> None:
    """A scripted number's outcomes follow the calls that reached the network, not those that were withdrawn."""
    script = (Outcome.BUSY, Outcome.REJECTED, Outcome.ANSWERED)
    async with simulator(numbers={NUMBER: script}) as trunk:
        with pytest.raises(ValueError, match="paused"):
            await trunk.place(order("0", withdrawal=ValueError("paused")), log())
        ends = [(await trunk.place(order(str(count)), log())).outcome for count in range(4)]
    assert ends == [*script, Outcome.ANSWERED]


async def test_hang_up_at_the_report_is_seen(autojump_clock: MockClock) -> None:
    """A hang-up that comes out of a report itself ends the call at once."""
    placed = order()

    def act(event: object) -> None:
        if isinstance(event, Ringing):
            placed.hangup.set()

    async with simulator(ring_time=2000) as trunk:
        assert (await trunk.place(placed, log(act))).outcome is Outcome.CANCELLED
    assert trio.current_time() == 0


async def test_no_file_is_kept_without_a_ledger(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a ledger nothing is opened."""

    def refuse(*_: object, **__: object) -> int:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(os, "open", refuse)
    async with simulator() as trunk:
        await trunk.place(order(), log())


async def _set_after(event: HangUp, seconds: float) -> None:
    await trio.sleep(seconds)
    event.set()
