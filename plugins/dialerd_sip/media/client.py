"""The daemon's side of the media process: starts it, and again when it dies; leases ports; passes events on.

Ports are leased out of a stock that the process tops up, without a word to it. Commands go out at the next turn of the
event loop, or, where others have just gone, together a moment later: each message wakes the process.

Knows nothing of packets.
"""

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
import trio

import dialerd
import dialerd_sip
from dialerd.model.instants import Duration
from dialerd.plugin.complaints import Complaints
from dialerd_sip.media import messages
from dialerd_sip.media.contract import MediaError, MediaFigures
from dialerd_sip.media.session import RemoteSession
from dialerd_sip.media.sources import Symmetric

log = structlog.get_logger()

_STOCK: Final = 128  # ports that are spare on an address: a tenth of a second at 1,000 calls a second
_LEASE_S: Final = 5.0  # how long a lease waits for the process, which may just start, or come with ports for others
_COUNT_S: Final = 1.0  # how long it may take to tell what was counted
_GATHER_S: Final = 0.005  # how long commands wait behind a message, for company; a packet's turn takes longer
_PAUSES_S: Final = (0.2, 1.0, 5.0, 15.0)  # before the process is started again, the longer the oftener it died
_LASTED_S: Final = 60.0  # a process that lived so long died by itself, not of what it was asked
_BACKLOG: Final = 20_000  # commands that wait for a process that takes none: 1,000 calls from beginning to end
_END_S: Final = 3.0  # how long the process may take to end: its recordings are written out


class _Waiting:
    """Somebody who waits for a port."""

    __slots__ = ("got", "refused", "served")

    def __init__(self) -> None:
        self.served = trio.Event()
        self.got: tuple[int, int] | None = None
        self.refused: str | None = None


class MediaProcess:
    """Media in a process of its own; see `dialerd_sip.media.contract.Media`.

    Args:
        first_port, last_port: the range of ports for RTP and RTCP.
    """

    def __init__(self, first_port: int, last_port: int) -> None:
        self._range = first_port, last_port
        self._stock = min(_STOCK, (last_port - first_port + 1) // 8 + 1)
        self._control: socket.socket | None = None
        self._process: trio.Process | None = None
        self._spare: dict[str, deque[tuple[int, int]]] = {}
        self._asked: set[str] = set()
        self._crowds: dict[str, deque[_Waiting]] = {}  # who waits for a port, in order; none is spare then
        self._came_at: dict[str, float] = {}  # when ports came last
        self._detectors: dict[str, None] = {}
        self._counts: dict[str, int] = {}
        self._counted = trio.Event()
        self._sessions: dict[int, RemoteSession] = {}
        self._closing: dict[int, RemoteSession] = {}
        self._waiting: deque[bytes] = deque()
        self._room = trio.Event()
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._complaints = Complaints()  # a full disk is every call's trouble

    @property
    def pid(self) -> int | None:
        """The process id, or None while there is none."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start the process; whether it comes up is seen by the first lease."""
        # a task of the run, since trunks share this and come and go in any order
        trio.lowlevel.spawn_system_task(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all sessions and the process."""
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._over.wait()

    def prepare(self, detector: str) -> None:
        """Have the process import what a detector needs: now, and whenever it is started again."""
        if detector not in self._detectors:
            self._detectors[detector] = None
            self.say(messages.Prepare(detector))

    async def counts(self) -> dict[str, int]:
        """Return what was counted since the process began, or what was known of it."""
        if self._control is not None:
            self.say(messages.Count())
            with trio.move_on_after(_COUNT_S):
                await self._counted.wait()
        return dict(self._counts)

    async def lease(
        self, host: str, *, silence_ms: Duration = 0, symmetric: Symmetric = Symmetric.AUTO
    ) -> RemoteSession:
        """Lease a port; without a checkpoint where one is spare.

        Raises:
            MediaError: no port is free, or the media process is not there.
        """
        spare = self._spare.get(host)
        if spare:
            number, port = spare.popleft()
            if len(spare) < self._stock // 2:
                self._ask(host)
        else:
            number, port = await self._queue(host)
        session = self._sessions[number] = RemoteSession(number, port, self, silence_ms, symmetric)
        return session

    async def _queue(self, host: str) -> tuple[int, int]:
        """Wait for a port, in order with all who do."""
        waiting = _Waiting()
        crowd = self._crowds.setdefault(host, deque())
        crowd.append(waiting)
        self._ask(host)
        patience_ends = trio.current_time() + _LEASE_S
        try:
            while not waiting.served.is_set() and trio.current_time() < patience_ends:
                with trio.move_on_at(patience_ends):
                    await waiting.served.wait()
                patience_ends = self._came_at.get(host, float("-inf")) + _LEASE_S  # as long as others get theirs
        finally:
            if not waiting.served.is_set():
                crowd.remove(waiting)
        if waiting.got is not None:
            return waiting.got
        if waiting.refused is not None:
            raise MediaError(f"no port for sound can be had on {host}: {waiting.refused}")
        raise MediaError("the media process does not answer; it is started again by itself, look at the log")

    def _ask(self, host: str) -> None:
        """Ask for ports, unless that was done, or there is nobody to ask; whoever comes up is asked then."""
        if self._control is not None and host not in self._asked:
            self._asked.add(host)
            wanted = self._stock - len(self._spare.get(host, ())) + len(self._crowds.get(host, ()))
            self.say(messages.Stock(host, wanted))

    def say(self, command: messages.Command) -> None:
        """Hand over a command to the process; one that is not there has no session left to hear it."""
        if self._control is None:
            return
        said = messages.encode(command)
        if len(said) > messages.SIZE - messages.FRAME:
            raise MediaError("too many clips are to be played at once; play them in parts")
        self._waiting.append(said)
        if len(self._waiting) == 1:
            self._room.set()
        elif len(self._waiting) > _BACKLOG and self._process is not None:
            self._process.kill()

    def forget(self, session: RemoteSession) -> None:
        """Have nothing told to a session any more, but its figures where it wants them."""
        found = self._sessions.pop(session.number, None)
        if found is not None and session.figures is not None:
            self._closing[session.number] = session

    async def _run(self) -> None:
        deaths = 0
        try:
            with self._scope:
                while True:
                    began = trio.current_time()
                    reason = await self._live()
                    deaths = 0 if trio.current_time() - began > _LASTED_S else deaths + 1
                    pause_s = _PAUSES_S[min(deaths, len(_PAUSES_S)) - 1] if deaths else _PAUSES_S[0]
                    log.error(
                        "media.died",
                        reason=reason,
                        again_in_s=pause_s,
                        remedy="the calls that were up have lost their sound and end; see the lines before it, and "
                        "whether the machine is short of memory; it is started again by itself",
                    )
                    await trio.sleep(pause_s)
        finally:
            self._over.set()

    async def _live(self) -> str:
        """Start a process and serve it; return how it ended."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            ours.setblocking(False)
            with theirs:
                try:
                    process = self._process = await _start(theirs.fileno(), *self._range)
                except OSError as error:
                    return f"it cannot be started: {error}"
            self._control = ours
            for detector in self._detectors:
                self.say(messages.Prepare(detector))
            for host, crowd in self._crowds.items():
                if crowd:
                    self._ask(host)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, ours)
                    await self._read(ours)
                    nursery.cancel_scope.cancel()
            finally:
                with trio.CancelScope(shield=True):
                    ours.close()
                    await self._ended(process)
            return f"it ended with {process.returncode}"

    async def _ended(self, process: trio.Process) -> None:
        """Wait for the process's end and tell everybody of it."""
        self._control = self._process = None
        self._waiting.clear()
        self._spare.clear()
        self._asked.clear()
        lost, closing = self._sessions, self._closing
        self._sessions, self._closing = {}, {}
        for session in lost.values():
            _call(partial(session.lost, "the media process is no more"))
        for session in closing.values():
            if session.figures is not None:
                _call(partial(session.figures, MediaFigures()))
        with trio.move_on_after(_END_S):
            await process.wait()
            return
        process.kill()
        await process.wait()

    async def _write(self, control: socket.socket) -> None:
        """Send what was said, as few messages as that takes."""
        while True:
            self._room = trio.Event()
            if not self._waiting:
                await self._room.wait()
            while self._waiting:
                said = messages.together(self._waiting)
                try:
                    control.send(b"".join(said))
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(control)
                except OSError:  # the process is gone, which is told to everybody where that is seen
                    self._waiting.clear()
                else:
                    for _ in range(len(said) - 1):
                        self._waiting.popleft()
            await trio.sleep(_GATHER_S)

    async def _read(self, control: socket.socket) -> None:
        """Take what the process says until it has ended."""
        while True:
            await trio.lowlevel.wait_readable(control)
            try:
                said = control.recv(messages.SIZE)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not said:
                return
            for reply in messages.decode_replies(said):
                self._take(reply)

    def _take(self, reply: messages.Reply) -> None:
        if isinstance(reply, messages.Stocked):
            self._stocked(reply)
        elif isinstance(reply, messages.Trouble):
            self._complaints.tell(
                log.warning,
                "media.troubled",
                reply.event,
                what=reply.event,
                reason=reply.reason,
                remedy="mend the folder or the disk of recordings, or the detector or its name; the call goes on",
            )
        elif isinstance(reply, messages.Counted):
            self._counts = reply.counts
            self._counted.set()
            self._counted = trio.Event()
        elif isinstance(reply, messages.Closed):
            session = self._closing.pop(reply.id, None)
            if session is not None and session.figures is not None:
                _call(partial(session.figures, reply.figures))
        else:
            session = self._sessions.get(reply.id)
            if session is not None:
                _call(partial(session.happened, reply.event))

    def _stocked(self, reply: messages.Stocked) -> None:
        """Serve those who wait, in order, and keep the rest; ask for more as long as somebody waits."""
        host = reply.host
        self._asked.discard(host)
        spare, crowd = self._spare.setdefault(host, deque()), self._crowds.get(host, ())
        spare.extend(reply.ports)
        if reply.ports:
            self._came_at[host] = trio.current_time()
        while crowd and (spare or reply.reason is not None):
            waiting = crowd.popleft()
            waiting.got, waiting.refused = (spare.popleft() if spare else None), reply.reason
            waiting.served.set()
        if crowd:
            self._ask(host)


async def _start(descriptor: int, first_port: int, last_port: int) -> trio.Process:
    # the process finds the very packages that run here, installed or not
    roots = {str(Path(package.__file__).parent.parent): None for package in (dialerd, dialerd_sip) if package.__file__}
    path = os.pathsep.join(filter(None, (*roots, os.environ.get("PYTHONPATH"))))
    return await trio.lowlevel.open_process(
        [sys.executable, "-m", "dialerd_sip.media", str(descriptor), str(first_port), str(last_port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env={**os.environ, "PYTHONPATH": path},
    )


def _call(told: Callable[[], None]) -> None:
    """Call back; what one call's task makes of it must not take the media from all others."""
    try:
        told()
    except Exception as error:  # whatever it is, it is that call's alone
        log.error(
            "media.callback_failed",
            error=repr(error),
            exc_info=True,
            remedy="report it, with the traceback; only that call's sound is touched",
        )
