"""A client's socket: bytes in, bytes out, and until when each must have moved. Knows nothing of HTTP.

A cancel scope around each read and write would cost more than the system calls. So whoever waits notes until when, and
the door, which looks at all its wires now and then, pokes those that are overdue.
"""

import math
import select
import socket
from collections.abc import Sequence

import trio

from dialerd.api.limits import JOINED_BYTES, READ_BYTES, TURNS


class Gone(OSError):
    """The client is not there any more, or took nothing for too long; what is said to it is lost."""


class Late(Exception):
    """The client did not send in time."""


class Poked(Exception):
    """Somebody wants whoever waits to look round."""


class Wire:
    """One connection's socket.

    Args:
        connection: a connected stream socket, which becomes this object's own.
        patience_s: how long the other side may take for each piece of what it is sent.

    Attributes:
        silent: the other side sends no more; it may still read.
        broken: what is said does not arrive any more.
    """

    __slots__ = ("_patience_s", "_read_due", "_socket", "_turns", "_write_due", "broken", "silent")

    def __init__(self, connection: socket.socket, patience_s: float) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._patience_s = patience_s
        self._read_due = self._write_due = math.inf
        self._turns = 0
        self.silent = self.broken = False

    async def read(self, due: float = math.inf) -> bytes:
        """Return what has come; nothing when the other side has closed.

        Args:
            due: until when, by trio's clock.

        Raises:
            Late: nothing came until then.
            Poked: somebody called `poke` meanwhile.
            Gone: the connection broke.
        """
        await self._take_turns()
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except BlockingIOError:
                pass
            except OSError as error:
                raise Gone(error.errno, error.strerror) from None
            else:
                self.silent = not data
                return data  # and no checkpoint now: whoever is cancelled there would lose it
            self._turns = 0
            self._read_due = due
            try:
                await trio.lowlevel.wait_readable(self._socket)
            except trio.ClosedResourceError:
                raise (Late() if trio.current_time() >= due else Poked()) from None
            finally:
                self._read_due = math.inf

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Send everything.

        Raises:
            Gone: the connection broke, or nothing was taken for as long as the patience lasts.
        """
        if len(pieces) > 1 and sum(map(len, pieces)) <= JOINED_BYTES:
            pieces = (b"".join(pieces),)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[await self._send(rest) :]

    async def _send(self, data: memoryview) -> int:
        await self._take_turns()
        due = math.inf
        while True:
            try:
                return self._socket.send(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self.broken = True
                raise Gone(error.errno, error.strerror) from None
            self._turns = 0
            now = trio.current_time()
            if now >= due:
                self.broken = True
                raise Gone("the client takes nothing")
            self._write_due = due = min(due, now + self._patience_s)
            try:
                await trio.lowlevel.wait_writable(self._socket)
            except trio.ClosedResourceError:
                continue  # overdue, or poked for the sake of who reads
            finally:
                self._write_due = math.inf

    async def _take_turns(self) -> None:
        """Let others run now and then: a client that is never waited for would keep the loop to itself."""
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            await trio.lowlevel.checkpoint()

    def write_now(self, data: bytes) -> None:
        """Send what the system takes at once; for last words, of which nobody waits to hear whether they arrived."""
        try:
            self._socket.send(data)
        except OSError:
            return

    def hung_up(self) -> bool:
        """Tell whether the other side has closed for good: it neither sends nor reads."""
        poll = select.poll()
        poll.register(self._socket, 0)  # POLLHUP and POLLERR are told unasked
        return bool(poll.poll(0))

    def overdue(self, now: float) -> bool:
        """Tell whether somebody has waited for the other side for too long."""
        return now >= self._read_due or now >= self._write_due

    def poke(self) -> None:
        """Wake whoever waits here."""
        trio.lowlevel.notify_closing(self._socket)

    async def linger(self, seconds: float) -> None:
        """Say that nothing more comes, and listen until the other side has closed, or for so long.

        Whoever closes while the other side still sends breaks its write, and it never reads the answer.
        """
        try:
            self._socket.shutdown(socket.SHUT_WR)
            due = trio.current_time() + seconds
            while trio.current_time() < due and await self.read(due):
                pass
        except (OSError, Late, Poked):
            return

    def close(self) -> None:
        """Close, whoever waits."""
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()
