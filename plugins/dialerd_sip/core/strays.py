"""What is answered to requests that belong to no call of ours: each at once, and without remembering it.

A user agent server may answer without a transaction (RFC 3261 section 8.2.7): the same request gets the same answer,
with the same To tag, however often it comes. So whoever floods us makes us work, but not grow. Knows nothing of flows.
"""

from hashlib import blake2s

from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.recent import Recent
from dialerd_sip.core.refusing import ALLOW, SUPPORTED
from dialerd_sip.core.sdp import SDP


class Strays:
    """Answers requests that belong to no call.

    Args:
        remembered_for: seconds for which a request outside of dialogs is known again when it comes by another way.
    """

    __slots__ = ("_seen",)

    def __init__(self, remembered_for: float) -> None:
        self._seen = Recent(remembered_for)

    def answer_to(self, request: Request, *, ours: bool, now: float) -> Response:
        """Return the answer to a request that nobody else takes.

        Args:
            request: a request that is no ACK, and which may be looked at (`refusing`).
            ours: whether its Call-ID is of a call of ours.
            now: the instant.

        Raises:
            BadMessage: From or To cannot be read.
        """
        if request.to_tag is not None or request.method == "CANCEL":
            return answer(request, 481, "Call/Transaction Does Not Exist")  # RFC 3261 sections 12.2.2 and 9.2
        if ours:
            # We have called ourselves: without this a call back to the number that we show would ring for ever.
            return answer(request, 482, "Loop Detected")
        if self._merged(request, now):
            return answer(request, 482, "Merged Request")
        if request.method == "OPTIONS":  # RFC 3261 section 11.2
            found = answer(request, 200, "OK")
            for name, value in (("Allow", ALLOW), ("Accept", SDP), ("Supported", SUPPORTED)):
                found.add(name, value)
            return found
        if request.method == "INVITE":
            # Nobody takes calls here. 480 and not 403: people who call back hear that the number cannot be reached now,
            # and no carrier takes it for a fault of the trunk; nothing tells a proxy to try the next gateway.
            return answer(request, 480, "Temporarily Unavailable")
        return answer(request, 481, "Call/Transaction Does Not Exist")  # NOTIFY that nobody subscribed to, and the like

    def _merged(self, request: Request, now: float) -> bool:
        """Whether this request has come by another way already (RFC 3261 section 8.2.2.2)."""
        # as numbers, since whoever floods us chooses how long they are
        key = hash((request.from_tag, request.call_id, request.cseq))
        branch = f"{hash(request.branch or ''):x}"
        before = self._seen.recall(key, now)
        if before is None:
            self._seen.remember(key, branch, now)
        return before is not None and before != branch


def answer(request: Request, status: int, phrase: str) -> Response:
    """Return an answer with a To tag that is made from the request, so that it is always the same one."""
    return Response.to_request(request, status, phrase, to_tag=tag_for(request))


def tag_for(request: Request) -> str:
    """Return the To tag of answers to a request without a transaction."""
    known_by = f"{request.first('Call-ID')} {request.first('Via')}"
    return blake2s(known_by.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
