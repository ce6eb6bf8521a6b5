"""The rows of `calls.csv`: one for each attempt, and one for each recipient that never had any."""

import csv
import io
from collections.abc import Iterable
from typing import Final

import msgspec

from dialerd.intake.tally import talk
from dialerd.model.instants import Instant, to_iso
from dialerd.store.records import CallRow, UndialedRow

COLUMNS: Final = (
    "position",
    "number",
    "final",
    "attempt_id",
    "caller_id",
    "trunk",
    "outcome",
    "refunded",
    "cause",
    "answered_by",
    "digits",
    "claimed_at",
    "ringing_at",
    "answered_at",
    "ended_at",
    "talk_s",
    "metadata",
    "reference",
    "detail",
)
"""Of a recipient without attempts, all from `attempt_id` to `talk_s` are empty, and the last two."""

HEADER: Final = (",".join(COLUMNS) + "\n").encode()


def encode(rows: Iterable[CallRow | UndialedRow]) -> bytes:
    """Return rows as CSV in UTF-8, one a line; instants are RFC 3339 in UTC, metadata and detail are JSON."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cells, rows))
    return text.getvalue().encode(errors="backslashreplace")


def _cells(row: CallRow | UndialedRow) -> tuple[object, ...]:
    final = row.final.value if row.final is not None else ""
    metadata = msgspec.json.encode(row.metadata).decode() if row.metadata else ""
    if isinstance(row, UndialedRow):
        return (row.position, row.number, final, *[""] * 13, metadata, "", "")
    return (
        row.position,
        row.number,
        final,
        row.attempt_id,
        row.caller_id,
        row.trunk,
        row.outcome.value if row.outcome is not None else "",
        "true" if row.refunded else "false",
        row.cause or "",
        row.answered_by or "",
        row.digits or "",
        to_iso(row.claimed_at),
        _iso(row.ringing_at),
        _iso(row.answered_at),
        _iso(row.ended_at),
        f"{talk(row) / 1_000:.3f}" if row.answered_at is not None else "",
        metadata,
        row.reference or "",
        row.detail or "",
    )


def _iso(instant: Instant | None) -> str:
    return "" if instant is None else to_iso(instant)
