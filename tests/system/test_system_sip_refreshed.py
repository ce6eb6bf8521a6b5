"""The daemon with calls that outlast a session timer: RFC 4028 knows none below 90 s, so that this takes its time."""

import pytest
from needs import program
from place import until
from sip_town import Behaviour, Callee, Town, chirp
from sipp_peer import Sipp

pytestmark = [pytest.mark.system, pytest.mark.soak]

EACH = 2


def test_sessions_are_refreshed_or_end(tmp_path):
    """We refresh at half where that is ours to do; where it is the far end's, and it does not, we hang up in time."""
    program("sipp", "sip-tester")
    with Town(tmp_path) as town:
        ours = town.enter(Sipp("refresh", town.folder("ours")))
        town.trunk("ours", ours.place, session_expires="90s", silence_timeout="0s")
        numbers = town.numbers("theirs", EACH)
        lazy = Behaviour(session_expires=90, refresher="uas")
        town.far = Callee(dict.fromkeys(numbers, lazy))
        town.trunk("theirs", town.callee(town.far), session_expires="90s", silence_timeout="0s")
        town.agent("endless", play=str(chirp(tmp_path / "endless.wav", 100.0)))
        town.start()
        town.drop("ours", count=EACH, agent="endless")
        town.drop("theirs", count=EACH, agent="endless")
        until(lambda: len(ours.lines("refreshed")) == EACH, "the refreshes", 60)
        town.place.until_reported("ours", "theirs", patience_s=120)
        for call in town.calls("ours"):
            assert (call["outcome"], call["detail"]["ended_why"]) == ("answered", "agent")
            assert 99 < float(call["talk_s"]) < 105
        assert len(ours.lines("refreshed")) == 2 * EACH
        for call in town.calls("theirs"):
            assert (call["outcome"], call["detail"]["ended_why"]) == ("answered", "session_expired")
            assert 50 < float(call["talk_s"]) < 80
        until(lambda: not ours.open(), "the end of all calls at the far end")
        assert not ours.trouble()
        town.until_free()
        assert town.place.stop() == 0
        assert not town.far.alive()
