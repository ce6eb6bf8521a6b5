"""Gaps: variables that an agent speaks and recipients lack, counted over the rows of a list and told once a variable.

Where the agent presses keys that are the recipient's, those that are none are counted too.

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
from dialerd.rules.keys import NoKeys, keys_in
from dialerd.rules.routes import agent_name
from dialerd.rules.templates import MissingVariable, places


class Gaps:
    """Counts who lacks what.

    Args:
        agent: name of the agent that speaks.
        names: the variables that it speaks.
        general: the campaign's own variables, which a recipient's replace.
        press: the keys that it presses, with places; None = they are the same in every call.
    """

    def __init__(self, agent: str, names: frozenset[str], general: Mapping[str, Any], press: str | None = None) -> None:
        self._agent = agent
        self._general = {name: general.get(name) for name in sorted(names)}
        self._counts: dict[str, int] = {}
        self._first: dict[str, Fault] = {}
        self._press = press
        self._variables = general
        self._keyless = 0
        self._first_keyless: tuple[Fault, NoKeys] | None = None

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
        if self._press is not None:
            self._look_at_keys(self._press, prompt, own, place)

    def _look_at_keys(self, press: str, prompt: str | None, own: Mapping[str, Any], place: Callable[[], Fault]) -> None:
        try:
            keys_in(press, {**self._variables, **own} | ({} if prompt is None else {"prompt": prompt}))
        except NoKeys as error:
            self._keyless += 1
            if self._first_keyless is None:
                self._first_keyless = place(), error
        except MissingVariable:
            return  # a gap, and counted as one

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
        if self._first_keyless is not None:
            first, error = self._first_keyless
            also = f" (so do {self._keyless - 1:,} after it)" if self._keyless > 1 else ""
            message = (
                f"fill what the agent {shown(self._agent)} presses with what is no keys{also}: it {error}; no such "
                "call can be placed: correct the recipients' variables, or what the agent presses"
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
    agent = settings.agents[name]
    names, general = places_of(agent) - OWN_FACTS, spec.variables
    press = agent.press if agent.press is not None and places(agent.press) else None
    if spec.prompt is not None:
        names -= {"prompt"}
        general = {**general, "prompt": spec.prompt}
    return Gaps(name, names, general, press) if names or press is not None else None
