"""What befalls a daemon with calls over a SIP trunk: its media process dies, it is stopped or reloaded, its trunk goes
away, and a second one wants its address."""

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from place import Place, number, people, until
from sip_trunk import bind_of, configure

sys.path.append(str(Path(__file__).parents[1] / "sip"))
from callee import Behaviour, Callee
from callee_thread import serving

pytestmark = pytest.mark.system

RINGS, TALKS = Behaviour(ring_s=math.inf), Behaviour(rings=0)


@contextmanager
def daemon(place: Place, *behaviours: Behaviour, **options: object) -> Iterator[Callee]:
    """Start a daemon, and a campaign that calls a phone of each behaviour."""
    callee = Callee({number(index): behaviour for index, behaviour in enumerate(behaviours)})
    with serving(callee) as at:
        place.root.joinpath("server").write_text(at)
        write(place, **options)
        place.start()
        drop(place, "c", len(behaviours))
        yield callee


def write(place: Place, *, drain: str = "10s", sound_s: float = 60, **options: object) -> None:
    """Write the settings anew."""
    server = place.root.joinpath("server").read_text()
    configure(place, server, lines=10, sound_s=sound_s, credentials=False, **{"options_interval": "1s", **options})
    text = place.config.read_text()
    place.config.write_text(text.replace("[daemon]\n", f'[daemon]\ndrain = "{drain}"\n'))


def drop(place: Place, name: str, count: int) -> None:
    """Call that many phones, each once."""
    retry = {"max_attempts": 1}
    document = {"name": name, "agent": "reminder", "retry": retry, "recipients": people(0, count)}
    place.drop(f"{name}.json", document)


def states(callee: Callee) -> list[str]:
    """Return the states of all calls at the far end."""
    return sorted(call.state for call in list(callee.calls.values()))


def media_process(place: Place) -> int:
    """Return the id of the media process."""
    assert place.process is not None
    for children in Path(f"/proc/{place.process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if b"dialerd_sip" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("there is no media process")


def test_the_media_process_dies(place):
    """The calls whose sound is gone are ended, and the next ones are heard again."""
    with daemon(place, TALKS, RINGS, TALKS) as callee:
        until(lambda: states(callee) == ["ringing", "up", "up"], "calls are there")
        os.kill(media_process(place), signal.SIGKILL)
        place.until_reported("c")
        assert not callee.alive()
        causes = [row["cause"] or "" for row in place.rows("SELECT cause FROM attempts")]
        assert all("our sound failed" in cause for cause in causes), causes
        drop(place, "d", 1)
        until(lambda: len(callee.alive()) == 1, "the next call is up")
        assert media_process(place)
        assert place.alive()


def test_a_stop_hangs_up_on_whoever_is_left(place):
    """SIGTERM waits for calls for as long as `drain` says; then nobody rings or is up."""
    with daemon(place, TALKS, RINGS, TALKS, RINGS, drain="1s") as callee:
        until(lambda: states(callee) == ["ringing", "ringing", "up", "up"], "calls are there")
        began = time.monotonic()
        assert place.stop() == 0
        assert time.monotonic() - began < 15
        assert not callee.alive()
        assert place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0
    assert not callee.faults


def test_a_reload_keeps_the_calls_of_the_former_settings(place):
    """The trunk with other options shares the address with the one that still has calls."""
    with daemon(place, Behaviour(rings=0, talk_s=6), RINGS) as callee:
        until(lambda: states(callee) == ["ringing", "up"], "calls are there")
        write(place, from_display="Anew")
        place.signal(signal.SIGHUP)
        until(lambda: len(place.logged("sip.entered")) == 2, "the trunk is entered anew")
        assert states(callee) == ["ringing", "up"]
        callee.behaviours[number(2)] = TALKS
        drop(place, "d", 3)
        until(lambda: len(callee.calls) == 3, "a further call is there")
        talker = next(call for call in list(callee.calls.values()) if call.number == number(0))
        until(lambda: talker.state not in ("ringing", "up"), "the callee has hung up")
        ended = "SELECT outcome FROM attempts WHERE number = ? AND ended_at IS NOT NULL"
        until(lambda: [row[0] for row in place.rows(ended, number(0))][:1] == ["answered"], "that was heard")


def test_a_trunk_goes_away_and_comes_back(place):
    """Its campaigns wait, nothing is lost, and they go on by themselves."""
    quick = Behaviour(rings=0, talk_s=0.1)
    with daemon(place, *[quick] * 3, sound_s=1) as callee:
        place.until_reported("c")
        callee.wire.deaf = True
        place.until_logged("sip.target_lost")
        callee.behaviours.update({number(index): quick for index in range(3, 6)})
        place.drop("d.json", {"name": "d", "agent": "reminder", "recipients": people(3, 3)})
        until(lambda: place.logged("campaign.running")[1:], "the next campaign runs")
        time.sleep(2)
        assert len(callee.calls) == 3
        callee.wire.deaf = False
        place.until_reported("d")
        finals = [row["final"] for row in place.rows("SELECT final FROM recipients")]
        assert finals == ["succeeded"] * 6
        assert all(callee.placed(number(index)) == 1 for index in range(6))


def test_two_daemons_want_one_address(place, tmp_path):
    """The second one's trunk is not up, and its log says what to do."""
    with daemon(place):
        other = Place(tmp_path / "other")
        other.root.mkdir()
        other.root.joinpath("server").write_text(place.root.joinpath("server").read_text())
        write(other, bind=bind_of(place))
        try:
            other.start()
            failed = other.until_logged("trunk.failed")
            assert "bind" in failed["error"]
            assert bind_of(place).partition(":")[2] in failed["error"]
        finally:
            other.end()
