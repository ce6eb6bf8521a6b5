"""Recipients from a JSONL file: one JSON object a line, with the keys of an inline recipient."""

from dialerd.intake import json_text
from dialerd.intake.lines import Lines, LongLine
from dialerd.intake.locate import Locator
from dialerd.intake.object_row import add_object
from dialerd.intake.recipients import Rows
from dialerd.intake.source import Source


def read_jsonl(source: Source, rows: Rows) -> None:
    """Hand every line of a JSONL file to `rows`; blank lines are passed over.

    Args:
        source: the file, from its beginning.
        rows: takes the rows, and the faults of single rows.

    Raises:
        InvalidInput: the file cannot be read to its end.
    """
    lines = Lines(source)
    while True:
        lines.begin()
        try:
            text = next(lines)
        except StopIteration:
            return
        except LongLine as error:
            rows.bad(str(error), line=lines.number)
            continue
        if text.isspace():
            continue
        try:
            value = json_text.decode(text)
        except json_text.BadJson as error:
            column = None if error.offset is None else error.offset + 1
            rows.bad(str(error), line=lines.number, column=column)
            continue
        add_object(rows, lines.number, value, _Placed(text, lines.number))


class _Placed:
    """Where things stand in one line; the line is walked only when asked."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._line = line

    def __call__(self, path: str) -> tuple[int, int]:
        _, column = Locator(self._text, toml=False).find(path)
        return self._line, column or 1
