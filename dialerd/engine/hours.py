"""The calling hours of a stored campaign."""

from dialerd.rules import openings
from dialerd.store.records import CampaignRow


def hours_of(row: CampaignRow) -> openings.Hours:
    """Return when a campaign may ring."""
    return openings.hours_of(row.spec, timezone=row.timezone, start_at=row.start_at, end_at=row.end_at)
