"""Calls created a second through the plugin for Twilio, or by bare httpx, and the memory of those in progress.

    python -m bench.twilio [--count 3000] [--at-once 50] [--bare] [--stay]

The carrier is the double of the tests, a process of its own on the machine's other core; this process keeps to one. A
call is created when the carrier's answer was understood, and then stays up. `--bare` sends the same forms by httpx
alone and reads the answers as JSON. `--stay` waits until every call is known to be answered, and tells what memory they
take. What is connected and loaded by the first calls is not counted. Prints one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import trio
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.provider import Twilio
from dialerd_twilio.script import write_script
from uuid_utils.compat import uuid7

from bench.calls import number
from bench.machine import load, memory_kib, peak_kib, processor_s
from dialerd.daemon import logging
from dialerd.daemon.tuning import tune
from dialerd.model.settings import AgentSettings
from dialerd.plugin.provider import Accepted, Answered, CallEvent, CallOrder, TrunkSite

_DOUBLE: Final = Path(__file__).parents[1] / "tests" / "twilio" / "double_process.py"
_ACCOUNT: Final = "AC" + "0123456789abcdef" * 2
_TOKEN: Final = "not-a-real-token"
_CALLER_ID: Final = "+12125550100"
_AGENT: Final = AgentSettings(stream="wss://agent.example.com/media")  # lasts until somebody hangs up
_WARM: Final = 100
_BEHAVIOUR: Final = {"ring_s": 1, "talk_s": None}
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0)  # all are kept


class Order(CallOrder):
    """An order that may leave at once."""

    def leave(self) -> None:
        """Let it leave."""


def order(index: int) -> Order:
    """Return an order to a number of its own."""
    return Order(
        attempt_id=str(uuid7()),
        trunk="bench",
        number=number(index),
        caller_id=_CALLER_ID,
        agent_name="reminder",
        agent=_AGENT,
    )


class Creating:
    """Calls that are created, so many at once, and stay.

    Args:
        provider: by whom.
        at_once: how many requests at once.
    """

    def __init__(self, provider: Twilio, at_once: int) -> None:
        self._provider = provider
        self._free = trio.Semaphore(at_once)
        self.wanted = self.accepted = self.answered = 0
        self.done = trio.Event()
        self.up = trio.Event()

    async def run(self, nursery: trio.Nursery, first: int, count: int) -> None:
        """Create calls, and return when the last one is accepted."""
        self.wanted, self.done = self.accepted + count, trio.Event()
        for index in range(first, first + count):
            await self._free.acquire()
            nursery.start_soon(self._provider.place, order(index), Report(self))
        await self.done.wait()

    def accept(self) -> None:
        """Count a call that the carrier took."""
        self.accepted += 1
        self._free.release()
        if self.accepted == self.wanted:
            self.done.set()

    def answer(self) -> None:
        """Count a call that is known to be up."""
        self.answered += 1
        if self.answered == self.wanted:
            self.up.set()


class Report:
    """What a call reports to.

    Args:
        creating: who counts.
    """

    __slots__ = ("_creating",)

    def __init__(self, creating: Creating) -> None:
        self._creating = creating

    def __call__(self, event: CallEvent, /) -> None:
        if isinstance(event, Accepted):
            self._creating.accept()
        elif isinstance(event, Answered):
            self._creating.answer()

    def state(self, state: bytes, /) -> None:
        """Keep nothing."""

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Everything is kept already."""
        if told is not None:
            told(True)

    async def opt_out(self) -> None:
        """Do nothing: nobody presses keys."""


async def by_plugin(url: str, token: Path, count: int, at_once: int, *, stay: bool) -> dict[str, Any]:
    """Create calls through the plugin.

    Args:
        url: of the double.
        token: file with the account's token.
        count: calls.
        at_once: requests at once.
        stay: whether to wait until all are known to be answered.
    """
    # without callbacks the plugin asks after a while how a call stands; not within what is measured here
    asking: dict[str, Any] = {"poll_first": 5_000} if stay else {"poll_first": 60_000, "poll_most": 600_000}
    options = TwilioOptions(
        base_url=url,
        account_sid=_ACCOUNT,
        auth_token=str(token),
        account_cps=10_000,
        check_caller_ids=False,
        **asking,
    )
    async with Twilio(TrunkSite(name="bench"), options) as provider, trio.open_nursery() as nursery:
        creating = Creating(provider, at_once)
        await creating.run(nursery, 0, _WARM)
        tune()
        before = memory_kib()
        wall, cpu = time.perf_counter(), time.process_time()
        await creating.run(nursery, _WARM, count)
        found: dict[str, Any] = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        if stay:
            await creating.up.wait()
            found |= {"rss_before_kib": before, "rss_kib": memory_kib()}
        nursery.cancel_scope.cancel()  # nobody follows the calls any more
    return found


async def bare(url: str, count: int, at_once: int) -> dict[str, Any]:
    """Create calls by httpx alone, with the forms that the plugin sends."""
    twiml = str(write_script(order(0), None).twiml)
    path = f"{url}/2010-04-01/Accounts/{_ACCOUNT}/Calls.json"

    async def work(client: httpx.AsyncClient, indices: Iterator[int]) -> None:
        for index in indices:
            form = {"To": number(index), "From": _CALLER_ID, "Timeout": 40, "TimeLimit": 1_800, "Twiml": twiml}
            answer = await client.post(path, content=urlencode(form), headers=headers)
            if answer.status_code != httpx.codes.CREATED or not answer.json()["sid"]:
                raise SystemExit(f"{answer.status_code} {answer.text}")

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with httpx.AsyncClient(auth=(_ACCOUNT, _TOKEN), limits=_LIMITS, timeout=15) as client:
        for first, number_of in ((0, _WARM), (_WARM, count)):
            indices = iter(range(first, first + number_of))
            if first:
                tune()
            wall, cpu = time.perf_counter(), time.process_time()
            async with trio.open_nursery() as nursery:
                for _ in range(at_once):
                    nursery.start_soon(work, client, indices)
            found = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return found


@contextmanager
def double(cpu: int | None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the carrier's double, on one core, and give it and its URL."""
    words = {"account": _ACCOUNT, "token": _TOKEN, "behaviour": json.dumps(_BEHAVIOUR)}
    command = [sys.executable, str(_DOUBLE), *(word for name, value in words.items() for word in (f"--{name}", value))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise SystemExit("the double does not start")
            if cpu is not None:
                os.sched_setaffinity(process.pid, {cpu})
            yield process, url
        finally:
            process.kill()  # the calls end with it


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.twilio")
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--stay", action="store_true")
    asked = parser.parse_args()
    logging.configure("error", stream=sys.stderr)
    ours, *others = sorted(os.sched_getaffinity(0))
    with double(others[0] if others else None) as (process, url):
        os.sched_setaffinity(0, {ours})
        before = processor_s(process.pid)
        if asked.bare:
            found = trio.run(bare, url, asked.count, asked.at_once)
        else:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
                token = Path(folder).resolve() / "token"
                token.touch(mode=0o600)
                token.write_text(_TOKEN)
                found = trio.run(lambda: by_plugin(url, token, asked.count, asked.at_once, stay=asked.stay))
        carrier = processor_s(process.pid) - before
    found |= {"count": asked.count, "per_s": asked.count / found["wall_s"], "carrier_cpu_s": carrier}
    print(json.dumps(found | {"peak_kib": peak_kib(), "load": load()}))


if __name__ == "__main__":
    main()
