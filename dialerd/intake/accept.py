"""Acceptance: a campaign file that is ripe becomes a campaign in the store, or a refusal with every reason.

What is stored is stored whole before the file leaves `incoming/`. A stop at any point leaves the file there, and
either nothing in the store, or a campaign in loading that the next start discards, or the campaign and the file's
fingerprint, by which the next start knows it. Knows nothing of the engine: `published` is told of new campaigns.
"""

from pathlib import Path

import structlog
import trio
from sqlalchemy import Connection

from dialerd.intake import durable
from dialerd.intake.content import Identity, compare, look
from dialerd.intake.departure import Departure
from dialerd.intake.reading import Reader, Reading
from dialerd.intake.troubles import what_to_do
from dialerd.intake.verdict import Desk, Result, accept, check_reader, leaving, recognise, refuse
from dialerd.model.errors import DialerdError
from dialerd.store import campaigns, recipients, spool_files
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch, TakenFile
from dialerd.store.store import Store

_log = structlog.get_logger()


class Acceptor:
    """Takes campaign files into the store.

    Args:
        desk: what they are taken with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
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
        desk = self._desk
        paths = [desk.folders.incoming / name for name in (spec, recipients) if name is not None]
        before = await trio.to_thread.run_sync(look, paths)
        await self._clear_remains()
        entry = _Entry(desk.store)
        listing = durable.scratch(desk.folders.rejected)
        try:
            reading = await reader.read(paths[0], desk.settings(), desk.now(), entry, listing=listing)
            check_reader(reading, last=last)
        except Exception:
            await self.give_up(entry, listing)
            raise
        departure = leaving(desk.folders, spec, recipients, before, listing)
        return Candidate(self, desk, paths=paths, identities=before, entry=entry, reading=reading, departure=departure)

    async def give_up(self, entry: "_Entry", listing: Path | None) -> None:
        """Leave nothing behind of a file that could not be taken now."""
        try:
            await entry.discard()
        except DialerdError as error:
            remedy = f"{what_to_do(error, self._desk.folders.incoming)}; it is deleted before another file is taken"
            _log.warning("spool.discard_failed", error=str(error), remedy=remedy)
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


class Candidate:
    """A campaign file that was read and is not published yet.

    Args:
        acceptor: who read it.
        desk: what it is taken with.
        paths: the file, and its recipients file where it has one.
        identities: what was found there before reading.
        entry: what the store holds of it.
        reading: what became of reading it.
        departure: how it leaves, as far as that is known.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        desk: Desk,
        *,
        paths: list[Path],
        identities: list[Identity | None],
        entry: "_Entry",
        reading: Reading,
        departure: Departure,
    ) -> None:
        self._acceptor = acceptor
        self._desk = desk
        self._paths = paths
        self._identities = identities
        self._entry = entry
        self._reading = reading
        self._departure = departure

    async def conclude(self) -> list[Result]:
        """Publish what was read, or refuse it, and return how its file leaves.

        Raises:
            NotYet: the file changed since it was looked at.
            StoreError, OSError: it could not be published now; nothing of it is visible.
        """
        departure, entry, reading = self._departure, self._entry, self._reading
        try:
            await trio.to_thread.run_sync(compare, self._paths, self._identities)
            if entry.taken is not None:
                recognise(departure, entry.taken, self._desk.folders)
            elif reading.valid:
                await self._publish()
            else:
                await self._acceptor.give_up(entry, None)
                refuse(departure, reading)
        except Exception:
            await self._acceptor.give_up(entry, departure.listing)
            raise
        return [departure]

    async def _publish(self) -> None:
        """Make a campaign visible: from here on it is dialled, whatever becomes of the file."""
        desk, departure, reading = self._desk, self._departure, self._reading
        new = reading.new
        assert new is not None
        campaign_id = await self._entry.finish()
        now = desk.now()
        taken = TakenFile(
            fingerprint=reading.fingerprint, name=departure.spec, campaign=new.uid, taken_at=now, moved=False
        )
        await desk.store.write(campaigns.publish, campaign_id, state=new.state, taken=taken, now=now)
        accept(departure, reading, new, desk.folders)
        if not new.draft:
            desk.published(campaign_id)


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
        self._campaign_id, duplicates = await self._store.write_bulk(_begin, self._new, batch)
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
