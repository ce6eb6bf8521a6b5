"""Instants as people write them on a command line, for the daemon."""

from datetime import UTC, datetime
from typing import Final

import click

from dialerd.model.instants import parse_duration, to_instant, to_iso

FORMS: Final = "2027-06-15T09:00:00Z, 2027-06-15 09:00 in your own zone, or 90m, 2h, 7d from now"


class InstantText(click.ParamType[str]):
    """An instant: RFC 3339, the same without an offset in the zone of whoever asks, or a duration from now."""

    name = "instant"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the instant as RFC 3339 text in UTC."""
        try:
            return _from_now(value) if value[-1:].isalpha() and value[-1] not in "zZ" else _moment(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no instant; write one as {FORMS}", param, ctx)


INSTANT: Final = InstantText()


def _from_now(text: str) -> str:
    return to_iso(to_instant(datetime.now(UTC)) + parse_duration(text))


def _moment(text: str) -> str:
    return to_iso(to_instant(datetime.fromisoformat(text).astimezone()))
