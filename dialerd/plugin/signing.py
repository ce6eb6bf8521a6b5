"""Signing: what a plugin is asked for so that the network vouches for a caller id (STIR, RFC 8224).

Knows nothing of SIP: a provider puts the value where its protocol has a place for it.
"""

from collections.abc import Awaitable
from typing import Protocol

from attrs import frozen

from dialerd.model.errors import PluginError
from dialerd.model.instants import Instant


@frozen(kw_only=True)
class SigningRequest:
    """A call whose caller id is to be signed.

    Args:
        attempt_id: UUIDv7 of the attempt; may serve as `origid` (RFC 8588, section 5), which is a UUID too.
        trunk: name of the trunk that it leaves by.
        caller_id: number to show, E.164: `orig` of the token (RFC 8225, section 5.2.1).
        number: number to call, E.164: `dest`.
        issued_at: instant of the signature: `iat`, which is in seconds there.
    """

    attempt_id: str
    trunk: str
    caller_id: str
    number: str
    issued_at: Instant


class Signer(Protocol):
    """Asked about each call of a trunk that can carry a signature, before it leaves."""

    def __call__(self, request: SigningRequest, /) -> Awaitable[str | None]:
        """Return the value of the Identity header (RFC 8224, section 4), or None: this call leaves unsigned.

        One that raises holds the call, and so does one that takes longer than five seconds.
        """


def refusing(problem: str) -> Signer:
    """Return what stands for a signer that could not be had: it raises, so that no call leaves unsigned unnoticed.

    Args:
        problem: why it could not be had.
    """

    async def refuse(_request: SigningRequest, /) -> str | None:
        raise PluginError(f"the signer could not be had: {problem}")

    return refuse
