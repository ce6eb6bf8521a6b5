"""Taking in: a document is read, checked and stored whole, or nothing of it.

Small ones are read in this process, large ones in the reading process. Knows nothing of what is in them.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN, Findings
from dialerd.intake.read_now import Kept
from dialerd.intake.reading import Reader, Reading
from dialerd.intake.source import Source
from dialerd.intake.worker_process import ReaderError
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, InvalidInput, StoreError
from dialerd.operations.ground import Ground
from dialerd.operations.incoming import Incoming, plain, refusal

_SMALL: Final = 8 << 10  # bytes that are read in this process: some ten milliseconds

SomeIncoming = TypeVar("SomeIncoming", bound=Incoming)
Result = TypeVar("Result")
Large = Callable[[Reader, Path, SomeIncoming, Path], Awaitable[Reading]]


async def take_in(
    ground: Ground,
    content: bytes | Path,
    name: str,
    *,
    make: Callable[[], SomeIncoming],
    small: Callable[[Source, Kept], None],
    large: Large[SomeIncoming],
    publish: Callable[[SomeIncoming, Added, Origin], Awaitable[Result]],
) -> Result:
    """Read something and store it whole, or nothing of it.

    Args:
        ground: what operations stand on.
        content: the bytes, or the file that holds them and that nobody changes meanwhile.
        name: stands for the file's name where it is read in this process.
        make: makes what takes it.
        small: reads it in this process.
        large: has a file read by a reading process; the last argument is where its findings are listed.
        publish: lets what was read be seen; is handed what was found in it, without duplicates.

    Raises:
        InvalidInput: with its faults, the first 1,000 of them.
        StoreError: it could not be read or stored now.
        Exception: whatever `publish` raises; nothing is stored then.
    """
    if isinstance(content, Path) and (await trio.Path(content).stat()).st_size <= _SMALL:
        content = await trio.Path(content).read_bytes()
    if isinstance(content, bytes) and len(content) <= _SMALL:
        return await _take_small(Source.of(content, name), make(), small, publish)
    async with ground.scratch_file() as listing:
        if isinstance(content, Path):
            reader = ground.reader_for((await trio.Path(content).stat()).st_size)
            return await _take_large(partial(large, reader, content), listing, make, publish)
        async with ground.scratch_file() as file:
            await trio.Path(file).write_bytes(content)
            reader = ground.reader_for(len(content))
            return await _take_large(partial(large, reader, file), listing, make, publish)


async def _take_small(
    source: Source,
    incoming: SomeIncoming,
    read: Callable[[Source, Kept], None],
    publish: Callable[[SomeIncoming, Added, Origin], Awaitable[Result]],
) -> Result:
    kept = Kept()
    read(source, kept)
    if kept.faults or not kept.is_campaign:
        raise InvalidInput(map(plain, kept.faults))
    incoming.take(kept.new)
    for batch in kept.batches():
        await incoming.recipients(batch)
    return await publish(incoming, _outcome(kept.invalid, kept.invalid_rows, kept.warnings), kept.origin)


async def _take_large(
    read: Callable[[SomeIncoming, Path], Awaitable[Reading]],
    listing: Path,
    make: Callable[[], SomeIncoming],
    publish: Callable[[SomeIncoming, Added, Origin], Awaitable[Result]],
) -> Result:
    incoming = make()
    try:
        found = await read(incoming, listing)
        if found.died:  # the process may have been killed for another's sake
            await incoming.discard()
            incoming = make()
            found = await read(incoming, listing)
        _refuse(found.faults)
        outcome = _outcome(found.invalid, found.invalid_rows, found.warnings.first)
        return await publish(incoming, outcome, found.origin)
    except BaseException as error:
        await incoming.discard()
        if isinstance(error, ReaderError):
            remedy = "see that the host has memory and processes to spare, and try again"
            raise StoreError(str(error), remedy) from error
        raise


def _refuse(faults: Findings) -> None:
    """Refuse what has faults."""
    if faults.total:
        raise refusal(faults.first, faults.total)


def _outcome(invalid: Sequence[Fault], rows: int, warnings: Sequence[Fault]) -> Added:
    """Return what was found in a list, before it is known who of it is new."""
    known = set(invalid)
    return Added(
        invalid_count=rows,
        invalid=tuple(map(plain, invalid[:SHOWN])),
        warnings=tuple(plain(warning) for warning in warnings if warning not in known),
    )
