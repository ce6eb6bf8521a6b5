"""What is said to the service manager, over a real socket: its form, its order, and that nothing can go wrong by it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from manager import Listener

from dialerd.daemon.systemd import Manager


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A manager that listens."""
    listener = Listener.below(tmp_path)
    yield listener
    listener.close()


def test_ready_comes_with_its_status(listener):
    """One message, so that no status of the start is shown once it is over."""
    Manager(listener.address).ready("at work")
    assert listener.heard() == [["READY=1", "STATUS=at work"]]


def test_an_abstract_address_is_reached():
    """An address that begins with @ lies in the abstract namespace: sd_notify(3)."""
    listener = Listener(f"@dialerd-test-{os.getpid()}")
    Manager(listener.address).alive()
    assert listener.heard() == [["WATCHDOG=1"]]
    listener.close()


def test_a_reload_is_dated(listener):
    """The instant is that of CLOCK_MONOTONIC in microseconds; the end of a reload is a READY of its own."""
    before = time.monotonic_ns() // 1_000
    manager = Manager(listener.address)
    manager.reloading()
    manager.ready("reloaded")
    (reloading, instant), ready = listener.heard()
    assert reloading == "RELOADING=1"
    assert before <= int(instant.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1_000
    assert ready == ["READY=1", "STATUS=reloaded"]


def test_a_status_is_told_when_it_has_changed(listener):
    """The same words are told once, in one line, and not at endless length."""
    manager = Manager(listener.address)
    manager.ready("12 calls")
    manager.status("12 calls")
    manager.status("13 calls")
    manager.status("13 calls")
    manager.status("two\nlines\nREADY=1")
    manager.status("x" * 5_000)
    assert listener.heard() == [
        ["READY=1", "STATUS=12 calls"],
        ["STATUS=13 calls"],
        ["STATUS=two lines READY=1"],
        ["STATUS=" + "x" * 400],
    ]


def test_time_is_asked_for_each_time(listener):
    """While a start or a stop goes on each look asks for more time, with the status where that has changed."""
    manager = Manager(listener.address)
    manager.stopping("draining")
    manager.status("draining", extend_s=30)
    manager.status("2 calls left", extend_s=30)
    assert listener.heard() == [
        ["STOPPING=1", "STATUS=draining"],
        ["EXTEND_TIMEOUT_USEC=30000000"],
        ["STATUS=2 calls left", "EXTEND_TIMEOUT_USEC=30000000"],
    ]


def test_what_must_arrive_is_kept_while_the_queue_is_full(listener):
    """A manager that is busy gets it later, in order and before anything else; nobody waits for it meanwhile."""
    manager = Manager(listener.address)
    for _ in range(10_000):  # net.unix.max_dgram_qlen is far below
        manager.alive()
    manager.reloading()
    manager.ready("late")
    manager.status("lost")
    full = listener.heard()
    assert {line for message in full for line in message} == {"WATCHDOG=1"}
    assert len(full) < 10_000
    manager.status("lost")  # it did not arrive, so it is told again
    assert [message[-1].split("=")[0:2][0] for message in listener.heard()] == ["MONOTONIC_USEC", "STATUS", "STATUS"]
    manager.status("lost")
    assert listener.heard() == []


def test_without_a_manager_nothing_happens():
    """Outside systemd there is nobody to be told."""
    manager = Manager.from_environment({})
    assert not manager.listens
    assert manager.watchdog_s is None
    manager.ready("x")
    manager.status("y", extend_s=1)
    manager.alive()


@pytest.mark.parametrize(
    "address", ["/nowhere/notify", "relative", "@nobody-listens", "vsock:2:1", "/" + "x" * 200, "/a\0b"]
)
def test_a_manager_that_cannot_be_reached_harms_nobody(address, logged):
    """The log tells it once, with the remedy."""
    manager = Manager(address)
    manager.ready("x")
    manager.alive()
    manager.stopping("y")
    assert [entry["event"] for entry in logged] == ["manager.not_reached"]
    assert "NotifyAccess" in logged[0]["remedy"]


def test_its_variables_are_taken_out_of_the_environment():
    """Processes that the daemon starts must not speak for it."""
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid()), "PATH": "/bin"}
    manager = Manager.from_environment(environment)
    assert environment == {"PATH": "/bin"}
    assert manager.listens
    assert manager.watchdog_s == 10


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [("2000000", None, 2.0), ("2000000", "1", None), ("0", None, None), ("soon", None, None), ("-5", None, None)],
)
def test_a_watchdog_for_another_process_is_not_ours(usec, pid, expected):
    """sd_watchdog_enabled(3): the id, where it is given, must be that of this process."""
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec} | ({"WATCHDOG_PID": pid} if pid else {})
    assert Manager.from_environment(environment).watchdog_s == expected
