"""Concurrent streams of 20 ms PCMU out of the media process, and how late their packets leave.

    python -m bench.streams [--streams 1000] [--seconds 10] [--both]

The media process keeps to one core, the far end to another. All streams play a clip to one socket of the far end, which
takes the kernel's time of arrival of each packet: it is late against the packet's own timestamp, which tells the turn
that it had, as the stream's earliest packet lays the two over each other. What was skipped is missing. With `--both`
the far end sends each stream a packet each 20 ms as well, out of another process and the same socket, so that the media
process takes them for the call's. Prints one line of JSON.
"""

import argparse
import json
import multiprocessing
import os
import socket
import struct
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import trio
from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.media.contract import Clip, MediaFigures, Session
from dialerd_sip.media.rtp import HEADER, RATE

from bench.machine import load, memory_kib, processor_s
from bench.table import quantile

_HOST: Final = "127.0.0.1"
_PORTS: Final = 40_000, 49_999
_WARM_S: Final = 2.0
_STAMP: Final = 35  # SO_TIMESTAMPNS and what it comes as, SCM_TIMESTAMPNS (Linux, asm-generic/socket.h)
_FORCE: Final = 33  # SO_RCVBUFFORCE, of which Python has no name; root may
_PTIME_MS: Final = 20
_SIZE: Final = RATE * _PTIME_MS // 1_000
_UNIT_NS: Final = 1_000_000_000 // RATE


def receive(port: Connection, here: socket.socket, seconds: float) -> None:
    """Receive all streams, and send back what was found.

    Args:
        port: tells when all are up, and takes what was found.
        here: where they come to.
        seconds: for how long.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    offsets: dict[bytes, list[int]] = {}  # of a stream's packets: from their turn to their arrival, and a constant
    first: dict[bytes, int] = {}
    last: dict[bytes, int] = {}
    port.recv()
    here.setblocking(False)  # what came before is not counted
    with suppress(BlockingIOError):
        while here.recv(256):
            pass
    here.settimeout(0.5)
    ends_ns = time.time_ns() + int(seconds * 1e9)
    while True:
        try:
            data, extra, _, _ = here.recvmsg(256, 64)
        except TimeoutError:
            break
        s, ns = struct.unpack("qq", extra[0][2][:16])
        arrived = s * 1_000_000_000 + ns
        if arrived > ends_ns:
            break
        ssrc, timestamp = data[8:12], int.from_bytes(data[4:8], "big")
        began = first.setdefault(ssrc, timestamp)
        turn = (timestamp - began + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        last[ssrc] = turn
        offsets.setdefault(ssrc, []).append(arrived - turn * _UNIT_NS)
    late = [(one - least) / 1e6 for found in offsets.values() for least in (min(found),) for one in found]
    port.send(
        {
            "p50_ms": quantile(late, 0.5),
            "p99_ms": quantile(late, 0.99),
            "most_ms": max(late),
            "packets": len(late),
            "missing": sum(turn // _SIZE + 1 for turn in last.values()) - len(late),
            "heard": len(offsets),
        }
    )


def speak(port: Connection, here: socket.socket) -> None:
    """Send each stream a packet each 20 ms, until the end of the process.

    Args:
        port: brings the ports of the streams.
        here: where the streams are sent to.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ports: Sequence[int] = port.recv()
    turns: list[list[tuple[int, tuple[str, int]]]] = [[] for _ in range(_PTIME_MS)]
    for ssrc, one in enumerate(ports):
        turns[ssrc % _PTIME_MS].append((ssrc, (_HOST, one)))
    sound = bytes(range(_SIZE))
    began = time.monotonic()
    for tick in count():
        time.sleep(max(0.0, began + tick / 1_000 - time.monotonic()))
        sequence = tick // _PTIME_MS & 0xFFFF
        for ssrc, address in turns[tick % _PTIME_MS]:
            here.sendto(HEADER.pack(0x80, 0, sequence, tick // _PTIME_MS * _SIZE & 0xFFFF_FFFF, ssrc) + sound, address)


def media(host_port: int) -> Negotiated:
    """Return what is agreed upon with a port of this machine."""
    return Negotiated(host=_HOST, port=host_port, codec=Codec.PCMU, payload=0, dtmf_payload=101)


async def run(streams: int, seconds: float, clip: Clip, *, both: bool) -> dict[str, Any]:
    """Measure streams.

    Args:
        streams: how many.
        seconds: for how long.
        clip: what is played.
        both: whether the far end speaks too.
    """
    here = _far_socket()
    fork = multiprocessing.get_context("fork")
    hears, hearing = multiprocessing.Pipe()
    speaks, speaking = multiprocessing.Pipe()
    fork.Process(target=receive, args=(hearing, here, seconds), daemon=True).start()
    if both:
        fork.Process(target=speak, args=(speaking, here), daemon=True).start()
    far = media(here.getsockname()[1])
    here.close()
    before_kib = memory_kib()
    async with MediaProcess(*_PORTS) as process:
        sessions, child_kib, pid = await leases(process, streams)
        for session in sessions:
            session.connect(far)
            session.play([clip], 1)
        daemon_kib = memory_kib() - before_kib
        if both:
            speaks.send([session.port for session in sessions])
        await trio.sleep(_WARM_S)
        child_kib = memory_kib(pid) - child_kib
        cpu_s, began = processor_s(pid), time.monotonic()
        hears.send("all are up")
        await trio.sleep(seconds)
        share = (processor_s(pid) - cpu_s) / (time.monotonic() - began)
        found: dict[str, Any] = await trio.to_thread.run_sync(hears.recv)
        if both:
            figures = await _figures(sessions)
            found["received"] = sum(one.received for one in figures)
            found["lost"] = sum(one.lost for one in figures)
        return found | {"share": share, "child_kib": child_kib / streams, "daemon_kib": daemon_kib / streams}


def _far_socket() -> socket.socket:
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(PermissionError):
        here.setsockopt(socket.SOL_SOCKET, _FORCE, 64 << 20)
    here.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
    here.bind((_HOST, 0))
    return here


async def leases(process: MediaProcess, streams: int) -> tuple[list[Session], int, int]:
    """Lease ports; return them, what memory the media process had before, and its id."""
    first = await process.lease(_HOST)
    pid = process.pid or 0
    os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
    before_kib = memory_kib(pid)
    return [first, *[await process.lease(_HOST) for _ in range(streams - 1)]], before_kib, pid


async def _figures(sessions: Sequence[Session]) -> list[MediaFigures]:
    """End sessions and return what they did."""
    figures: list[MediaFigures] = []
    for session in sessions:
        session.close(figures.append)
    while len(figures) < len(sessions):  # noqa: ASYNC110  # figures come by callbacks, one by one
        await trio.sleep(0.05)
    return figures


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--both", action="store_true", help="receive as many streams")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        path = Path(folder).resolve() / "clip.ulaw"
        frames = int((asked.seconds + _WARM_S + 60) * RATE)
        path.write_bytes(bytes(range(256)) * (frames // 256))
        clip = Clip(path=path, frames=frames)

        async def measured() -> dict[str, Any]:
            return await run(asked.streams, asked.seconds, clip, both=asked.both)

        found = trio.run(measured)
    print(json.dumps({"streams": asked.streams, "load": load(), **found}))


if __name__ == "__main__":
    main()
