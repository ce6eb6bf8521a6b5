"""Findings: what is wrong with an input, counted whole and held only in part.

Findings are written to a listing as they are found, so that a file of a million bad rows costs no memory.
"""

import re
from pathlib import Path
from typing import Final

from attrs import frozen

from dialerd.model.errors import Fault

SHOWN: Final = 1_000
"""How many findings are held as records; as many as a person reads, and few enough for a message."""


@frozen(kw_only=True)
class Findings:
    """Faults or warnings of one file.

    Args:
        total: how many there are.
        first: the first of them, at most `SHOWN`.
    """

    total: int = 0
    first: tuple[Fault, ...] = ()


NONE: Final = Findings()
"""Nothing was found."""


class RowCount:
    """Counts rows by the faults that are told of them, one row after another."""

    def __init__(self) -> None:
        self.rows = 0
        self._last: object = None

    def add(self, fault: Fault) -> None:
        """Note a fault: the row at which it stands, by its place in a list or else by its line, counts once."""
        entry = _ENTRY.match(fault.path)
        row = fault.line if entry is None else entry[0]
        if row is None or row != self._last:
            self.rows += 1
        self._last = row


_ENTRY: Final = re.compile(r"[a-z]*\[[0-9]+\]")


LISTED_MOST: Final = 64 << 20
"""Bytes of a listing after which nothing is added: a file of nothing but line ends would fill the disk with faults."""


class Listing:
    """A file to which findings are appended, one a line; it comes into being with the first.

    Two processes may append to the same file: each write is of whole lines.

    Args:
        path: where it lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []

    def add(self, finding: Fault, *, warning: bool) -> None:
        """Note one finding; it is written with the next flush."""
        # a message may quote the input: a line feed in it must not look like the next finding
        line = str(finding).replace("\r", "\\r").replace("\n", "\\n")
        self._lines.append(f"warning: {line}\n" if warning else f"{line}\n")
        if len(self._lines) >= SHOWN:
            self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        if self._lines:
            with self._path.open("ab", buffering=0) as file:
                if file.tell() < LISTED_MOST:
                    file.write("".join(self._lines).encode(errors="backslashreplace"))
            self._lines.clear()


class Collector:
    """Counts findings of one kind, holds the first of them and lists them.

    Args:
        listing: where they are listed.
        warning: whether they are warnings.
        found: what was found already and listed elsewhere.
    """

    def __init__(self, listing: Listing, *, warning: bool, found: Findings | None = None) -> None:
        self._listing = listing
        self._warning = warning
        self._first = [] if found is None else list(found.first)
        self.total = 0 if found is None else found.total

    def add(self, finding: Fault) -> None:
        """Add one finding."""
        self.total += 1
        if len(self._first) < SHOWN:
            self._first.append(finding)
        self._listing.add(finding, warning=self._warning)

    def flush(self) -> None:
        """Write what the listing has noted."""
        self._listing.flush()

    def findings(self) -> Findings:
        """Return what was added so far."""
        return Findings(total=self.total, first=tuple(self._first))
