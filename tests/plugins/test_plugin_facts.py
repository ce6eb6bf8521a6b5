"""What an agent is told of a call."""

from dialerd.model.settings import AgentSettings
from dialerd.plugin.facts import facts_of
from dialerd.plugin.provider import CallOrder


def order(**changes) -> CallOrder:
    """Return an order of the attempt `a1`."""
    wanted = {"trunk": "lab", "number": "+447111000001", "caller_id": "+12125550123", "agent_name": "a"}
    return CallOrder(attempt_id="a1", agent=AgentSettings(say="x"), campaign="spring", **wanted, **changes)


def test_the_calls_own_facts_win_over_variables_of_their_names():
    """A list of recipients cannot make a call pass for another."""
    told = facts_of(
        order(prompt="Be kind.", variables={"call_id": "x", "prompt": "y", "number": 1, "campaign": 2, "a": 3})
    )
    own = {"call_id": "a1", "campaign": "spring", "number": "+447111000001", "prompt": "Be kind."}
    assert told == {"a": 3, **own}


def test_nulls_are_not_told():
    """Neither a null variable nor a prompt that is not given; then a variable may be called so."""
    assert "a" not in facts_of(order(variables={"a": None, "b": False}))
    assert facts_of(order(variables={"b": False}))["b"] is False
    assert "prompt" not in facts_of(order())
    assert facts_of(order(variables={"prompt": "mine"}))["prompt"] == "mine"
