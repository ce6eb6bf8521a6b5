"""Whose agent and number a batch of Nixflex names: to be configured here is to be owned.

Knows nothing of requests.
"""

from collections.abc import Iterator

from dialerd.model.errors import Fault
from dialerd.model.settings import Settings
from dialerd.model.wording import hint, shown
from dialerd.rules.routes import agent_name, known_number


def not_owned(agent: str | None, number: str | None, settings: Settings) -> Iterator[Fault]:
    """Yield what is not owned; each message begins with the system's code.

    Args:
        agent: `agent_id`; None is passed over.
        number: `from_number`; None is passed over.
        settings: by which both are known.
    """
    if agent is not None and agent_name(agent, settings) is None:
        known = [*settings.agents, *(entry.id for entry in settings.agents.values() if entry.id is not None)]
        yield Fault("agent_id", f"agent_not_owned: {shown(agent)} is not a configured agent{hint(agent, known)}")
    if number is not None and known_number(number, settings) is None:
        near = hint(number, settings.numbers)
        yield Fault("from_number", f"from_number_not_owned: {shown(number)} is not a configured number{near}")
