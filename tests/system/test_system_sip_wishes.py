"""The daemon over a SIP trunk to people who press keys: menus, wishes not to be called again, and what is recorded.

And to a switchboard, for which the agent presses keys itself."""

from pathlib import Path
from typing import Any

import pytest
from needs import program
from place import number
from sip_town import BLOCK, Behaviour, Callee, Town

pytestmark = pytest.mark.system


def test_people_who_press_keys(tmp_path: Path) -> None:
    """A wish is on the do-not-call list when it is confirmed, a menu answers, and each call is in a file of its own."""
    program("espeak-ng", "espeak-ng")
    with Town(tmp_path) as town:
        record = tmp_path / "records" / "new"
        (tmp_path / "in-the-way").write_text("")
        stopped, chose, unspoken = number(0), number(1), number(2 * BLOCK)
        unkept = [number(BLOCK + each) for each in range(3)]
        desk, older_desk = number(3 * BLOCK), number(3 * BLOCK + 1)
        keys = {"hears": True, "speaks": True, "digits_after_s": 0.3}
        far = Callee(
            {
                stopped: Behaviour(digits="9", talk_s=None, **keys),
                chose: Behaviour(digits="1", talk_s=None, **keys),
                **{called: Behaviour(talk_s=None, hears=True, speaks=True) for called in unkept},
                unspoken: Behaviour(),
                desk: Behaviour(hears=True),
                older_desk: Behaviour(hears=True, events=False),
            }
        )
        place = town.callee(far)
        command = ["espeak-ng", "--stdin", "-v", "{voice}", "-w", "{file}"]
        town.trunk("keys", place, speech_command=command, record=str(record))
        town.trunk("unkept", place, speech_command=command, record=str(tmp_path / "in-the-way" / "records"))
        town.trunk("mute", place, speech_command=["no-such-program", "{file}"])
        long = "This is a long message for {campaign}, which nobody hears to its end. " * 8
        town.agent("asks", say=long, opt_out="9", opt_out_say="Never again.", menu={"1": {"say": "Very well."}})
        town.agent("mute", say="Hello.")
        town.trunk("dials", place, speech_command=command)
        town.agent("dials", play=str(tmp_path / "brief.wav"), press="w{extension}W#")
        town.start()
        town.drop("keys", count=2, agent="asks")
        town.drop("unkept", count=3)
        town.drop("mute", count=3, agent="mute")
        people = [{"phone": desk, "variables": {"extension": 204}}, {"phone": older_desk}]
        town.drop("dials", agent="dials", variables={"extension": "9*"}, recipients=people)

        ends = {call["number"]: call for call in town.calls("keys")}
        assert ends[stopped]["digits"] == "9"
        assert ends[chose]["digits"] == "1"
        assert {call["outcome"] for call in ends.values()} == {"answered"}
        assert [row["number"] for row in town.place.rows("SELECT number FROM suppressions")] == [stopped]
        assert max(far_seconds(far, called) for called in (stopped, chose)) < 15, "a key stops what is said"
        recordings = sorted(record.iterdir())
        assert len(recordings) == 2
        for recording in recordings:
            assert recording.stat().st_size > 4_000
            assert recording.stat().st_mode & 0o7 == 0, "nobody else may hear it"
        assert not [line for line in town.place.log_path().read_text().splitlines() if stopped in line]

        assert [call["outcome"] for call in town.calls("dials")] == ["answered"] * 2
        by_events, by_info = (call_of(far, called) for called in (desk, older_desk))
        assert (by_events.sound.keys, by_events.infos) == ("204#", [])
        assert [body.split()[0] for body in by_info.infos] == [b"Signal=9", b"Signal=*", b"Signal=#"]

        assert [call["outcome"] for call in town.calls("unkept")] == ["answered"] * 3
        (troubled,) = town.place.logged("media.troubled")  # not once a call
        assert "in-the-way" in troubled["reason"]
        rested = town.place.until_logged("agent.rested", 20)
        assert "no-such-program cannot be started" in rested["reason"]
        assert not far.placed(unspoken)


def far_seconds(far: Callee, called: str) -> float:
    """Return how long a call was up by the count of what was heard there."""
    return float(len(call_of(far, called).sound.payloads) * 0.02)


def call_of(far: Callee, called: str) -> Any:
    """Return the far end's side of a call."""
    (call,) = [call for call in far.calls.values() if call.number.lstrip("+") == called.lstrip("+")]
    return call
