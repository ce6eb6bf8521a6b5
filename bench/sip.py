"""Calls a second through the plugin for SIP trunks beside sipp's own, and the memory of those that are held.

    python -m bench.sip [--count 10000] [--at-once 100] [--digest each|known] [--sipp] [--stay]

Each call is placed by `Sip.place`: over UDP on loopback, with media leased from the media process, an agent that plays,
and a report that is durable at once. The far end is sipp on the machine's other core: it rings, answers, and says BYE
as soon as the answer is acknowledged. This process and the media process share one core. With `--digest` the far end
challenges each call anew (`each`), or only who does not answer its one nonce by itself (`known`). `--sipp` has sipp
call instead. `--stay` leaves all calls up, without sound, and tells what memory they take. Prints one line of JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy
import soundfile
import trio
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.options import SipOptions
from dialerd_sip.provider import Sip
from uuid_utils.compat import uuid7

from bench.calls import number
from bench.machine import load, memory_kib, peak_kib, processor_s
from bench.sip_far import HOST, PASSWORD, USERNAME, FarEnd, call, cores, far_end, free_port, taken_s
from dialerd.daemon import logging
from dialerd.daemon.tuning import tune
from dialerd.model.errors import DialerdError
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Outcome
from dialerd.plugin.provider import Answered, CallEvent, CallOrder, TrunkSite

_WARM: Final = 300
_SETTLED_S: Final = 34.0  # 64*T1, after which nothing is kept any more of the INVITEs' transactions
_PORTS: Final = 20_000, 59_999
_SCENARIOS: Final = {None: ("answer", "call"), "each": ("challenge", "show"), "known": ("known", "show")}


class Order(CallOrder):
    """An order that may leave at once."""

    def leave(self) -> None:
        """Let it leave."""


class Calls:
    """Calls that are placed, so many at once.

    Args:
        provider: by whom.
        agent: what speaks.
        at_once: how many at once.
    """

    def __init__(self, provider: Sip, agent: AgentSettings, at_once: int) -> None:
        self._provider = provider
        self._agent = agent
        self._free = trio.Semaphore(at_once)
        self.answered = 0
        self.failed: dict[str, int] = {}

    async def run(self, nursery: trio.Nursery, first: int, count: int) -> None:
        """Start calls, as many at once as may be."""
        for index in range(first, first + count):
            await self._free.acquire()
            nursery.start_soon(self._place, index)

    async def _place(self, index: int) -> None:
        order = Order(
            attempt_id=str(uuid7()),
            trunk="bench",
            number=number(index),
            caller_id="+12125550100",
            agent_name="reminder",
            agent=self._agent,
        )
        try:
            end = await self._provider.place(order, Report(self))
            if end.outcome is not Outcome.ANSWERED:
                self._fail(str(end))
        except DialerdError as error:
            self._fail(str(error))
        finally:
            self._free.release()

    def _fail(self, why: str) -> None:
        self.failed[why] = self.failed.get(why, 0) + 1


class Report:
    """What a call reports to.

    Args:
        calls: who counts.
    """

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __call__(self, event: CallEvent, /) -> None:
        if isinstance(event, Answered):
            self._calls.answered += 1

    def state(self, state: bytes, /) -> None:
        """Keep nothing."""

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Everything is kept already."""
        if told is not None:
            told(True)

    async def opt_out(self) -> None:
        """Do nothing: nobody presses keys."""


def options(far: FarEnd, folder: Path) -> dict[str, Any]:
    """Return the options of a trunk to a far end, as they are written in settings.

    Args:
        far: the far end.
        folder: where the password and the prompts are.
    """
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD)
    return {
        "server": far.place,
        "bind": f"{HOST}:{free_port()}",
        "username": USERNAME,
        "password_file": str(password),
        "cache": str(folder / "cache"),
        "rtp_ports": f"{_PORTS[0]}-{_PORTS[1]}",
        "options_interval": 0,  # sipp would take it for a call
        "silence_timeout": 0,  # nobody speaks
        "answer_timeout": 2_000,  # nothing is lost on loopback; what is only late is not to be sent again
    }


def sound(folder: Path, seconds: int = 60) -> AgentSettings:
    """Return an agent that plays silence for as long as no call lasts here."""
    file = folder / "silence.wav"
    soundfile.write(file, numpy.zeros(8_000 * seconds, dtype="int16"), 8_000)
    return AgentSettings(play=str(file))


async def by_plugin(far: FarEnd, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Call through the plugin."""
    media = MediaProcess(*_PORTS)
    agent = sound(folder, 1 if asked.stay else 60)  # calls that stay never hear its end
    written = options(far, folder) | ({"answer_timeout": 500} if asked.stay else {})
    async with Sip(TrunkSite(name="bench"), SipOptions(**written), media=media) as provider:
        warm = Calls(provider, agent, asked.at_once)
        await _through(warm, 0, _WARM if not asked.stay else 0)
        tune()
        pid = media.pid
        calls = Calls(provider, agent, asked.at_once if not asked.stay else asked.count)
        if asked.stay:
            return await _staying(calls, asked.count, media)
        assert pid is not None
        wall, cpu, media_s = time.perf_counter(), time.process_time(), processor_s(pid)
        far_s = taken_s(far)
        await _through(calls, _WARM, asked.count)
        return {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "media_cpu_s": processor_s(pid) - media_s,
            "far_cpu_s": taken_s(far) - far_s,
            "failed": sum(calls.failed.values()),
            "why": next(iter(calls.failed), None),
        }


async def _through(calls: Calls, first: int, count: int) -> None:
    async with trio.open_nursery() as nursery:
        await calls.run(nursery, first, count)


async def _staying(calls: Calls, count: int, media: MediaProcess) -> dict[str, Any]:
    """Have all calls up at once, and return what the two processes grew by."""
    with trio.move_on_after(5):
        while media.pid is None:  # noqa: ASYNC110  # it tells nobody when it is there
            await trio.sleep(0.05)
    await trio.sleep(1)  # it has loaded what it needs
    pid = media.pid or 0
    kib, media_kib = memory_kib(), memory_kib(pid)
    async with trio.open_nursery() as nursery:
        for first in range(0, count, 100):
            await calls.run(nursery, first, min(100, count - first))
            while calls.answered < first + 100 and not calls.failed:  # noqa: ASYNC110  # a hundred at a time
                await trio.sleep(0.005)
        await trio.sleep(_SETTLED_S)
        found = {
            "answered": calls.answered,
            "failed": sum(calls.failed.values()),
            "why": next(iter(calls.failed), None),
            "kib": (memory_kib() - kib) / count,
            "media_kib": (memory_kib(pid) - media_kib) / count,
        }
        nursery.cancel_scope.cancel()  # each says BYE
    return found


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.sip")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--digest", choices=("each", "known"))
    parser.add_argument("--sipp", action="store_true", help="sipp calls, instead of the plugin")
    parser.add_argument("--stay", action="store_true", help="all calls stay up")
    asked = parser.parse_args()
    logging.configure("error", stream=sys.stderr)
    ours, others = cores()
    answers, calls = _SCENARIOS[asked.digest]
    with far_end("hold" if asked.stay else answers, others) as far:
        os.sched_setaffinity(0, {ours})
        if asked.sipp:
            before = taken_s(far)
            found: dict[str, Any] = call(calls, far, asked.count, asked.at_once, ours)
            found["far_cpu_s"] = taken_s(far) - before
        else:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
                found = trio.run(by_plugin, far, Path(folder).resolve(), asked)
    if "wall_s" in found:
        found["per_s"] = asked.count / found["wall_s"]
    print(json.dumps(found | {"count": asked.count, "peak_kib": peak_kib(), "load": load()}))


if __name__ == "__main__":
    main()
