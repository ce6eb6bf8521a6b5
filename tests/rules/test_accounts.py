"""Accounts: which trunks start by one pace, and by which."""

from dialerd.model.settings import TrunkSettings
from dialerd.rules.accounts import Account, accounts


def table(account: str | None, pace: float | None = None) -> TrunkSettings:
    """Return a trunk's table."""
    return TrunkSettings(provider="p", account=account, calls_per_second=pace)


def test_trunks_of_one_account_have_the_least_of_their_paces() -> None:
    """One that sets none leaves it to the others; without an account a trunk is alone, whatever its name."""
    found = accounts(
        {
            "a": table("x", 5.0),
            "b": table(None, 1.0),
            "c": table("x", 2.0),
            "d": table("x"),
            "x": table(None),
            "y": table("z"),
        }
    )
    assert list(found.values()) == [
        Account(trunks=("a", "c", "d"), calls_per_second=2.0),
        Account(trunks=("b",), calls_per_second=1.0),
        Account(trunks=("x",), calls_per_second=None),
        Account(trunks=("y",), calls_per_second=None),
    ]
