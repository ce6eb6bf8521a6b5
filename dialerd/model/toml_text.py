"""TOML text to plain data; what is no TOML is told with line and column."""

import re
import tomllib
from typing import Any, Final

from dialerd.model import utf8
from dialerd.model.errors import Fault, InvalidInput

# tomllib's words for a place; only from Python 3.14 on the error has attributes for it
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse(document: str | bytes, file: str) -> dict[str, Any]:
    """Return the plain data of a TOML document.

    Args:
        document: its text, or its bytes, which must be UTF-8.
        file: its name, for the fault.

    Raises:
        InvalidInput: it is not UTF-8, no TOML, or nested too deeply.
    """
    text = utf8.decode(document, file) if isinstance(document, bytes) else document
    text = text.replace("\r\n", "\n")  # as tomllib does, so that its columns are ours
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InvalidInput([Fault("", "is nested too deeply", file=file)]) from error
    except ValueError as error:  # TOMLDecodeError is one; another is an integer of more digits than Python converts
        raise InvalidInput([_fault(str(error), text, file)]) from error


def _fault(message: str, text: str, file: str) -> Fault:
    match = _PLACE.search(message)
    words = _PLACE.sub("", message)
    words = f"is not TOML: {words[:1].lower()}{words[1:]}"
    if match is None:
        return Fault("", words, file=file)
    if match[1] is None:  # cut off, mostly: where it ends says how far it came
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        return Fault("", words + ", at the end of the file", file=file, line=line, column=column)
    return Fault("", words, file=file, line=int(match[1]), column=int(match[2]))
