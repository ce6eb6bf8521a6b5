"""Public holidays by country, nationwide ones with their substitute days. Knows nothing of who rests on them.

The dates are the `holidays` library's. It costs some 80 ms to import, so that is left until somebody asks.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache


def holiday_name(country: str | None, day: date) -> str | None:
    """Return the English name of the public holiday that `day` is in `country`, or None.

    Args:
        country: ISO 3166 alpha-2 code; None and countries without a calendar have no holidays.
        day: local date.
    """
    return public_holidays(country, day.year).get(day) if country else None


@cache
def has_calendar(country: str) -> bool:
    """Tell whether the public holidays of `country` (ISO 3166 alpha-2, upper case) are known."""
    import holidays  # noqa: PLC0415  # slow; see above

    try:
        calendar = holidays.country_holidays(country)
    except NotImplementedError:  # so the library says that it does not know a country
        return False
    return calendar.country == country  # it knows "UK" and "GBR" too, which are no codes of ours


@cache
def public_holidays(country: str, year: int) -> Mapping[date, str]:
    """Return the public holidays of `country` in `year` with their names, empty where there is no calendar."""
    if not has_calendar(country):
        return {}
    import holidays  # noqa: PLC0415  # slow; see above

    days = holidays.country_holidays(country, years=year, language="en_US")
    return dict(sorted(days.items()))
