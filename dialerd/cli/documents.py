"""Campaign files on the caller's disk, as the documents that the daemon's socket takes."""

import csv
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import click
from attrs import frozen

from dialerd.cli.faults import Fault, nowhere

_ROWS: Final = {"csv": "text/csv", "jsonl": "application/x-ndjson", "json": "application/json"}
FORMATS: Final = tuple(_ROWS)
"""What a recipients' file may be written in."""

_OWN: Final = ("phone", "timezone", "prompt")  # columns that are not variables; max_attempts is a number besides
_ROW: Final = re.compile(r"/recipients/(?P<nth>[0-9]+)(?P<rest>(/.*)?$)")


@frozen(kw_only=True)
class Document:
    """A campaign file.

    Args:
        data: its keys, without `recipients_file`.
        rows: the recipients' file that it names, or None.
    """

    data: dict[str, Any]
    rows: Path | None

    def whole(self) -> "Whole":
        """Return its data with the recipients of the other file inline."""
        if self.rows is None:
            return Whole(data=self.data)
        found = list(_recipients(self.rows))
        people, lines = [one for _, one in found], [line for line, _ in found]
        return Whole(data={**self.data, "recipients": people}, file=self.rows.name, lines=lines)


@frozen(kw_only=True)
class Whole:
    """A campaign file in one piece.

    Args:
        data: its keys.
        file: name of the file that its recipients are from, or None.
        lines: of each recipient in that file; None where it has no lines.
    """

    data: dict[str, Any]
    file: str | None = None
    lines: Sequence[int | None] = ()

    def place(self, fault: Fault) -> Fault:
        """Return a fault of the data with the place of the row that it is in."""
        row = None if self.file is None else _ROW.match(fault.get("pointer") or "")
        if row is None:
            return nowhere(fault)
        line = self.lines[int(row["nth"])]
        pointer = row["rest"] if line is not None else f"/{row['nth']}{row['rest']}"
        return {**nowhere(fault), "file": self.file, "line": line, "pointer": pointer}


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


def media_type(rows: Path, form: str | None = None) -> str:
    """Return the media type of a recipients' file, by its ending where its form is not said.

    Raises:
        click.UsageError: it is none of the three.
    """
    kind = _ROWS.get(form or rows.suffix.lower().removeprefix("."))
    if kind is None:
        raise click.UsageError(f"{rows}: must end in one of .{', .'.join(FORMATS)}, or its --format must be said")
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


def _recipients(rows: Path) -> Iterator[tuple[int | None, Any]]:
    """Yield what stands in a recipients' file as it would stand inline, each with its line."""
    try:
        if rows.suffix.lower() == ".json":
            yield from ((None, one) for one in json.loads(rows.read_bytes()))
        elif rows.suffix.lower() == ".jsonl":
            yield from _jsonl(rows)
        else:
            yield from _csv(rows)
    except (OSError, ValueError, csv.Error) as error:
        raise click.UsageError(f"{rows}: {error}") from error


def _jsonl(rows: Path) -> Iterator[tuple[int, Any]]:
    for line, text in enumerate(rows.read_bytes().splitlines(), 1):
        try:
            if text.strip():
                yield line, json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {line}, column {error.colno}: {error.msg}") from error


def _csv(rows: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with rows.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=head.count))
        names = [name.strip() for name in next(reader, ())]
        end = reader.line_num
        for cells in reader:
            line, end = end + 1, reader.line_num  # a quoted cell may go over several
            if cells:
                yield line, _recipient({name: text for name, text in zip(names, cells, strict=False) if text})


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
