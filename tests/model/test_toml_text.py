"""TOML documents: what is none is told with its place, wherever it is cut off."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import InvalidInput
from dialerd.model.toml_text import parse

SOUND = """\
name = "Tuesday"
prompt = '''
two
lines'''
windows = [
  {days = ["mon", "tue"], start = "09:00"},
]
[retry.busy]
delay = "5m"
"""


def fault(document):
    """Return the one fault of a document."""
    with pytest.raises(InvalidInput) as caught:
        parse(document, "c.toml")
    (found,) = caught.value.faults
    assert found.file == "c.toml"
    return found


def test_a_sound_document():
    """Text and bytes say the same, with or without a byte order mark and carriage returns."""
    expected = tomllib.loads(SOUND)
    assert parse(SOUND, "c.toml") == expected
    assert parse(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode(), "c.toml") == expected


@given(st.integers(0, len(SOUND) - 1), st.sampled_from(["\n", "\r\n"]))
def test_a_document_that_is_cut_off(length, newline):
    """Wherever a document breaks off, it is sound or the fault has its line and column within it."""
    text = SOUND.replace("\n", newline)[:length]
    try:
        parse(text, "c.toml")
    except InvalidInput as invalid:
        (found,) = invalid.faults
        lines = text.split("\n")
        assert found.message.startswith("is not TOML: ")
        assert "(at" not in found.message
        assert 1 <= found.line <= len(lines)
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('a = "x', 1, 7),
        ('b = 1\na = """x\ny', 3, 2),
        ("b = 1\r\na = '''x\r\n", 3, 1),
        ("a = [1,\n", 2, 1),
        ("a =", 1, 4),
    ],
)
def test_the_end_is_a_place(text, line, column):
    """What is not closed where the document ends is told with where that is."""
    found = fault(text)
    assert (found.line, found.column) == (line, column)
    assert found.message.endswith(", at the end of the file")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a = " + "[" * 50_000, "is nested too deeply"),
        ("a = " + "1" * 5_000, "is not TOML: "),
        (b"a = 1\nb = '\xff'", "is not UTF-8: byte 0xFF at offset 11"),
    ],
)
def test_hostile_documents(document, message):
    """Whatever comes ends in a fault."""
    assert fault(document).message.startswith(message)


def test_a_byte_that_is_not_utf8_has_its_place():
    """Offsets count the byte order mark, columns do not; columns are characters."""
    found = fault("\ufeffa = 1\nb = 'é".encode() + b"\xff'")
    assert (found.line, found.column) == (2, 7)
    assert "offset 16" in found.message
