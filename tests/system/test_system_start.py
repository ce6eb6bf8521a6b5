"""What keeps the daemon from starting is said before anybody is dialled, in a sentence."""

import signal
import subprocess
import time

import pytest
import tomli_w
from place import CALLER_ID, Place, command, people, settings

pytestmark = pytest.mark.system


def refused(place: Place) -> str:
    """Start the daemon, see it refuse, and return what it says."""
    said = subprocess.run(
        command("run", "--config", place.config),
        cwd=place.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    return said.stderr


def test_a_spool_that_cannot_be_used_is_refused_before_anybody_is_dialled(place):
    """The queue of a former life stays untouched until the spool is mended."""
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 50), "start": "2099-01-01"})
    place.until_in("accepted", "c.json")
    assert place.stop() == 0
    incoming = place.spool / "incoming"
    incoming.rmdir()
    incoming.write_text("no directory")
    assert "incoming" in refused(place)
    assert place.ledger() == []


@pytest.mark.parametrize("shared", ["spool", "database"])
def test_two_daemons_share_neither_spool_nor_database(place, tmp_path_factory, shared):
    """The second one says who works there."""
    place.start()
    other = Place(tmp_path_factory.mktemp("other"))
    tables = {"numbers": {CALLER_ID: {"trunk": "sim"}}}
    if shared == "spool":
        tables["daemon"] = {"spool_dir": str(place.spool)}
    else:
        tables["store"] = {"url": f"sqlite:///{place.root / 'state' / 'dialerd.db'}"}
    other.config.write_text(tomli_w.dumps(settings(**tables)))
    said = refused(other)
    assert f"pid {place.process.pid}" in said
    assert place.stop() == 0


@pytest.mark.parametrize("pause_s", [0.0, 0.005, 0.01, 0.02, 0.04])
def test_a_reload_just_before_a_stop_does_not_disturb_it(place, pause_s):
    """However close the two come, the daemon stops in order."""
    place.start()
    place.signal(signal.SIGHUP)
    time.sleep(pause_s)
    place.signal(signal.SIGHUP)
    assert place.stop() == 0
    assert place.logged("daemon.stopped")
