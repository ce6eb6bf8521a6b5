"""Clients that follow events, all in this one process: what the bench of events starts beside the daemon.

    python -m bench.followers SOCKET COUNT

Prints `ready` once all of them follow; reads the id of the last event from stdin, and once every one has had that (or
its stream has ended) prints one line of JSON. Of each piece that arrives the newest event alone is looked at; the first
follower counts all of its events.
"""

import json
import re
import selectors
import socket
import sys
import time
from datetime import datetime
from typing import Final

from bench.table import quantile

_PIECE: Final = 2**18
_EVENT: Final = b"event: call.ended\n"
_ENDED: Final = b'"ended_at":"'
_ID: Final = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_REQUEST: Final = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
_LOOK_S: Final = 0.2


class Following:
    """One of them.

    Args:
        path: the daemon's socket.
        counts: whether it counts its events.
    """

    def __init__(self, path: str, counts: bool) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(_REQUEST)
        self.counts = counts
        self.events = self.last = self.size = 0
        self._tail = b""  # of a piece, with what it may have of a date
        self._edge = b""  # of a piece, with less than the pattern that is counted

    def take(self, delays_ms: list[float]) -> bool:
        """Take what has come and note how late the newest event in it is; tell whether the stream goes on."""
        data = self.socket.recv(_PIECE)
        now = time.time()
        self.size += len(data)
        seen = self._tail + data
        begin = seen.rfind(_ENDED)
        text = seen[begin + len(_ENDED) :].partition(b'"')[0] if begin >= 0 else b""
        if text.endswith(b"Z"):
            delays_ms.append((now - datetime.fromisoformat(text.decode()).timestamp()) * 1_000)
        if ids := _ID.findall(seen[-4_000:]):
            self.last = int(ids[-1])
        if self.counts:
            self.events += (self._edge + data).count(_EVENT)
            self._edge = data[1 - len(_EVENT) :]
        self._tail = seen[-100:] if begin < len(seen) - 100 else b""
        return bool(data)


def main() -> None:
    """Follow until told to end."""
    path, count = sys.argv[1], int(sys.argv[2])
    chosen = selectors.DefaultSelector()
    following = [Following(path, at == 0) for at in range(count)]
    for one in following:
        first = one.socket.recv(_PIECE)
        while b"\nid: " not in first:
            first += one.socket.recv(_PIECE)
        one.socket.setblocking(False)
        chosen.register(one.socket, selectors.EVENT_READ, one)
    print("ready", flush=True)
    chosen.register(sys.stdin, selectors.EVENT_READ, None)
    delays_ms: list[float] = []
    target = sys.maxsize
    left = set(following)
    while left and min(one.last for one in left) < target:
        for key, _ in chosen.select(_LOOK_S):
            if key.data is None:
                target = int(sys.stdin.readline())
                chosen.unregister(sys.stdin)
            elif not key.data.take(delays_ms):
                chosen.unregister(key.data.socket)
                left.discard(key.data)
    result = {
        "samples": len(delays_ms),
        "ms": [quantile(delays_ms, share) for share in (0.5, 0.99, 1)] if delays_ms else None,
        "counted": sum(one.events for one in following if one.counts),
        "behind": sum(one.last < target for one in following),
        "mib": sum(one.size for one in following) / 2**20,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
