"""Campaign files: TOML or JSON, by extension, to plain data with the place of everything in it.

Knows nothing of what campaigns are made of.
"""

from typing import Any, Final

from attrs import frozen

from dialerd.intake import json_text
from dialerd.intake.lines import not_text
from dialerd.intake.locate import Locator
from dialerd.intake.source import Source
from dialerd.model import toml_text, utf8
from dialerd.model.errors import Fault, InvalidInput

MAX_SPEC: Final = 16 << 20
"""Bytes of a campaign file; it is held in memory as a whole, a recipients file is not."""

ROWS_EXTENSIONS: Final = (".csv", ".jsonl", ".json")
"""Extensions of recipients files."""


@frozen(kw_only=True)
class Document:
    """A campaign file as its parser read it.

    Args:
        data: plain data.
        locator: finds the place of what is in it.
        toml: whether it is TOML, otherwise JSON.
    """

    data: dict[str, Any]
    locator: Locator
    toml: bool


def read_document(source: Source, *, json: bool = False) -> Document:
    """Read a campaign file.

    Args:
        source: the file.
        json: it is JSON, whatever its name.

    Raises:
        InvalidInput: it is too large, no UTF-8 text, or no TOML or JSON.
    """
    toml = not json and source.path.suffix.lower() != ".json"
    text = _read_text(source)
    locator = Locator(text, toml=toml, long_list="recipients")
    data = toml_text.parse(text, source.name) if toml else _parse_json(text, source, locator)
    return Document(data=data, locator=locator, toml=toml)


def _read_text(source: Source) -> str:
    raw = source.file.read(MAX_SPEC + 1)
    if len(raw) > MAX_SPEC:
        raise _refused(source, "is larger than 16 MiB; put the recipients into a file of their own (recipients_file)")
    if (message := not_text(raw)) is not None:
        raise _refused(source, message)
    if (nul := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise _refused(source, f"holds a NUL byte at offset {nul}: it is binary, not text", line)
    return utf8.decode(raw, source.name).replace("\r\n", "\n")


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
