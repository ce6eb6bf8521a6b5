"""What is raised for bytes that are no SIP message. Knows of messages only that a part of one may be at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialerd_sip.core.message import Request


class BadMessage(Exception):
    """Bytes are no SIP message, or a header of one cannot be read.

    Args:
        reason: why.
        status: what a request is to be answered with (RFC 4475 says which), or None where no answer is possible.
        partial: as much of the message as could be read, so that it can be answered, or None.
    """

    def __init__(self, reason: str, status: int | None = None, partial: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.partial = partial
