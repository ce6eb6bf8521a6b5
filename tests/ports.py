"""Addresses and ports of a test's own: apart for each test process, below those that the kernel gives out by itself.

No other test of this run gets a port between its being chosen here and its being opened, which may be later, in another
process.
"""

import os
import random
import socket
from collections.abc import Iterator
from typing import Final

_PORTS: Final = range(12_000, 32_000)
"""Linux gives out 32,768 and up."""

_LOOPBACK: Final = "127.0.0.1"
_UDP: Final = socket.SOCK_DGRAM
_TCP: Final = socket.SOCK_STREAM


def own_address() -> str:
    """Return an address of loopback that no other test process has, where ports may be fixed."""
    return f"127.2.{os.getpid() >> 8 & 255}.{os.getpid() % 254 + 1}"


def free_port(host: str = _LOOPBACK) -> int:
    """Return a port that nobody uses right now, neither over UDP nor over TCP: some peers listen at both."""
    return next(port for port in _candidates(1) if _is_free(host, port, _UDP) and _is_free(host, port, _TCP))


def free_ports(count: int, host: str = _LOOPBACK) -> tuple[int, int]:
    """Return the first and the last of so many ports for sound, side by side, that nobody uses; the first is even."""
    return next(
        (first, first + count - 1)
        for first in _candidates(count)
        if all(_is_free(host, port, _UDP) for port in range(first, first + count))
    )


def _candidates(count: int) -> Iterator[int]:
    """Yield where so many may begin, in turn, so that none comes again soon; not for ever."""
    step = count + count % 2
    for _ in range(2 * (_share.end - _share.first) // step):
        if _share.at + step > _share.end:
            _share.at = _share.first
        _share.at += step
        yield _share.at - step
    message = f"no {count} ports in a row are free between {_share.first} and {_share.end}"
    raise OSError(message)


def _is_free(host: str, port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as tried:
        try:
            tried.bind((host, port))
        except OSError:
            return False
    return True


class _Share:
    """The ports of this test process among those that run side by side (pytest-xdist's variables).

    It begins anywhere in them: connections of an earlier run may linger at those it ended with.
    """

    def __init__(self) -> None:
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        size = len(_PORTS) // workers // 2 * 2
        self.first = _PORTS.start + worker * size
        self.end = self.first + size
        self.at = self.first + random.randrange(0, size, 2)


_share: Final = _Share()
