"""Statements over a set of rows, in one execution.

`executemany` hands the interpreter's lock back at every row; beside a busy event loop that costs more than the work
(measured: 102,000 rows a second fall to a few hundred). One statement with all rows bound gives it back once. The
text of a statement depends on the number of rows, so sets are cut into a few sizes: few texts, all of them prepared
once and cached by the driver.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

_SIZES: Final = (1, 2, 3, *(part << power for power in range(9) for part in (4, 5, 6, 7)))
"""Rows of one execution: four sizes an octave up to 1,792, which times the widest row stays below SQLite's 32,766
variables. Any set is cut into few of them, and the driver keeps the texts of all of them prepared."""


class SetStatement:
    """A statement that takes a set of rows.

    Args:
        template: SQL with `{rows}` where the bound rows go, as the body of VALUES.
        width: values a row.
    """

    def __init__(self, template: str, width: int) -> None:
        self._template = template
        self._row = f"({','.join('?' * width)})"
        self._text = cache(self._render)

    def _render(self, rows: int) -> str:
        return self._template.format(rows=",".join([self._row] * rows))

    def run(self, dbapi: sqlite3.Connection, rows: Sequence[Iterable[Any]], *before: Any) -> None:
        """Execute it for `rows`.

        Args:
            dbapi: the driver's connection, inside a transaction.
            rows: the rows, each of the statement's width.
            before: values of the variables that stand before the rows.
        """
        start = 0
        while start < len(rows):
            size = _SIZES[bisect_right(_SIZES, len(rows) - start) - 1]
            values = [value for row in rows[start : start + size] for value in row]
            dbapi.execute(self._text(size), (*before, *values))
            start += size
