"""Public holidays."""

import subprocess
import sys
from datetime import date

import pytest

from dialerd.rules.holidays import has_calendar, holiday_name, public_holidays


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("GB", date(2027, 12, 25), "Christmas Day"),
        ("GB", date(2027, 12, 27), "Christmas Day (observed)"),
        ("GB", date(2027, 6, 15), None),
        ("DE", date(2027, 10, 3), "German Unity Day"),
        ("FR", date(2027, 7, 14), "National Day"),
        ("US", date(2027, 7, 4), "Independence Day"),
        ("US", date(2027, 12, 31), "New Year's Day (observed)"),  # belongs to 2028's calendar
        ("ZZ", date(2027, 12, 25), None),
        (None, date(2027, 12, 25), None),
    ],
)
def test_names(country: str | None, day: date, name: str | None) -> None:
    """A holiday has its English name; other days and unknown countries have none."""
    assert holiday_name(country, day) == name


def test_calendars() -> None:
    """Only ISO 3166 codes of countries with a calendar are known; the library's nicknames are not."""
    assert has_calendar("GB")
    assert has_calendar("JE")
    assert not any(map(has_calendar, ("ZZ", "UK", "GBR", "gb", "", "date", "../GB")))


def test_cached_by_year() -> None:
    """A country's year is computed once."""
    assert public_holidays("GB", 2027) is public_holidays("GB", 2027)


def test_import_is_put_off() -> None:
    """Nobody pays for the slow import before holidays are asked for."""
    program = "import sys, dialerd.rules.openings; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
