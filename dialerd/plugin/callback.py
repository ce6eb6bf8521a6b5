"""Carriers' callbacks: requests that a carrier sends to the daemon about its calls, as a provider sees them.

Where `[callbacks]` is configured, the daemon listens there, and hands each request below `/TRUNK/` to that trunk's
provider, if it has the method of `TakesCallbacks`. Anybody may send such a request: the provider believes nothing of it
before it has checked the carrier's signature, which is over the public URL.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from attrs import field, frozen

BODY_BYTES: Final = 65_536
"""Bytes of a callback's body; longer ones are refused before a provider sees them."""


@frozen(kw_only=True)
class CallbackRequest:
    """What a carrier sends.

    Args:
        method: in capitals.
        path: what follows the trunk's own URL (`TrunkSite.callbacks`), as it was sent, with the slash at its beginning;
            not decoded.
        query: what follows the question mark, not decoded; empty where there is none.
        headers: names in small letters; of a header that was sent more than once, the last.
        body: whole, at most `BODY_BYTES`.
        alone: False while the trunk has two providers, after a reload: answer 404 then to what is about a call that you
            do not know, so that the other is asked.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    alone: bool = True


@frozen(kw_only=True)
class CallbackAnswer:
    """What the carrier gets.

    Args:
        status: HTTP status.
        body: may be empty.
        content_type: of the body.
        headers: further ones.
    """

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Sequence[tuple[str, str]] = ()


@runtime_checkable
class TakesCallbacks(Protocol):
    """What a provider has besides, whose carrier sends requests."""

    async def callback(self, request: CallbackRequest, /) -> CallbackAnswer:
        """Answer a request of the carrier, or of somebody who pretends to be it.

        What it raises, or an answer that takes longer than 20 seconds, is an answer with status 500.
        """
