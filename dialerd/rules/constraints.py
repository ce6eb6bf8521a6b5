"""What keeps a zone group of a campaign closed: the calling windows, quiet hours and holidays that apply to it.

Each constraint turns itself into the spans of time that it allows. Knows nothing of the ring timeout, of the
campaign's start and end, and of `now`, apart from finding words for its objection to an instant.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, Protocol

from attrs import frozen

from dialerd.model.campaign import Window, ZoneGroup
from dialerd.model.instants import DAY, Instant
from dialerd.model.settings import CountryHours, QuietHours
from dialerd.model.states import ALL_WEEKDAYS, Rule
from dialerd.rules.holidays import holiday_name, public_holidays
from dialerd.rules.localtime import (
    Stretch,
    Week,
    covers_all,
    day_number,
    local_date,
    readings_of_days,
    readings_of_week,
    stretches,
    to_date,
    week_of,
)
from dialerd.rules.spans import Span, intersect, merge, without
from dialerd.rules.zones import known_zone

REFUSE: Final = "refuse"
EVERY_ZONE: Final = "every_zone"

_GENERAL: Final = CountryHours()


class Constraint(Protocol):
    """One rule about local time."""

    @property
    def rule(self) -> Rule:
        """The rule that objects where this one does not allow."""

    def allowed(self, lo: Instant, hi: Instant) -> list[Span]:
        """Return the spans from `lo` to `hi` that it allows."""

    def objection(self, now: Instant) -> str:
        """Return in words what it objects to `now`, an instant that it does not allow."""


@frozen(kw_only=True)
class Clocks:
    """The local clock of every zone must read a time of the week.

    Args:
        rule: the rule that objects.
        zones: IANA zones.
        week: the times.
        words: the times in words.
    """

    rule: Rule
    zones: tuple[str, ...]
    week: Week
    words: str

    def allowed(self, lo: Instant, hi: Instant) -> list[Span]:
        """Return the spans in which every zone's clock reads such a time."""
        spans: list[Span] = [(lo, hi)]
        for among in _different(self.zones, lo, hi):
            spans = intersect(spans, merge(readings_of_week(self.week, among)))
            if not spans:
                break
        return spans

    def objection(self, now: Instant) -> str:
        """Return the zone whose clock objects, with the times."""
        for name in self.zones:
            if not readings_of_week(self.week, stretches(name, now, now + 1)):
                return f"{self.words} in {name}"
        return self.words


@frozen(kw_only=True)
class Calendar:
    """The local calendar of no zone may show one of some days.

    Args:
        rule: the rule that objects.
        zones: IANA zones.
        country: ISO 3166 country whose public holidays are such days, or None.
        dates: further such days.
    """

    rule: Rule
    zones: tuple[str, ...]
    country: str | None
    dates: tuple[date, ...] = ()

    def allowed(self, lo: Instant, hi: Instant) -> list[Span]:
        """Return the spans in which every zone's calendar shows another day."""
        # no local clock is more than 26 hours from another, so two days to either side are enough
        first, last = to_date(lo // DAY - 2), to_date(hi // DAY + 2)
        days = {day_number(day) for day in self.dates if first <= day <= last}
        if self.country is not None:
            for year in range(first.year, last.year + 1):
                days |= {day_number(day) for day in public_holidays(self.country, year) if first <= day <= last}
        if not days:
            return [(lo, hi)]
        closed: list[Span] = []
        for among in _different(self.zones, lo, hi):
            closed += readings_of_days(sorted(days), among)
        return without((lo, hi), merge(closed))

    def objection(self, now: Instant) -> str:
        """Return the day, its name and where it is that day."""
        for name in self.zones:
            day = local_date(name, now)
            if (holiday := holiday_name(self.country, day)) is not None:
                return f"{day} is {holiday} ({self.country}) in {name}"
            if day in self.dates:
                return f"{day} in {name} is a day without calls"
        return ""


@frozen
class Refusal:
    """There are no hours by which it could be judged, so that it never opens.

    Args:
        rule: the rule that says so.
        detail: why, and the remedy.
    """

    rule: Rule
    detail: str


def campaign_constraints(
    timezone: str, windows: Sequence[Window], skip_holidays: bool, country: str | None
) -> list[Constraint] | Refusal:
    """Return what a campaign's own hours demand, in the order of `Rule`.

    Args:
        timezone: IANA zone of the windows.
        windows: calling windows; empty = always.
        skip_holidays: whether public holidays of `country` are closed, by the calendar of `timezone`.
        country: ISO 3166 country of the called number, or None.
    """
    if not known_zone(timezone):
        return Refusal(Rule.UNKNOWN_ZONE, f"the campaign's time zone {timezone!r} is not known on this host")
    found: list[Constraint] = []
    week = week_of((window.days, window.start, window.end) for window in windows)
    if windows and not covers_all(week):
        found.append(Clocks(rule=Rule.CALLING_WINDOW, zones=(timezone,), week=week, words="the campaign's windows"))
    if skip_holidays and country is not None:
        found.append(Calendar(rule=Rule.HOLIDAY, zones=(timezone,), country=country))
    return found


def quiet_constraints(group: ZoneGroup, quiet: QuietHours) -> list[Constraint] | Refusal:
    """Return what quiet hours demand for a zone group, in the order of `Rule`.

    Args:
        group: where the called number may lie.
        quiet: the settings.
    """
    if not quiet.enabled:
        return []
    own = _GENERAL if group.country is None else quiet.countries.get(group.country, _GENERAL)
    zones = _zones(group, quiet.placeless if own.placeless is None else own.placeless, quiet.unknown_zone)
    if isinstance(zones, Refusal):
        return zones
    start = quiet.start if own.start is None else own.start
    end = quiet.end if own.end is None else own.end
    days = quiet.days if own.days is None else own.days
    found: list[Constraint] = []
    week = week_of([(days, start, end)])
    if not covers_all(week):
        words = f"calls are allowed {start:%H:%M} to {end:%H:%M}"
        if len(days) < len(ALL_WEEKDAYS):
            words += f" ({', '.join(days)})"
        found.append(Clocks(rule=Rule.QUIET_HOURS, zones=zones, week=week, words=words))
    if own.holidays or own.dates:
        country = group.country if own.holidays else None
        found.append(Calendar(rule=Rule.QUIET_HOLIDAY, zones=zones, country=country, dates=own.dates))
    return found


def _zones(group: ZoneGroup, placeless: str, unknown_zone: str) -> tuple[str, ...] | Refusal:
    """Return the zones whose clocks count, by the policies for numbers without a place or of unknown place."""
    zones = group.zones
    if group.placeless:
        if placeless == REFUSE:
            return Refusal(
                Rule.PLACELESS_NUMBER,
                f'the number ({group.country or "non-geographic"}) has no place and quiet_hours.placeless is "refuse"; '
                "give the recipient a timezone",
            )
        if placeless != EVERY_ZONE:
            zones = (placeless,)
    if not zones:
        if unknown_zone == REFUSE:
            return Refusal(
                Rule.UNKNOWN_ZONE,
                'no time zone is known for the number and quiet_hours.unknown_zone is "refuse"; '
                "give the recipient a timezone",
            )
        zones = (unknown_zone,)
    for name in zones:
        if not known_zone(name):  # an older tzdata than the one by which it was stored
            return Refusal(Rule.UNKNOWN_ZONE, f"the time zone {name!r} is not known on this host; update tzdata")
    return zones


def _different(zones: Sequence[str], lo: Instant, hi: Instant) -> Iterator[list[Stretch]]:
    """Yield the stretches of `zones`, once for all zones whose clocks agree from `lo` to `hi`."""
    seen: list[list[Stretch]] = []
    for name in zones:
        among = stretches(name, lo, hi)
        if among not in seen:
            seen.append(among)
            yield among
