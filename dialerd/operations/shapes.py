"""Records by which the documents that doors take can be described. Knows nothing of how they are read."""

from typing import Literal

from attrs import frozen

from dialerd.intake.addition import Format as Format  # noqa: PLC0414  # doors find it here
from dialerd.intake.recipients import RecipientSpec as RecipientSpec  # noqa: PLC0414  # doors find it here
from dialerd.model.campaign import CampaignSpec
from dialerd.model.instants import Plain


@frozen(kw_only=True)
class CampaignDocument(CampaignSpec):
    """A campaign as it is handed in: the keys of a campaign file, with its recipients.

    Args:
        state: `draft` waits until it is scheduled or started, and may come without recipients.
        recipients: the people to ring; others may be added afterwards. With `skip_invalid` those that are wrong are
            left out.
    """

    state: Literal["draft", "scheduled"] = "scheduled"
    recipients: tuple[RecipientSpec | Plain, ...] | None = None


@frozen(kw_only=True)
class PlanDocument(CampaignSpec):
    """A campaign to be forecast.

    Args:
        recipients: the people to ring. With `skip_invalid` those that are wrong are left out.
    """

    recipients: tuple[RecipientSpec | Plain, ...] | None = None
