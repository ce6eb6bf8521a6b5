"""Concurrent streams of 20 ms PCMU out of the media process, and how late their packets leave.

    python -m bench.streams [--streams 1000] [--seconds 10] [--both]

The media process keeps to one core, its receiver to another. All streams play a clip; the receiver takes the kernel's
time of arrival of each packet, and its lateness against the stream's own grid of 20 ms, as its earliest packet lays it.
`--both` has two media processes send to each other, so that each stream is also received; lateness is then what the
processes themselves counted, in classes. Prints one line of JSON.
"""

import argparse
import json
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import trio
from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.media.contract import Clip, MediaFigures, Session

from bench.machine import load, memory_kib, processor_s
from bench.table import quantile

_HOST: Final = "127.0.0.1"
_PORTS: Final = (40_000, 49_999), (50_000, 59_999)
_WARM_S: Final = 2.0
_STAMP: Final = 35  # SO_TIMESTAMPNS and what it comes as, SCM_TIMESTAMPNS (Linux, asm-generic/socket.h)
_FORCE: Final = 33  # SO_RCVBUFFORCE, of which Python has no name; root may
_GRID_NS: Final = 20_000_000


def receive(port: Connection, seconds: float) -> None:
    """Receive all streams at one socket, and send back what was found."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(PermissionError):
        here.setsockopt(socket.SOL_SOCKET, _FORCE, 64 << 20)
    here.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
    here.settimeout(0.5)
    here.bind((_HOST, 0))
    port.send(here.getsockname()[1])
    offsets: dict[int, list[int]] = {}
    port.recv()  # all streams are up
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        try:
            data, extra, _, _ = here.recvmsg(256, 64)
        except TimeoutError:
            break
        s, ns = struct.unpack("qq", extra[0][2][:16])
        sequence, ssrc = int.from_bytes(data[2:4], "big"), data[8:12]
        key = int.from_bytes(ssrc, "big")
        offsets.setdefault(key, []).append(s * 1_000_000_000 + ns - sequence * _GRID_NS)
    late = [(one - min(found)) / 1e6 for found in offsets.values() for one in found]
    late.sort()
    port.send(
        {
            "p50_ms": quantile(late, 0.5),
            "p99_ms": quantile(late, 0.99),
            "most_ms": late[-1],
            "packets": len(late),
            "heard": len(offsets),
        }
    )


def media(host_port: int) -> Negotiated:
    """Return what is agreed upon with a port of this machine."""
    return Negotiated(host=_HOST, port=host_port, codec=Codec.PCMU, payload=0, dtmf_payload=101)


async def one_way(count: int, seconds: float, clip: Clip) -> dict[str, Any]:
    """Send all streams to the receiver."""
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("fork").Process(target=receive, args=(theirs, seconds), daemon=True)
    receiver.start()
    far = media(ours.recv())
    before_kib = memory_kib()
    async with MediaProcess(*_PORTS[0]) as process:
        sessions, child_kib, pid = await leases(process, count, 0)
        for session in sessions:
            session.connect(far)
            session.play([clip], 1)
        daemon_kib = memory_kib() - before_kib
        await trio.sleep(_WARM_S)
        child_kib = memory_kib(pid) - child_kib
        cpu_s, began = processor_s(pid), time.monotonic()
        ours.send("all are up")
        found = await trio.to_thread.run_sync(ours.recv)
        share = (processor_s(pid) - cpu_s) / (time.monotonic() - began)
        receiver.join()
        return found | {"share": share, "child_kib": child_kib / count, "daemon_kib": daemon_kib / count}


async def both_ways(count: int, seconds: float, clip: Clip) -> dict[str, Any]:
    """Have two media processes send all streams to each other."""
    async with MediaProcess(*_PORTS[0]) as one, MediaProcess(*_PORTS[1]) as other:
        here, _, pid = await leases(one, count, 0)
        there, _, _ = await leases(other, count, -1)
        for mine, yours in zip(here, there, strict=True):
            for session, far in ((mine, yours), (yours, mine)):
                session.connect(media(far.port))
                session.play([clip], 1)
        await trio.sleep(_WARM_S)
        cpu_s, began = processor_s(pid), time.monotonic()
        await trio.sleep(seconds)
        share = (processor_s(pid) - cpu_s) / (time.monotonic() - began)
        figures: list[MediaFigures] = []
        for session in here:
            session.close(figures.append)
        while len(figures) < count:  # noqa: ASYNC110  # figures come by callbacks, one by one
            await trio.sleep(0.05)
        return {
            "share": share,
            "p99_ms": quantile([one.late_ms_p99 for one in figures], 0.99),
            "received": sum(one.received for one in figures),
            "sent": sum(one.sent for one in figures),
            "lost": sum(one.lost for one in figures),
            "jitter_ms": quantile([one.jitter_ms for one in figures], 0.5),
        }


async def leases(process: MediaProcess, count: int, core: int) -> tuple[list[Session], int, int]:
    """Lease ports; return them, what memory the media process had before, and its id."""
    first = await process.lease(_HOST)
    pid = process.pid or 0
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[core]})
    before_kib = memory_kib(pid)
    return [first, *[await process.lease(_HOST) for _ in range(count - 1)]], before_kib, pid


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--both", action="store_true", help="receive as many streams")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        path = Path(folder).resolve() / "clip.ulaw"
        frames = int((asked.seconds + _WARM_S + 60) * 8_000)
        path.write_bytes(bytes(range(256)) * (frames // 256))
        clip = Clip(path=path, frames=frames)
        run = both_ways if asked.both else one_way
        found = trio.run(run, asked.streams, asked.seconds, clip)
    print(json.dumps({"streams": asked.streams, "load": load(), **found}))


if __name__ == "__main__":
    sys.exit(main())
