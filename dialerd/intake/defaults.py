"""What a campaign leaves out of its retry and pacing tables, taken from the daemon's tables of the same names.

A table that a campaign does not give at all follows the daemon's settings as they are when it is dialled; one that it
gives is completed key by key when the file is taken. An outcome's table is one key: `[retry.voicemail]` in a campaign
replaces the daemon's, because its own default (never again) is what the author means to leave behind.
"""

from collections.abc import Mapping
from typing import Any, Final

from dialerd.model.settings import Settings
from dialerd.model.unstructuring import unstructure

_TABLES: Final = ("retry", "pacing")


def completed(data: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a campaign file's data with its tables completed; what is no table is left for the checks to refuse."""
    whole = dict(data)
    for name in _TABLES:
        own = whole.get(name)
        if isinstance(own, dict):
            whole[name] = {**unstructure(getattr(settings, name), defaults=False), **own}
    return whole
