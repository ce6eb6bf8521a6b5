"""The beginning of a database: that nothing was known before is told, and loudly where somebody has dialled here."""

from pathlib import Path

import structlog

from dialerd.intake.folders import Folders

_log = structlog.get_logger()


def tell_created(database: Path | None, folders: Folders) -> None:
    """Tell that a database was made, as a warning where the spool shows that there was one before; blocks.

    Args:
        database: its file.
        folders: the spool's.
    """
    lived = [str(folder) for folder in (folders.accepted, folders.reports) if _used(folder)]
    if not lived:
        _log.info("store.created", database=str(database))
        return
    _log.warning(
        "store.begun_anew",
        database=str(database),
        lived=lived,
        remedy="the database is new, and the spool is not: of the calls and do-not-call entries of former campaigns "
        "nothing is known. if that is not meant, stop dialerd, look whether the disk is mounted and daemon.state_dir "
        f"or store.url is right, and put the database or its backup to {database}",
    )


def _used(folder: Path) -> bool:
    """Tell whether something lies in a folder but what dialerd makes for itself."""
    return any(not entry.name.startswith(".") for entry in folder.iterdir())
