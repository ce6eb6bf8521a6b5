"""Jobs a second of BullMQ on Redis, which do what a call of `bench.calls` does: nothing, or wait.

    python -m bench.bullmq [--count 100000] [--concurrency 500] [--hold-ms 0] [--fsync always] [--wait]

Redis (Debian's) runs as a process of its own, on a Unix socket and in a directory beside where dialerd's database is
put, with its append-only file; `always` is durable as `synchronous=FULL` is, `everysec` may lose a second. BullMQ
(npm's, versions below) is installed into `bench/.cache`. Jobs are added beforehand. `--wait` leaves them waiting and
tells what memory Redis holds them in. Prints one line of JSON; exits with 3 where something is missing.
"""

import argparse
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import load, memory_kib

PACKAGES = ("bullmq@6.7.0", "ioredis@5.9.2")
_CACHE = Path(__file__).parent / ".cache"
_WORKER = Path(__file__).parent / "bullmq.mjs"
_PATIENCE_S = 300.0


def missing() -> str | None:
    """Return what keeps BullMQ from being measured here and what to do, or None; installs it the first time."""
    if lacking := [name for name in ("node", "npm", "redis-server") if shutil.which(name) is None]:
        return f"{', '.join(lacking)} missing: skipped; on Debian: apt install nodejs npm redis-server"
    wanted = _CACHE / "installed"
    if wanted.exists() and wanted.read_text() == " ".join(PACKAGES):
        return None
    _CACHE.mkdir(exist_ok=True)
    (_CACHE / "package.json").write_text('{"private": true}\n')
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", *PACKAGES]
    ended = subprocess.run(install, cwd=_CACHE, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    if ended.returncode:
        return f"npm cannot install {' and '.join(PACKAGES)}: skipped; {ended.stderr.strip()[-200:]}"
    wanted.write_text(" ".join(PACKAGES))
    return None


def versions() -> str:
    """Return the versions of what is compared with."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return f"{' '.join(PACKAGES)}, Node {node}, Redis {redis.partition('v=')[2].split()[0]}"


@contextmanager
def redis(folder: Path, fsync: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Redis of our own, reached by `redis.sock` in `folder` alone, and end it.

    Args:
        folder: where it keeps its files.
        fsync: `always` or `everysec`.
    """
    options = {"port": "0", "unixsocket": "redis.sock", "save": "", "appendonly": "yes", "appendfsync": fsync}
    command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", value))]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _answers(folder / "redis.sock"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"redis-server does not start:\n{(folder / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield server
    finally:
        server.kill()  # what it has stored goes with its folder
        server.wait()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path.relative_to(Path.cwd())))  # a socket's whole path may be too long for its address
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.bullmq")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=500)
    parser.add_argument("--hold-ms", type=int, default=0)
    parser.add_argument("--fsync", choices=("always", "everysec"), default="always")
    parser.add_argument("--wait", action="store_true", help="leave the jobs waiting")
    asked = parser.parse_args()
    if (reason := missing()) is not None:
        print(json.dumps({"missing": reason}))
        raise SystemExit(3)
    hold = "wait" if asked.wait else str(asked.hold_ms)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        folder = Path(name).resolve()
        with redis(folder, asked.fsync) as server:
            before = memory_kib(server.pid)
            options = [str(_CACHE.resolve()), "redis.sock", str(asked.count), str(asked.concurrency), hold]
            command = ["node", str(_WORKER.resolve()), *options]
            ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True, timeout=_PATIENCE_S)
            held, peak = memory_kib(server.pid), memory_kib(server.pid, "VmHWM")
    found = json.loads(ended.stdout)
    memory = {"redis_before_kib": before, "redis_kib": held, "redis_peak_kib": peak}
    print(json.dumps({**found, **memory, "peak_kib": peak + found["node_kib"], "load": load()}))


if __name__ == "__main__":
    main()
