"""Whether the places that the settings name can be used by the present user; nothing is made or opened.

The daemon may run as somebody else, so that what is found is a warning and no fault.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dialerd.model.address import read_address
from dialerd.model.errors import Fault
from dialerd.model.settings import Settings
from dialerd.plugin.host import PluginHost
from dialerd.store.database import database_path


def place_warnings(settings: Settings, host: PluginHost) -> list[Fault]:
    """Return what hinders the present user to work in the places of `settings`.

    Args:
        settings: without faults.
        host: the plugins, whose options may name files.
    """
    return list(_found(settings, host))


def _found(settings: Settings, host: PluginHost) -> Iterator[Fault]:
    yield from _directory("daemon.state_dir", settings.daemon.state_dir)
    yield from _directory("daemon.spool_dir", settings.daemon.spool_dir)
    if settings.store.url is not None:
        database = database_path(settings.store.url)
        if database is None:
            yield Fault("store.url", "names a database in memory: all is forgotten when the daemon stops")
        else:
            yield from _directory("store.url", database.parent)
            yield from _file("store.url", database)
    yield from _readable(settings)
    if settings.callbacks.listen is not None and isinstance(socket := read_address(settings.callbacks.listen), Path):
        yield from _made("callbacks.listen", socket.parent)
    for path, file in host.written_files(settings):
        yield from _made(path, file.parent)
        if file.parent.is_dir():
            yield from _file(path, file)
    for path, folder in host.filled_folders(settings):
        yield from _directory(path, folder)


def _readable(settings: Settings) -> Iterator[Fault]:
    """What is only read must be there: nobody makes it."""
    keys, contacts = settings.dialects.keys_file, settings.dialects.contacts_dir
    user = f"for this user (id {os.geteuid()}); dialerd must run as one who may"
    if keys is not None:
        if not keys.is_file():
            yield Fault("dialects.keys_file", f"{keys} is no file; write it, or every request of a dialect is refused")
        elif not os.access(keys, os.R_OK):
            yield Fault("dialects.keys_file", f"{keys} is not readable {user}")
    if contacts is not None:
        if not contacts.is_dir():
            yield Fault("dialects.contacts_dir", f"{contacts} is no directory; create it")
        elif not os.access(contacts, os.R_OK | os.X_OK):
            yield Fault("dialects.contacts_dir", f"{contacts} is not readable {user}")


def _directory(path: str, directory: Path) -> Iterator[Fault]:
    """The daemon makes what is missing of a directory, below what there is."""
    found = directory.absolute()
    while not os.path.lexists(found) and found != found.parent:
        found = found.parent
    if not found.is_dir():
        yield Fault(path, f"{found} is no directory; name another place")
    elif not os.access(found, os.W_OK | os.X_OK):
        what = "is not writable" if found == directory.absolute() else f"cannot be created in {found}"
        yield Fault(path, f"{directory} {what} for this user (id {os.geteuid()}); dialerd must run as one who may")


def _made(path: str, directory: Path) -> Iterator[Fault]:
    """Nobody makes such a directory."""
    if not directory.is_dir():
        yield Fault(path, f"the directory {directory} does not exist; create it")
    else:
        yield from _directory(path, directory)


def _file(path: str, file: Path) -> Iterator[Fault]:
    if file.is_dir():
        yield Fault(path, f"{file} is a directory; name a file")
    elif file.exists() and not os.access(file, os.W_OK):
        yield Fault(path, f"{file} is not writable for this user (id {os.geteuid()}); dialerd must run as one who may")
