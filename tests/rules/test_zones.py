"""Names of time zones."""

import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from dialerd.rules.zones import BadZone, known_zone, zone


@pytest.mark.parametrize("name", ["Europe/London", "UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
def test_known(name: str) -> None:
    """An IANA name is a zone, always the same object."""
    assert known_zone(name)
    assert zone(name).key == name
    assert zone(name) is zone(name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Europe/london", 'did you mean "Europe/London"?'),
        ("europe/london", '"Europe/London"'),
        (" Europe/London", '"Europe/London"'),
        ("Europe/Lodnon", '"Europe/London"'),
        ("America/New York", '"America/New_York"'),
        ("new york", '"America/New_York"'),
        ("London", '"Europe/London"'),
        ("GMT+1", '"Etc/GMT+1"'),
        ("", "write one such as"),
        ("..", "write one such as"),
        ("../../etc/passwd", "write one such as"),
        ("/usr/share/zoneinfo/UTC", ""),
        ("Europe/../Europe/London", ""),
        ("posix/Europe/London", ""),
        ("localtime", ""),
        ("Europe/London\0", ""),
        ("Europe", ""),
    ],
)
def test_unknown(name: str, advice: str) -> None:
    """What is not written as in the IANA database is an error that proposes a name; no path leads anywhere."""
    assert not known_zone(name)
    with pytest.raises(BadZone) as refused:
        zone(name)
    assert advice in str(refused.value)
    assert repr(name) in str(refused.value)


def test_knows_every_zone_of_a_number() -> None:
    """The host's zones contain every zone that phonenumbers may give a number."""
    assert {name for names in TIMEZONE_DATA.values() for name in names if not known_zone(name)} <= {"Etc/Unknown"}
