"""Campaign documents: read and checked like dropped files, and handed on to the store.

Small ones are read in this process, large ones in the reading process. Knows nothing of the engine, and nothing of what
becomes of a campaign.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import trio
from attrs import frozen

from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import Findings
from dialerd.intake.read_now import read_whole
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.intake.worker_process import ReaderError
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, InvalidInput, StoreError
from dialerd.model.once import Once
from dialerd.operations.addition import plain
from dialerd.operations.arrival import Arrival, Published
from dialerd.operations.ground import Ground
from dialerd.store.records import CampaignRow, NewCampaign

_SMALL: Final = 8 << 10  # bytes that are read in this process: some ten milliseconds
_NAME: Final = "campaign.json"

Named = Callable[[NewCampaign], NewCampaign]
"""Gives a campaign what a door knows of it and its document does not."""


Then = Callable[[CampaignRow], Awaitable[None]]
"""Does what is to be done with a campaign that was stored."""


class Documents:
    """Takes campaign documents into the store.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def store(
        self, document: bytes | Path, terms: Terms, named: Named, once: Once | None, *, then: Then
    ) -> Published:
        """Store the campaign of a document whole, or nothing of it.

        Args:
            document: JSON text, or the file that holds it and that nobody changes meanwhile.
            terms: how it is taken.
            named: is handed the campaign before it is stored.
            once: makes it happen once.
            then: is handed the campaign that was stored, even where whoever asked does not wait for it any more.

        Raises:
            InvalidInput: with its faults, the first 1,000 of them.
            WrongState: another campaign has its alias.
            KeyReused: what `once` stands for was done already.
            StoreError: it could not be read or stored now.
        """
        asked = _Asked(terms=terms, named=named, once=once, then=then)
        if isinstance(document, bytes):
            if len(document) <= _SMALL:
                return await self._store_small(document, asked)
            file = self._scratch()
            try:
                await trio.Path(file).write_bytes(document)
                return await self._store_large(file, asked)
            except OSError as error:
                raise _no_room(file, error) from error
            finally:
                await _unlink(file)
        if (await trio.Path(document).stat()).st_size <= _SMALL:
            return await self._store_small(await trio.Path(document).read_bytes(), asked)
        return await self._store_large(document, asked)

    async def _store_small(self, document: bytes, asked: "_Asked") -> Published:
        ground = self._ground
        try:
            kept = read_whole(Source.of(document, _NAME), ground.settings(), ground.now(), terms=asked.terms)
        except InvalidInput as error:
            raise InvalidInput(map(plain, error.faults)) from error
        arrival = Arrival(store=ground.store, named=asked.named)
        arrival.take(kept.new)
        for batch in kept.batches():
            arrival.hold(batch)
        return await self._publish(
            arrival, _outcome(kept.invalid, kept.invalid_rows, kept.warnings), kept.origin, asked
        )

    async def _store_large(self, document: Path, asked: "_Asked") -> Published:
        ground = self._ground
        listing = self._scratch()
        arrival = Arrival(store=ground.store, named=asked.named)
        try:
            for last in (False, True):  # the process that dies over it may have been killed for another's sake
                read = await ground.reader.read(
                    document, ground.settings(), ground.now(), arrival, listing=listing, terms=asked.terms
                )
                if not read.died or last:
                    break
                await arrival.discard()
                arrival = Arrival(store=ground.store, named=asked.named)
            _refuse(read.faults)
            outcome = _outcome(read.invalid, read.invalid_rows, read.warnings.first)
            return await self._publish(arrival, outcome, read.origin, asked)
        except ReaderError as error:
            raise StoreError(
                str(error), "see that the host has memory and processes to spare, and try again"
            ) from error
        except BaseException:
            await arrival.discard()
            raise
        finally:
            await _unlink(listing)

    async def _publish(self, arrival: Arrival, outcome: Added, origin: Origin, asked: "_Asked") -> Published:
        with trio.CancelScope(shield=True):
            published = await arrival.publish(outcome, origin, asked.once, self._ground.now())
            await asked.then(published.listed.row)
        return published

    def _scratch(self) -> Path:
        return self._ground.scratch / f"campaign-{uuid4()}"


@frozen(kw_only=True)
class _Asked:
    """How a document is taken; see `Documents.store`."""

    terms: Terms
    named: Named
    once: Once | None
    then: Then


def _refuse(faults: Findings) -> None:
    """Refuse a document that has faults."""
    more = faults.total - len(faults.first)
    rest = (Fault("", f"there are {more} faults more; mend these first"),) if more else ()
    if faults.total:
        raise InvalidInput([*map(plain, faults.first), *rest])


def _outcome(invalid: Sequence[Fault], rows: int, warnings: Sequence[Fault]) -> Added:
    """Return what was found in a list, before its duplicates are known."""
    known = set(invalid)
    return Added(
        invalid_count=rows,
        invalid=tuple(map(plain, invalid)),
        warnings=tuple(plain(warning) for warning in warnings if warning not in known),
    )


def _no_room(file: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{file.parent} cannot be written: {error.strerror or error}",
        "free space on the disk of state_dir, and try again",
    )


async def _unlink(file: Path) -> None:
    with trio.CancelScope(shield=True):
        await trio.Path(file).unlink(missing_ok=True)
