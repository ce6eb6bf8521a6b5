"""Reading a campaign file without holding up the daemon: the heavy part runs in a worker process.

One worker reads one file after another; it is started with the first file, and again when it died or has grown.
`dialerd.intake.read_now` does the same work in this process, for small inputs. Knows nothing of the spool directory
and the store: what is read is handed to a `Deliver`.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import structlog
import trio
from attrs import evolve, frozen

from dialerd.intake import frames
from dialerd.intake.addition import Addition
from dialerd.intake.campaign_file import recipients_name
from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import NONE, SHOWN, Collector, Findings, Listing
from dialerd.intake.formats import read_document
from dialerd.intake.frames import Job, Kind
from dialerd.intake.kinds import shown
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.intake.worker_process import Worker, WorkerDied, WorkerStuck
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch

HEAVY: Final = 256 << 10
"""Bytes from which on a file is read where no smaller one has to wait for it."""

_GROWN: Final = 96 << 20
"""Bytes of memory beyond which a worker is replaced after a file; a fresh one has about 30 MiB."""

_LOOKED_INTO: Final = 1 << 20
_NOWHERE: Final = Origin(file="", by_line=False)

_log = structlog.get_logger()


class Deliver(Protocol):
    """Takes what is read, in this order. What it raises ends the reading and passes out of `Reader.read`."""

    async def fingerprint(self, fingerprint: str) -> bool:
        """Tell whether the file is to be read on; False where it was taken before. Called first, and once, for every
        file whose bytes can be read; afterwards nothing or everything below may follow."""

    async def campaign(self, new: NewCampaign) -> None:
        """Take the campaign. Called once the spec is valid and the first valid rows stand ready, before any batch."""

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """Take a batch of rows and return those whose number stands in the campaign already.

        The reader waits for the answer; nothing more is read meanwhile than what fits into a pipe."""


@frozen(kw_only=True)
class Reading:
    """What became of reading one campaign file.

    Every fault and warning is in the listing, one a line as `str(fault)`, warnings with `warning: ` before them. The
    listing does not exist when there are none.

    Args:
        fingerprint: of the file's name, its bytes and its recipients' bytes; "" where they could not be read.
        new: the campaign that was delivered, or None where it did not come to that, as where `Deliver.fingerprint` said
            no.
        rows: recipients that were delivered, duplicates among them.
        duplicates: how many of them stood in the campaign already; each is a warning too.
        faults: why the file is refused. Where there are any, what was delivered is to be discarded.
        warnings: what does not refuse it: duplicates, rows that `skip_invalid` left out, recipients that will never
            be rung.
        invalid: those of the warnings that tell what is wrong with rows that were left out, the first `SHOWN`.
        invalid_rows: how many rows were left out.
        died: the worker died over it; that is its fault only where it happens again and again.
        origin: where its rows come from.
    """

    fingerprint: str
    new: NewCampaign | None = None
    rows: int = 0
    duplicates: int = 0
    faults: Findings = NONE
    warnings: Findings = NONE
    invalid: tuple[Fault, ...] = ()
    invalid_rows: int = 0
    died: bool = False
    origin: Origin = _NOWHERE

    @property
    def valid(self) -> bool:
        """Whether a campaign was delivered whole and may be kept."""
        return self.new is not None and self.faults.total == 0

    def with_duplicates(self, duplicates: Sequence[Duplicate], listing: Path) -> "Reading":
        """Return it with the recipients that turned out to stand in the campaign twice; they are listed, too."""
        if not duplicates:
            return self
        collector = Collector(Listing(listing), warning=True, found=self.warnings)
        for duplicate in duplicates:
            collector.add(self.origin.twice(duplicate))
        collector.flush()
        return evolve(self, duplicates=self.duplicates + len(duplicates), warnings=collector.findings())


class Reader:
    """Reads campaign files, one at a time, in a worker process that it owns.

    An async context manager; leaving it ends the worker.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()
        self._worker: Worker | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end_worker()

    async def read(
        self,
        spec: Path,
        settings: Settings,
        now: Instant,
        deliver: Deliver,
        *,
        listing: Path,
        terms: Terms | None = None,
    ) -> Reading:
        """Read one campaign file and hand over what is in it.

        Whatever the file holds, faults are part of the answer and not raised. A worker that dies is a fault of the
        file it was reading.

        Args:
            spec: the campaign file, `.toml` or `.json`; its recipients file lies beside it.
            settings: what the campaign is checked against.
            now: present instant.
            deliver: takes campaign and rows.
            listing: where every fault and warning is appended; its directory exists, the file had better not.
            terms: it is a document that was sent, and how it is taken; None = a file that was dropped.

        Raises:
            ReaderError: the worker cannot be started; the file was not looked at.
        """
        job = Job(spec=spec, now=now, listing=listing, terms=terms)
        (reading,) = await self._read([(job, deliver)], settings)
        return reading

    async def read_small(
        self,
        specs: Sequence[Path],
        settings: Settings,
        now: Instant,
        deliver: Sequence[Deliver],
        *,
        listings: Sequence[Path],
    ) -> list[Reading]:
        """Read several small campaign files in one go: the worker does not wait between them, nor for an answer to
        their fingerprints.

        Args:
            specs: the campaign files.
            settings, now: as for `read`.
            deliver: takes campaign and rows, one a file.
            listings: one a file, as for `read`.

        Returns:
            What became of each, in order. Where the worker died over one, those behind it are missing: they were not
            looked at.

        Raises:
            ReaderError: the worker cannot be started; no file was looked at.
        """
        jobs = [Job(spec=spec, now=now, listing=at, ask=False) for spec, at in zip(specs, listings, strict=True)]
        return await self._read(list(zip(jobs, deliver, strict=True)), settings)

    async def read_addition(
        self, file: Path, addition: Addition, settings: Settings, now: Instant, deliver: Deliver, *, listing: Path
    ) -> Reading:
        """Read rows for a stored campaign and hand them over; there is no fingerprint.

        Args:
            file: where they are.
            addition: what they are for.
            settings, now, deliver, listing: as for `read`.

        Raises:
            ReaderError: the worker cannot be started; the file was not looked at.
        """
        job = Job(spec=file, now=now, listing=listing, ask=False, addition=addition)
        (reading,) = await self._read([(job, deliver)], settings)
        return reading

    async def _read(self, work: Sequence[tuple[Job, Deliver]], settings: Settings) -> list[Reading]:
        done: list[Reading] = []
        async with self._lock:
            if self._worker is None:
                self._worker = await Worker.start()
            whole = False
            task = _Task(self._worker, *work[0])
            try:
                await self._worker.send_settings(settings)
                await self._worker.send(Kind.JOBS, frames.jobs_body([job for job, _ in work]))
                resident = 0
                for job, deliver in work:
                    task = _Task(self._worker, job, deliver)
                    resident = await task.run()
                    done.append(task.reading())
                whole = resident <= _GROWN
            except WorkerDied as died:
                if isinstance(died, WorkerStuck):
                    _tell(task.spec, died)
                message = f"could not be read: the reading process died ({died}); drop the file again"
                task.died(Fault("", message, file=task.spec.name))
                done.append(task.reading())
            finally:
                if not whole:  # died, grown, or given up in the middle of a file
                    await self._end_worker()
        return done

    async def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.end()


class _Task:
    """One file's way from the worker to its `Deliver`."""

    def __init__(self, worker: Worker, job: Job, deliver: Deliver) -> None:
        self.spec = job.spec
        self._worker = worker
        self._deliver = deliver
        self._ask = job.ask
        self._listing = listing = Listing(job.listing)
        self._died = False
        self._fingerprint = ""
        self._new: NewCampaign | None = None
        self._origin = _NOWHERE
        self._groups: tuple[ZoneGroup, ...] = ()
        self._rows = 0
        self._duplicates = Collector(listing, warning=True)
        self._faults = Findings()
        self._warnings = Findings()
        self._invalid: tuple[Fault, ...] = ()
        self._invalid_rows = 0

    async def run(self) -> int:
        """Take frames until the job ends, and return the worker's memory in bytes."""
        while True:
            kind, body = await self._worker.receive()
            if kind is Kind.BATCH:
                await self._batch(body)
            elif kind is Kind.CAMPAIGN:
                self._new, self._origin = frames.read_campaign(body)
                await self._deliver.campaign(self._new)
            elif kind is Kind.FINGERPRINT:
                self._fingerprint = body.decode()
                go_on = await self._deliver.fingerprint(self._fingerprint)
                if self._ask:
                    await self._worker.send(Kind.ANSWER, b"\1" if go_on else b"\0")
            else:
                end = frames.read_end(body)
                self._faults, self._warnings = end.faults, end.warnings
                self._invalid, self._invalid_rows = end.invalid, end.invalid_rows
                return end.resident

    def died(self, fault: Fault) -> None:
        """Note that the worker died; what it had found is in the listing as far as it was written."""
        self._died = True
        collector = Collector(self._listing, warning=False, found=self._faults)
        collector.add(fault)
        self._listing.flush()
        self._faults = collector.findings()

    def reading(self) -> Reading:
        """Return what became of the file."""
        repeated = self._duplicates.findings()
        return Reading(
            fingerprint=self._fingerprint,
            new=self._new,
            rows=self._rows,
            duplicates=repeated.total,
            faults=self._faults,
            invalid=self._invalid,
            invalid_rows=self._invalid_rows,
            died=self._died,
            origin=self._origin,
            warnings=Findings(
                total=self._warnings.total + repeated.total,
                first=(*self._warnings.first, *repeated.first)[:SHOWN],
            ),
        )

    async def _batch(self, body: bytes) -> None:
        batch = frames.read_batch(body, self._groups)
        self._groups = batch.groups
        self._rows += batch.count
        for duplicate in await self._deliver.recipients(batch):
            self._duplicates.add(self._origin.twice(duplicate))
        self._listing.flush()


def _tell(spec: Path, stuck: WorkerStuck) -> None:
    _log.warning(
        "spool.reader_stuck",
        file=shown(spec.name),
        error=str(stuck),
        remedy=f"look at the kernel log for the disk of {spec.parent}; the reading process is ended and started anew,"
        " and the file is read once more before it is refused",
    )


def needs(spec: Path) -> str | None:
    """Return the name of the recipients file that a campaign file asks for, or None.

    Never raises: of a file that is broken, too large to look into at once (1 MiB) or that asks for a name which is no
    plain file name, the answer is None and the fault comes from reading it. Reads the file: call it in a thread.
    """
    try:
        with Source(spec) as source:
            if source.size > _LOOKED_INTO:
                return None
            name = recipients_name(read_document(source).data, source.name)
    except (InvalidInput, OSError):
        return None
    return name if isinstance(name, str) else None
