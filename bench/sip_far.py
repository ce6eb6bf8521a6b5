"""sipp as the far end of calls, and as the caller whose processor time ours is compared with.

Its scenarios stand in `bench/sipp`. Knows nothing of dialerd.
"""

import os
import re
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from bench.machine import processor_s

HOST: Final = "127.0.0.1"
USERNAME: Final = "bench"
PASSWORD: Final = "only-for-the-bench"  # it is that of the scenarios, which run on this machine alone

_SCENARIOS: Final = Path(__file__).parent / "sipp"
_PATIENCE_S: Final = 10.0
_AT_MOST: Final = 200_000  # calls a second that it tries; those at once bound it


@frozen(kw_only=True)
class FarEnd:
    """A sipp that takes calls.

    Args:
        place: host:port.
        pid: its process.
    """

    place: str
    pid: int


def available() -> bool:
    """Return whether sipp is installed."""
    return shutil.which("sipp") is not None


def version() -> str:
    """Return what it says it is."""
    said = subprocess.run(["sipp", "-v"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"SIPp v([0-9.]+)", said)
    return f"sipp {found[1]}" if found else "sipp"


@contextmanager
def far_end(scenario: str, core: int | None) -> Iterator[FarEnd]:
    """Have sipp take calls.

    Args:
        scenario: name of a file in `bench/sipp`.
        core: that it keeps to; None = any.
    """
    port = free_port()
    process = _start([*_words(scenario, port), "-skip_rlimit"], core)
    try:
        _until_bound(port, process)
        yield FarEnd(place=f"{HOST}:{port}", pid=process.pid)
    finally:
        process.kill()
        process.wait()


def call(scenario: str, far: FarEnd, count: int, at_once: int, core: int | None) -> dict[str, float]:
    """Have sipp call, and return what that took: seconds, processor seconds, calls that failed.

    Args:
        scenario: name of a file in `bench/sipp`.
        far: whom.
        count: calls.
        at_once: of them.
        core: that it keeps to; None = any.
    """
    words = [*_words(scenario, free_port()), far.place, "-s", "+447111000101", "-m", str(count), "-l", str(at_once)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = _start([*words, "-r", str(_AT_MOST), "-timeout", "120s"], core)
    process.wait()
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode not in (0, 1):  # 1: some calls failed
        raise SystemExit(f"sipp ended with {process.returncode}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s, "failed": float(process.returncode)}


def taken_s(far: FarEnd) -> float:
    """Return the processor time that it has used, in seconds."""
    return processor_s(far.pid)


def _words(scenario: str, port: int) -> list[str]:
    file = _SCENARIOS / f"{scenario}.xml"
    return ["sipp", "-sf", str(file), "-i", HOST, "-p", str(port), "-nostdin", "-buff_size", "4000000"]


def _start(words: list[str], core: int | None) -> "subprocess.Popen[bytes]":
    bound = [] if core is None else ["taskset", "-c", str(core)]
    null = subprocess.DEVNULL
    return subprocess.Popen([*bound, *words], stdin=null, stdout=null, stderr=null)


def _until_bound(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _PATIENCE_S
    wanted = f":{port:04X} "
    while not any(wanted in line for line in Path("/proc/net/udp").read_text().splitlines()):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise SystemExit("sipp does not start")
        time.sleep(0.02)


def free_port() -> int:
    """Return a port of UDP that nobody uses right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def cores() -> tuple[int, int | None]:
    """Return our core and the far end's; None where there is one alone."""
    ours, *others = sorted(os.sched_getaffinity(0))
    return ours, others[0] if others else None
