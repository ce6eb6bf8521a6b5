"""Ids in the shape of other systems, kept as a campaign's alias. Knows nothing of requests."""

import secrets
from collections.abc import Callable

from dialerd.model.errors import NotFound
from dialerd.plugin.dialect import Campaigns


def hexadecimal(digits: int) -> str:
    """Return a random hexadecimal number of so many digits."""
    return secrets.token_hex((digits + 1) // 2)[:digits]


async def unused(campaigns: Campaigns, make: Callable[[], str]) -> str:
    """Return an id from `make` that names no campaign yet; the short ones of some systems do meet."""
    while True:
        candidate = make()
        try:
            await campaigns.get(candidate)
        except NotFound:
            return candidate
