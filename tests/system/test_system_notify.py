"""What the running daemon tells its service manager, heard on the socket that NOTIFY_SOCKET names."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from manager import Listener
from place import Place, people, until

pytestmark = pytest.mark.system


@define(eq=False)
class Ear:
    """Keeps everything that was heard.

    Args:
        listener: where it is heard.
        messages: in order, as fields.
    """

    listener: Listener
    messages: list[dict[str, str]] = field(factory=list)

    def until(self, **wanted: str) -> dict[str, str]:
        """Wait for a message with these fields, the text anywhere in them; forget what came before it."""

        def look() -> dict[str, str] | None:
            self.messages += [dict(line.split("=", 1) for line in lines) for lines in self.listener.heard()]
            while self.messages:
                message = self.messages.pop(0)
                if all(text in message.get(name, "") for name, text in wanted.items()):
                    return message
                assert "READY" not in message, f"{message} came instead of {wanted}"
            return None

        found: dict[str, str] = until(look, f"the manager hears {wanted}")
        return found

    def count(self, seconds: float, **wanted: str) -> int:
        """Return how many messages with exactly these fields come in that time."""
        self.messages.clear()
        deadline = time.monotonic() + seconds
        found = 0
        while time.monotonic() < deadline:
            time.sleep(0.05)  # the queue holds a few
            found += self.listener.heard().count([f"{name}={text}" for name, text in wanted.items()])
        return found


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    """A manager that hears the daemons of this test, and lets its watchdog wait for two seconds."""
    listener = Listener.below(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    yield Ear(listener)
    listener.close()


def busy(place: Place, talk: str, **tables: Any) -> None:
    """Write settings of ten lines with calls that long."""
    place.configure(daemon={"max_concurrent": 10, **tables}, trunks={"sim": {"options": {"talk_time": talk}}})


def test_a_whole_life(place, ear):
    """Starting, ready, figures, signs of life, reloads good and bad, stopping, and more time for a long drain."""
    busy(place, "3s")
    place.start(wait=False)
    assert int(ear.until(STATUS="starting")["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    assert ear.until(READY="1")["STATUS"] == "0 of 10 lines in use; no campaign"
    assert place.logged("daemon.started") or place.until_logged("daemon.started")
    assert 3 <= ear.count(2.0, WATCHDOG="1") <= 6
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 40)})
    ear.until(STATUS="10 of 10 lines in use")
    place.note_children()
    (worker,) = place.children
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in environment
    assert b"WATCHDOG" not in environment
    busy(place, "3s", max_concurrent=20)
    place.signal(signal.SIGHUP)
    assert ear.until(RELOADING="1").keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert "of 20 lines" in ear.until(READY="1")["STATUS"]
    place.config.write_text("[daemon]\nmax_concurent = 3\n")
    place.signal(signal.SIGHUP)
    ear.until(RELOADING="1")
    refused = ear.until(READY="1")["STATUS"]
    assert "refused, see the journal; " in refused
    assert "of 20 lines" in refused
    place.signal(signal.SIGTERM)
    assert ear.until(STOPPING="1")["STATUS"].startswith("draining: ")
    assert int(ear.until(EXTEND_TIMEOUT_USEC="0")["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    ear.until(WATCHDOG="1")
    assert place.process is not None
    assert place.process.wait(30) == 0


def test_a_second_stop_says_so(place, ear):
    """The status follows from waiting for calls to hanging them up."""
    busy(place, "10m", drain="30m")
    place.start()
    ear.until(READY="1")
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 10)})
    until(lambda: len(place.ledger()) == 10, "10 calls are up")
    place.signal(signal.SIGTERM)
    assert ear.until(STOPPING="1")["STATUS"] == "draining: 10 calls left, hung up in 30 min at most"
    assert place.stop() == 0


def test_nobody_listens(place, monkeypatch):
    """A manager that is gone costs nothing but a line of the log."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(place.root / "nobody"))
    place.start()
    assert place.stop() == 0
    assert len(place.logged("manager.not_reached")) == 1


def test_a_stuck_daemon_tells_where_it_stands(place):
    """The watchdog's SIGABRT leaves the stack of every thread."""
    place.start()
    place.signal(signal.SIGABRT)
    assert place.process is not None
    assert place.process.wait(30) == -signal.SIGABRT
    told = place.log_path().read_text()
    assert "Fatal Python error: Aborted" in told
    assert told.count("(most recent call first)") >= 2
    assert "service.py" in told
