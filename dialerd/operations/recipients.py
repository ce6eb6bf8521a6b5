"""Recipients of stored campaigns: added, listed, looked at.

However many are added, they are added all or not at all, and nobody of them is dialled before that is settled: see
`dialerd.store.adding`. Knows nothing of HTTP.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from attrs import evolve

from dialerd.intake.addition import Addition, Format, read_addition
from dialerd.intake.duplicate import Origin
from dialerd.intake.read_now import Kept
from dialerd.intake.reading import Reader, Reading
from dialerd.intake.source import Source
from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, InvalidInput, NotFound
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.states import Final as Word
from dialerd.model.states import RecipientState
from dialerd.model.structuring import structure
from dialerd.operations.ground import Ground, no_campaign
from dialerd.operations.incoming_recipients import IncomingRecipients
from dialerd.operations.live_view import with_calls
from dialerd.operations.moving import Mover
from dialerd.operations.paging import check_limit, going_on
from dialerd.operations.taking import take_in
from dialerd.store import recipient_pages
from dialerd.store.adding import check_open
from dialerd.store.records import CampaignRow, NewCampaign

MOST: Final = 1_000
"""Recipients of a page."""

_NAME: Final = "recipients"


class RecipientOperations:
    """What may be asked of recipients.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._live = ground.engine.dispatcher.calls
        self._mover = Mover(ground.store, ground.engine, ground.now)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Finish additions that were cut off: by a stop, a crash, or a client that went away; until cancelled.

        Raises:
            StoreError: the store cannot be read at the start.
        """
        await self._mover.run(task_status=task_status)

    async def add_file(
        self,
        campaign: str,
        content: bytes | Path,
        *,
        format: Format,
        skip_invalid: bool = False,
        once: Once | None = None,
    ) -> Added:
        """Add the recipients in a file to a campaign that is not over: all of them, or none.

        It returns when all are there; they go there even if this is cancelled, once the list was found to be whole.

        Args:
            campaign: id or alias.
            content: the bytes, or the file that holds them; nobody changes it meanwhile, and it may be deleted
                afterwards.
            format: a JSON list of objects, one object a line, or CSV with a header.
            skip_invalid: those that are wrong are left out instead of refusing all.
            once: makes it happen once; what was added the first time is returned again.

        Raises:
            NotFound: there is no such campaign.
            WrongState: it is over, or was before the list was whole; nothing is added.
            InvalidInput: the file has faults, the first 1,000 of which are told; nothing is added.
            StoreError: it could not be stored now; nothing is added.
        """
        ground = self._ground
        row = await ground.campaign(campaign)
        made = await ground.answers.made(once)
        if made is not None:
            return structure(msgspec.json.decode(made), Added)
        check_open(row.state, row.uid)
        what = Addition(campaign=_as_new(row), format=format, skip_invalid=skip_invalid)

        def make() -> IncomingRecipients:
            return IncomingRecipients(store=ground.store, campaign_id=row.id, now=ground.now())

        def small(source: Source, kept: Kept) -> None:
            read_addition(source, what, ground.settings(), ground.now(), kept)

        async def large(reader: Reader, file: Path, incoming: IncomingRecipients, listing: Path) -> Reading:
            return await reader.read_addition(file, what, ground.settings(), ground.now(), incoming, listing=listing)

        async def publish(incoming: IncomingRecipients, outcome: Added, origin: Origin) -> Added:
            added = await incoming.publish(outcome, origin, once)
            if incoming.key is None:
                await self._mover.tell(row.id)
                return added
            dropped = await self._mover.move(incoming.key, row.id)
            return evolve(added, added=added.added - dropped, duplicates=added.duplicates + dropped)

        return await take_in(ground, content, _NAME, make=make, small=small, large=large, publish=publish)

    async def add(
        self, campaign: str, recipients: Sequence[Any], *, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """Add recipients as plain data, as they stand in a campaign file; otherwise like `add_file`.

        Raises:
            NotFound, WrongState, InvalidInput, StoreError: see `add_file`; paths are such as `recipients[3].phone`.
        """
        text = _encoded(recipients)
        try:
            added = await self.add_file(campaign, text, format="json", skip_invalid=skip_invalid, once=once)
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
        check_limit(limit, MOST)
        store = self._ground.store
        if number is not None:
            row = await self._ground.campaign(campaign)
            one = await store.read(recipient_pages.one, row.id, row.uid, self._ground.number(number))
            if one is None or (state and one.view.state != state) or (final and one.view.final != final):
                return Page(items=())
            return Page(items=(with_calls(one, self._live) if calls else one.view,))
        with going_on(after):
            page = await store.read(
                recipient_pages.page_of, campaign, state=state, final=final, limit=limit, after=after, calls=calls
            )
        if page is None:
            raise no_campaign(campaign)
        found, place = page
        return Page(items=tuple(with_calls(one, self._live) for one in found), next=place)

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
        wanted = self._ground.number(number)
        found = await self._ground.store.read(recipient_pages.one, row.id, row.uid, wanted)
        if found is None:
            raise NotFound(f"{wanted} is no recipient of campaign {row.uid}")
        return with_calls(found, self._live)


def _as_new(row: CampaignRow) -> NewCampaign:
    return NewCampaign(
        spec=row.spec,
        uid=row.uid,
        timezone=row.timezone,
        start_at=row.start_at,
        end_at=row.end_at,
        created_at=row.created_at,
    )


def _encoded(recipients: Sequence[Any]) -> bytes:
    try:
        return msgspec.json.encode(list(recipients))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput([Fault("recipients", f"holds what JSON cannot carry: {error}")]) from error


def _in_list(fault: Fault) -> Fault:
    """Return a fault of a list as one of the document in which the list is `recipients`."""
    path = f"recipients{fault.path}" if fault.path.startswith("[") else fault.path
    return evolve(fault, path=path, line=None, column=None)
