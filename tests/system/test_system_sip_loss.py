"""The daemon to a scripted callee that loses every seventh message, each way: every call ends, and ends definitely."""

import pytest
from sip_town import Behaviour, Callee, Town

pytestmark = pytest.mark.system

CALLS = 200


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak), pytest.param(3, marks=pytest.mark.soak)])
def test_fifteen_in_a_hundred_are_lost_each_way(tmp_path, seed):
    """200 calls, of which some are answered, some busy, some hang up themselves: none is uncertain, none came twice."""
    with Town(tmp_path) as town:
        kinds = [Behaviour(ring_s=0.5), Behaviour(ring_s=0.5, status=486), Behaviour(ring_s=0.5, talk_s=0.2)]
        numbers = town.numbers("lossy", CALLS)
        town.far = Callee({number: kinds[index % 3] for index, number in enumerate(numbers)}, loss=0.15)
        town.far.wire.chance.seed(seed)
        town.trunk("lossy", town.callee(town.far), lines=CALLS)
        town.start()
        town.drop("lossy", count=CALLS, ring_timeout="60s")
        calls = town.calls("lossy")
        outcomes = {call["number"]: call["outcome"] for call in calls if call["refunded"] == "false"}
        assert outcomes == {number: "busy" if index % 3 == 1 else "answered" for index, number in enumerate(numbers)}
        assert len(calls) == CALLS, "somebody was dialled again"
        came = [call.number.lstrip("+") for call in town.far.calls.values()]
        assert sorted(came) == sorted(number.lstrip("+") for number in numbers)
        assert town.far.wire.counts["lost"] > CALLS / 2
        town.until_free()
        assert town.place.stop() == 0
        assert not town.far.alive()
        assert not town.far.faults
