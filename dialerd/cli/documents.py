"""Campaign files on the caller's disk, as the documents that the daemon's socket takes."""

import csv
import json
import sys
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import click
from attrs import frozen

_ROWS: Final = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".json": "application/json"}
_OWN: Final = ("phone", "timezone", "prompt")  # columns that are not variables; max_attempts is a number besides


@frozen(kw_only=True)
class Document:
    """A campaign file.

    Args:
        data: its keys, without `recipients_file`.
        rows: the recipients' file that it names, or None.
    """

    data: dict[str, Any]
    rows: Path | None

    def whole(self) -> dict[str, Any]:
        """Return its data with the recipients of the other file inline."""
        return self.data if self.rows is None else {**self.data, "recipients": list(_recipients(self.rows))}


def read(file: Path) -> Document:
    """Read a campaign file; `-` is JSON on the standard input.

    Raises:
        click.UsageError: it is no TOML or JSON table, or cannot be read.
    """
    data = _parsed(file)
    if not isinstance(data, dict):
        raise click.UsageError(f"{file}: must be a table with the campaign's keys")
    name = data.pop("recipients_file", None)
    if name is None:
        return Document(data=data, rows=None)
    if not isinstance(name, str):
        raise click.UsageError(f"{file}: recipients_file must be the name of a file beside it")
    rows = file.parent / name
    media_type(rows)
    if not rows.is_file():
        raise click.UsageError(f"{file}: its recipients_file {rows} is not there")
    return Document(data=data, rows=rows)


def media_type(rows: Path) -> str:
    """Return the media type of a recipients' file by its ending.

    Raises:
        click.UsageError: it is none of the three.
    """
    kind = _ROWS.get(rows.suffix.lower())
    if kind is None:
        raise click.UsageError(f"{rows}: must end in one of {', '.join(_ROWS)}")
    return kind


def _parsed(file: Path) -> Any:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = raw.decode()
        return _plain(tomllib.loads(text)) if file.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:  # both parsers' errors, and text that is not UTF-8
        raise click.UsageError(f"{file}: {error}") from error


def _plain(value: Any) -> Any:
    """Return TOML data as JSON can carry it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value


def _recipients(rows: Path) -> Iterator[Any]:
    """Yield what stands in a recipients' file as it would stand inline."""
    try:
        if rows.suffix.lower() == ".json":
            yield from json.loads(rows.read_bytes())
        elif rows.suffix.lower() == ".jsonl":
            yield from (json.loads(line) for line in rows.read_bytes().splitlines() if line.strip())
        else:
            yield from _csv(rows)
    except (OSError, ValueError, csv.Error) as error:
        raise click.UsageError(f"{rows}: {error}") from error


def _csv(rows: Path) -> Iterator[dict[str, Any]]:
    with rows.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        mark = max(",;\t|", key=head.count)
        for row in csv.DictReader(file, delimiter=mark):
            yield _recipient({name.strip(): text for name, text in row.items() if name is not None and text})


def _recipient(cells: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {name: cells.pop(name) for name in _OWN if name in cells}
    if (most := cells.pop("max_attempts", None)) is not None:
        entry["max_attempts"] = int(most) if most.strip().isdecimal() else most
    for name, text in cells.items():
        if name.startswith("metadata."):
            entry.setdefault("metadata", {})[name.removeprefix("metadata.")] = text
        else:
            entry.setdefault("variables", {})[name] = text
    return entry
