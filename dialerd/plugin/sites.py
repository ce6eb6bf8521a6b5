"""The sites of trunks: what a provider is told of its trunk beside its own options. Knows nothing of providers."""

from urllib.parse import quote

from dialerd.model.settings import Settings
from dialerd.plugin.provider import TrunkSite


def site_of(trunk_name: str, settings: Settings) -> TrunkSite:
    """Return the site of a trunk.

    Args:
        trunk_name: name of the trunk.
        settings: the daemon's settings; its numbers and `[callbacks]` are looked at.
    """
    url = settings.callbacks.url
    return TrunkSite(
        name=trunk_name,
        caller_ids=tuple(number for number, entry in settings.numbers.items() if entry.trunk == trunk_name),
        callbacks=None if url is None else f"{url.rstrip('/')}/{quote(trunk_name, safe='')}",
    )
