"""What the daemon tells the service manager that started it: sd_notify(3), without its library.

One datagram a message, to the socket that NOTIFY_SOCKET names; without that variable nothing happens. Nothing here
blocks or raises: a manager that does not listen must not cost a call.
"""

import errno
import os
import socket
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Final, Self

import structlog

_log = structlog.get_logger()

_BUSY: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})  # its queue is full: unix(7); it reads again soon
_LONGEST_STATUS: Final = 400  # characters; `systemctl status` shows one line


class Manager:
    """The service manager, as one may speak to it.

    What must arrive (ready, reloading, stopping) is kept while the manager's queue is full, and goes before whatever is
    said next, in its order. A status or a sign of life that is lost is made up for by the next.

    Args:
        address: path of its socket, or @ and a name in the abstract namespace; None = nobody listens.
        watchdog_s: within how many seconds it wants a sign of life each time; None = it wants none.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._owed: deque[bytes] = deque()
        self._status = ""
        self._told_trouble = False

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Self:
        """Return the manager that started this process, and take its variables out of the environment.

        They are for this process alone; those that it starts must not speak for it.

        Args:
            environment: None = that of this process.
        """
        environment = os.environ if environment is None else environment
        address = environment.pop("NOTIFY_SOCKET", None)
        period = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        # sd_watchdog_enabled(3): meant for this process only where the id is its own or is not given
        wanted = period.isdecimal() and int(period) > 0 and pid in ("", str(os.getpid()))
        return cls(address, int(period) / 1_000_000 if wanted else None)

    @property
    def listens(self) -> bool:
        """Whether there is anybody to be told."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """Tell that the start, or a reload, is over.

        Args:
            status: what is so from now on, in words.
        """
        self._must_say(f"READY=1\nSTATUS={self._remember(status)}")

    def reloading(self) -> None:
        """Tell that settings are read again; `ready` must follow."""
        # systemd v253 takes the first for the second only with the instant, CLOCK_MONOTONIC in microseconds
        self._must_say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self, status: str) -> None:
        """Tell that the end has begun."""
        self._must_say(f"STOPPING=1\nSTATUS={self._remember(status)}")

    def status(self, status: str, *, extend_s: float | None = None) -> None:
        """Tell what is so in words, where that has changed, and that a start or a stop goes on.

        Args:
            status: one line.
            extend_s: how long the manager shall wait at least for the next of these, however long the start or the
                stop takes; None = nothing is under way that it waits for.
        """
        if status != self._status:
            extension = "" if extend_s is None else f"\n{_extension(extend_s)}"
            if not self._say(f"STATUS={self._remember(status)}{extension}"):
                self._status = ""  # it did not get there
        elif extend_s is not None:
            self._say(_extension(extend_s))
        else:
            self._settle()

    def alive(self) -> None:
        """Give the sign of life that the manager's watchdog waits for."""
        self._say("WATCHDOG=1")

    def _remember(self, status: str) -> str:
        self._status = status
        return " ".join(status.split())[:_LONGEST_STATUS]

    def _must_say(self, message: str) -> None:
        self._owed.append(message.encode())
        self._settle()

    def _say(self, message: str) -> bool:
        return self._settle() and self._send(message.encode())

    def _settle(self) -> bool:
        """Say what is owed, and tell whether nothing is left of it."""
        while self._owed:
            if not self._send(self._owed[0]):
                return False
            self._owed.popleft()
        return True

    def _send(self, datagram: bytes) -> bool:
        """Send a datagram; tell whether there is nothing more that could be done about it."""
        if self._address is None:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto(datagram, self._address)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            if not self._told_trouble:
                self._told_trouble = True
                remedy = "the daemon goes on; under systemd, check NotifyAccess= of the unit and the socket's directory"
                _log.warning("manager.not_reached", error=str(error), remedy=remedy)
        return True


def _extension(extend_s: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(extend_s * 1_000_000)}"
