"""Campaign files on the caller's disk become what the socket takes."""

import json
from pathlib import Path

import click
import pytest

from dialerd.cli import documents

TOML = """
name = "Tuesday"
agent = "reminder"
start = 2027-06-15
end = 2027-06-18T18:00:00+01:00
recipients_file = "people.csv"
[[windows]]
days = ["mon"]
start = 09:00:00
end = "18:00"
"""


def test_toml_becomes_json(tmp_path: Path) -> None:
    """Dates and times become the text that JSON carries, and the recipients' file is found beside it."""
    (tmp_path / "c.toml").write_text(TOML)
    (tmp_path / "people.csv").write_text("phone\n+447111000001\n")
    document = documents.read(tmp_path / "c.toml")
    assert json.loads(json.dumps(document.data)) == {
        "name": "Tuesday",
        "agent": "reminder",
        "start": "2027-06-15",
        "end": "2027-06-18T18:00:00+01:00",
        "windows": [{"days": ["mon"], "start": "09:00:00", "end": "18:00"}],
    }
    assert document.rows == tmp_path / "people.csv"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "p.csv",
            "\ufeffphone;first;metadata.lead;max_attempts;timezone;prompt\n"
            "+447111000001;Ann;7;2;Europe/Madrid;Say hi\n+447111000002;;;x;;\n",
        ),
        (
            "p.jsonl",
            '{"phone": "+447111000001", "variables": {"first": "Ann"}, "metadata": {"lead": "7"}, "max_attempts": 2, '
            '"timezone": "Europe/Madrid", "prompt": "Say hi"}\n\n{"phone": "+447111000002", "max_attempts": "x"}\n',
        ),
    ],
)
def test_recipients_stand_inline_for_a_plan(tmp_path: Path, name: str, text: str) -> None:
    """Rows of any format say the same inline; what is wrong in them stays, for the daemon to tell."""
    (tmp_path / name).write_text(text)
    (tmp_path / "c.json").write_text(json.dumps({"name": "x", "agent": "a", "recipients_file": name}))
    assert documents.read(tmp_path / "c.json").whole().data["recipients"] == [
        {
            "phone": "+447111000001",
            "variables": {"first": "Ann"},
            "metadata": {"lead": "7"},
            "max_attempts": 2,
            "timezone": "Europe/Madrid",
            "prompt": "Say hi",
        },
        {"phone": "+447111000002", "max_attempts": "x"},
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.toml", "name = ", "Invalid value"),
        ("c.json", "{", "line 1"),
        ("c.json", "[]", "must be a table"),
        ("c.json", '{"recipients_file": 3}', "must be the name of a file"),
        ("c.json", '{"recipients_file": "p.txt"}', "must end in one of .csv, .jsonl, .json, or"),
        ("c.json", '{"recipients_file": "p.csv"}', "is not there"),
        ("c.json", b"\xff\xfe{}", "utf-8"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    """A file that is no campaign file is wrong usage, and says what is wrong."""
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(click.UsageError, match=said):
        documents.read(tmp_path / name)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """So is one that is not there."""
    with pytest.raises(click.UsageError, match="No such file"):
        documents.read(tmp_path / "none.toml")
