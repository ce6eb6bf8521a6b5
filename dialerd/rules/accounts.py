"""Accounts: trunks whose calls a carrier counts together, and the pace that they have between them.

A carrier limits the calls a second of an account, whatever the number of trunks over which they come. Knows nothing of
providers, which say what account a trunk is of.
"""

from collections.abc import Mapping

from attrs import frozen

from dialerd.model.settings import TrunkSettings

Key = str | tuple[str]
"""What tells an account from others: the name by which its trunks go, or that of a trunk which is alone."""


@frozen(kw_only=True)
class Account:
    """Trunks that share a pace, or a trunk that shares it with none.

    Args:
        trunks: their names, in the order of the settings.
        calls_per_second: the least that one of them may start, which they may start together; None = no limit.
    """

    trunks: tuple[str, ...]
    calls_per_second: float | None


def accounts(trunks: Mapping[str, TrunkSettings]) -> dict[Key, Account]:
    """Return the accounts of all trunks; a trunk that sets no pace leaves it to the others.

    Args:
        trunks: the tables of the settings, by name.
    """
    names: dict[Key, list[str]] = {}
    for name, trunk in trunks.items():
        names.setdefault((name,) if trunk.account is None else trunk.account, []).append(name)
    return {key: _account(trunks, of_key) for key, of_key in names.items()}


def _account(trunks: Mapping[str, TrunkSettings], names: list[str]) -> Account:
    paces = [pace for name in names if (pace := trunks[name].calls_per_second) is not None]
    return Account(trunks=tuple(names), calls_per_second=min(paces, default=None))
