"""The Twilio double as a process: what it prints, records and is told at run time."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from double_rig import CALLER_ID, NUMBER
from twilio_double import ACCOUNT, TOKEN


def test_process_records_every_call(tmp_path: Path) -> None:
    """A call whose answer is lost is in the record, and so is its end; faults and routes change at run time."""
    record = tmp_path / "calls.jsonl"
    command = [sys.executable, str(Path(__file__).with_name("double_process.py")), "--record", str(record)]
    command += ["--behaviour", '{"ring_s": 0, "outcome": "busy"}', "--faults", '{"next_creates": ["lost_response"]}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            _ask(process)
            lines = [json.loads(line) for line in record.read_text().splitlines()]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert sorted((line["what"], line["to"], line["status"]) for line in lines) == [
        ("created", NUMBER, "queued"),
        ("created", NUMBER, "queued"),
        ("ended", NUMBER, "busy"),
    ]


def _ask(process: subprocess.Popen[str]) -> None:
    """Create two calls, the first of which nobody hears of, and change the double between them."""
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    path, form = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json", {"To": NUMBER, "From": CALLER_ID, "Twiml": "<Response/>"}
    with httpx.Client(base_url=url, auth=(ACCOUNT, TOKEN), trust_env=False, timeout=60) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(path, data=form)
        changes = {"faults": {"next_creates": [[400, 21215]]}, "cps": 5, "behaviours": {NUMBER: [{"ring_s": 600}]}}
        assert http.post("/control", json=changes).status_code == 200
        assert http.post(path, data=form).json()["code"] == 21215
        assert http.post(path, data=form).status_code == 201
        assert http.post("/control", json={"faults": {"nonsense": 1}}).status_code == 400
        assert http.post("/control", json={"nonsense": 1}).status_code == 400
        until = time.monotonic() + 10
        while not (told := http.get("/control").json())["by_status"].get("busy"):
            assert time.monotonic() < until
        assert (told["calls"], told["by_number"], told["live"]) == (2, {NUMBER: 2}, 1)
        assert told["max_queued_for_s"] == 0.0
