"""A do-not-call entry."""

from attrs import frozen

from dialerd.model.instants import Instant


@frozen(kw_only=True)
class Suppression:
    """A number that is not to be called.

    Args:
        number: E.164.
        scope: whom it binds: `all`, `agent:NAME` or `campaign:ID`.
        reason, source: for people, or None.
        created_at: since when.
        expires_at: until when; None = for ever.
    """

    number: str
    scope: str
    reason: str | None = None
    source: str | None = None
    created_at: Instant
    expires_at: Instant | None = None
