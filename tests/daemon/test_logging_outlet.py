"""Where lines go: whole and in order, into whatever stderr is, and never so that the daemon stands still for it."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog

from dialerd.daemon import logging, outlet

pytestmark = pytest.mark.usefixtures("_former_logging")

PATIENCE_S = 60.0
AT_ONCE_S = 20.0  # a write that waits for a reader waits for ever


def until(condition, what: str) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


class Pipe:
    """A pipe to log into, whose reader reads when it is told to."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.stream = os.fdopen(writer, "w")
        self.text = bytearray()

    def read_on(self) -> None:
        """Read all that comes from now on, beside the test."""

        def read() -> None:
            while piece := os.read(self.reader, 65536):
                self.text += piece

        threading.Thread(target=read, daemon=True).start()

    def events(self) -> list[dict[str, object]]:
        """Return the whole lines read so far."""
        return [json.loads(line) for line in self.text.split(b"\n")[:-1]]


@pytest.fixture
def pipe():
    """Return a pipe that is closed in the end."""
    made = Pipe()
    yield made
    made.stream.close()


def test_a_line_is_written_when_it_is_logged(pipe):
    """Nothing is gathered: what was logged survives any end of the process."""
    logging.configure("info", stream=pipe.stream)
    structlog.get_logger().info("call.ended", outcome="busy")
    os.set_blocking(pipe.reader, False)
    assert json.loads(os.read(pipe.reader, 4096))["outcome"] == "busy"


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_nobody_reads_does_not_stop_the_daemon(pipe, blocking):
    """Lines wait in memory, long ones too, and all of them come, whole and in order, once somebody reads."""
    os.set_blocking(pipe.stream.fileno(), blocking)
    logging.configure("info", stream=pipe.stream)
    log = structlog.get_logger()
    done = threading.Event()

    def talk() -> None:
        for index in range(600):
            log.info("call.ended", index=index, filling="x" * (10_000 if index % 3 == 0 else 100))
        done.set()

    threading.Thread(target=talk, daemon=True).start()
    assert done.wait(AT_ONCE_S), "logging waits for a reader"
    pipe.read_on()
    until(lambda: pipe.text.count(b"\n") == 600, "what waited is not written")
    assert [event["index"] for event in pipe.events()] == list(range(600))


def test_lines_of_several_threads_do_not_tear(pipe):
    """Each line is whole, though each is longer than what a pipe takes at once."""
    pipe.read_on()
    logging.configure("info", stream=pipe.stream)
    log = structlog.get_logger()
    threads = [
        threading.Thread(target=lambda: [log.info("call.ended", filling="x" * 9_000) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: pipe.text.count(b"\n") == 200, "lines are missing")
    assert len(pipe.events()) == 200


def test_what_finds_no_room_is_counted_and_told(pipe, monkeypatch):
    """Memory has an end: then info lines are dropped first, and the log says how many."""
    monkeypatch.setattr(outlet, "MOST_WAITING", 50)
    logging.configure("info", stream=pipe.stream)
    log = structlog.get_logger()
    for index in range(2_000):
        log.info("call.ended", index=index, filling="x" * 200)
    log.error("trunk.failed", trunk="main")
    pipe.read_on()
    until(
        lambda: pipe.text.endswith(b"\n") and pipe.events()[-1]["event"] == "log.lines_dropped",
        "nothing tells of the loss",
    )
    *events, told = pipe.events()
    assert events[-1]["event"] == "trunk.failed"
    assert 0 < told["lines"] == 2_000 - (len(events) - 1)
    assert told["remedy"]
    log.info("call.ended", index=2_000)
    until(lambda: pipe.text.endswith(b"\n") and pipe.events()[-1].get("index") == 2_000, "the way is not open again")


def test_a_reader_that_has_gone_does_not_stop_the_daemon(pipe):
    """A closed pipe is no reason to fail."""
    logging.configure("info", stream=pipe.stream)
    os.close(pipe.reader)
    structlog.get_logger().error("call.ended")
    structlog.get_logger().info("call.ended")


FULL = """
import os, resource, sys, structlog
from dialerd.daemon import logging
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
logging.configure("info")
log = structlog.get_logger()
for index in range(100):
    log.info("call.ended", index=index)
assert os.fstat(2).st_size == 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if sys.argv[1] == "more":
    log.info("call.ended", index=100)
"""


@pytest.mark.parametrize("then", ["more", "end"])
def test_a_full_disk_loses_no_line_and_tears_none(tmp_path, then):
    """A line that was cut off is completed where it was cut, by the next line or at the end of the process."""
    path = tmp_path / "log"
    with path.open("a") as log:
        subprocess.run([sys.executable, "-c", FULL, then], stderr=log, check=True, timeout=PATIENCE_S)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["index"] for event in events] == list(range(101 if then == "more" else 100))


def test_a_disk_that_stays_full_does_not_stop_the_daemon():
    """Lines that can never be written fail nobody."""
    with Path("/dev/full").open("w") as stream:
        logging.configure("info", stream=stream)
        structlog.get_logger().error("call.ended")


def test_a_closed_stderr_is_no_log():
    """A process that was started without stderr logs nowhere, and not into the next file that it opens."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from dialerd.daemon import logging as l; l.configure(); import structlog\n"
            "structlog.get_logger().error('call.ended')",
        ],
        preexec_fn=lambda: os.close(2),
        check=False,
        timeout=PATIENCE_S,
        stdout=subprocess.PIPE,
    )
    assert ended.returncode == 0
    assert ended.stdout == b""


def test_logging_into_what_was_closed_fails_nobody(tmp_path):
    """The log keeps its own hold of the file; a stream without one is let go."""
    text = io.StringIO()
    logging.configure("info", stream=text)
    log = structlog.get_logger()
    log.info("call.placed")
    text.close()
    log.info("call.ended")
    with (tmp_path / "log").open("w") as stream:
        logging.configure("info", stream=stream)
        log = structlog.get_logger()
        log.info("call.placed")
    with (tmp_path / "other").open("w"):
        log.info("call.ended")
    assert (tmp_path / "other").read_text() == ""
    assert len((tmp_path / "log").read_text().splitlines()) == 2
