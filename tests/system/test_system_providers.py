"""Provider plugins that block, end the program or never come back, in the real daemon."""

import os
import signal
import time

import pytest
from audit import audit
from odd_carrier import BLOCKED_S, install
from place import number, people, until

pytestmark = pytest.mark.system

COUNT = 60


@pytest.fixture
def odd(place, monkeypatch):
    """Return a place whose trunk is a third party's."""
    install(place.root / "plugins")
    known = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place.root / "plugins"), *known]))
    place.configure(
        daemon={"max_concurrent": 20, "drain": "0s"},
        trunks={"sim": {"provider": "odd", "max_concurrent": 20, "options": {"talk_time": "1s"}}},
    )
    return place


def begin(odd, **ways):
    """Start the daemon and have everybody dialled, with calls that do as `ways` says by the number's index."""
    for index, way in ways.items():
        (odd.root / number(int(index.removeprefix("_")))).write_text(way)
    odd.start()
    odd.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, COUNT)})


def all_once(odd):
    """Look that everybody was rung exactly once, and that the tables say so too."""
    odd.until_reported("c")
    assert sorted(line["number"] for line in odd.ledger()) == [number(index) for index in range(COUNT)]
    assert audit(odd, max_attempts=1) == {"succeeded": COUNT}


def test_a_plugin_that_blocks_is_named_and_everybody_is_dialled_once(odd):
    """While others' calls are on, one call stops the loop: the log names file, line and function, and it goes on."""
    begin(odd, _25="blocks")
    blocked = odd.until_logged("loop.blocked")
    assert f"{odd.root}/plugins/odd_carrier.py:" in blocked["at"]
    assert blocked["at"].endswith(" in place")
    assert blocked["remedy"]
    assert odd.until_logged("loop.unblocked")["blocked_s"] > BLOCKED_S / 2
    all_once(odd)
    assert len(odd.logged("loop.blocked")) == 1
    assert not odd.logged("process.was_stopped")
    assert odd.stop() == 0


def test_a_plugin_that_ends_the_program_costs_one_call(odd):
    """`sys.exit` in a call that had left: the provider is asked, and on its proof the person is dialled, once."""
    begin(odd, _3="exits", _33="exits")
    all_once(odd)
    (broke,) = odd.logged("provider.broke")
    assert (broke["trunk"], broke["error"]) == ("sim", "SystemExit: 3")
    assert broke["remedy"]
    assert odd.count("SELECT count(*) FROM attempts WHERE refunded") == 2
    assert odd.stop() == 0


def test_a_plugin_that_never_comes_back_does_not_hold_a_stop_up_for_ever(odd):
    """Nothing can cancel a thread: once all else is stored the daemon goes, and the next life asks about that call."""
    begin(odd, _5="hangs in a thread")
    until(
        lambda: odd.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 1, "one call is left", every_s=0.2
    )
    assert odd.stop() == 0
    (held_up,) = odd.logged("stop.held_up")
    assert any("odd_carrier.py" in at for at in held_up["at"])
    assert odd.logged("daemon.stopped")
    assert odd.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 1
    odd.start()
    all_once(odd)
    assert odd.stop() == 0


def test_a_process_that_was_stopped_says_so_and_blames_nobody(odd):
    """SIGSTOP for some seconds with calls up: the log tells the gap, and no plugin is accused."""
    begin(odd)
    until(lambda: len(odd.ledger()) >= 20, "calls are up")
    odd.signal(signal.SIGSTOP)
    time.sleep(6)
    odd.signal(signal.SIGCONT)
    assert odd.until_logged("process.was_stopped")["seconds"] > 3
    all_once(odd)
    assert not odd.logged("loop.blocked")
    assert odd.stop() == 0
