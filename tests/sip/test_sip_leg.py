"""A call whose own side fails or gives up, over a real socket: the far end is neither left up nor ringing."""

import math
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
import trio
from callee import Behaviour, Callee
from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media.inline import InlineMedia, InlineSession
from ports import free_ports
from sip_peers import tidy, udp_peer
from trunk_rig import CALLED, ordered, trunk

from dialerd.model.call import CallEnd
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.conformance.recorder import Recorder

__all__ = ["tidy"]


class Steps(trio.abc.Instrument):
    """Cancels a scope after so many steps of the task that entered it."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.scope = trio.CancelScope()
        self.task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


class Broken(InlineMedia):
    """Media whose sessions fail at one thing."""

    fails = ""

    async def lease(self, host: str, **options: Any) -> Any:
        session = await super().lease(host, **options)
        return BrokenSession(session, self.fails)


class BrokenSession:
    """A session that fails at one thing."""

    def __init__(self, session: InlineSession, fails: str) -> None:
        self._session = session
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        if name == self._fails:
            return self._fail
        return getattr(self._session, name)

    def _fail(self, *_: Negotiated) -> None:
        raise RuntimeError("made to fail")


async def place(tmp_path: Path, behaviour: Behaviour, *, media: InlineMedia | None = None, steps: int = 0):
    """Place a call, and return how it ended, where it did, and the callee a minute later."""
    order = ordered(tmp_path)
    callee = Callee({CALLED: behaviour})
    end: CallEnd | None = None
    async with callee.serve() as server, trunk(tmp_path, server, media=media) as sip:
        walk = Steps(steps)
        trio.lowlevel.add_instrument(walk)
        try:
            with walk.scope, trio.move_on_after(60):
                end = await sip.place(order, Recorder(lambda: True, lambda _: None))
        finally:
            trio.lowlevel.remove_instrument(walk)
        await trio.sleep(70)
        alive = callee.alive()
        assert not callee.faults
    return end, callee, alive, bool(order.left_at_s)


@pytest.mark.parametrize("fails", ["play", "connect"])
async def test_a_call_whose_own_side_fails_is_hung_up_at_once(clock, tmp_path, logged, fails):
    """The endpoint passes over whatever a call stumbles over; the person who answered is not left on a dead line."""
    media = Broken(*free_ports(100), turn_ms=1_000)
    media.fails = fails
    end, callee, alive, _ = await place(tmp_path, Behaviour(ring_s=1, talk_s=None), media=media)
    assert end is not None
    assert end.cause is not None
    assert end.cause.fault is AtFault.US
    assert not alive
    assert callee.placed(CALLED) == 1
    assert [entry for entry in logged if entry["event"] == "sip.endpoint_failed"]


@pytest.mark.parametrize("behaviour", [Behaviour(ring_s=math.inf), Behaviour(ring_s=0.0, rings=0, talk_s=None)])
async def test_whenever_a_call_is_cancelled_nobody_is_left_up_or_ringing(clock, tmp_path, behaviour):
    """At each step of placing it: before it leaves nothing was sent, afterwards it is taken back."""
    left = set()
    for steps in range(1, 14):
        end, callee, alive, has_left = await place(tmp_path, behaviour, steps=steps)
        assert end is None or has_left
        assert not alive, steps
        assert bool(callee.calls) == has_left, steps
        left.add(has_left)
    assert left == {True, False}


async def test_a_bye_that_overtakes_the_answer_is_suspect(clock, tmp_path):
    """Answered and hung up within a second, and our side heard of the hanging up first."""
    soundfile.write(tmp_path / "hello.wav", numpy.zeros(80_000), 8_000)
    far, flow = await udp_peer()

    async def answer() -> None:
        data, back = await far.recvfrom(65_535)
        head = [line for line in data.decode().split("\r\n") if line.partition(":")[0] in {"Via", "Call-ID", "CSeq"}]
        via, call_id, cseq = (next(line for line in head if line.startswith(name)) for name in ("Via", "Call-ID", "CS"))
        ours = next(line for line in data.decode().split("\r\n") if line.startswith("From:")).partition(":")[2]
        theirs = f"<sip:far@{flow.host}>;tag=far"
        bye = [f"Via: SIP/2.0/UDP {flow.host}:{flow.port};rport;branch=z9hG4bKbye", f"From: {theirs}", f"To:{ours}"]
        bye += [call_id, "CSeq: 1 BYE", "Max-Forwards: 70", "", ""]
        await far.sendto("\r\n".join(["BYE sip:dialerd@127.0.0.1 SIP/2.0", *bye]).encode(), back)
        ok = [via, f"From:{ours}", f"To: {theirs}", call_id, cseq, f"Contact: <sip:{flow.host}:{flow.port}>", "", ""]
        await far.sendto("\r\n".join(["SIP/2.0 200 OK", *ok]).encode(), back)

    place = f"{flow.host}:{flow.port}"
    async with trunk(tmp_path, place, options_interval=0) as sip, trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        end = await sip.place(ordered(tmp_path), Recorder(lambda: True, lambda _: None))
    assert end.outcome is Outcome.ANSWERED
    assert end.detail["suspect"] is True


class Slow(Recorder):
    """A report whose store takes a while."""

    def __init__(self) -> None:
        super().__init__(lambda: True, lambda _: None)
        self.asked = 0
        self.stored: Callable[[bool], None] | None = None

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        self.asked += told is not None
        self.stored = told


@asynccontextmanager
async def answered(tmp_path, report, ring_s):
    """Place a call whose store is slow, and yield the callee's side of it; at the end it must have been answered."""
    callee = Callee({CALLED: Behaviour(ring_s=ring_s, talk_s=30)})
    ends = []
    async with (
        callee.serve() as server,
        trunk(tmp_path, server) as sip,
        trio.open_nursery() as nursery,
    ):

        async def place() -> None:
            ends.append(await sip.place(ordered(tmp_path), report))

        nursery.start_soon(place)
        with trio.fail_after(60):
            while not any(call.state == "up" for call in callee.calls.values()):  # noqa: ASYNC110  # nobody tells
                await trio.sleep(0.05)
        (call,) = callee.calls.values()
        await trio.sleep(1)
        yield call
    assert [end.outcome for end in ends] == [Outcome.ANSWERED]


@pytest.mark.parametrize("ring_s", [0.0, 0.2, 3.0])
async def test_an_answer_is_acknowledged_once_its_dialog_is_durable_and_no_sooner(clock, tmp_path, ring_s):
    """A far end that is not acknowledged says it again, so that a later life would hear of it."""
    report = Slow()
    async with answered(tmp_path, report, ring_s) as call:
        assert call.acks == 0
        report.stored(True)
        await trio.sleep(0.1)
        assert call.acks > 0
    assert report.asked == 1


@pytest.mark.parametrize("ring_s", [0.0, 4.0])
async def test_a_store_that_hangs_keeps_nobody_waiting_for_ever(clock, tmp_path, ring_s):
    """After two seconds the person who answered is worth more than what a crash might lead to."""
    async with answered(tmp_path, Slow(), ring_s) as call:
        await trio.sleep(0.5)
        assert call.acks == 0
        await trio.sleep(1)
        assert call.acks > 0
