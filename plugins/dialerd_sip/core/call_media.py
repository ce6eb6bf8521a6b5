"""What the two sides of a call have said about media: what was sent last, what was agreed upon (RFC 3264 section 8)."""

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.headers import content_type
from dialerd_sip.core.message import Message
from dialerd_sip.core.sdp import SDP, LocalMedia, Negotiated, accept, answer, offer


class CallMedia:
    """The session descriptions of one leg.

    Args:
        local: our side.

    Attributes:
        agreed: what was agreed upon last, or None.
    """

    __slots__ = ("_local", "_sent", "agreed")

    def __init__(self, local: LocalMedia) -> None:
        self._local = local
        self._sent: bytes | None = None  # None = the offer of the INVITE, which can be written again at any time
        self.agreed: Negotiated | None = None

    def current(self) -> bytes:
        """Return our description as it was sent last: unchanged, the version too (RFC 4028 section 7.4)."""
        return self._sent if self._sent is not None else offer(self._local)

    def offer_anew(self) -> bytes:
        """Return an offer for a far end that asks for one: all that we can, whatever was agreed upon before."""
        self._sent = offer(self._local, before=self.current())
        return self._sent

    def take_answer(self, body: bytes) -> Negotiated:
        """Take the answer to our offer.

        Raises:
            BadDescription: it is of no use; all stays as it was.
        """
        self.agreed = accept(self._local, body)
        return self.agreed

    def take_offer(self, body: bytes) -> bytes:
        """Take an offer of the far end and return our answer.

        Raises:
            BadDescription: it is to be refused; all stays as it was.
        """
        self._sent, self.agreed = answer(self._local, body, 1, before=self.current())
        return self._sent


def description_in(message: Message) -> bytes | None:
    """Return the session description in a message, out of a multipart body too (RFC 5621 section 3), or None."""
    if not message.body.strip():
        return None
    try:
        kind = content_type(message)
    except BadMessage:
        return None
    if kind is None or kind.media == SDP:
        return message.body
    boundary = (kind.params.get("boundary") or "").strip('"')
    if not kind.media.startswith("multipart/") or not boundary:
        return None
    for part in message.body.split(b"--" + boundary.encode())[1:]:
        head, _, body = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if SDP.encode() in head.lower():
            return body
    return None
