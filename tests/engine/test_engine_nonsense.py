"""Plugins that raise and return nonsense: it costs one call, nobody is dialled twice, and the log says whose it is."""

import signal
import threading

import pytest
import trio
from attrs import evolve
from nonsense import NONSENSE
from phone import ANSWERED, BUSY, OUTAGE, Phone
from rig import START, number, rig, settings, trunk, until

from dialerd.model.call import CallEnd, CannotTell, Cause, WasPlaced
from dialerd.model.instants import MINUTE, SECOND
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import AtFault, Final, Outcome
from dialerd.plugin.provider import (
    Accepted,
    Answered,
    Digits,
    MaybePlaced,
    NotPlaced,
    Ringing,
    Throttled,
    Withdrawn,
)

ONCE = RetryPolicy(max_attempts=1)
CALLEE = Cause(fault=AtFault.CALLEE, q850=1)


@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize("left", [False, True])
async def test_whatever_is_raised_costs_one_call(kind, left, logged, autojump_clock):
    """The daemon goes on, the other calls of the same second too; who may have been rung is asked about, not rung."""
    error = await trio.to_thread.run_sync(NONSENSE[kind])
    raised = []

    async def script(phone, order, report):
        await trio.sleep(0.1)
        if order.number == number(3) and not raised:
            if left:
                phone.leave(order)
            raised.append(order)
            raise error
        phone.leave(order)
        await trio.sleep(1)
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=BUSY))
    async with rig(phone) as bench:
        row = await bench.add(8, retry=ONCE)
        await bench.over(row, within_s=600)
        totals = await bench.totals(row)
        if left:
            assert (totals.outcomes[Outcome.BUSY], len(phone.asked)) == (1, 1)
        assert totals.refunded == (not left)
        assert sorted(set(phone.numbers())) == [number(i) for i in range(8)]
        assert len(phone.left) == 8
    (broke,) = (entry for entry in logged if entry["event"] == "provider.broke")
    assert broke["trunk"] == "t"
    assert "report" in broke["remedy"]
    assert len(broke["error"]) < 1_000


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotPlaced(CALLEE), Outcome.INVALID_NUMBER),
        (NotPlaced(OUTAGE), Outcome.FAILED),
        (Throttled(1000), Outcome.CONGESTION),
        (MaybePlaced(OUTAGE), Outcome.BUSY),
    ],
)
@pytest.mark.parametrize("depth", [1, 3])
async def test_what_the_contract_allows_is_understood_in_groups(error, outcome, depth, autojump_clock):
    """A provider that places its calls in nurseries of its own wraps whatever it raises."""
    tried = []

    async def script(phone, order, report):
        phone.leave(order)
        tried.append(order)
        if len(tried) == 1:
            wrapped = error
            for _ in range(depth):
                wrapped = ExceptionGroup("nursery", [wrapped])
            raise wrapped
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=BUSY))
    async with rig(phone) as bench:
        row = await bench.add(1, retry=ONCE)
        await bench.over(row, within_s=60)
        outcomes = await bench.rows("SELECT outcome FROM attempts ORDER BY id LIMIT 1")
        assert outcomes == [(outcome,)]


async def test_a_withdrawal_passes_through_nurseries(autojump_clock):
    """The gate's word reaches the engine from any depth; a stop while such a provider works is no fault of it."""

    async def place(phone, order, report, nursery):
        await trio.sleep(1)
        phone.leave(order)
        await trio.sleep(1)

    async def script(phone, order, report):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place, phone, order, report, nursery)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(2)
        await trio.sleep(0.5)
        await bench.engine.steering.pause("x")
        await trio.sleep(5)
        assert phone.left == []
        assert (await bench.totals(row)).pending == 2
        await bench.engine.steering.resume("x")
        await bench.over(row)
        assert len(phone.left) == 2


async def test_a_stop_is_not_taken_for_a_fault(tmp_path, logged):
    """Cancelled at the end of a drain, a provider's group of cancellations leaves the attempt to the next life."""

    async def script(phone, order, report):
        phone.leave(order)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise OSError("while it is cancelled")

    wanted = settings()
    wanted = evolve(wanted, daemon=evolve(wanted.daemon, drain=0))
    phone = Phone(script)
    async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/dialerd.db", clean=False) as bench:
        await bench.add(1)
        await until(lambda: len(phone.left) == 1)
        bench.engine._calling._nursery.cancel_scope.cancel()
        await until(lambda: not bench.engine._calling._nursery.child_tasks)
        assert not [entry for entry in logged if entry["event"] == "provider.broke"]


@pytest.mark.parametrize("error", [Withdrawn("no"), NotPlaced(OUTAGE), Throttled(None)])
async def test_who_heard_it_ring_is_not_rung_again_on_a_contradiction(error, autojump_clock):
    """A provider that reports ringing and then swears that nothing rang is asked, not believed."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Ringing())
        raise error

    phone = Phone(script, answer=lambda _: CannotTell(reason="no"))
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row, within_s=60)
        assert (await bench.totals(row)).finals[Final.UNCERTAIN] == 1
        assert len(phone.left) == 1


@pytest.mark.parametrize("raises", [False, True])
async def test_a_provider_that_never_asks_the_gate_rings_nobody_twice(raises, logged, autojump_clock):
    """What it reported counts as having left; the log says that nothing stops its calls."""
    rung = []

    async def script(phone, order, report):
        await trio.sleep(0.1)
        rung.append(order.number)
        report(Ringing())
        report(Answered())
        if raises:
            raise OSError("lost")
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(phone) as bench:
        row = await bench.add(5)
        await bench.over(row, within_s=60)
        assert sorted(rung) == [number(i) for i in range(5)]
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 5
    if not raises:
        (told,) = (entry for entry in logged if entry["event"] == "provider.never_left")
        assert "order.leave()" in told["remedy"]


@pytest.mark.parametrize(
    "end",
    [
        evolve(ANSWERED, ended_at=START // 1000),
        evolve(ANSWERED, ended_at=START + 3650 * 24 * 60 * MINUTE),
        evolve(ANSWERED, ringing_at=START + MINUTE * 60, answered_at=1, ended_at=START + 2 * MINUTE),
        evolve(ANSWERED, ringing_at=0, answered_at=0, ended_at=0),
    ],
)
async def test_instants_that_cannot_be_are_brought_between_claim_and_end(end, autojump_clock):
    """An end in 1970 does not end the cooldown before it began, and one in ten years does not begin it then."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(60)
        return end

    phone = Phone(script)
    async with rig(phone) as bench:
        await bench.over(await bench.add(1), poll_s=0.1)
        ((ringing, answered, ended),) = await bench.rows("SELECT ringing_at, answered_at, ended_at FROM attempts")
        assert START <= (ringing or START) <= (answered or START) <= ended <= START + MINUTE + SECOND
        assert ended >= START + MINUTE


async def test_a_phone_rang_before_it_was_answered(autojump_clock):
    """Ringing that is heard of late does not come after an answer that the carrier dates, to the second, at the end."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(2.5)
        report(Ringing())
        report(Answered())
        await trio.sleep(3)
        return evolve(ANSWERED, answered_at=START + 2 * SECOND, ended_at=START + 5 * SECOND)

    phone = Phone(script)
    async with rig(phone) as bench:
        await bench.over(await bench.add(1), poll_s=0.1)
        ((ringing, answered, ended),) = await bench.rows("SELECT ringing_at, answered_at, ended_at FROM attempts")
        assert ringing == answered == START + 2 * SECOND
        assert ended == START + 5 * SECOND


@pytest.mark.parametrize(
    "end",
    [
        None,
        "answered",
        evolve(ANSWERED, ended_at=-5),
        evolve(ANSWERED, ended_at=1.5),
        evolve(ANSWERED, detail={"x": object()}),
        evolve(ANSWERED, detail={"x": "\udc80"}),
        evolve(ANSWERED, cause=OSError()),
        CallEnd(outcome="answered"),
    ],
)
async def test_an_end_that_cannot_be_stored_is_asked_about(end, autojump_clock):
    """It left, so that somebody was rung: the provider's answer counts, and the calls beside it end as they do."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(1)
        return end if order.number == number(1) else ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(phone) as bench:
        row = await bench.add(3)
        await bench.over(row, within_s=60)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 3
        assert (len(phone.left), len(phone.asked)) == (3, 1)


async def test_reports_of_nonsense_and_out_of_time_change_nothing(autojump_clock):
    """What is reported after the end, from a thread, or makes no sense neither breaks the daemon nor another call."""
    reports = []
    raised = []

    def from_a_thread(report):
        for tell in (lambda: report(Ringing()), lambda: report.state(b"x"), lambda: report(Digits("1"))):
            try:
                tell()
            except RuntimeError as error:
                raised.append(error)

    async def script(phone, order, report):
        reports.append(report)
        phone.leave(order)
        for nonsense in (None, "ringing", Digits(None), Accepted(b"\xff"), Accepted("\udc80"), Digits("\udc80")):
            report(nonsense)
        for state in (None, "text", b"x" * 70_000):
            try:
                report.state(state)
            except (TypeError, ValueError) as error:
                raised.append(error)
        thread = threading.Thread(target=from_a_thread, args=(report,))
        thread.start()
        thread.join()  # at once: while a thread is waited for, the clock of this test would jump
        report(Accepted("kept"))
        await trio.sleep(5)
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(phone) as bench:
        row = await bench.add(3)
        await trio.sleep(2)
        references = await bench.rows("SELECT reference FROM attempts")
        assert references == [("kept",)] * 3  # stored while it goes on, for the next life
        await bench.over(row)
        for report in reports:
            report(Ringing())
            report(Digits("9"))
            report.state(b"late")
        await trio.sleep(10)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 3
    assert len(raised) >= 9


async def test_leaving_twice_is_one_call(autojump_clock):
    """A provider that asks the gate again, after a pause, has let somebody be rung all the same."""

    async def script(phone, order, report):
        phone.leave(order)
        await trio.sleep(10)
        order.leave()
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(phone) as bench:
        row = await bench.add(2)
        await trio.sleep(5)
        await bench.engine.steering.pause("x")
        await bench.over(row, within_s=30)
        assert (len(phone.left), (await bench.totals(row)).finals[Final.SUCCEEDED]) == (2, 2)


async def test_a_provider_that_breaks_at_every_call_does_not_fill_the_log(logged, autojump_clock):
    """The first time in full, then once a minute with a count; the campaign waits on its trunk."""

    async def script(phone, order, report):
        await trio.sleep(0.01)
        if trio.current_time() < 3600:
            raise OSError("always")
        phone.leave(order)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=200)})) as bench:
        row = await bench.add(500)
        await trio.sleep(600)
        broke = [entry for entry in logged if entry["event"] == "provider.broke"]
        assert 1 < len(broke) <= 11
        assert [bool(entry["exc_info"]) for entry in broke] == [True] + [False] * (len(broke) - 1)
        assert broke[1]["more"] > 10
        await bench.engine.steering.cancel(row.uid)


def test_ctrl_c_in_a_provider_ends_the_program():
    """What comes from the keyboard is not a plugin's fault, wherever it strikes."""

    async def script(phone, order, report):
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    async def main():
        with trio.fail_after(30):
            async with rig(Phone(script)) as bench:
                await bench.add(1)
                await trio.sleep_forever()

    with pytest.raises(BaseException) as ended:  # noqa: PT011  # in a group, or alone
        trio.run(main)
    leaves = [ended.value]
    while isinstance(leaves[0], BaseExceptionGroup):
        leaves = list(leaves[0].exceptions)
    assert isinstance(leaves[0], KeyboardInterrupt)
