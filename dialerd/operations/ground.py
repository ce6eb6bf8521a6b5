"""What every operation stands on: the store, the engine, and the few things of the daemon that they ask for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import trio
from attrs import field, frozen

from dialerd.engine.engine import Engine
from dialerd.intake.reading import HEAVY, Reader
from dialerd.model.errors import Fault, InvalidInput, NotFound, StoreError
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.wording import shown
from dialerd.operations.answers import Answers
from dialerd.rules.numbers import BadNumber, parse_number
from dialerd.store import campaign_pages
from dialerd.store.records import CampaignRow
from dialerd.store.store import Store


@frozen(kw_only=True, eq=False)
class Ground:
    """What operations are made of; each of their classes takes it as its first argument.

    Args:
        store: where everything is durable.
        engine: dials.
        reader: reads documents, in a process of its own; nobody else uses it.
        slow_reader: reads those of `HEAVY` bytes and more, so that no other waits for them; None = `reader` does.
        settings: returns the settings in force.
        now: returns the present instant.
        scratch: directory for what is on its way; it is there, and nobody else's.
        reload: reads the settings file anew; raises `InvalidInput` with all its faults, and then the old ones stay.
        standing: says in one line how the daemon stands.
        need_restart: names the settings that have changed in the file and count from the next start only.

    Attributes:
        answers: what was answered to requests with an idempotency key.
    """

    store: Store
    engine: Engine
    reader: Reader
    settings: Callable[[], Settings]
    now: Callable[[], Instant]
    scratch: Path
    reload: Callable[[], Awaitable[None]]
    standing: Callable[[], str]
    slow_reader: Reader | None = None
    need_restart: Callable[[], Sequence[str]] = tuple
    answers: Answers = field(init=False)

    @answers.default
    def _answers(self) -> Answers:
        return Answers(self.store, self.now)

    def reader_for(self, size: int) -> Reader:
        """Return who reads a document of so many bytes."""
        return self.reader if self.slow_reader is None or size < HEAVY else self.slow_reader

    async def campaign(self, wanted: str) -> CampaignRow:
        """Return the campaign whose id or alias is `wanted`.

        Raises:
            NotFound: there is none, or it is still being stored or deleted.
        """
        row = await self.store.read(campaign_pages.by_name, wanted)
        if row is None:
            raise no_campaign(wanted)
        return row

    def number(self, text: str) -> str:
        """Return a number in E.164.

        Args:
            text: in any form that a campaign file may use.

        Raises:
            InvalidInput: it cannot be read.
        """
        return read_number(text, self.settings())

    @asynccontextmanager
    async def scratch_file(self) -> AsyncIterator[Path]:
        """Name a file for the time of the block; it is gone afterwards.

        Raises:
            StoreError: the disk refused what the block did.
        """
        file = self.scratch / str(uuid4())
        try:
            yield file
        except OSError as error:
            message = f"{self.scratch} cannot be used: {error.strerror or error}"
            raise StoreError(message, "free space on the disk of state_dir, and try again") from error
        finally:
            with trio.CancelScope(shield=True):
                await trio.Path(file).unlink(missing_ok=True)


def read_number(text: str, settings: Settings) -> str:
    """Return a number in E.164; see `Ground.number`.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        return parse_number(text, settings.daemon.default_region).number
    except BadNumber as error:
        raise InvalidInput([Fault("number", f"{shown(text)} {error}")]) from error


def no_campaign(wanted: str) -> NotFound:
    """Return the error that says that there is no campaign with an id or alias."""
    return NotFound(f"there is no campaign with the id {wanted!r}")
