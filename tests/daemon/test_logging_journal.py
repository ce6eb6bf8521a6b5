"""The journal: entries with fields over its own protocol, whatever they hold and however it answers."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.daemon import logging, outlet
from dialerd.daemon.entry import entry, field, field_name
from dialerd.daemon.logging import flush

pytestmark = pytest.mark.usefixtures("_former_logging")

PATIENCE_S = 60.0


def read_entry(payload: bytes) -> list[tuple[str, bytes]]:
    """Read an entry as the protocol has it: `NAME=value` lines, or `NAME`, a length of 8 bytes and so many bytes."""
    fields = []
    while payload:
        line, _, rest = payload.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, payload = rest[8 : 8 + size], rest[8 + size :]
            assert len(value) == size
            assert payload[:1] == b"\n"
            payload = payload[1:]
        else:
            payload = rest
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name), name
        fields.append((name.decode(), value))
    return fields


class Journal:
    """A socket that takes entries as the journal does.

    Args:
        path: where it is bound.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start()

    def start(self) -> None:
        """Be there."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(PATIENCE_S)

    def stop(self) -> None:
        """Be gone."""
        self._socket.close()
        self.path.unlink()

    def take(self) -> dict[str, str]:
        """Take the next entry."""
        payload, fds, _, _ = socket.recv_fds(self._socket, 1 << 20, 4)
        if fds:
            assert payload == b""
            (fd,) = fds
            with open(fd, "rb") as file:
                file.seek(0)
                payload = file.read()
                with pytest.raises(PermissionError):  # sealed
                    os.ftruncate(fd, 0)
        return {name: value.decode() for name, value in read_entry(payload)}


@pytest.fixture
def journal(tmp_path, monkeypatch) -> Iterator[Journal]:
    """Return a journal that this process logs to, with a file for stderr."""
    made = Journal(tmp_path / "socket")
    with (tmp_path / "stderr").open("w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        logging.configure("info", stream=stream, journal=made.path)
        yield made
    made._socket.close()


def stderr(journal: Journal) -> list[str]:
    """Return what went to stderr."""
    return (journal.path.parent / "stderr").read_text().splitlines()


def test_an_event_is_an_entry_with_fields(journal):
    """A call's line can be found by its campaign and read by a person."""
    structlog.get_logger().info(
        "call.ended", call_id="c1", campaign="k1", number="+447111000001", outcome="busy", refunded=False, next=None
    )
    got = journal.take()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", got.pop("DIALERD_TIMESTAMP"))
    assert got == {
        "MESSAGE": "call.ended call_id=c1 campaign=k1 number=+44********01 outcome=busy refunded=false next=null",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "dialerd",
        "DIALERD_EVENT": "call.ended",
        "DIALERD_CALL_ID": "c1",
        "DIALERD_CAMPAIGN": "k1",
        "DIALERD_NUMBER": "+44********01",
        "DIALERD_OUTCOME": "busy",
        "DIALERD_REFUNDED": "false",
        "DIALERD_NEXT": "null",
    }
    assert stderr(journal) == []


@pytest.mark.parametrize(
    ("level", "priority"), [("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2"), ("exception", "3")]
)
def test_levels_are_the_priorities_of_syslog(journal, level, priority):
    """`journalctl -p warning` shows what somebody should read."""
    structlog.get_logger().debug("call.placed")
    getattr(structlog.get_logger(), level)("trunk.failed", trunk="main trunk")
    got = journal.take()
    assert got["PRIORITY"] == priority
    assert got["MESSAGE"] == 'trunk.failed trunk="main trunk"'


def test_a_traceback_has_a_field_of_its_own(journal):
    """The message stays one line, and says what was raised."""
    try:
        int("no way to +447111000001")
    except ValueError as error:
        structlog.get_logger().error("provider.broke", trunk="main", exc_info=error, token="hunter2")
    got = journal.take()
    assert "\n" not in got["MESSAGE"]
    assert "ValueError: invalid literal" in got["MESSAGE"]
    assert "Traceback" not in got["MESSAGE"]
    assert got["DIALERD_EXCEPTION"].startswith("Traceback")
    assert "\n" in got["DIALERD_EXCEPTION"]
    assert got["DIALERD_TOKEN"] == "[left out]"
    assert not [value for value in got.values() if "7111000001" in value or "hunter2" in value]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.lists(st.text())
)


@example(event="call.ended", fields={"why": "\x1b[31m"})
@example(event="call.ended", fields={"why": "\x1b[31m red"})
@given(
    event=st.text(st.characters()),
    fields=st.dictionaries(
        st.text(st.characters(), min_size=1).filter(lambda key: key != "exc_info"), VALUES, max_size=5
    ),
)
def test_any_fields_make_an_entry_that_can_be_read(event, fields):
    """What a reader of the protocol gets is what was logged: one line of message, and every field."""
    made = read_entry(entry("info", event, dict(fields), time.time_ns()).payload)
    names = [name for name, _ in made]
    assert names[:5] == ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "DIALERD_EVENT", "DIALERD_TIMESTAMP"]
    assert made[0][1].decode().isprintable()  # neither a second line nor an escape for the terminal
    assert len(made) == 5 + len(fields)


@given(name=st.from_regex("[A-Z][A-Z0-9_]{0,63}", fullmatch=True), value=st.text())
def test_a_field_is_read_as_it_was_written(name, value):
    """Values of several lines included."""
    assert read_entry(field(name, value)) == [(name, value.encode())]


@example(text="a\nB=c", key="x")
@given(
    text=st.text(st.characters(exclude_characters="+@", exclude_categories=["Cs"])),
    key=st.from_regex("[a-z_]{1,20}", fullmatch=True),
)
def test_texts_come_out_as_they_went_in(text, key):
    """Both ways of making an entry leave a text alone."""
    for more in ({}, {"why": ["x"]}):
        fields = dict(read_entry(entry("info", "call.ended", {"a" + key: text, **more}, time.time_ns()).payload))
        assert fields[field_name("a" + key)] == text.encode()


@example(key="x" * 100)
@given(key=st.text(st.characters(), min_size=1))
def test_every_key_has_a_name_that_the_journal_takes(key):
    """A-Z, 0-9 and _ only, not begun with _, at most 64: systemd.journal-fields(7)."""
    assert re.fullmatch(r"DIALERD_[A-Z0-9_]{1,56}", field_name(key))


@given(before=st.text(max_size=3), number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
@example(before="to", number="+447111000001")
def test_no_number_gets_through(before, number):
    """Both ways of making an entry mask what stands within a text."""
    for more in ({}, {"why": ["x"]}):
        fields = {"number": "+447111000001", "detail": before + number, **more}
        assert number.encode() not in entry("info", "call.ended", fields, time.time_ns()).payload


def test_an_entry_too_long_for_a_datagram_arrives(journal):
    """It goes as a sealed file in memory; the message shows the beginning of each value only."""
    detail = "x" * (20 << 20)
    structlog.get_logger().error("report.deferred", error=detail)
    got = journal.take()
    assert got["DIALERD_ERROR"] == detail
    assert len(got["MESSAGE"]) < 1000
    assert stderr(journal) == []


def test_a_journal_that_does_not_read_does_not_stop_the_daemon(journal):
    """Entries wait in memory, and all come in order once it reads again."""
    log = structlog.get_logger()
    done = threading.Event()

    def talk() -> None:
        for index in range(2_000):
            log.info("call.ended", index=index)
        done.set()

    threading.Thread(target=talk, daemon=True).start()
    assert done.wait(PATIENCE_S / 2), "logging waits for the journal"
    assert [journal.take()["DIALERD_INDEX"] for _ in range(2_000)] == [str(index) for index in range(2_000)]
    assert stderr(journal) == []


def test_entries_without_room_are_counted_and_told(journal, monkeypatch):
    """The journal itself says afterwards how many it did not get; warnings had room when info had none."""
    monkeypatch.setattr(outlet, "MOST_WAITING", 20)
    log = structlog.get_logger()
    for index in range(2_000):
        log.info("call.ended", index=index)
    log.warning("trunk.slow")
    got = []
    while not got or got[-1]["DIALERD_EVENT"] != "log.lines_dropped":
        got.append(journal.take())
    assert got[-2]["DIALERD_EVENT"] == "trunk.slow"
    assert int(got[-1]["DIALERD_LINES"]) == 2_000 - (len(got) - 2)
    assert got[-1]["PRIORITY"] == "3"
    assert got[-1]["DIALERD_REMEDY"]


def test_without_a_journal_lines_go_to_stderr_until_it_is_back(journal):
    """A restart of the journal loses nothing; on stderr the level stands where its stream looks for it."""
    log = structlog.get_logger()
    log.info("call.ended", index=0)
    journal.take()
    journal.stop()
    log.warning("call.ended", index=1, number="+447111000001")
    (line,) = stderr(journal)
    assert line.startswith("<4>{")
    assert json.loads(line[3:])["index"] == 1
    assert "7111000001" not in line
    journal.start()
    log.info("call.ended", index=2)
    assert journal.take()["DIALERD_INDEX"] == "2"
    assert len(stderr(journal)) == 1


def test_what_waited_for_a_journal_that_went_goes_to_stderr(journal):
    """In order, and all of it."""
    log = structlog.get_logger()
    for index in range(1_000):
        log.info("call.ended", index=index)
    taken = int(journal.take()["DIALERD_INDEX"])
    assert taken == 0
    journal.stop()
    flush()
    kept = [json.loads(line[3:])["index"] for line in stderr(journal)]
    assert kept
    assert kept == list(range(kept[0], 1_000))  # what lay in the socket went with it


@pytest.mark.parametrize("named", ["", "1:2", "nonsense", None])
def test_a_stderr_that_is_not_the_journal_gets_json(tmp_path, monkeypatch, named):
    """$JOURNAL_STREAM may be there though stderr was led elsewhere."""
    if named is None:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    else:
        monkeypatch.setenv("JOURNAL_STREAM", named)
    made = Journal(tmp_path / "socket")
    with (tmp_path / "stderr").open("w") as stream:
        logging.configure("info", stream=stream, journal=made.path)
        structlog.get_logger().info("call.ended")
    assert json.loads(stderr(made)[0])["event"] == "call.ended"
    made.stop()
