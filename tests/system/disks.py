"""Disks that misbehave: small ones that fill up, ones that turn read-only, fail or are slow; and what holds afterwards.

Nothing here looks inside the daemon. What needs the superuser or a tracer says so.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit import audit
from needs import cannot, program
from place import Place, until

AT_REST_S = 1.2
"""How long a test watches that nothing happens."""

needs_mount = pytest.mark.usefixtures("mounts")


def needs_strace() -> None:
    """Go on only where system calls can be made to fail."""
    strace = program("strace", "strace")
    trial = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False)
    if trial.returncode:
        cannot(f"strace may not trace here (ptrace): {trial.stderr.decode(errors='replace')[:200]}")


@contextlib.contextmanager
def tmpfs(path: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a tmpfs of that size at `path`, which is made, until the end."""
    path.mkdir(parents=True, exist_ok=True)
    size = f"size={mebibytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=True, capture_output=True)
    try:
        yield path
    finally:
        unmount(path)


def unmount(path: Path) -> None:
    """Unmount `path`; whoever still uses it keeps it until it ends."""
    subprocess.run(["umount", "--lazy", path], check=True, capture_output=True)


def remount(path: Path, options: str) -> None:
    """Mount what is at `path` anew with other options."""
    subprocess.run(["mount", "-o", f"remount,{options}", path], check=True, capture_output=True)


def fill(path: Path) -> Path:
    """Fill the file system at `path` to the last byte and return the file that does; delete it to make room."""
    filler = path / "filler"
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(handle, bytes(size))
    os.close(handle)
    return filler


@contextlib.contextmanager
def tampered(place: Place, calls: str, what: str, paths: list[Path]) -> Iterator[None]:
    """Tamper with the daemon's system calls on some files while this lasts.

    Args:
        place: whose daemon.
        calls: which ones, as strace's `-e trace=` takes them.
        what: what becomes of them, as its `-e inject=` takes it: `error=EIO`, `delay_enter=200000`.
        paths: files and folders; calls on others are left alone.
    """
    needs_strace()
    assert place.process is not None
    named = [word for path in paths for word in ("-P", str(path))]
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}", "-e", f"inject={calls}:{what}", *named]
    tracer = subprocess.Popen([*command, "-p", str(place.process.pid)])
    try:
        pid = place.process.pid
        until(lambda: f"TracerPid:\t{tracer.pid}" in Path(f"/proc/{pid}/status").read_text(), "strace is attached")
        yield
    finally:
        tracer.terminate()
        try:
            tracer.wait(12)
        except subprocess.TimeoutExpired:  # it does not get over a process that ended within a delayed call
            tracer.kill()
            tracer.wait(60)


def until_at_rest(place: Place) -> int:
    """Wait until no call leaves any more and return how many there were."""
    seen, since = -1, time.monotonic()

    def look() -> bool:
        nonlocal seen, since
        if (calls := len(place.ledger())) != seen:
            seen, since = calls, time.monotonic()
        return time.monotonic() - since > AT_REST_S

    until(look, "nobody is dialled any more")
    return seen


def told(place: Place, *events: str) -> list[dict[str, Any]]:
    """Return what the log says of trouble; fail when it goes on and on."""
    found = [entry for entry in place.log() if entry["level"] in ("warning", "error")]
    assert len(found) < 60, f"{len(found)} lines of trouble:\n{found[:3]}\n{found[-3:]}"
    assert set(events) <= {entry["event"] for entry in found}, [entry["event"] for entry in found]
    return found


def peak(place: Place, since_at: int) -> int:
    """Return how many calls were on at once at most, of those claimed since an instant."""
    spans = place.rows("SELECT claimed_at, ended_at FROM attempts WHERE claimed_at >= ?", since_at)
    steps = sorted([(row[0], 1) for row in spans] + [(row[1], -1) for row in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def now_at() -> int:
    """Return the present instant."""
    return round(time.time() * 1000)


def finish(place: Place, *names: str, count: int, lines: int, since_at: int, max_attempts: int = 1) -> None:
    """See everything through: all reports, an orderly stop, the audit, and every line in use after the trouble."""
    place.until_reported(*names)
    assert place.stop() == 0
    assert audit(place, max_attempts=max_attempts).total() == count
    assert peak(place, since_at) == lines, "lines were lost to the trouble"


def refused(place: Place, patience_s: float = 60.0) -> str:
    """Begin a life that must not come up, and return what it says."""
    place.start(wait=False)
    assert place.process is not None
    assert place.process.wait(patience_s) == 1
    said = place.log_path().read_text()
    assert "Traceback" not in said, said
    return said
