"""Forecasts in a process of their own: what is said, what is refused, and that the process never outlives its asker."""

import os
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from groundwork import ground
from phone import Phone, talk
from rig import CALLER_ID, START, number, rig, settings

from dialerd.model.errors import InvalidInput, WrongState
from dialerd.model.instants import HOUR, to_iso
from dialerd.model.settings import NumberSettings, TrunkSettings
from dialerd.model.states import Final, Outcome, Rule
from dialerd.operations import plans as plans_module
from dialerd.operations.plan_process import task_body
from dialerd.operations.plans import PlanFailed, Plans

OPTIONS = {"ring_time": "1s", "talk_time": "9s", "outcomes": {"answered": 1}}
WORLD = settings(
    trunks={
        "t": TrunkSettings(provider="simulator", max_concurrent=2, countries=("GB",), options=OPTIONS),
        "u": TrunkSettings(provider="carrier", countries=("FR",), options={"password": "hunter2"}),
    },
    numbers={CALLER_ID: NumberSettings(trunk="t")},
)


def document(people: int = 10, **changes: object) -> bytes:
    """Return a campaign document."""
    spec = {
        "name": "plan",
        "agent": "a",
        "timezone": "Europe/London",
        "recipients": [{"phone": number(i), "timezone": "Europe/London"} for i in range(people)],
    }
    return msgspec.json.encode(spec | changes)


def children() -> list[int]:
    """Return the processes that this one has started and that are not gone."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def used_s(pid: int) -> float:
    """Return the processor time that a process has used (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


async def test_a_document_is_forecast(tmp_path):
    """End, calls, lines and hours, from now or from another instant, in memory or in a file; nothing is stored."""
    async with rig(Phone(talk()), WORLD) as bench:
        plans = Plans(ground(bench))
        plan = await plans.plan(document(state="draft"), START)
        assert (plan.name, plan.timezone, plan.starts_at) == ("plan", "Europe/London", START)
        assert (plan.recipients, plan.calls, plan.peak_lines) == (10, 10, 2)
        assert plan.ends_at == START + 50_000
        assert (plan.first_call_at, plan.last_call_at) == (START, START + 40_000)
        assert plan.calls_per_hour == {to_iso(START): 10}
        assert plan.finals == {Final.SUCCEEDED: 10}
        assert plan.outcomes == {Outcome.ANSWERED: 10}
        assert plan.talk_s == 90.0
        assert await bench.rows("SELECT * FROM campaigns") == []
        file = tmp_path / "body"
        windows = [{"start": "12:00", "end": "13:00"}]
        file.write_bytes(document(2, windows=windows, recipients=[{"phone": number(0)}] * 2))
        later = await plans.plan(file)  # from now, which is 11:00 in London
        assert later.first_call_at == START + HOUR
        assert (later.recipients, later.held) == (1, {Rule.CALLING_WINDOW: 1})
        assert later.warnings_count == 1
        assert [fault.file for fault in later.warnings] == [None]


async def test_every_fault_of_a_document_is_told():
    """With its place, and without the name of a file that only this daemon knows."""
    async with rig(Phone(talk()), WORLD) as bench:
        plans = Plans(ground(bench))
        with pytest.raises(InvalidInput) as refused:
            await plans.plan(document(1, agent="nobody", ring_timeout="soon", colour="red"))
        assert sorted(fault.path for fault in refused.value.faults) == ["agent", "colour", "ring_timeout"]
        assert {fault.file for fault in refused.value.faults} == {None}
        for wrong in (b"", b"{", b"[]", b"\xff", document(0)):
            with pytest.raises(InvalidInput):
                await plans.plan(wrong)
        assert children() == []


async def test_the_process_is_killed_with_its_asker_and_after_its_time():
    """A client that leaves ends it; one that takes too long is told so; the next one is made all the same."""
    endless = document(100_000)
    async with rig(Phone(talk()), WORLD) as bench:
        plans = Plans(ground(bench))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plans.plan, endless, START)
            with trio.fail_after(60):
                while not any(used_s(pid) > 2.0 for pid in children()):  # noqa: ASYNC110  # a process has no event
                    await trio.sleep(0.01)  # until it is at the forecast: it reads nothing more, and nobody writes
            nursery.cancel_scope.cancel()
            left = time.monotonic()
        with pytest.raises(InvalidInput, match="took more than"):
            await Plans(ground(bench), patience_s=0.2).plan(endless, START)
        assert time.monotonic() - left < 5  # left alone, each would take longer
        assert children() == []
        assert (await plans.plan(document(1), START)).calls == 1


async def test_one_at_a_time_and_the_loop_goes_on():
    """Two that are asked for together are made one after the other, while everything else moves."""
    at_once: Counter[int] = Counter()
    async with rig(Phone(talk()), WORLD) as bench:
        plans = Plans(ground(bench))

        async def look() -> None:
            while True:
                await trio.sleep(0.01)
                at_once[len(children())] += 1

        async with trio.open_nursery() as watching:
            watching.start_soon(look)
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(plans.plan, document(300), START)
            watching.cancel_scope.cancel()
    assert max(at_once) == 1
    assert at_once[1] > 20  # looks while one was being made


async def test_too_many_that_wait_are_turned_away(monkeypatch):
    """One is made and one waits; the next is told to come again."""
    monkeypatch.setattr(plans_module, "MOST_WAITING", 1)
    async with rig(Phone(talk()), WORLD) as bench:
        plans = Plans(ground(bench))
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(plans.plan, document(1), START)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(WrongState, match="ask again later"):
                await plans.plan(document(1), START)
            nursery.cancel_scope.cancel()
        assert (await plans.plan(document(1), START)).calls == 1


async def test_a_process_that_dies_is_told(monkeypatch, tmp_path):
    """It says nothing about the document."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o700)
    async with rig(Phone(talk()), WORLD) as bench:
        monkeypatch.setattr(plans_module.sys, "executable", str(broken))
        with pytest.raises(PlanFailed, match="ended with status 3"):
            await Plans(ground(bench)).plan(document(1))
        monkeypatch.setattr(plans_module.sys, "executable", str(tmp_path / "nothing"))
        with pytest.raises(PlanFailed, match="cannot be started"):
            await Plans(ground(bench)).plan(document(1))


def test_the_process_is_given_no_secrets():
    """Of the trunks' options only those of the simulator are handed on."""
    body = task_body(b"{}", WORLD, START)
    assert b"hunter2" not in body
    assert b"talk_time" in body
