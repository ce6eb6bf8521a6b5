"""Campaign files: TOML or JSON, by extension, to plain data with the place of everything in it.

Knows nothing of what campaigns are made of.
"""

import re
import tomllib
from typing import Any, Final

from attrs import frozen

from dialerd.intake import json_text
from dialerd.intake.lines import not_text, not_utf8
from dialerd.intake.locate import Locator
from dialerd.intake.source import Source
from dialerd.model.errors import Fault, InvalidInput

MAX_SPEC: Final = 16 << 20
"""Bytes of a campaign file; it is held in memory as a whole, a recipients file is not."""

ROWS_EXTENSIONS: Final = (".csv", ".jsonl", ".json")
"""Extensions of recipients files."""

_PLACE: Final = re.compile(r"(.*?)(?: \(at (?:line (\d+), column (\d+)|end of document)\))?", re.DOTALL)


@frozen(kw_only=True)
class Document:
    """A campaign file as its parser read it.

    Args:
        data: plain data.
        locator: finds the place of what is in it.
    """

    data: dict[str, Any]
    locator: Locator


def read_document(source: Source) -> Document:
    """Read a campaign file.

    Raises:
        InvalidInput: it is too large, no UTF-8 text, or no TOML or JSON.
    """
    toml = source.path.suffix.lower() != ".json"
    text = _read_text(source)
    locator = Locator(text, toml=toml, long_list="recipients")
    data = _parse_toml(text, source) if toml else _parse_json(text, source, locator)
    return Document(data=data, locator=locator)


def _read_text(source: Source) -> str:
    raw = source.file.read(MAX_SPEC + 1)
    if len(raw) > MAX_SPEC:
        raise _refused(source, "is larger than 16 MiB; put the recipients into a file of their own (recipients_file)")
    if (message := not_text(raw)) is not None:
        raise _refused(source, message)
    if (nul := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise _refused(source, f"holds a NUL byte at offset {nul}: it is binary, not text", line)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        # the codec counts from behind the byte order mark
        at = len(raw) - len(error.object) + error.start
        line_begin = raw.rfind(b"\n", 0, at) + 1
        column = len(raw[line_begin:at].decode("utf-8-sig")) + 1
        fault = source.fault(not_utf8(raw[at], at), line=raw.count(b"\n", 0, at) + 1, column=column)
        raise InvalidInput([fault]) from error


def _parse_toml(text: str, source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise _refused(source, "is nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError is one; another is an integer of more digits than Python converts
        match = _PLACE.fullmatch(str(error))
        message, line, column = match.groups() if match else (str(error), None, None)
        if not text.strip():
            message = "is empty"
        at_end = str(error).endswith("(at end of document)")  # cut off, mostly: where it ends says how far it came
        end = text.rpartition("\n")[2]
        fault = source.fault(
            f"is not TOML: {message[:1].lower()}{message[1:]}" + (", at the end of the file" if at_end else ""),
            line=text.count("\n") + 1 if at_end else int(line) if line else None,
            column=len(end) + 1 if at_end else int(column) if column else None,
        )
        raise InvalidInput([fault]) from error


def _parse_json(text: str, source: Source, locator: Locator) -> dict[str, Any]:
    if not text.strip():
        raise _refused(source, "is empty")
    try:
        data = json_text.decode(text)
    except json_text.BadJson as error:
        line, column = (None, None) if error.offset is None else locator.place(error.offset)
        raise InvalidInput([source.fault(str(error), line=line, column=column)]) from error
    if not isinstance(data, dict):
        raise _refused(source, "must be an object with the campaign's keys")
    return data


def _refused(source: Source, message: str, line: int | None = None) -> InvalidInput:
    fault: Fault = source.fault(message, line=line)
    return InvalidInput([fault])
