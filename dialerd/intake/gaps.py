"""Gaps: variables that an agent speaks and recipients lack, counted over the rows of a list and told once a variable.

It is a warning and no fault, since settings may change until somebody is dialled. Knows nothing of who speaks.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import evolve

from dialerd.intake.resolve import Resolved
from dialerd.model.errors import Fault
from dialerd.model.settings import Settings
from dialerd.model.wording import shown
from dialerd.plugin.facts import OWN_FACTS, places_of
from dialerd.rules.routes import agent_name


class Gaps:
    """Counts who lacks what.

    Args:
        agent: name of the agent that speaks.
        names: the variables that it speaks.
        general: the campaign's own variables, which a recipient's replace.
    """

    def __init__(self, agent: str, names: frozenset[str], general: Mapping[str, Any]) -> None:
        self._agent = agent
        self._general = {name: general.get(name) for name in sorted(names)}
        self._counts: dict[str, int] = {}
        self._first: dict[str, Fault] = {}

    def look(
        self,
        prompt: str | None,
        variables: Mapping[str, Any] | None,
        place: Callable[[], Fault],
    ) -> None:
        """Count one recipient, if it lacks anything; null is as good as nothing.

        Args:
            prompt: its own prompt, which is spoken as `{prompt}`, or None.
            variables: its own.
            place: tells where it stands; asked for the first one alone.
        """
        own = variables or {}
        for name, general in self._general.items():
            if own.get(name, general) is None and (prompt is None or name != "prompt"):
                if name not in self._first:
                    self._first[name] = place()
                self._counts[name] = self._counts.get(name, 0) + 1

    def warnings(self) -> Iterator[Fault]:
        """Yield what there is to be told: a warning for each variable, at the first recipient that lacks it."""
        for name, first in self._first.items():
            others = self._counts[name] - 1
            also = f" (so do {others:,} after it)" if others else ""
            message = (
                f"lacks the variable {shown(name)}{also}, which the agent {shown(self._agent)} speaks; no such call "
                "can be placed: give it to the recipients or to the campaign, or take it out of the agent's text"
            )
            yield evolve(first, message=message)


def gaps_of(resolved: Resolved, settings: Settings) -> Gaps | None:
    """Return what counts the gaps of a campaign's recipients; None = there can be none.

    Args:
        resolved: what is known of the campaign.
        settings: those in force.
    """
    if resolved.new is None or (name := agent_name(resolved.new.spec.agent, settings)) is None:
        return None
    spec = resolved.new.spec
    names = places_of(settings.agents[name]) - OWN_FACTS
    if spec.prompt is not None:
        names -= {"prompt"}
    return Gaps(name, names, spec.variables) if names else None
