"""Settlement: finishes what a former life began, files that became campaigns but were not seen out of `incoming/`.

Recipients leave before their campaign file, so that three cases are possible: nothing was moved, only the recipients
were, or both were and only the mark in the store is missing.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
import trio

from dialerd.intake.content import identity
from dialerd.intake.departure import Departure
from dialerd.intake.fingerprint import fingerprint
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import WARNINGS
from dialerd.intake.reading import needs
from dialerd.intake.source import Source
from dialerd.model.errors import InvalidInput
from dialerd.store import spool_files
from dialerd.store.records import TakenFile
from dialerd.store.store import Store

_log = structlog.get_logger()


async def leftovers(folders: Folders, store: Store) -> list[Departure]:
    """Return the departures that a former life did not finish; those that only lack their mark are marked."""
    files = await store.read(spool_files.unmoved_files)
    found = await trio.to_thread.run_sync(_leftovers, files, folders)
    gone = [taken.fingerprint for taken, departure in zip(files, found, strict=True) if departure is None]
    if gone:
        await store.write(spool_files.mark_moved, *gone)
    for taken, departure in zip(files, found, strict=True):
        _log.info("spool.file_recognised", file=taken.name, campaign=taken.campaign, moved=departure is None)
    return [departure for departure in found if departure is not None]


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
