"""The header of a CSV file: what each column is, and what is wrong with the names.

Every column that is not a known one is a variable, so that a slip in a known name would pass unseen: what comes near
one is refused. Knows nothing of rows.
"""

import csv
from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from dialerd.model.errors import Fault
from dialerd.model.wording import shown

KNOWN: Final = ("phone", "timezone", "prompt", "max_attempts")
METADATA: Final = "metadata."
SEPARATORS: Final = (",", ";", "\t")

_SYNONYMS: Final = {  # what other systems call it; asked for only where the column itself is missing
    "phone": ("phone_number", "phonenumber", "number", "telephone", "tel", "mobile", "msisdn", "to"),
}


@frozen(kw_only=True)
class Columns:
    """What the columns of a file are.

    Args:
        names: all column names, in order.
        known: index by known name.
        variables: name and index of each variable.
        metadata: name, without the prefix, and index of each metadata column.
        faults: path (the column's name), message and index of each fault.
    """

    names: tuple[str, ...]
    known: dict[str, int] = field(factory=dict)
    variables: tuple[tuple[str, int], ...] = ()
    metadata: tuple[tuple[str, int], ...] = ()
    faults: tuple[tuple[str, str, int], ...] = ()


def separator(header: str, wanted: str) -> str:
    """Return the separator of a file whose header's first line is `header`.

    It is the one that yields a column `wanted`; where none or several do, the one that yields the most columns.
    """

    def merit(candidate: str) -> tuple[bool, int]:
        try:
            names = next(csv.reader([header.strip("\r\n")], delimiter=candidate), [])
        except csv.Error:  # told when the header is read in earnest
            return False, header.count(candidate)
        return wanted in names, len(names)

    return max(SEPARATORS, key=merit)


def read_columns(names: Iterable[str]) -> Columns:
    """Return what the columns called `names` are."""
    names = tuple(names)
    known: dict[str, int] = {}
    variables: dict[str, int] = {}
    metadata: dict[str, int] = {}
    faults = []
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        message = _objection(name)
        if name in seen and name:
            message = f"stands twice, in columns {seen[name] + 1} and {index + 1}; leave one out or rename it"
        seen.setdefault(name, index)
        if message is not None:
            faults.append((name, message, index))
        elif name in KNOWN:
            known[name] = index
        elif name.startswith(METADATA):
            metadata[name.removeprefix(METADATA)] = index
        else:
            variables[name] = index
    if "phone" not in seen and not any('"phone"' in message for _, message, _ in faults):
        faults.append(("phone", _missing_phone(names), 0))
    return Columns(
        names=names,
        known=known,
        variables=tuple(variables.items()),
        metadata=tuple(metadata.items()),
        faults=tuple(faults),
    )


def _objection(name: str) -> str | None:
    """Return what is wrong with a column's name, taken alone."""
    if not name.strip():
        return "has no name; every column needs one"
    if name in KNOWN or name.startswith(METADATA):
        return f"has no name after {shown(METADATA)}" if name == METADATA else None
    if (near := _near(name)) is not None:
        return f'is not a known column; did you mean "{near}"? Rename it if it is a variable of yours'
    if name != name.strip():
        return f"has blanks around its name; write {shown(name.strip())}"
    if not name.isprintable():
        return "has control characters in its name"
    return None


def _near(name: str) -> str | None:
    """Return the known column that `name` comes near to."""
    folded = _folded(name)
    for known in KNOWN:
        if folded == _folded(known):
            return known
        if folded.rstrip("0123456789") == _folded(known):
            continue  # "phone2" is a column of its own
        if _distance(folded, _folded(known)) <= (1 if len(known) < 8 else 2):
            return known
    head, dot, rest = name.strip().partition(".")
    if dot and rest and head != "metadata" and _distance(_folded(head), "metadata") <= 2:
        return f"{METADATA}{rest}"
    return None


def _folded(name: str) -> str:
    """Return `name` without what people vary: case, blanks, and what joins words."""
    return "".join(char for char in name.casefold() if char.isalnum())


def _distance(one: str, other: str) -> int:
    """Return how many letters must be put in, left out, replaced or swapped with the next (optimal string alignment).

    Answers 3 for whatever is farther apart in length, as nobody asks beyond 2.
    """
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        row = [i]
        for j, known in enumerate(other, 1):
            steps = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (char != known))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == known:
                steps = min(steps, before[j - 2] + 1)
            row.append(steps)
        before, last = last, row
    return last[-1]


def _missing_phone(names: tuple[str, ...]) -> str:
    for name in names:
        if _folded(name) in map(_folded, _SYNONYMS["phone"]):
            return f'there is no column "phone"; rename {shown(name)} to "phone"'
    return 'there is no column "phone"; the first line names the columns, and one of them must be "phone"'


def faults_of(columns: Columns, file: str, line: int, places: Iterable[tuple[int, int]]) -> tuple[Fault, ...]:
    """Return the header's faults as such.

    Args:
        columns: the columns.
        file: name of the file.
        line: where the header begins.
        places: for each column, lines behind `line` and column.
    """
    at = list(places)
    return tuple(
        Fault(path, message, file=file, line=line + at[index][0], column=at[index][1])
        for path, message, index in columns.faults
    )
