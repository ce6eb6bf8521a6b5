"""Which caller ids a campaign may show, and which countries a trunk may ring.

Intake asks when a campaign file is read, the dispatcher for every call; both get the same answer. Knows nothing of
limits and free lines: those are the engine's.
"""

from functools import lru_cache
from typing import Final

import phonenumbers

from dialerd.model.campaign import CampaignSpec
from dialerd.model.settings import AgentSettings, Settings

WORLD: Final = "001"
"""What stands for numbers of no country (+800, +870 and the like) in a trunk's countries; the code of UN M.49 for the
world, as libphonenumber uses it."""


def agent_name(text: str, settings: Settings) -> str | None:
    """Return the name of the agent whose name or id is `text`, or None where there is none; a name comes first."""
    if text in settings.agents:
        return text
    return next((name for name, agent in settings.agents.items() if agent.id == text), None)


def known_number(text: str, settings: Settings) -> str | None:
    """Return the configured E.164 number whose number or id is `text`, or None where there is none."""
    if text in settings.numbers:
        return text
    return next((number for number, entry in settings.numbers.items() if entry.id == text), None)


def caller_ids(spec: CampaignSpec, settings: Settings) -> tuple[str, ...]:
    """Return the caller ids that a campaign may show, in order and each once.

    They are the campaign's own; where it gives none, its agent's; where that gives none, every configured number.
    Numbers that are not configured are left out: they may have been taken away since the campaign was stored.

    Args:
        spec: the campaign.
        settings: the settings in force.

    Returns:
        E.164 numbers, all keys of `settings.numbers`.
    """
    name = agent_name(spec.agent, settings)
    agent: AgentSettings | None = None if name is None else settings.agents[name]
    wanted = spec.caller_ids or (agent.numbers if agent is not None else ())
    if not wanted:
        return tuple(settings.numbers)
    found = (known_number(text, settings) for text in wanted)
    return tuple(dict.fromkeys(number for number in found if number is not None))


def allowed_countries(trunk_name: str, settings: Settings) -> frozenset[str]:
    """Return the countries that a trunk may ring: its own list, or else the countries of its configured numbers.

    Args:
        trunk_name: a key of `settings.trunks`; a trunk that is not configured may ring nobody.
        settings: the settings in force.

    Returns:
        ISO 3166 alpha-2 codes, and `WORLD` for numbers of no country.
    """
    if _cached.settings is not settings:
        _cached.settings = settings
        _cached.countries = {}
    countries = _cached.countries.get(trunk_name)
    if countries is None:
        countries = _cached.countries[trunk_name] = _allowed(trunk_name, settings)
    return countries


def may_ring(trunk_name: str, country: str | None, settings: Settings) -> bool:
    """Tell whether a trunk may ring a number of `country`; None is a number of no country, such as +800."""
    return (country or WORLD) in allowed_countries(trunk_name, settings)


class _Cache:
    """The answers for the settings asked about last: settings are replaced as a whole, and seldom."""

    settings: Settings | None = None
    countries: dict[str, frozenset[str]]


_cached: Final = _Cache()


def _allowed(trunk_name: str, settings: Settings) -> frozenset[str]:
    trunk = settings.trunks.get(trunk_name)
    if trunk is None:
        return frozenset()
    if trunk.countries:
        return frozenset(country.upper() for country in trunk.countries)
    return frozenset(_country(number) for number, entry in settings.numbers.items() if entry.trunk == trunk_name)


@lru_cache(maxsize=4096)
def _country(number: str) -> str:
    """Return the country of a caller id. It need not be a number that can be rung, so that its code may have to do."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ""
    region: str | None = phonenumbers.region_code_for_number(parsed)
    return region or str(phonenumbers.region_code_for_country_code(parsed.country_code or 0))
