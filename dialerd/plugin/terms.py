"""The terms of a trunk: what its provider says of the settings around it, which are its pace, its account and the
agents that it objects to. What a plugin answers is checked here; one that fails is a fault of the settings, and costs
nothing else.
"""

import math
from collections.abc import Iterator
from typing import Any

from attrs import evolve

from dialerd.model.errors import Fault, PluginError
from dialerd.model.settings import AgentSettings, Settings, TrunkSettings
from dialerd.model.wording import dotted, shown
from dialerd.plugin.hookspecs import ProviderFactory
from dialerd.plugin.provider import TrunkSite
from dialerd.plugin.raised import spare_ctrl_c, words
from dialerd.rules.routes import known_number


def on_terms(factory: ProviderFactory, options: Any, trunk: TrunkSettings) -> TrunkSettings:
    """Return a trunk's table with no more calls a second than its carrier takes, and with the account that it is of.

    Args:
        factory: the provider's.
        options: the trunk's.
        trunk: its table; an account that it names is left as it is.

    Raises:
        PluginError: the plugin failed to say one of them.
    """
    pace = _told(factory, "pace", options)
    if pace is not None and (type(pace) not in (int, float) or not 0 < pace < math.inf):
        raise PluginError(f"the provider {shown(factory.name)} says that its pace is {words(pace)}")
    account = _told(factory, "account", options)
    if account is not None and (type(account) is not str or not account):
        raise PluginError(f"the provider {shown(factory.name)} says that its account is {words(account)}")
    paces = [float(each) for each in (trunk.calls_per_second, pace) if each is not None]
    return evolve(
        trunk,
        calls_per_second=min(paces, default=None),
        account=trunk.account or (account and f"{factory.name} {account}"),
    )


def _told(factory: ProviderFactory, term: str, options: Any) -> Any:
    try:
        return getattr(factory, term)(options)
    except BaseException as error:
        spare_ctrl_c(error)
        raise PluginError(f"the provider {shown(factory.name)} failed to tell its {term}: {words(error)}") from error


def objection_to(
    factory: ProviderFactory, options: Any, site: TrunkSite, name: str, agent: AgentSettings
) -> Fault | None:
    """Return the fault that an agent cannot speak in a trunk's calls; None = it can.

    Args:
        factory: the provider's.
        options: the trunk's.
        site: the trunk's.
        name: name of the agent.
        agent: its settings.
    """
    reason: str | None = None
    failed: str | None = None
    try:
        reason = factory.objection(options, site, agent)
    except BaseException as error:  # noqa: BLE001  # a plugin's own code may raise anything
        spare_ctrl_c(error)
        failed = words(error)
    if reason is not None and type(reason) is not str:
        failed = f"it answered {words(reason)}"
    place = dotted("agents", (name,))
    if failed is not None:
        message = f"the provider {shown(factory.name)} of the trunk {shown(site.name)} could not judge it: {failed}"
        return Fault(place, f"{message}; report it to its author")
    if reason is None:
        return None
    message = f"cannot speak in calls of the trunk {shown(site.name)}: {reason}"
    return Fault(place, f"{message}; mend it, or give it `numbers` of other trunks")


def trunks_of(agent: AgentSettings, settings: Settings) -> Iterator[str]:
    """Yield the names of the trunks that an agent's calls may take: those of its numbers, or of all numbers.

    Args:
        agent: the agent.
        settings: the daemon's settings.
    """
    named = [known_number(text, settings) for text in agent.numbers] or list(settings.numbers)
    yield from dict.fromkeys(settings.numbers[number].trunk for number in named if number is not None)
