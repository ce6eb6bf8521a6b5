"""What an agent is told about one call: the recipient's variables, and what the call itself is.

Every provider tells the same, whether it fills the places of a text with it or passes it on to a stream or a URL.
"""

from typing import Any, Final

from dialerd.model.settings import AgentSettings
from dialerd.plugin.provider import CallOrder
from dialerd.rules.templates import places

OWN_FACTS: Final = frozenset({"call_id", "campaign", "number"})
"""What every call tells of itself, whatever its recipient's variables are."""


def facts_of(order: CallOrder) -> dict[str, Any]:
    """Return what an agent may be told, by name; plain JSON data without nulls.

    `call_id`, `campaign` and `number` are the call's own, and so is `prompt` where there is one: variables of these
    names give way.

    Args:
        order: the call.
    """
    facts = {name: value for name, value in order.variables.items() if value is not None}
    facts.update(call_id=order.attempt_id, campaign=order.campaign, number=order.number)
    if order.prompt is not None:
        facts["prompt"] = order.prompt
    return facts


def places_of(agent: AgentSettings) -> frozenset[str]:
    """Return the names of the facts that an agent speaks or presses: the places of all its texts.

    Args:
        agent: the agent.

    Raises:
        BadTemplate: a text has braces that are no place.
    """
    texts = (agent.press, agent.say, agent.opt_out_say, *(choice.say for choice in agent.menu.values()))
    return frozenset().union(*(places(text) for text in texts if text is not None))
