"""Acceptance: a campaign file that is ripe becomes a campaign in the store, or a refusal with every reason.

What is stored is stored whole before the file leaves `incoming/`. A stop at any point leaves the file there, and
either nothing in the store, or a campaign in loading that the next start discards, or the campaign and the file's
fingerprint, by which the next start knows it. Knows nothing of the engine: `published` is told of new campaigns.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import frozen
from sqlalchemy import Connection

from dialerd.intake import durable
from dialerd.intake.content import Identity, identity, is_being_written
from dialerd.intake.departure import Departure
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import ERROR, WARNINGS
from dialerd.intake.reading import Reader, Reading
from dialerd.model.errors import DialerdError
from dialerd.model.instants import Instant, to_iso
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.store import campaigns, recipients, spool_files
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch, TakenFile
from dialerd.store.store import Store

_SMALL: Final = 200  # recipients that are stored in about the time that a commit takes

_log = structlog.get_logger()


class NotYet(DialerdError):
    """The file cannot be taken now; it is to be looked at again later."""


class ReaderDied(DialerdError):
    """The reading process was lost over a file, which is to be read once more."""


class Acceptor:
    """Takes campaign files into the store.

    Args:
        folders: of the spool.
        store: where campaigns go.
        settings: returns the settings in force.
        published: told the key of every campaign that is ready to be dialled.
        now: returns the present instant.
    """

    def __init__(
        self,
        folders: Folders,
        store: Store,
        *,
        settings: Callable[[], Settings],
        published: Callable[[int], None],
        now: Callable[[], Instant],
    ) -> None:
        self._folders = folders
        self._store = store
        self._settings = settings
        self._published = published
        self._now = now
        self._remains: list[_Entry] = []  # what could not be deleted of files that could not be taken

    async def read(self, reader: Reader, spec: str, recipients: str | None, *, last: bool = True) -> "Candidate":
        """Read one campaign file into the store, where nobody sees it yet.

        Args:
            reader: reads it; nobody else uses it meanwhile.
            spec: name of the campaign file.
            recipients: name of its recipients file, or None.
            last: refuse it when the reading process dies over it; otherwise it is to be tried again.

        Raises:
            NotYet: it is gone, or is still written to.
            StoreError, ReaderError, ReaderDied, OSError: it could not be read now; nothing of it is visible.
        """
        paths = [self._folders.incoming / name for name in (spec, recipients) if name is not None]
        before = await trio.to_thread.run_sync(look, paths)
        await self._clear_remains()
        entry = _Entry(self._store)
        listing = durable.scratch(self._folders.rejected)
        try:
            reading = await reader.read(paths[0], self._settings(), self._now(), entry, listing=listing)
            check_reader(reading, last=last)
        except Exception:
            await self._give_up(entry, listing)
            raise
        departure = leaving(self._folders, spec, recipients, before, listing)
        return Candidate(paths=paths, identities=before, entry=entry, reading=reading, departure=departure)

    async def conclude(self, candidate: "Candidate") -> Departure:
        """Publish what was read, or refuse it, and return how its file leaves.

        Raises:
            NotYet: the file changed since it was looked at.
            StoreError, OSError: it could not be published now; nothing of it is visible.
        """
        departure, entry, reading = candidate.departure, candidate.entry, candidate.reading
        try:
            await trio.to_thread.run_sync(compare, candidate.paths, candidate.identities)
            if entry.taken is not None:
                recognise(departure, entry.taken, self._folders)
            elif reading.valid:
                await self._publish(departure, entry, reading)
            else:
                await self._give_up(entry, None)
                refuse(departure, reading)
        except Exception:
            await self._give_up(entry, departure.listing)
            raise
        return departure

    async def _give_up(self, entry: "_Entry", listing: Path | None) -> None:
        """Leave nothing behind of a file that could not be taken now."""
        try:
            await entry.discard()
        except DialerdError as error:
            _log.warning("spool.discard_failed", error=str(error), detail="it is deleted before another file is taken")
            self._remains.append(entry)
        if listing is not None:
            await trio.to_thread.run_sync(lambda: listing.unlink(missing_ok=True))

    async def _clear_remains(self) -> None:
        """Delete what was left behind, so that tries that fail on a full disk do not fill it further.

        Raises:
            StoreError: that is still not possible.
        """
        for entry in list(self._remains):
            await entry.discard()
            if entry in self._remains:  # the other lane may have been faster
                self._remains.remove(entry)

    async def _publish(self, departure: Departure, entry: "_Entry", reading: Reading) -> None:
        """Make a campaign visible: from here on it is dialled, whatever becomes of the file."""
        new = reading.new
        assert new is not None
        campaign_id = await entry.finish()
        now = self._now()
        taken = TakenFile(
            fingerprint=reading.fingerprint, name=departure.spec, campaign=new.uid, taken_at=now, moved=False
        )
        await self._store.write(campaigns.publish, campaign_id, state=CampaignState.SCHEDULED, taken=taken, now=now)
        accept(departure, reading, new, self._folders)
        self._published(campaign_id)


@frozen(kw_only=True)
class Candidate:
    """A campaign file that was read and is not published yet.

    Args:
        paths: the file, and its recipients file where it has one.
        identities: what was found there before reading.
        entry: what the store holds of it.
        reading: what became of reading it.
        departure: how it leaves, as far as that is known.
    """

    paths: list[Path]
    identities: list[Identity | None]
    entry: "_Entry"
    reading: Reading
    departure: Departure


class _Entry:
    """One campaign on its way into the store; takes what the reader delivers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: NewCampaign | None = None
        self._campaign_id: int | None = None
        self.taken: TakenFile | None = None

    async def fingerprint(self, fingerprint: str) -> bool:
        """See `Deliver.fingerprint`."""
        self.taken = await self._store.read(spool_files.taken_file, fingerprint)
        return self.taken is None

    async def campaign(self, new: NewCampaign) -> None:
        """See `Deliver.campaign`. It is stored with its first batch, which saves small campaigns a commit."""
        self._new = new
        await trio.lowlevel.checkpoint()

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """See `Deliver.recipients`."""
        if self._campaign_id is not None:
            return await self._store.write_bulk(recipients.add, self._campaign_id, batch)
        assert self._new is not None, "the campaign is delivered before its recipients"
        # a small one shares its commit with others; a large one must not keep the dispatcher waiting
        write = self._store.write if batch.count <= _SMALL else self._store.write_bulk
        self._campaign_id, duplicates = await write(_begin, self._new, batch)
        return duplicates

    async def finish(self) -> int:
        """Return the key of the campaign, stored but not visible yet."""
        if self._campaign_id is None:
            assert self._new is not None, "only what was delivered can be kept"
            self._campaign_id = await self._store.write_bulk(campaigns.begin, self._new)
        return self._campaign_id

    async def discard(self) -> None:
        """Delete what was stored of it, as the next start would.

        Raises:
            StoreError: it cannot be deleted now.
        """
        while self._campaign_id is not None and await self._store.write_bulk(campaigns.discard_some, self._campaign_id):
            pass


async def discard_loading(store: Store) -> int:
    """Delete the campaigns whose intake a former life did not finish and return how many there were."""
    unfinished = await store.read(campaigns.loading)
    for campaign_id in unfinished:
        while await store.write_bulk(campaigns.discard_some, campaign_id):
            pass
    return len(unfinished)


def _begin(connection: Connection, new: NewCampaign, batch: RecipientBatch) -> tuple[int, tuple[Duplicate, ...]]:
    campaign_id = campaigns.begin(connection, new)
    return campaign_id, recipients.add(connection, campaign_id, batch)


def look(paths: list[Path]) -> list[Identity | None]:
    """Return what lies at `paths`: a campaign file, and perhaps its recipients file. Blocks; call it in a thread.

    Raises:
        NotYet: the campaign file is gone, or one of them is still written to.
    """
    if (found := identity(paths[0])) is None:
        raise NotYet(f"{paths[0].name} is gone")
    for path in paths:
        if is_being_written(path):
            raise NotYet(f"{path.name} is open for writing")
    return [found, *map(identity, paths[1:])]


def compare(paths: list[Path], before: list[Identity | None]) -> None:
    """See that the same still lies at `paths` as `look` found there. Blocks; call it in a thread.

    Raises:
        NotYet: something else does.
    """
    if [identity(path) for path in paths] != before:
        raise NotYet(f"{paths[0].name} or its recipients changed while they were read")


def check_reader(reading: Reading, *, last: bool) -> None:
    """See that the reading process lived, unless its death is to count as the file's fault by now.

    Raises:
        ReaderDied: it died, and the file is to be tried once more.
    """
    if reading.died and not last:
        raise ReaderDied("the reading process died over it; it is read once more")


def leaving(
    folders: Folders, spec: str, recipients: str | None, identities: list[Identity | None], listing: Path
) -> Departure:
    """Return the departure of a file that was read, to `rejected/` until it is known better."""
    return Departure(
        spec=spec,
        spec_identity=identities[0],
        recipients=recipients,
        recipients_identity=identities[1] if recipients is not None else None,
        folder=folders.rejected,
        ending=ERROR,
        listing=listing,
    )


def accept(departure: Departure, reading: Reading, new: NewCampaign, folders: Folders) -> None:
    """Let a file leave for `accepted/` that has become a campaign, and log it."""
    departure.folder, departure.ending = folders.accepted, WARNINGS
    departure.fingerprint, departure.campaign = reading.fingerprint, new.uid
    if reading.warnings.total:
        departure.heading = f"{departure.spec} was accepted with {_count(reading.warnings.total, 'warning')}."
    _log.info(
        "spool.file_accepted",
        file=departure.spec,
        campaign=new.uid,
        recipients=reading.rows - reading.duplicates,
        warnings=reading.warnings.total,
    )


def recognise(departure: Departure, taken: TakenFile, folders: Folders) -> None:
    """Deal with a file that is a campaign already: one that was not moved yet is moved, any other is refused."""
    if not taken.moved:
        departure.folder, departure.ending = folders.accepted, WARNINGS
        departure.fingerprint, departure.campaign = taken.fingerprint, taken.campaign
        _log.info("spool.file_recognised", file=departure.spec, campaign=taken.campaign)
        return
    at = to_iso(taken.taken_at)
    departure.heading = (
        f"{departure.spec} is campaign {taken.campaign} already, taken at {at}; nobody is dialled again.\n"
        "# Name, campaign file and recipients are the same byte by byte. To dial everybody once more, drop it under"
        " another name."
    )
    _log.warning(
        "spool.file_rejected",
        file=departure.spec,
        reason="taken before",
        campaign=taken.campaign,
        remedy="nobody is dialled again; to dial everybody once more, drop it under another name",
    )


def refuse(departure: Departure, reading: Reading) -> None:
    """Let a file leave for `rejected/` with its faults, and log it."""
    total = reading.faults.total
    departure.heading = (
        f"{departure.spec} is refused for {_count(total, 'fault')}; nobody of it is dialled.\n"
        "# Correct what follows and drop it into incoming/ again."
    )
    first = reading.faults.first[0] if reading.faults.first else None
    _log.warning(
        "spool.file_rejected",
        file=departure.spec,
        reason="faults",
        faults=total,
        first=first and first.path,
        remedy=f"correct what is listed beside it in {departure.folder.name}/ and drop it again",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
