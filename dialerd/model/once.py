"""A request that is to be carried out once, however often it is sent."""

from attrs import frozen


@frozen(kw_only=True)
class Once:
    """What tells a request that is sent again from a new one.

    Args:
        key: the client's idempotency key.
        fingerprint: of the method, the path and the whole body; the same key with another one is refused.
    """

    key: str
    fingerprint: str
