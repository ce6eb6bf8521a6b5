"""The paces of trunks: trunks of one account start by the same one.

Each is kept for good: an account of which nobody is left may come back, and is then no faster than if it had stayed.
"""

from collections.abc import Mapping

import trio

from dialerd.engine.limits import Starts
from dialerd.model.settings import TrunkSettings
from dialerd.rules.accounts import Key, accounts
from dialerd.rules.pacing import Pace


class Paces:
    """Knows by whose starts each trunk goes."""

    def __init__(self) -> None:
        self._starts: dict[Key, Starts] = {}

    def update(self, trunks: Mapping[str, TrunkSettings]) -> Mapping[str, Starts]:
        """Follow changed settings, and return by whose starts each trunk goes now.

        Args:
            trunks: the tables of the settings, by name.
        """
        now = trio.current_time()
        found: dict[str, Starts] = {}
        for key, account in accounts(trunks).items():
            if key in self._starts:
                self._starts[key].pace.set_rate(account.calls_per_second, now)
            else:
                self._starts[key] = Starts(Pace(account.calls_per_second, now))
            found |= dict.fromkeys(account.trunks, self._starts[key])
        return found
