"""Recipients of stored campaigns: added, listed, looked at.

However many are added, they are added all or not at all, and nobody of them is dialled before that is settled: see
`dialerd.store.adding`. Knows nothing of HTTP.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
import trio
from attrs import evolve

from dialerd.intake import addition as reading
from dialerd.intake.addition import Format, read_addition
from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN, Findings
from dialerd.intake.read_now import Kept
from dialerd.intake.source import Source
from dialerd.intake.worker_process import ReaderError
from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, InvalidInput, NotFound, StoreError
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.states import Final as Word
from dialerd.model.states import RecipientState
from dialerd.model.structuring import structure
from dialerd.model.wording import shown
from dialerd.operations.addition import Addition, plain
from dialerd.operations.ground import Ground
from dialerd.operations.moving import Mover
from dialerd.rules.numbers import BadNumber, parse_number
from dialerd.store import recipient_pages
from dialerd.store.adding import check_open
from dialerd.store.call_pages import BadCursor
from dialerd.store.records import CampaignRow, NewCampaign

MOST: Final = 1_000
"""Recipients of a page."""

_SMALL: Final = 8 << 10  # bytes that are read in this process: some milliseconds


class RecipientOperations:
    """What may be asked of recipients.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._mover = Mover(ground.store, ground.engine, ground.now)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Finish additions that were cut off: by a stop, a crash, or a client that went away; until cancelled.

        Raises:
            StoreError: the store cannot be read at the start.
        """
        await self._mover.run(task_status=task_status)

    async def add_file(
        self, campaign: str, file: Path, *, format: Format, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """Add the recipients in a file to a campaign that is not over: all of them, or none.

        It returns when all are there; they go there even if this is cancelled, once the list was found to be whole.

        Args:
            campaign: id or alias.
            file: where they are; nobody changes it meanwhile, and it may be deleted afterwards.
            format: a JSON list of objects, one object a line, or CSV with a header.
            skip_invalid: those that are wrong are left out instead of refusing all.
            once: makes it happen once; what was added the first time is returned again.

        Raises:
            NotFound: there is no such campaign.
            WrongState: it is over, or was before the list was whole; nothing is added.
            InvalidInput: the file has faults, the first 1,000 of which are told; nothing is added.
            StoreError: it could not be stored now; nothing is added.
        """
        row = await self._ground.campaign(campaign)
        what = reading.Addition(campaign=_as_new(row), format=format, skip_invalid=skip_invalid)
        async with self._ground.answers.made(once) as made:
            if made is not None:
                return _again(made)
            check_open(row.state, row.uid)
            if (await trio.Path(file).stat()).st_size <= _SMALL:
                return await self._add_small(row, Source.of(await trio.Path(file).read_bytes(), file.name), what, once)
            return await self._add_large(row, file, what, once)

    async def add(
        self, campaign: str, recipients: Sequence[Any], *, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """Add recipients as plain data, as they stand in a campaign file; otherwise like `add_file`.

        Raises:
            NotFound, WrongState, InvalidInput, StoreError: see `add_file`; paths are such as `recipients[3].phone`.
        """
        row = await self._ground.campaign(campaign)
        what = reading.Addition(campaign=_as_new(row), format="json", skip_invalid=skip_invalid)
        text = _encoded(recipients)
        try:
            async with self._ground.answers.made(once) as made:
                if made is not None:
                    added = _again(made)
                elif len(text) <= _SMALL:
                    check_open(row.state, row.uid)
                    added = await self._add_small(row, Source.of(text, "recipients"), what, once)
                else:
                    check_open(row.state, row.uid)
                    added = await self._add_text(row, text, what, once)
        except InvalidInput as error:
            raise InvalidInput(map(_in_list, error.faults)) from error
        return evolve(
            added,
            invalid=tuple(map(_in_list, added.invalid)),
            warnings=tuple(map(_in_list, added.warnings)),
        )

    async def list(
        self,
        campaign: str,
        *,
        state: RecipientState | None = None,
        final: Word | None = None,
        number: str | None = None,
        limit: int = 50,
        after: str | None = None,
        calls: bool = False,
    ) -> Page[RecipientView]:
        """Return recipients in the order of their list.

        A page looks at a bounded number of rows; it may be short, even empty, and still have a `next`.

        Args:
            campaign: id or alias.
            state: where they stand; None = anywhere.
            final: what became of them; None = whatever it was.
            number: one of them, in any form that a campaign file may use; None = all.
            limit: how many, 1 to `MOST`.
            after: `next` of the page before; None = the first page.
            calls: whether their calls are wanted.

        Raises:
            NotFound: there is no such campaign.
            InvalidInput: `number`, `limit` or `after` makes no sense.
            StoreError: the store cannot be read.
        """
        if not 1 <= limit <= MOST:
            raise InvalidInput([Fault("limit", f"{limit} is not between 1 and {MOST}")])
        row = await self._ground.campaign(campaign)
        store = self._ground.store
        if number is not None:
            one = await store.read(recipient_pages.one, row.id, row.uid, self._number(number))
            if one is None or (state and one.view.state != state) or (final and one.view.final != final):
                return Page(items=())
            return Page(items=(one.whole() if calls else one.view,))
        try:
            found, place = await store.read(
                recipient_pages.page, row.id, row.uid, state=state, final=final, limit=limit, after=after, calls=calls
            )
        except BadCursor as error:
            message = f"{shown(after or '')} is not what the page before gave as next"
            raise InvalidInput([Fault("after", message)]) from error
        return Page(items=tuple(one.whole() for one in found), next=place)

    async def get(self, campaign: str, number: str) -> RecipientView:
        """Return one with its calls.

        Args:
            campaign: id or alias.
            number: in any form that a campaign file may use.

        Raises:
            NotFound: there is no such campaign, or nobody of that number in it.
            InvalidInput: the number cannot be read.
            StoreError: the store cannot be read.
        """
        row = await self._ground.campaign(campaign)
        wanted = self._number(number)
        found = await self._ground.store.read(recipient_pages.one, row.id, row.uid, wanted)
        if found is None:
            raise NotFound(f"{wanted} is no recipient of campaign {row.uid}")
        return found.whole()

    async def _add_small(self, row: CampaignRow, source: Source, what: reading.Addition, once: Once | None) -> Added:
        """Read and store a list that is small enough for this process."""
        ground = self._ground
        kept = Kept()
        read_addition(source, what, ground.settings(), ground.now(), kept)
        if kept.faults:
            raise InvalidInput(map(plain, kept.faults))
        addition = Addition(store=ground.store, campaign_id=row.id, now=ground.now())
        for batch in kept.batches():
            await addition.recipients(batch)
        return await self._publish(
            addition, _outcome(kept.invalid, kept.invalid_rows, kept.warnings), kept.origin, once
        )

    async def _add_text(self, row: CampaignRow, text: bytes, what: reading.Addition, once: Once | None) -> Added:
        """Have a list read that is in memory."""
        file = self._scratch()
        try:
            await trio.Path(file).write_bytes(text)
            return await self._add_large(row, file, what, once)
        finally:
            await _unlink(file)

    async def _add_large(self, row: CampaignRow, file: Path, what: reading.Addition, once: Once | None) -> Added:
        """Have a list read by the reading process, and store it as it comes."""
        ground = self._ground
        listing = self._scratch()
        addition = Addition(store=ground.store, campaign_id=row.id, now=ground.now())
        try:
            for last in (False, True):
                read = await ground.reader.read_addition(
                    file, what, ground.settings(), ground.now(), addition, listing=listing
                )
                if not read.died or last:
                    break
                await addition.discard()
                addition = Addition(store=ground.store, campaign_id=row.id, now=ground.now())
            _refuse(read.faults)
            outcome = _outcome(read.invalid, read.invalid_rows, read.warnings.first)
            return await self._publish(addition, outcome, read.origin, once)
        except ReaderError as error:
            raise StoreError(
                str(error), "see that the host has memory and processes to spare, and try again"
            ) from error
        except BaseException:
            await addition.discard()
            raise
        finally:
            await _unlink(listing)

    async def _publish(self, addition: Addition, outcome: Added, origin: Origin, once: Once | None) -> Added:
        """Make what was read the campaign's, and see to it that it is dialled."""
        if addition.key is None:
            added = await addition.publish(outcome, origin, once)
            await self._mover.tell(addition.campaign_id)
            return added
        registry = self._ground.engine.campaigns
        registry.expect(addition.campaign_id)
        published = False
        try:
            added = await addition.publish(outcome, origin, once)
            published = True
        finally:
            if not published:
                registry.arrived(addition.campaign_id)
        dropped = await self._mover.move(addition.key, addition.campaign_id)
        return evolve(added, added=added.added - dropped, duplicates=added.duplicates + dropped)

    def _number(self, text: str) -> str:
        try:
            return parse_number(text, self._ground.settings().daemon.default_region).number
        except BadNumber as error:
            raise InvalidInput([Fault("number", f"{shown(text)} {error}")]) from error

    def _scratch(self) -> Path:
        return self._ground.scratch / f"recipients-{uuid4()}"


def _again(made: str) -> Added:
    """Return what was added when the same was asked for before."""
    return structure(msgspec.json.decode(made), Added)


def _as_new(row: CampaignRow) -> NewCampaign:
    return NewCampaign(
        spec=row.spec,
        uid=row.uid,
        timezone=row.timezone,
        start_at=row.start_at,
        end_at=row.end_at,
        created_at=row.created_at,
    )


def _outcome(invalid: Sequence[Fault], rows: int, warnings: Sequence[Fault]) -> Added:
    """Return what was found in a list, before it is known who of it is new."""
    known = set(invalid)
    return Added(
        invalid_count=rows,
        invalid=tuple(map(plain, invalid[:SHOWN])),
        warnings=tuple(plain(warning) for warning in warnings if warning not in known),
    )


def _refuse(faults: Findings) -> None:
    """Refuse a list that has faults."""
    more = faults.total - len(faults.first)
    rest = (Fault("", f"there are {more} faults more; mend these first"),) if more else ()
    if faults.total:
        raise InvalidInput([*map(plain, faults.first), *rest])


def _encoded(recipients: Sequence[Any]) -> bytes:
    try:
        return msgspec.json.encode(list(recipients))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput([Fault("recipients", f"holds what JSON cannot carry: {error}")]) from error


def _in_list(fault: Fault) -> Fault:
    """Return a fault of a list as one of the document in which the list is `recipients`."""
    path = f"recipients{fault.path}" if fault.path.startswith("[") else fault.path
    return evolve(fault, path=path, line=None, column=None)


async def _unlink(file: Path) -> None:
    with trio.CancelScope(shield=True):
        await trio.Path(file).unlink(missing_ok=True)
