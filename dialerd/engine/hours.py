"""The calling hours of a stored campaign."""

from dialerd.rules.openings import Hours
from dialerd.store.records import CampaignRow


def hours_of(row: CampaignRow) -> Hours:
    """Return when a campaign may ring."""
    return Hours(
        timezone=row.timezone,
        windows=row.spec.windows,
        skip_holidays=row.spec.skip_holidays,
        start_at=row.start_at,
        end_at=row.end_at,
        ring_timeout=row.spec.ring_timeout,
    )
