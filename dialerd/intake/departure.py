"""A departure: one campaign file and its recipients leave `incoming/` for `accepted/` or `rejected/`.

Everything here blocks: call it in a thread. Each step may be taken again after one that failed.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import define, field

from dialerd.intake import durable
from dialerd.intake.content import Identity, identity, is_our_note, note
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import ERROR, STATUS, WAITING, WARNINGS, shown

_PIECE: Final = 1 << 20  # bytes of a listing copied at a time
_COMPANIONS: Final = (ERROR, WARNINGS, STATUS)


@define(kw_only=True, eq=False)
class Departure:
    """What leaves, where to, and what is written beside it there.

    Args:
        spec: name of the campaign file, or of the lone file that is refused.
        spec_identity: which file of that name is meant; another one that took its place stays.
        recipients: name of the recipients file that goes with it, or None.
        recipients_identity: the same for that.
        folder: where they go.
        ending: of the note beside them.
        heading: first lines of the note; empty = no note.
        listing: file whose lines follow the heading; deleted when the note is written.
        fingerprint: what is to be marked as moved in the store afterwards, or None.
        campaign: id of the campaign that it became, or None.
        name: the name that the campaign file got in `folder`; None until it was chosen.
        recipients_moved: the recipients file has left.
        failures: how often it could not be done.
        retry_at: monotonic seconds before which it is not tried again.
    """

    spec: str
    spec_identity: Identity | None
    recipients: str | None = None
    recipients_identity: Identity | None = None
    folder: Path
    ending: str
    heading: str = ""
    listing: Path | None = None
    fingerprint: str | None = None
    campaign: str | None = None
    name: str | None = None
    recipients_moved: bool = False
    failures: int = 0
    retry_at: float = float("-inf")
    error: OSError | None = field(default=None, init=False)
    _noted: bool = field(default=False, init=False)

    def carry_out(self, folders: Folders, *, keep_recipients: bool) -> None:
        """Write the note, then move the recipients, then the campaign file; `sync_folder` makes it durable.

        The campaign file is last: while it lies in `incoming/`, a restart knows that there is something to finish.

        Raises:
            OSError: a step failed; what was done stays done.
        """
        if self.name is None:
            self.name = durable.free_name(self.folder, self.spec, _COMPANIONS)
        if self.heading and not self._noted:
            durable.replace(self.folder / (self.name + self.ending), _note(self.heading, self.listing))
            self._noted = True
        if self.listing is not None:
            self.listing.unlink(missing_ok=True)
            self.listing = None
        if self.recipients is not None and not keep_recipients and not self.recipients_moved:
            rows = folders.incoming / self.recipients
            if self.recipients_identity is not None and identity(rows) == self.recipients_identity:
                durable.move(rows, self.folder / durable.free_name(self.folder, self.recipients, _COMPANIONS))
                forget_notes(folders.incoming, self.recipients)
                self.recipients_moved = True
        source = folders.incoming / self.spec
        if self.spec_identity is not None and identity(source) == self.spec_identity:
            durable.move(source, self.folder / self.name)
        forget_notes(folders.incoming, self.spec)

    def explain_beside(self, folders: Folders, error: OSError) -> None:
        """Say in `incoming/`, beside the file, that and why it cannot be moved. Written again only when it differs.

        Raises:
            OSError: that could not be written either.
        """
        became = f"It became campaign {self.campaign} and is dialled; it" if self.campaign else "It is not dialled; it"
        text = note(
            f"{shown(self.spec)} cannot be moved to {self.folder.name}/: {error.strerror or error}.\n"
            f"# {became} may be removed by hand. dialerd goes on trying."
        )
        path = beside(folders.incoming, self.spec, ERROR)
        if not is_our_note(path) or path.read_bytes() != text:
            durable.replace(path, [text])


def beside(folder: Path, name: str, ending: str) -> Path:
    """Return the path of the note `ending` about the file `name` in `folder`; an overlong name is cut."""
    return folder / (durable.numbered(name, 1, room=len(ending)) + ending)


def forget_notes(incoming: Path, name: str) -> None:
    """Delete what dialerd wrote beside the file `name` while it lay in `incoming/`."""
    for ending in (WAITING, ERROR):
        path = beside(incoming, name, ending)
        if is_our_note(path):
            path.unlink(missing_ok=True)


def carry_out_all(departures: Iterable[Departure], folders: Folders, kept: frozenset[str]) -> None:
    """Carry out departures and make them durable together; one that fails keeps its `error`.

    Args:
        departures: what leaves.
        folders: of the spool.
        kept: recipients files that stay because another campaign file asks for them too.
    """
    touched = {folders.incoming}
    for departure in departures:
        departure.error = None
        try:
            departure.carry_out(folders, keep_recipients=departure.recipients in kept)
        except OSError as error:
            departure.error = error
        touched.add(departure.folder)
    for folder in touched:
        durable.sync_folder(folder)


def _note(heading: str, listing: Path | None) -> Iterator[bytes]:
    """Yield a note piece by piece: its listing may be longer than memory has room for."""
    yield note(heading)
    if listing is not None and listing.exists():
        with listing.open("rb") as lines:
            while piece := lines.read(_PIECE):
                yield piece
