"""Do-not-call entries: added, removed, checked, listed, imported.

When an addition or an import has returned, no call to its numbers leaves any more. Knows nothing of HTTP.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import structlog
import trio
from attrs import evolve, frozen
from sqlalchemy import Connection

from dialerd.engine.suppressing import Also
from dialerd.intake.source import Source
from dialerd.model.errors import Fault, InvalidInput, NotFound, StoreError
from dialerd.model.instants import NEVER, Instant, to_iso
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.structuring import structure
from dialerd.model.suppression import Suppression
from dialerd.model.unstructuring import unstructure
from dialerd.model.wording import hint, shown
from dialerd.operations.ground import Ground
from dialerd.operations.paging import check_limit, place_fault
from dialerd.operations.suppression_rows import CHUNK, Rows, bad_words, chunks
from dialerd.rules.routes import agent_name
from dialerd.store import answers, suppressions
from dialerd.store.suppressions import ALL, Entry

_log = structlog.get_logger()

MOST: Final = 1_000
"""Entries of a page."""

_NAME: Final = "suppressions.csv"
_AT_ONCE: Final = 2_000  # entries of one urgent transaction


@frozen(kw_only=True)
class Imported:
    """What an import did.

    Args:
        entries: rows that were taken.
        ended: queued recipients that they ended.
        expired: rows that were passed over, because their entry has expired meanwhile.
    """

    entries: int
    ended: int
    expired: int = 0


class SuppressionOperations:
    """Do-not-call entries: added, removed, checked, listed, imported.

    A scope is `all`, `agent:` and a configured agent's name or id, or `campaign:` and a campaign's id or alias.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def add(
        self,
        numbers: Sequence[str],
        *,
        scope: str = ALL,
        reason: str | None = None,
        source: str | None = None,
        expires_at: Instant | None = None,
        once: Once | None = None,
    ) -> int:
        """Enter numbers as not to be called; when this returns, no call to them leaves any more.

        Args:
            numbers: in any form that a campaign file may use.
            scope: whom it binds.
            reason, source: for people.
            expires_at: until when; an entry that expires holds queued recipients, one for good ends them.
            once: makes it happen once; what it did the first time is returned again.

        Returns:
            How many queued recipients it ended.

        Raises:
            InvalidInput: with every number that cannot be read; nothing is entered.
            StoreError: it could not be stored now; of more than 2,000 numbers some may have been.
        """
        made = await self._ground.answers.made(once)
        if made is not None:
            return int(msgspec.json.decode(made))
        faults = [
            *self._text_faults(reason=reason, source=source),
            *self._expiry_faults(expires_at),
        ]
        found: dict[str, None] = {}
        for at, text in enumerate(numbers):
            try:
                found[self._ground.number(text)] = None
            except InvalidInput as error:
                faults += [evolve(fault, path=f"numbers[{at}]") for fault in error.faults]
        try:
            scope = await self._scope(scope)
        except InvalidInput as error:
            faults += error.faults
        if faults:
            raise InvalidInput(faults)
        until = NEVER if expires_at is None else expires_at
        entries = [
            Entry(number=number, scope=scope, reason=reason, source=source, expires_at=until) for number in found
        ]
        entering = _Entering(self._ground, once)
        if len(entries) <= _AT_ONCE:
            await entering.some(entries, last=True, bulk=False)
        else:
            for begin in range(0, len(entries), CHUNK):
                await entering.some(entries[begin : begin + CHUNK], last=begin + CHUNK >= len(entries), bulk=True)
        await entering.settle()
        return entering.ended

    async def remove(self, number: str, *, scope: str = ALL) -> None:
        """Take an entry away. Recipients that it ended stay so; those that it held are dialled at once.

        Args:
            number: in any form that a campaign file may use.
            scope: of the entry; also one whose agent or campaign is no more.

        Raises:
            InvalidInput: the number or the scope cannot be read.
            NotFound: there is no such entry.
            StoreError: it could not be stored now.
        """
        wanted = self._ground.number(number)
        try:
            known = await self._scope(scope)
        except InvalidInput:
            known = scope
        if not await self._ground.engine.suppressing.remove(wanted, known):
            raise NotFound(f"there is no do-not-call entry for {wanted} with the scope {shown(known)}")

    async def check(self, number: str) -> tuple[Suppression, ...]:
        """Return the entries of a number that are in force; none = it may be called.

        Raises:
            InvalidInput: the number cannot be read.
            StoreError: the store cannot be read.
        """
        ground = self._ground
        return await ground.store.read(suppressions.of_number, self._ground.number(number), now=ground.now())

    async def list(self, *, scope: str | None = None, limit: int = 50, after: str | None = None) -> Page[Suppression]:
        """Return entries in force, by number.

        A page looks at a bounded number of rows; it may be short, even empty, and still have a `next`.

        Args:
            scope: of the entries; None = any.
            limit: how many, 1 to `MOST`.
            after: `next` of the page before; None = the first page.

        Raises:
            InvalidInput: an argument makes no sense.
            StoreError: the store cannot be read.
        """
        check_limit(limit, MOST)
        place: tuple[str, str] | None = None
        if after is not None:
            number, blank, rest = after.partition(" ")
            if not (number.startswith("+") and blank and rest):
                raise InvalidInput([place_fault(after)])
            place = number, rest
        wanted = None if scope is None else await self._scope(scope)
        ground = self._ground
        found, last = await ground.store.read(
            suppressions.page, scope=wanted, limit=limit, after=place, now=ground.now()
        )
        return Page(items=tuple(found), next=None if last is None else " ".join(last))

    async def import_csv(
        self,
        content: bytes | Path,
        *,
        scope: str = ALL,
        reason: str | None = None,
        source: str | None = None,
        once: Once | None = None,
    ) -> Imported:
        """Enter the numbers of a CSV file; when this returns, no call to them leaves any more.

        The first line names the columns: number, and in any order scope, reason, source and expires_at.

        Args:
            content: the bytes of a small one, or the file that holds them; nobody changes it meanwhile, and it may be
                deleted afterwards.
            scope, reason, source: for rows that do not say.
            once: makes it happen once; what it did the first time is returned again.

        Raises:
            InvalidInput: the file has faults, the first 1,000 of which are told; nothing is entered.
            StoreError: it could not be stored now; some of it may have been, and can be sent again.
        """
        ground = self._ground
        made = await ground.answers.made(once)
        if made is not None:
            return structure(msgspec.json.decode(made), Imported)
        if faults := self._text_faults(reason=reason, source=source):
            raise InvalidInput(faults)
        defaults = Entry(number="", scope=await self._scope(scope), reason=reason, source=source)
        region = ground.settings().daemon.default_region

        def scope_of(text: str) -> str:
            return trio.from_thread.run(partial(self._scope, text))

        rows = Rows(defaults=defaults, region=region, scope=scope_of, now=ground.now())
        if isinstance(content, bytes):
            found = BytesIO()
            await trio.to_thread.run_sync(rows.read, Source.of(content, _NAME), found)
            return await self._enter(found, rows, once)
        async with ground.scratch_file() as sound:
            with sound.open("w+b") as kept:
                await trio.to_thread.run_sync(rows.read, Source(content), kept)
                return await self._enter(kept, rows, once)

    async def _enter(self, sound: BinaryIO, rows: Rows, once: Once | None) -> Imported:
        entering = _Entering(self._ground, once, expired=rows.expired)
        if not rows.count:
            await entering.some([], last=True, bulk=True)
        sound.seek(0)
        for entries in chunks(sound):
            await entering.some(entries, last=entering.entries + len(entries) == rows.count, bulk=True)
        await entering.settle()
        return Imported(entries=rows.count, ended=entering.ended, expired=rows.expired)

    async def _scope(self, text: str) -> str:
        """Return a scope as it is stored.

        Raises:
            InvalidInput: it is none, or is of nobody who is known.
        """
        kind, _, name = text.strip().partition(":")
        settings = self._ground.settings()
        if text.strip() == ALL:
            return ALL
        if kind == "agent" and name:
            known = agent_name(name, settings)
            if known is None:
                words = f"{shown(name)} is not a configured agent{hint(name, settings.agents)}"
                raise InvalidInput([Fault("scope", words)])
            return f"agent:{known}"
        if kind == "campaign" and name:
            try:
                return f"campaign:{(await self._ground.campaign(name)).uid}"
            except NotFound as error:
                raise InvalidInput([Fault("scope", str(error))]) from error
        message = f'{shown(text)} is no scope; write "all", "agent:NAME" or "campaign:ID"'
        raise InvalidInput([Fault("scope", message)])

    def _text_faults(self, **texts: str | None) -> Sequence[Fault]:
        found = ((name, bad_words(text)) for name, text in texts.items())
        return [Fault(name, message) for name, message in found if message is not None]

    def _expiry_faults(self, expires_at: Instant | None) -> Sequence[Fault]:
        if expires_at is None or self._ground.now() < expires_at < NEVER:
            return ()
        return [Fault("expires_at", f"{to_iso(expires_at)} is past; leave it out for an entry for good")]


class _Entering:
    """Entries going into the store, some at a time; the last of them with the note that they were made.

    Args:
        ground: what operations stand on.
        once: makes it happen once.
        expired: of an import, the rows that were passed over; None = it is none.
    """

    def __init__(self, ground: Ground, once: Once | None, *, expired: int | None = None) -> None:
        self.entries = 0
        self.ended = 0
        self._ground = ground
        self._once = once
        self._expired = expired
        self._campaigns: set[int] = set()

    async def some(self, entries: Sequence[Entry], *, last: bool, bulk: bool) -> None:
        """Enter some; when this returns, no call to them leaves any more."""
        self.entries += len(entries)
        also: Also | None = self._note if last and self._once is not None else None
        ended = await self._ground.engine.suppressing.enter(entries, also=also, bulk=bulk)
        self.ended += sum(ended.values())
        self._campaigns.update(ended)

    async def settle(self) -> None:
        """Let the engine know whom they ended."""
        try:
            await self._ground.engine.suppressing.settle(self._campaigns)
        except StoreError as error:  # claims find out by themselves
            _log.info("suppression.not_settled", error=str(error))

    def _note(self, connection: Connection, ended: Mapping[int, int]) -> None:
        assert self._once is not None
        total = self.ended + sum(ended.values())
        made: Any = total
        if self._expired is not None:
            made = unstructure(Imported(entries=self.entries, ended=total, expired=self._expired))
        answers.claim(connection, self._once, msgspec.json.encode(made).decode(), self._ground.now())
