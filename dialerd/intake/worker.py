"""The process that reads campaign files for the daemon: `python -m dialerd.intake.worker`.

Jobs come in on its standard input, what it reads goes out on its standard output; where the daemon does not take it,
writing waits. It ends with its input. The daemon ends it with SIGKILL; SIGTERM and SIGINT, which systemd and a
terminal send to every process of the daemon, must not spoil the file it is reading.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from dialerd.intake import frames
from dialerd.intake.addition import read_addition
from dialerd.intake.campaign_file import read_campaign
from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN, Collector, Listing, RowCount
from dialerd.intake.frames import Job, Kind
from dialerd.intake.recipients import Row
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import Fault
from dialerd.model.settings import Settings
from dialerd.store.records import NewCampaign

_NICE: Final = 10  # parsing yields to the daemon and to whatever else runs on the host


class _Gone(Exception):
    """The daemon closed its end."""


class _Pipes:
    """Frames in and out."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._in = incoming
        self._out = outgoing

    def receive(self) -> tuple[Kind, bytes]:
        kind, length = frames.head(self._read(frames.HEAD_SIZE))
        return kind, self._read(length)

    def send(self, kind: Kind, body: bytes = b"") -> None:
        try:
            self._out.write(frames.frame(kind, body))
        except BrokenPipeError as error:
            raise _Gone from error

    def flush(self) -> None:
        """Let the daemon have what was sent; a small file's frames go up together."""
        try:
            self._out.flush()
        except BrokenPipeError as error:
            raise _Gone from error

    def _read(self, size: int) -> bytes:
        data = self._in.read(size)
        if len(data) < size:
            raise _Gone
        return data


class _Sink:
    """Sends what a file becomes; the campaign only with its first rows, when it stands a chance to be one."""

    def __init__(self, pipes: _Pipes, job: Job) -> None:
        self._pipes = pipes
        self._ask = job.ask
        self._listing = Listing(job.listing)
        self._faults = Collector(self._listing, warning=False)
        self._warnings = Collector(self._listing, warning=True)
        self._invalid: list[Fault] = []
        self._invalid_rows = RowCount()
        self._new: NewCampaign | None = None
        self._unsent: tuple[NewCampaign, Origin] | None = None
        self._groups = 0
        self._parent = os.getppid()

    @property
    def wants_rows(self) -> bool:
        return self._new is not None and not self._faults.total

    def fingerprint(self, fingerprint: str) -> bool:
        self._pipes.send(Kind.FINGERPRINT, fingerprint.encode())
        if not self._ask:
            return True
        self._pipes.flush()
        kind, body = self._pipes.receive()
        if kind is not Kind.ANSWER:
            raise _Gone
        return body == b"\1"

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        self._new = new
        self._unsent = (new, origin)

    def rows(self, groups: list[ZoneGroup], rows: list[Row]) -> None:
        if self._unsent is not None:
            self._pipes.send(Kind.CAMPAIGN, frames.campaign_body(*self._unsent))
            self._unsent = None
        self._pipes.send(Kind.BATCH, frames.batch_body(groups[self._groups :], rows))
        self._pipes.flush()
        self._groups = len(groups)

    def fault(self, fault: Fault) -> None:
        self._faults.add(fault)
        if self._faults.total % 10_000 == 0 and os.getppid() != self._parent:
            raise _Gone  # with faults nothing is sent any more that would tell

    def warning(self, fault: Fault) -> None:
        self._warnings.add(fault)

    def left_out(self, fault: Fault) -> None:
        self._warnings.add(fault)
        self._invalid_rows.add(fault)
        if len(self._invalid) < SHOWN:
            self._invalid.append(fault)

    def end(self) -> None:
        """Send the end of the job."""
        self._listing.flush()
        if self._unsent is not None and not self._faults.total:  # a draft may have no recipients
            self._pipes.send(Kind.CAMPAIGN, frames.campaign_body(*self._unsent))
        end = frames.End(
            faults=self._faults.findings(),
            warnings=self._warnings.findings(),
            invalid=tuple(self._invalid),
            invalid_rows=self._invalid_rows.rows,
            resident=_resident(),
        )
        self._pipes.send(Kind.END, frames.end_body(end))
        self._pipes.flush()


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Do one job after another until the input ends.

    Args:
        incoming: frames of the daemon.
        outgoing: frames to the daemon.
    """
    pipes = _Pipes(incoming, outgoing)
    settings = Settings()
    try:
        while True:
            kind, body = pipes.receive()
            if kind is Kind.SETTINGS:
                settings = frames.read_settings(body)
            elif kind is Kind.JOBS:
                for job in frames.read_jobs(body):
                    sink = _Sink(pipes, job)
                    if job.addition is None:
                        read_campaign(job.spec, settings, job.now, sink, job.terms)
                    else:
                        read_addition(job.spec, job.addition, settings, job.now, sink)
                    sink.end()
    except _Gone:
        return


def _resident() -> int:
    """Return this process's memory in bytes (proc(5), statm); getrusage would count the daemon's from before exec."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Serve on standard input and output."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    # whatever a library prints goes to the log instead of between the frames
    outgoing = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(BrokenPipeError), os.fdopen(outgoing, "wb") as out:
        serve(sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
