"""A notice: something that happened, as it is told to the outside."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from dialerd.model.instants import Instant


@frozen(kw_only=True)
class Notice:
    """Something that happened, told to the outside.

    Args:
        id: grows with every notice of this daemon; the same notice may be told again after a crash.
        kind: `call.ended`, `campaign.running`, `campaign.completed` and the like.
        at: when it happened.
        campaign: id of the campaign.
        body: plain JSON data.
    """

    id: int
    kind: str
    at: Instant
    campaign: str
    body: Mapping[str, Any] = field(factory=dict)
