"""What signals do to the running daemon, and what becomes of a second one."""

import signal
import subprocess
import time
from collections import Counter
from random import Random

import pytest
from audit import audit, instant
from place import CALLER_ID, Place, command, people, until

pytestmark = pytest.mark.system


def now_ms() -> int:
    """Return the present instant."""
    return time.time_ns() // 1_000_000


def busy(place: Place, count: int, talk: str, **more: object) -> None:
    """Start a daemon and have `count` people dialled, 20 at once, with calls of `talk`."""
    place.configure(
        daemon={"max_concurrent": 20}, trunks={"sim": {"max_concurrent": 20, "options": {"talk_time": talk}}}
    )
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, count), **more})
    until(lambda: len(place.ledger()) >= 20, "20 calls are up")


def open_attempts(place: Place) -> int:
    """Return how many attempts have no end."""
    return place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL")


def test_sigterm_lets_calls_end(place):
    """Nothing is originated after SIGTERM, calls in progress end by themselves, and the exit code is 0."""
    busy(place, 80, "1500ms")
    time.sleep(0.5)
    asked_at = now_ms()
    assert place.stop() == 0
    took_ms = now_ms() - asked_at
    assert max(instant(line["at"]) for line in place.ledger()) <= asked_at + 50  # a signal takes a moment to be heard
    assert open_attempts(place) == 0
    assert {row["outcome"] for row in place.rows("SELECT outcome FROM attempts WHERE NOT refunded")} == {"answered"}
    assert 200 < took_ms < 6_000
    assert place.log()[-1]["event"] == "daemon.stopped"
    placed = len(place.ledger())
    assert 20 <= placed < 80
    assert place.count("SELECT count(*) FROM recipients WHERE state = 'pending'") == 80 - placed
    assert place.count("SELECT count(*) FROM recipients WHERE state = 'dialing'") == 0
    place.start()
    place.until_reported("c")
    audit(place, max_attempts=1)


def test_a_second_sigterm_hangs_up(place):
    """Long calls are ended at once, and each has its end stored."""
    busy(place, 100, "10m")
    place.signal(signal.SIGTERM)
    place.until_logged("daemon.draining")
    time.sleep(0.5)
    assert place.alive()
    asked = time.monotonic()
    assert place.stop() == 0
    assert time.monotonic() - asked < 6
    assert open_attempts(place) == 0
    assert len(place.ledger()) == 20
    assert place.count("SELECT count(*) FROM attempts WHERE outcome = 'answered'") == 20  # they were answered, and cut


def test_the_drain_time_ends(place):
    """What has not ended after the drain time is hung up without a second signal."""
    place.configure(
        daemon={"max_concurrent": 20, "drain": "700ms"},
        trunks={"sim": {"options": {"ring_time": "10m", "talk_time": "0ms"}}},
    )
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "ring_timeout": "10m", "recipients": people(0, 100)})
    until(lambda: len(place.ledger()) == 20, "20 phones ring")
    asked = time.monotonic()
    assert place.stop() == 0
    assert 0.6 < time.monotonic() - asked < 8
    assert place.logged("drain.hanging_up")
    assert open_attempts(place) == 0
    assert {row["outcome"] for row in place.rows("SELECT outcome FROM attempts")} == {"cancelled"}
    assert len(place.ledger()) == 20


@pytest.mark.parametrize("twice", [False, True])
def test_who_was_cut_off_by_a_stop_is_dialled_as_the_rules_say(place, twice):
    """Whose phone only rang is tried again as after no answer; who was talked to, or has no tries left, is not."""
    weights = {"answered": 50, "no_answer": 50}
    options = {"ring_time": "0ms", "talk_time": "10m", "no_answer_time": "10m", "outcomes": weights}
    place.configure(daemon={"drain": "10m" if twice else "500ms"}, trunks={"sim": {"options": options}})
    place.start()
    retry = {"max_attempts": 2, "delay": "1s"}
    last = [person | {"max_attempts": 1} for person in people(40, 20)]
    spec = {"name": "c", "agent": "reminder", "retry": retry, "ring_timeout": "10m", "max_duration": "10m"}
    place.drop("c.json", spec | {"recipients": people(0, 40) + last})
    up = "SELECT count(*) FROM attempts WHERE state IN ('ringing', 'answered')"
    until(lambda: place.count(up) == 60, "all are rung")
    answered = {row["number"] for row in place.rows("SELECT number FROM attempts WHERE state = 'answered'")}
    assert 10 < len(answered) < 50
    if twice:
        place.signal(signal.SIGTERM)
        place.until_logged("daemon.draining")
    assert place.stop() == 0
    assert open_attempts(place) == 0
    tries_left = {person["phone"] for person in people(0, 40)} - answered
    pending = place.rows("SELECT number, attempts FROM recipients WHERE state = 'pending'")
    assert {(row["number"], row["attempts"]) for row in pending} == {(number, 1) for number in tries_left}
    options |= {"talk_time": "10ms", "no_answer_time": "10ms"}
    place.configure(trunks={"sim": {"options": options}})
    place.start()
    place.until_reported("c")
    assert place.stop() == 0
    rung = Counter(line["number"] for line in place.ledger())
    assert {number for number, times in rung.items() if times == 2} == tries_left
    assert set(rung.values()) == {1, 2}
    finals = audit(place, max_attempts=2)
    assert finals.total() == 60
    assert place.count("SELECT count(*) FROM attempts WHERE outcome = 'cancelled'") == 60 - len(answered)


def test_sigterm_while_it_starts(place):
    """At whatever instant of the start, with calls of a life that was killed before: nothing is lost or done twice."""
    busy(place, 200, "300ms", retry={"max_attempts": 1})
    place.kill()
    random = Random(5)
    for _ in range(6):
        place.start(wait=False)
        time.sleep(random.uniform(0.1, 0.9))
        assert place.stop() in (0, -signal.SIGTERM)  # before it listens to signals the default ends it
    place.start()
    place.until_reported("c")
    assert place.stop() == 0
    assert audit(place, max_attempts=1) == {"succeeded": 200}


def test_sigterm_while_a_file_is_loaded(place):
    """Intake is given up; the next life takes the file whole."""
    place.start()
    lines = "".join(f"+447111{index:06},x\n" for index in range(20_000))
    place.drop("l.csv", "phone,first\n" + lines)
    place.drop("l.json", {"name": "l", "agent": "reminder", "start": "2099-01-01", "recipients_file": "l.csv"})
    until(lambda: place.count("SELECT count(*) FROM recipients") > 0, "it is being loaded", every_s=0.005)
    assert place.stop() == 0
    assert place.listing("accepted") == set()
    place.start()
    place.until_in("accepted", "l.csv", "l.json")
    assert place.count("SELECT count(*) FROM recipients") == 20_000
    assert place.count("SELECT count(*) FROM campaigns") == 1


def test_sighup_takes_new_limits(place):
    """More lines are used at once after a reload, and no call is dropped."""
    busy(place, 300, "1s")
    options = {"talk_time": "1s"}
    place.configure(daemon={"max_concurrent": 60}, trunks={"sim": {"max_concurrent": 60, "options": options}})
    place.signal(signal.SIGHUP)
    place.until_logged("settings.reloaded")
    until(lambda: open_attempts(place) > 50, "more than 50 calls at once", every_s=0.05)
    place.configure(daemon={"max_concurrent": 5}, trunks={"sim": {"max_concurrent": 60, "options": options}})
    place.signal(signal.SIGHUP)
    until(lambda: len(place.logged("settings.reloaded")) == 2, "the second reload")
    until(lambda: 0 < open_attempts(place) <= 5, "at most 5 calls at once", every_s=0.05)
    assert place.stop() == 0
    assert {row["outcome"] for row in place.rows("SELECT outcome FROM attempts WHERE NOT refunded")} == {"answered"}


def test_sighup_with_a_broken_file_changes_nothing(place):
    """The faults are logged with the remedy, the old settings stay, and dialling goes on."""
    busy(place, 120, "300ms")
    place.config.write_text("[daemon]\nmax_concurent = 3\n[trunks.sim]\nprovider = 5\n")
    place.signal(signal.SIGHUP)
    entry = place.until_logged("settings.reload_refused")
    assert "max_concurent" in entry["error"]
    assert "max_concurrent" in entry["error"]
    assert "trunks.sim.provider" in entry["error"]
    place.config.write_text("this is no TOML")
    place.signal(signal.SIGHUP)
    until(lambda: len(place.logged("settings.reload_refused")) == 2, "the second refusal")
    place.config.unlink()
    place.signal(signal.SIGHUP)
    until(lambda: len(place.logged("settings.reload_refused")) == 3, "the third refusal")
    place.until_reported("c")
    place.configure()
    assert place.stop() == 0
    audit(place, max_attempts=1)


def test_a_second_instance_is_refused(place):
    """It says which process works there and what to do, exits with 1, and disturbs nothing."""
    busy(place, 60, "200ms")
    assert place.process is not None
    second = subprocess.run(
        command("run", "--config", place.config),
        cwd=place.root,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"pid {place.process.pid}" in second.stderr
    assert "state_dir" in second.stderr
    assert "Traceback" not in second.stderr
    place.until_reported("c")
    assert place.stop() == 0
    audit(place, max_attempts=1)


def test_it_does_not_start_on_broken_settings(tmp_path):
    """Every fault is told at once, with its place and a hint, and the exit code is 1."""
    place = Place(tmp_path)
    place.configure(daemon={"max_concurrent": 0}, numbers={CALLER_ID: {"trunk": "sym"}})
    ended = subprocess.run(
        command("run", "--config", place.config), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert "daemon.max_concurrent" in ended.stderr
    assert 'there is no trunk "sym"' in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "state").exists()
