"""Carriers' callbacks and the real daemon: answered from the first call to the last, whoever besieges the port."""

import os
import signal
import socket

import httpx
import pytest
from called_carrier import install
from hostile import attacked, normal
from place import people, until
from ports import free_port

pytestmark = pytest.mark.system

PUBLIC = "https://www.example.com/dialer"
SECRET = "To=%2B447111000001&Digits=9876"


@pytest.fixture
def called(place, monkeypatch):
    """Return a place whose trunk's carrier sends requests, and the port at which they come in."""
    install(place.root / "plugins")
    known = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place.root / "plugins"), *known]))
    port = free_port()
    configure(place, port)
    return place, port


def configure(place, port: int, url: str = PUBLIC) -> None:
    """Write settings with that port and URL, and calls that go on until they are hung up."""
    place.configure(
        api={"max_connections": 10},
        callbacks={"listen": f"127.0.0.1:{port}", "url": url, "patience": "500ms"},
        trunks={"sim": {"provider": "called", "options": {"talk_time": "1h"}}},
    )


def test_carriers_are_answered_until_the_last_call_has_ended(called):
    """At work, besieged, after a reload, and while calls drain; no line of the log holds what they sent."""
    place, port = called
    place.start()
    at = ("127.0.0.1", port)
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 3)})
    until(lambda: place.count("SELECT count(*) FROM attempts") == 3, "three calls are on")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as carrier:

        def answered() -> str:
            return carrier.post("/sim/status/a%2Fb?c=%23", content=SECRET).text

        expected = f"POST {PUBLIC}/sim/status/a%2Fb?c=%23 {len(SECRET)}"
        assert answered() == expected
        assert carrier.post("/other/status").status_code == 404
        assert carrier.post("/sim/raise", content=SECRET).status_code == 500
        for attack in ("many_connections", "slow_loris", "bad_heads", "monstrous_body"):
            with attacked(at, "/sim/status/1", attack):
                assert normal(place.root / "dialerd.sock", "/v1/status").startswith(b"HTTP/1.1 200 ")
                assert normal(at, "/sim/status/1").startswith(b"HTTP/1.1 200 ")
        figures = httpx.Client(transport=httpx.HTTPTransport(uds=str(place.root / "dialerd-ro.sock")), timeout=60)
        with figures:
            scraped = figures.get("http://localhost/metrics").text
        assert 'dialerd_callbacks_total{status="500",trunk="sim"} 1.0' in scraped
        assert 'dialerd_callbacks_total{status="404",trunk=""} 1.0' in scraped
        configure(place, port + 1, "https://elsewhere.example.com")
        place.signal(signal.SIGHUP)
        assert place.until_logged("settings.need_restart")["remedy"]
        place.until_logged("settings.reloaded")
        assert b'"need_restart":["[callbacks]"]' in normal(place.root / "dialerd.sock", "/v1/status")
        assert answered() == expected  # the provider is still told the URL that leads here
        place.signal(signal.SIGTERM)
        place.until_logged("daemon.draining")
        assert answered() == expected
        place.signal(signal.SIGTERM)  # hang up
        assert place.process.wait(30) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(at)
    assert len(place.logged("callback.failed")) == 1
    log = place.log_path().read_text()
    assert "9876" not in log
    assert "status/a" not in log
