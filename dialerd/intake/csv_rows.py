"""Recipients from a CSV file.

Knows nothing of how records are written, and nothing of what a number is.
"""

import re
from typing import Final

from dialerd.intake.columns import Columns, faults_of, read_columns
from dialerd.intake.csv_records import Records
from dialerd.intake.recipients import Rows
from dialerd.intake.source import Source
from dialerd.model.retry import MAX_ATTEMPTS
from dialerd.model.wording import shown

_COUNT: Final = re.compile(r"[0-9]{1,9}")


def read_csv(source: Source, rows: Rows) -> None:
    """Hand every row of a CSV file to `rows`.

    Args:
        source: the file, from its beginning.
        rows: takes the rows, and all faults.

    Raises:
        InvalidInput: the file cannot be read to its end.
    """
    records = Records(source, "phone")
    if (names := records.header()) is None:
        rows.refuse(source.fault("is empty; the first line names the columns, one of them phone"))
        return
    columns = read_columns(names)
    for fault in faults_of(columns, source.name, records.line, records.places()):
        rows.refuse(fault)
    if "phone" in columns.known:
        reading = _Reading(records, columns, rows)
        for fields in records.rows(lambda message, line: rows.bad(message, line=line)):
            reading.row(fields)


class _Reading:
    """What becomes of the rows of one file."""

    def __init__(self, records: Records, columns: Columns, rows: Rows) -> None:
        self._records = records
        self._columns = columns
        self._rows = rows
        self._names = {name: index for index, name in reversed(list(enumerate(columns.names)))}

    def row(self, fields: list[str]) -> None:
        """Take the present row."""
        columns = self._columns
        known = columns.known
        timezone = (fields[known["timezone"]] or None) if "timezone" in known else None
        prompt = (fields[known["prompt"]] or None) if "prompt" in known else None
        max_attempts, keep = None, True
        if "max_attempts" in known and (text := fields[known["max_attempts"]]):
            max_attempts = _count(text)
            if not (keep := max_attempts is not None):
                line, column = self.place("max_attempts")
                message = f"{shown(text)} is not a whole number from 1 to {MAX_ATTEMPTS}"
                self._rows.bad(message, line=line, column=column, path="max_attempts")
        self._rows.add(
            self._records.line,
            fields[known["phone"]],
            self.place,
            timezone=timezone,
            prompt=prompt,
            max_attempts=max_attempts,
            variables={name: fields[index] for name, index in columns.variables},
            metadata={name: fields[index] for name, index in columns.metadata},
            keep=keep,
        )

    def place(self, name: str) -> tuple[int, int]:
        """Return line and column of the field called `name` in the present row."""
        return self._records.place(self._names.get(name, 0))


def _count(text: str) -> int | None:
    number = int(text) if _COUNT.fullmatch(text) else 0
    return number if 1 <= number <= MAX_ATTEMPTS else None
