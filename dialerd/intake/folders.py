"""The folders of the spool: where campaign files arrive, where they end up, where reports are left."""

import os
import shlex
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from dialerd.intake import durable
from dialerd.model.errors import DialerdError

_INCOMING_MODE: Final = 0o2770  # setgid: a dropped file belongs to the group, so that the daemon may read it
_PRIVATE_MODE: Final = 0o750  # they hold phone numbers


class SpoolError(DialerdError):
    """The spool cannot be used; the message says why and the way out."""


@frozen(kw_only=True)
class Folders:
    """The folders of one spool.

    Args:
        incoming: where campaign files are dropped.
        accepted: where they lie once they are campaigns.
        rejected: where they lie when they cannot become campaigns, with the reasons beside them.
        reports: one folder for each campaign that ended.
    """

    incoming: Path
    accepted: Path
    rejected: Path
    reports: Path

    @classmethod
    def below(cls, spool: Path) -> Self:
        """Return the folders of the spool directory `spool`, whether they exist or not."""
        return cls(
            incoming=spool / "incoming",
            accepted=spool / "accepted",
            rejected=spool / "rejected",
            reports=spool / "reports",
        )

    def prepare(self) -> None:
        """Create what is missing, sweep up what a former life left unfinished, and see that all can be written to.

        Folders that exist keep their owner and mode: those are the administrator's. Blocks; call it in a thread.

        Raises:
            SpoolError: one of them cannot be made or used.
        """
        for folder in (self.incoming, self.accepted, self.rejected, self.reports):
            try:
                _make(folder, _INCOMING_MODE if folder == self.incoming else _PRIVATE_MODE)
                durable.sweep(folder)
                probe = durable.scratch(folder)
                durable.create(probe).close()
                probe.unlink()
            except OSError as error:
                raise SpoolError(
                    f"spool folder {folder} cannot be used: {error.strerror or error}; it must be a directory that"
                    f" user id {os.geteuid()} can read and write, so create it or correct [daemon] spool_dir"
                ) from error


def _make(folder: Path, mode: int) -> None:
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    try:
        folder.chmod(mode)  # mkdir's own mode loses what the umask takes away
    except PermissionError as error:  # systemd's RestrictSUIDSGID
        folder.rmdir()  # found at the next start it would pass for the administrator's
        raise SpoolError(
            f"spool folder {folder} cannot be given the mode {mode:o}: {error.strerror or error}. Make it by hand:"
            f" sudo install -d -m {_PRIVATE_MODE:04o} -o dialerd -g dialerd {shlex.quote(str(folder.parent))} &&"
            f" sudo install -d -m {mode:04o} -o dialerd -g dialerd {shlex.quote(str(folder))}"
        ) from error
