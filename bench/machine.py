"""The machine and what runs on it: printed beside every figure."""

import os
import platform
import resource
import sqlite3
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Return cores, processor and memory in a line."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores, {model}, {gib:.0f} GiB"


def versions() -> str:
    """Return the versions that matter."""
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, trio {version('trio')}, "
        f"Linux {platform.release()}, dialerd {version('dialerd')}"
    )


def load() -> str:
    """Return the load average of the last minute, which one busy process brings to 1."""
    return f"{os.getloadavg()[0]:.1f}"


def peak_kib() -> int:
    """Return the largest resident memory that this process had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory_kib(pid: int | str = "self", name: str = "VmRSS") -> int:
    """Return a figure of /proc/PID/status, proc_pid_status(5), in KiB; 0 when the process is gone."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used, its threads included, in seconds.

    Linux makes the clock of a process of its id, as clock_getcpuclockid(3) does; it counts nanoseconds, where
    /proc/PID/stat counts ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()]


def children_s(pid: int) -> float:
    """Return the processor time of the processes that a process has started, and has waited for or still has."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime and cstime, proc_pid_stat(5)
    for child in children(pid):
        with suppress(OSError):  # it has ended meanwhile
            seconds += processor_s(child)
    return seconds


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
