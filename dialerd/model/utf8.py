"""UTF-8 text out of bytes, with the place of the first byte that is none."""

import codecs

from dialerd.model.errors import Fault, InvalidInput


def decode(raw: bytes, file: str) -> str:
    """Return the text in `raw`, without a byte order mark: editors on other systems leave one.

    Args:
        raw: a whole document.
        file: its name, for the fault.

    Raises:
        InvalidInput: it is not UTF-8.
    """
    text = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        before = text[: error.start]
        at = len(raw) - len(text) + error.start
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        raise InvalidInput([Fault("", not_utf8(raw[at], at), file=file, line=line, column=column)]) from error


def not_utf8(byte: int, offset: int) -> str:
    """Return the message about a byte that is not UTF-8.

    Args:
        byte: its value.
        offset: where it stands in the file, in bytes.
    """
    return f"is not UTF-8: byte 0x{byte:02X} at offset {offset}; save it as UTF-8"
