"""The local API of the real daemon: recipients streamed in, then requests beside a long list.

    python -m bench.api [--count 1000000] [--requests 4000]

The recipients are sent as one CSV body to a draft. Requests come over eight connections that are kept alive, each
sending the next when the last was answered; latencies are as the client sees them. The client is threads of this
process, on the machine's other core where it has one. Prints one line of JSON.
"""

import argparse
import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from bench.calls import number
from bench.daemon import Daemon, write_list
from bench.machine import children, children_s, load, memory_kib, processor_s
from bench.table import quantile

_CONNECTIONS = 8
_LOOK_S = 0.05


class Line(http.client.HTTPConnection):
    """A connection over a Unix socket.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("dialerd", timeout=600)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Return the JSON of an answer, which must be a good one."""
        headers = {} if body is None else {"Content-Type": kind}
        self.request(method, path, body, headers, encode_chunked=hasattr(body, "read"))
        answer = self.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:2000]!r}")
        return json.loads(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def campaign(first: int, **more: object) -> str:
    """Return a campaign with one recipient as JSON."""
    people = [{"phone": number(first), "variables": {"first": "Ann"}}]
    return json.dumps({"name": f"bench {first}", "agent": "reminder", "recipients": people, **more})


def stream_in(daemon: Daemon, path: Path, count: int, list_file: Path) -> tuple[str, dict[str, Any]]:
    """Send a list to a new draft; return the draft's id and what it took."""
    pid = daemon.process.pid
    before, cpu = memory_kib(pid), processor_s(pid) + children_s(pid)
    worker_kib = [0]
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            worker_kib[0] = max([worker_kib[0], *(memory_kib(child, "VmHWM") for child in children(pid))])

    watcher = threading.Thread(target=look)
    watcher.start()
    with Line(path) as line:
        draft = line.ask("POST", "/v1/campaigns", json.dumps({"name": "long", "agent": "reminder", "state": "draft"}))
        where = f"/v1/campaigns/{draft['campaign']['id']}"
        began = time.perf_counter()
        with list_file.open("rb") as rows:
            added = line.ask("POST", f"{where}/recipients", rows, "text/csv")
        wall = time.perf_counter() - began
    done.set()
    watcher.join()
    if added["added"] != count:
        raise SystemExit(f"{count} recipients were sent, {added['added']} added")
    return where, {
        "rows": count,
        "wall_s": wall,
        "per_s": count / wall,
        "cpu_s": processor_s(pid) + children_s(pid) - cpu,
        "daemon_before_kib": before,
        "daemon_peak_kib": memory_kib(pid, "VmHWM"),
        "worker_peak_kib": worker_kib[0],
    }


def hammer(daemon: Daemon, path: Path, count: int, ask: Callable[[Line, int], None]) -> dict[str, Any]:
    """Send requests over all connections; return their rate and latencies in milliseconds."""
    latencies: list[float] = []
    each = count // _CONNECTIONS

    def work(first: int) -> None:
        own = []
        with Line(path) as line:
            for at in range(first, first + each):
                began = time.perf_counter()
                ask(line, at)
                own.append((time.perf_counter() - began) * 1_000)
        latencies.extend(own)

    threads = [threading.Thread(target=work, args=(first * each,)) for first in range(_CONNECTIONS)]
    cpu, wall = processor_s(daemon.process.pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - wall
    return {
        "requests": len(latencies),
        "per_s": len(latencies) / wall,
        "cpu_us": (processor_s(daemon.process.pid) - cpu) / len(latencies) * 1e6,
        "ms": [quantile(latencies, share) for share in (0.5, 0.99, 1)],
    }


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.api")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=4_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        path = root / "dialerd.sock"
        write_list(root / "list.csv", asked.count)
        with Daemon(root, open_now=False) as daemon:
            where, found = stream_in(daemon, path, asked.count, root / "list.csv")
            first = 9_000_000  # these numbers are not on the list
            found["create"] = hammer(
                daemon, path, asked.requests, lambda line, at: line.ask("POST", "/v1/campaigns", campaign(first + at))
            )
            found["get"] = hammer(daemon, path, asked.requests, lambda line, _: line.ask("GET", where))
            found["list"] = hammer(
                daemon, path, asked.requests, lambda line, _: line.ask("GET", "/v1/campaigns?limit=50")
            )
            found["people"] = hammer(
                daemon, path, asked.requests, lambda line, _: line.ask("GET", f"{where}/recipients?limit=50")
            )
            daemon.end()
        found["load"] = load()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
