"""A leg: a dialog of a call with its media, early or answered. Forked calls have several until one answers."""

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.call_media import CallMedia
from dialerd_sip.core.dialog import Dialog
from dialerd_sip.core.headers import allowed, option_tags, rseq
from dialerd_sip.core.message import Message, Response


class Leg:
    """A dialog with its media.

    Args:
        dialog: the dialog.
        media: what is said about media in it.

    Attributes:
        updates: whether the far end takes UPDATE (RFC 3311 section 4).
        ended: whether the far end has ended it by BYE already.
    """

    __slots__ = ("_rseq", "dialog", "ended", "media", "updates")

    def __init__(self, dialog: Dialog, media: CallMedia) -> None:
        self.dialog = dialog
        self.media = media
        self.updates = False
        self.ended = False
        self._rseq: int | None = None

    def learn(self, message: Message) -> None:
        """Take what a message of the far end allows; nothing where that cannot be read."""
        try:
            methods = allowed(message)
        except BadMessage:
            return
        if methods:
            self.updates = "UPDATE" in methods

    def to_be_acknowledged(self, response: Response) -> int | None:
        """Return the RSeq of a provisional answer that wants a PRACK (RFC 3262 section 4).

        Raises:
            OutOfOrder: it is a retransmission, or one before it has not come yet: it must not be looked at.
        """
        try:
            number = rseq(response) if "100rel" in option_tags(response, "Require") else None
        except BadMessage:
            return None
        if number is None:
            return None
        if self._rseq is not None and number != self._rseq + 1:
            raise OutOfOrder
        self._rseq = number
        return number


class OutOfOrder(Exception):
    """A reliable provisional answer is not the next one."""
