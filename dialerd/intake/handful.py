"""A handful: small campaign files that are taken together, so that they share the reader's pipe and the disk's waits.

Who moves to dialerd from one call file a call drops thousands of them at once. Each is judged by itself: a file that is
faulty, that changes meanwhile or that cannot be stored keeps none of the others back. Knows nothing of the engine.
"""

from collections.abc import Sequence
from pathlib import Path

import trio
from attrs import define, frozen

from dialerd.intake import durable
from dialerd.intake.content import Identity, NotYet, compare, look
from dialerd.intake.departure import Departure
from dialerd.intake.reading import Reader, Reading
from dialerd.intake.verdict import Desk, Result, accept, check_reader, leaving, recognise, refuse
from dialerd.model.errors import DialerdError
from dialerd.store import arrivals, spool_files
from dialerd.store.arrivals import Arrival, Stored
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch, TakenFile


@frozen
class Asked:
    """A small campaign file that is ripe and is to be read.

    Args:
        spec: name of the campaign file.
        recipients: name of its recipients file, or None.
        last: refuse it when the reading process dies over it; otherwise it is to be tried again.
    """

    spec: str
    recipients: str | None
    last: bool


@define(eq=False)
class _File:
    """One file of a handful that was read."""

    at: int
    paths: list[Path]
    identities: list[Identity | None]
    departure: Departure
    basket: "_Basket"
    reading: Reading


async def read_handful(desk: Desk, reader: Reader, asked: Sequence[Asked]) -> "Handful":
    """Read small campaign files; nothing of them is stored yet.

    Args:
        desk: what they are taken with.
        reader: reads them; nobody else uses it meanwhile.
        asked: which; together they hold at most about as many rows as a transaction may have.

    Raises:
        ReaderError, OSError: none of them could be read now.
    """
    folder = desk.folders.incoming
    paths = [[folder / name for name in (one.spec, one.recipients) if name is not None] for one in asked]
    found = await trio.to_thread.run_sync(_look_all, paths)
    handful = Handful(desk, asked)
    jobs: list[tuple[int, list[Identity | None]]] = []
    for at, identities in enumerate(found):
        if isinstance(identities, Exception):
            handful.results[at] = identities
        else:
            jobs.append((at, identities))
    if not jobs:
        return handful
    listings = [durable.scratch(desk.folders.rejected) for _ in jobs]
    baskets = [_Basket() for _ in jobs]
    try:
        readings = await reader.read_small(
            [paths[at][0] for at, _ in jobs], desk.settings(), desk.now(), baskets, listings=listings
        )
    except Exception:
        await trio.to_thread.run_sync(_unlink_all, listings)
        raise
    for (at, identities), listing, basket, reading in zip(jobs, listings, baskets, readings, strict=False):
        one = asked[at]
        departure = leaving(desk.folders, one.spec, one.recipients, identities, listing)
        handful.read.append(_File(at, paths[at], identities, departure, basket, reading))
    for at, _ in jobs[len(readings) :]:
        handful.results[at] = NotYet("the reading process died before it came to this file")
    return handful


class Handful:
    """Files that were read and are not stored yet.

    Args:
        desk: what they are taken with.
        asked: which were asked for.

    Attributes:
        results: what became of each; None = not known yet.
        read: those that were read.
    """

    def __init__(self, desk: Desk, asked: Sequence[Asked]) -> None:
        self._desk = desk
        self._asked = asked
        self.results: list[Result | None] = [None] * len(asked)
        self.read: list[_File] = []

    async def conclude(self) -> list[Result]:
        """Publish what was read, or refuse it; return for each file how it leaves, or why it cannot be taken now."""
        differ = await trio.to_thread.run_sync(_compare_all, self.read)
        sound: list[tuple[_File, Arrival]] = []
        for one, changed in zip(self.read, differ, strict=True):
            try:
                if changed is not None:
                    raise changed
                check_reader(one.reading, last=self._asked[one.at].last)
            except (DialerdError, OSError) as error:
                self.results[one.at] = error
                continue
            if one.reading.valid:
                sound.append((one, one.basket.arrival(one.departure.spec, one.reading)))
            else:
                self.results[one.at] = await self._refuse(one)
        for (one, arrival), stored in zip(sound, await self._put([each for _, each in sound]), strict=True):
            self.results[one.at] = self._settle(one, arrival, stored)
        unlisted = [one.departure.listing for one in self.read if isinstance(self.results[one.at], Exception)]
        if unlisted:
            await trio.to_thread.run_sync(_unlink_all, [listing for listing in unlisted if listing is not None])
        return [result for result in self.results if result is not None]

    async def _refuse(self, one: _File) -> Result:
        """Refuse a faulty file, unless it is a campaign already: settings may have changed since it became one."""
        try:
            taken = await self._desk.store.read(spool_files.taken_file, one.reading.fingerprint)
        except DialerdError as error:
            return error
        if taken is None:
            refuse(one.departure, one.reading)
        else:
            recognise(one.departure, taken, self._desk.folders)
        return one.departure

    async def _put(self, sound: Sequence[Arrival]) -> list[Stored | TakenFile | Exception]:
        """Store arrivals in one transaction; where that cannot be done, each in one of its own."""
        if not sound:
            return []
        try:
            return [*await self._desk.store.write_bulk(arrivals.store, sound, now=self._desk.now())]
        except Exception as error:  # noqa: BLE001  # one that cannot be stored must keep none of the others back
            if len(sound) == 1:
                return [error]
        return [outcome for one in sound for outcome in await self._put([one])]

    def _settle(self, one: _File, arrival: Arrival, stored: Stored | TakenFile | Exception) -> Result:
        departure = one.departure
        if isinstance(stored, Exception):
            return stored
        if isinstance(stored, TakenFile):
            recognise(departure, stored, self._desk.folders)
            return departure
        assert departure.listing is not None
        reading = one.reading.with_duplicates(stored.duplicates, departure.listing)
        accept(departure, reading, arrival.new, self._desk.folders)
        if not arrival.new.draft:
            self._desk.published(stored.campaign_id)
        return departure


class _Basket:
    """Keeps what is read of one small file."""

    def __init__(self) -> None:
        self._new: NewCampaign | None = None
        self._batches: list[RecipientBatch] = []

    async def fingerprint(self, _fingerprint: str) -> bool:
        """See `Deliver.fingerprint`. Whether it is known is found out where it is stored."""
        return True

    async def campaign(self, new: NewCampaign) -> None:
        """See `Deliver.campaign`."""
        self._new = new

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """See `Deliver.recipients`. Duplicates are found where they are stored."""
        self._batches.append(batch)
        return ()

    def arrival(self, name: str, reading: Reading) -> Arrival:
        """Return what is to be stored of a file that was found valid."""
        assert self._new is not None, "what is valid was delivered"
        return Arrival(name=name, fingerprint=reading.fingerprint, new=self._new, batches=self._batches)


def _look_all(paths: Sequence[list[Path]]) -> list[list[Identity | None] | Exception]:
    found: list[list[Identity | None] | Exception] = []
    for some in paths:
        try:
            found.append(look(some))
        except (NotYet, OSError) as error:
            found.append(error)
    return found


def _compare_all(read: Sequence[_File]) -> list[Exception | None]:
    differ: list[Exception | None] = []
    for one in read:
        try:
            compare(one.paths, one.identities)
        except (NotYet, OSError) as error:
            differ.append(error)
        else:
            differ.append(None)
    return differ


def _unlink_all(listings: Sequence[Path]) -> None:
    for listing in listings:
        listing.unlink(missing_ok=True)
