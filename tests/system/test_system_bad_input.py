"""Bad input dropped into the running daemon: a clear error file each, nothing lost, and another campaign is dialled."""

import hashlib
import os
import re
import socket
from pathlib import Path

import pytest
from place import number, people, rows, until

pytestmark = pytest.mark.system

SPEC = 'name = "x"\nagent = "reminder"\n'
PHONE = '[[recipients]]\nphone = "+447111000001"\n'


def bad_row(line: int, count: int) -> bytes:
    """Return a recipients CSV whose line `line` holds no phone number."""
    lines = rows(100_000, count).splitlines(keepends=True)
    lines[line - 1] = b"12345,Ann,x\n"
    return b"".join(lines)


# name: what is dropped, and what the error file must name: file:line:column, and the rule in words
FILES: dict[str, tuple[bytes, str]] = {
    "truncated.toml": (b'name = "x"\nagent = "rem', r"^truncated\.toml:2:\d+: .*TOML"),
    "truncated.json": (b'{"name": "x",\n "agent": "reminder", "recip', r"^truncated\.json:2:\d+: .*JSON"),
    "types.toml": (
        b'name = 5\nagent = "reminder"\nring_timeout = 30\n' + PHONE.encode(),
        r"^types\.toml:1:\d+: name: must be text.*\n(.*\n)*types\.toml:3:\d+: ring_timeout: ",
    ),
    "types.json": (
        b'{"name": "x", "agent": "reminder",\n "skip_invalid": "yes",\n "recipients": {}}',
        r"^types\.json:2:\d+: skip_invalid: must be true or false(.*\n)*types\.json:3:\d+: recipients: ",
    ),
    "unknown.toml": (
        (SPEC + 'timezon = "Europe/London"\n' + PHONE).encode(),
        r'^unknown\.toml:3:\d+: timezon: .*did you mean "timezone"',
    ),
    "zone.toml": (
        (SPEC + 'timezone = "Europe/Atlantis"\n' + PHONE).encode(),
        r"^zone\.toml:3:\d+: timezone: .*Europe/Atlantis",
    ),
    "agent.toml": (b'name = "x"\nagent = "remindr"\n' + PHONE.encode(), r'^agent\.toml:2:\d+: agent: .*"reminder"'),
    "binary.toml": (bytes(range(256)) * 40, r"^binary\.toml:\d+(:\d+)?: "),
    "binary.json": (b"\x00\x01\x02\xff\xfe" * 100, r"^binary\.json:1(:\d+)?: "),
    "empty.toml": (b"", r"^empty\.toml(:1:1)?: .*(empty|name)"),
    "empty.json": (b"", r"^empty\.json(:1:1)?: .*empty"),
    "long.toml": (b'name = "' + b"x" * (4 << 20) + b'"\n', r"^long\.toml:1(:\d+)?: "),
    "nested.json": (b'{"name": ' + b"[" * 100_000, r"^nested\.json(:\d+:\d+)?: .*deep"),
    "notes.docx": (b"PK\x03\x04", r"ending"),
}

LISTS: dict[str, tuple[bytes, str]] = {
    "row7000.csv": (bad_row(7_000, 9_000), r"^row7000\.csv:7000(:\d+)?: .*phone"),
    "header.csv": (b"phne,first\n+447111000001,Ann\n", r'^header\.csv:1(:\d+)?: .*"phone"'),
    "near.csv": (b"phone,timezon\n+447111000001,Europe/London\n", r'^near\.csv:1:\d+: .*did you mean "timezone"'),
    "line.csv": (b"phone,first\n+447111000001," + b"x" * (6 << 20) + b"\n", r"^line\.csv:2(:\d+)?: "),
    "quote.csv": (b'phone,first\n+447111000001,"Ann\n+447111000002,Bob\n', r"^quote\.csv:\d+(:\d+)?: .*quot"),
    "latin.csv": (b"phone,first\n+447111000001,Ren\xe9\n", r"^latin\.csv:2(:\d+)?: .*UTF-8"),
    "nul.csv": (b"phone,first\n\x00\x00\x00\n", r"^nul\.csv:2(:\d+)?: "),
    "empty.csv": (b"", r"^empty\.csv(:1(:1)?)?: .*empty"),
    "broken.jsonl": (b'{"phone": "+447111000001"}\n{"phone": \n', r"^broken\.jsonl:2:\d+: "),
    "zone.jsonl": (
        b'{"phone": "+447111000001"}\n{"phone": "+447111000002", "timezone": "Mars/Olympus"}\n',
        r"^zone\.jsonl:2(:\d+)?: .*Mars/Olympus",
    ),
}


def digests(folder: Path) -> set[str]:
    """Return the digest of every regular file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def spec_for(file: str) -> bytes:
    """Return a campaign file that takes its recipients from `file`."""
    return f'name = "x"\nagent = "reminder"\nrecipients_file = "{file}"\n'.encode()


def test_bad_files_are_explained_and_kept(place):
    """Each is in rejected/ byte for byte, beside an error file with its place; the daemon goes on dialling."""
    place.configure(trunks={"sim": {"calls_per_second": 20.0}})
    place.start()
    place.drop("good.json", {"name": "good", "agent": "reminder", "recipients": people(0, 60)})
    expected: dict[str, str] = {}
    dropped: dict[str, bytes] = {}
    for name, (content, words) in FILES.items():
        dropped[name] = content
        expected[name] = words
    for name, (content, words) in LISTS.items():
        spec = f"for-{name}.toml"
        dropped |= {name: content, spec: spec_for(name)}
        expected[spec] = words
    for name, content in dropped.items():
        place.drop(name, content)
    place.until_in("rejected", *(name + ".error.txt" for name in expected), *dropped)
    for name, words in expected.items():
        text = (place.spool / "rejected" / f"{name}.error.txt").read_text()
        assert re.search(words, text, re.MULTILINE), f"{name}: {text[:600]}"
        assert "Traceback" not in text
        assert len(text) < 20_000, f"{name}: an error file of {len(text)} characters is not read by anybody"
    kept = digests(place.spool)
    assert {name for name, content in dropped.items() if hashlib.sha256(content).hexdigest() not in kept} == set()
    assert place.listing("incoming") == set()
    assert place.count("SELECT count(*) FROM campaigns") == 1
    place.until_reported("good")
    assert sorted(line["number"] for line in place.ledger()) == [number(index) for index in range(60)]
    assert place.stop() == 0


def test_things_that_are_no_files(place, tmp_path):
    """A link, a directory, a pipe and a socket are turned away as they are, and what a link points to is left alone."""
    place.start()
    incoming = place.spool / "incoming"
    secret = tmp_path / "secret.toml"
    secret.write_text(SPEC + PHONE)
    (incoming / "link.toml").symlink_to(secret)
    staged = tmp_path / "folder"
    staged.mkdir()
    (staged / "inside.toml").write_text(SPEC + PHONE)
    staged.rename(incoming / "folder.toml")
    os.mkfifo(incoming / "pipe.toml")
    with socket.socket(socket.AF_UNIX) as listener:
        # a path of a socket has 107 bytes at most, unix(7), and a temporary directory may be deep
        here = os.open(incoming, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{here}/socket.toml")
        finally:
            os.close(here)
    names = {"link.toml": "link", "folder.toml": "directory", "pipe.toml": "pipe", "socket.toml": "socket"}
    place.until_in("rejected", *names, *(name + ".error.txt" for name in names))
    for name, word in names.items():
        assert re.search(rf"{re.escape(name)}.*{word}", (place.spool / "rejected" / f"{name}.error.txt").read_text())
    assert secret.read_text() == SPEC + PHONE
    assert (place.spool / "rejected" / "folder.toml" / "inside.toml").read_text() == SPEC + PHONE
    assert place.listing("incoming") == set()
    place.drop("good.json", {"name": "good", "agent": "reminder", "recipients": people(0, 5)})
    place.until_reported("good")
    assert place.count("SELECT count(*) FROM campaigns") == 1


def test_an_unreadable_file(place):
    """It is not taken and not lost: either turned away with the reason, or left with the reason beside it."""
    path = place.root / "closed"
    path.write_text(SPEC + PHONE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("everything is readable for root; run as another user")
    place.start()
    path.rename(place.spool / "incoming" / "closed.toml")

    def reason() -> list[Path]:
        return list(place.spool.glob("*/closed.toml.error.txt"))

    (found,) = until(reason, "an error file for it")
    assert "closed.toml" in found.read_text()
    assert "may not be read" in found.read_text()
    assert found.with_name("closed.toml").exists()
    assert place.alive()


def test_many_bad_rows_are_all_listed_and_do_not_grow_memory(place):
    """A file with 10,000 bad rows is refused with a line for each, and the daemon does not keep them in memory."""
    place.start()
    before = place.memory_kib()
    content = b"phone,first\n" + b"".join(b"%d,Ann\n" % index for index in range(10_000))
    place.drop("bad.csv", content)
    place.drop("bad.toml", spec_for("bad.csv"))
    place.until_in("rejected", "bad.csv", "bad.toml", "bad.toml.error.txt")
    text = (place.spool / "rejected" / "bad.toml.error.txt").read_text()
    assert len(re.findall(r"^bad\.csv:\d+", text, re.MULTILINE)) == 10_000
    assert place.memory_kib() - before < 40_000
    assert place.count("SELECT count(*) FROM recipients") == 0
