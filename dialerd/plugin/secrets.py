"""Secrets of plugins: read from a file or a systemd credential that a setting names, never from the setting itself.

    token = read_secret(options.token, "token")

Read it where the provider, screen or notifier is made, not in a validator of the options: `dialerd check-config` is run
by people who may not read it, and outside systemd there are no credentials.
"""

import os
import stat
from pathlib import Path
from typing import Final

from dialerd.model.errors import DialerdError

BUNDLE: Final = "dialerd"
"""Id under which the unit loads a directory: its files are called `ID_FILE`, LoadCredential= in systemd.exec(5)."""

_MOST: Final = 65_536  # bytes; a key with its chain of certificates has a few thousand


class SecretError(DialerdError):
    """A secret cannot be read; the message says why and what to do, and never holds it."""


def read_secret(name: str, setting: str) -> str:
    """Return a secret, without white space at its ends.

    Args:
        name: what the setting holds: an absolute path, or the name of a credential, which is that of a file in
            /etc/dialerd/credentials or of any LoadCredential= of the unit.
        setting: what the setting is called, for messages. They do not repeat `name` unless such a file is there: it
            may be the secret itself, written there by mistake.

    Raises:
        SecretError: there is none, everybody may read it, or it is no text.
    """
    path = Path(name) if name.startswith("/") else _credential(name, setting)
    try:
        # an open must not wait for the writer of a pipe
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise SecretError(
            f"{setting}: the file that it names cannot be read by this user (id {os.geteuid()}); "
            "make it readable for the group dialerd, or put it into /etc/dialerd/credentials"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        raise SecretError(
            f"{setting}: the file that it names cannot be opened ({reason}); the setting must hold the path of a file "
            "with the secret, not the secret itself"
        ) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(f"{setting}: {path} is no regular file; name a file that holds the secret")
        if status.st_mode & stat.S_IRWXO:
            raise SecretError(f"{setting}: {path} is open to everybody; run: chmod o= {path}, and change the secret")
        content = os.read(handle, _MOST + 1)
    finally:
        os.close(handle)
    if len(content) > _MOST:
        raise SecretError(f"{setting}: {path} is longer than {_MOST} bytes; it cannot be a secret")
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError:
        raise SecretError(f"{setting}: {path} is not text in UTF-8") from None
    if not secret:
        raise SecretError(f"{setting}: {path} is empty; write the secret into it")
    return secret


def _credential(name: str, setting: str) -> Path:
    """Return where systemd has laid the credential of that name."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SecretError(
            f"{setting}: it names a credential, but systemd has handed none over; put the file into "
            "/etc/dialerd/credentials and restart dialerd.service, or name the file by its absolute path"
        )
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise SecretError(f"{setting}: must be an absolute path, or a file name in /etc/dialerd/credentials")
    for path in (Path(directory, name), Path(directory, f"{BUNDLE}_{name}")):
        if path.is_file():
            return path
    files = (entry.name for entry in Path(directory).iterdir() if entry.name != BUNDLE)  # that is no secret
    present = sorted(file.removeprefix(f"{BUNDLE}_") for file in files)
    raise SecretError(
        f"{setting}: there is no credential of the name that it holds; there are: {', '.join(present) or 'none'}. "
        "put the file into /etc/dialerd/credentials and restart dialerd.service, which loads them at its start alone"
    )
