"""Settlement: finishes what a former life began, files that were not seen out of `incoming/`.

Recipients leave before their campaign file, so that of one that became a campaign three cases are possible: nothing was
moved, only the recipients were, or both were and only the mark in the store is missing. Of one that was refused the
store knows nothing: where nothing was moved it is read and refused again; where only the recipients were, it would
wait for them for ever, and its note without a file beside it tells that it was refused.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
import trio

from dialerd.intake.content import identity, is_our_note
from dialerd.intake.departure import Departure
from dialerd.intake.fingerprint import fingerprint
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import ERROR, WARNINGS, Kind, sort_out
from dialerd.intake.reading import needs
from dialerd.intake.source import Source
from dialerd.model.errors import InvalidInput
from dialerd.store import spool_files
from dialerd.store.records import TakenFile
from dialerd.store.store import Store

_log = structlog.get_logger()


async def leftovers(folders: Folders, store: Store) -> list[Departure]:
    """Return the departures that a former life did not finish; those that only lack their mark are marked."""
    refused = await trio.to_thread.run_sync(_refused, folders)
    files = await store.read(spool_files.unmoved_files)
    found = await trio.to_thread.run_sync(_leftovers, files, folders)
    gone = [taken.fingerprint for taken, departure in zip(files, found, strict=True) if departure is None]
    if gone:
        await store.write(spool_files.mark_moved, *gone)
    for taken, departure in zip(files, found, strict=True):
        _log.info("spool.file_recognised", file=taken.name, campaign=taken.campaign, moved=departure is None)
    return [departure for departure in found if departure is not None] + refused


def _refused(folders: Folders) -> list[Departure]:
    """Return what is left to do for files that were refused, and whose recipients have left already."""
    kept = set(os.listdir(folders.rejected))
    alone = [name for name in kept if name.endswith(ERROR) and name.removesuffix(ERROR) not in kept]
    notes = [folders.rejected / name for name in alone]
    if not notes:
        return []
    found = []
    for name in os.listdir(folders.incoming):
        path = folders.incoming / name
        if not _lacks_recipients(path):
            continue
        for about in notes:
            # one that was dropped after the note was written is another, and waits for recipients of its own
            if is_our_note(about, f"{name} is refused") and path.lstat().st_ctime_ns <= about.lstat().st_mtime_ns:
                departure = Departure(spec=name, spec_identity=identity(path), folder=folders.rejected, ending=ERROR)
                departure.name = about.name.removesuffix(ERROR)
                found.append(departure)
                break
    return found


def _lacks_recipients(path: Path) -> bool:
    """Whether a file is a campaign's and asks for recipients that are not there."""
    if sort_out(path.name, os.lstat(path).st_mode).kind is not Kind.SPEC:
        return False
    name = needs(path)
    return name is not None and not os.path.lexists(path.parent / name)


def _leftovers(files: Sequence[TakenFile], folders: Folders) -> list[Departure | None]:
    return [_leftover(taken, folders) for taken in files]


def _leftover(taken: TakenFile, folders: Folders) -> Departure | None:
    """Return what is left to do for a file that was taken, or None when it has left `incoming/`."""
    spec = folders.incoming / taken.name
    meant = identity(spec)
    if meant is None:
        return None
    name = needs(spec)
    for path in _recipients(folders, name):
        if _fingerprint(spec, path) == taken.fingerprint:
            here = path is not None and path.parent == folders.incoming
            return Departure(
                spec=taken.name,
                spec_identity=meant,
                recipients=name if here else None,
                recipients_identity=identity(path) if here and path is not None else None,
                folder=folders.accepted,
                ending=WARNINGS,
                fingerprint=taken.fingerprint,
                campaign=taken.campaign,
            )
    return None  # another file came to lie under its name


def _recipients(folders: Folders, name: str | None) -> Iterator[Path | None]:
    """Yield where the recipients file `name` may be: in its place, or under any of the names it may have got."""
    if name is None:
        yield None
        return
    if os.path.lexists(folders.incoming / name):
        yield folders.incoming / name
    stem, ending = os.path.splitext(name)
    with os.scandir(folders.accepted) as entries:
        moved = [
            entry.name
            for entry in entries
            if entry.name.startswith(stem[:200])
            and entry.name.endswith(ending)
            and entry.is_file(follow_symlinks=False)
        ]
    for found in sorted(moved, key=lambda found: -os.lstat(folders.accepted / found).st_mtime_ns):
        yield folders.accepted / found


def _fingerprint(spec: Path, recipients: Path | None) -> str | None:
    try:
        with Source(spec) as source:
            if recipients is None:
                return fingerprint(spec.name, source.pieces())
            with Source(recipients) as rows:
                return fingerprint(spec.name, source.pieces(), rows.pieces())
    except (InvalidInput, OSError):
        return None
