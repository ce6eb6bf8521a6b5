"""What is said with a carrier: a call to be created, a call as the carrier sees it, and a request that did not succeed.

Knows neither the SDK nor HTTP.
"""

from enum import StrEnum
from typing import Final

from attrs import frozen

from dialerd.model.errors import DialerdError
from dialerd.model.instants import Duration, Instant
from dialerd.model.states import AnsweredBy


class CallStatus(StrEnum):
    """Status of a call: Twilio's Call resource, and `CallStatus` of status callbacks, which alone have `initiated`."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"


OVER: Final = frozenset(
    {CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.FAILED, CallStatus.NO_ANSWER, CallStatus.CANCELED}
)
"""The statuses of a call that has ended."""


def answerer(words: str | None) -> AnsweredBy | None:
    """Return who or what answered, in our words; None where nobody listened, or nothing was found out yet.

    Args:
        words: `AnsweredBy`, as the carrier says it: Twilio, "Answering Machine Detection".
    """
    if not words:
        return None
    if words.startswith("machine"):  # machine_start, machine_end_beep, machine_end_silence, machine_end_other
        return AnsweredBy.MACHINE
    return {"human": AnsweredBy.HUMAN, "fax": AnsweredBy.FAX}.get(words, AnsweredBy.UNKNOWN)


@frozen(kw_only=True)
class CarrierCall:
    """What the carrier says of a call when it is asked.

    Args:
        sid: its id.
        status: where it stands.
        number: called number, as the carrier writes it.
        caller_id: shown number, as the carrier writes it.
        created_at: when the carrier took it, on the carrier's clock, to the second.
        dialled: whether the carrier has begun to dial it.
        ended_at: when it ended, or None.
        duration: how long it was up, or None; whole seconds, in milliseconds.
        answered_by: what the detection found, in the carrier's words, or None.
        price: what it cost, as a decimal number in text, negative for a charge; None = not known yet.
        price_unit: currency of `price`, ISO 4217.
    """

    sid: str
    status: CallStatus
    number: str
    caller_id: str
    created_at: Instant | None = None
    dialled: bool = True
    ended_at: Instant | None = None
    duration: Duration | None = None
    answered_by: str | None = None
    price: str | None = None
    price_unit: str | None = None


@frozen(kw_only=True)
class NewCall:
    """A call to be created; see Twilio's Call resource, "Create a Call resource".

    Args:
        to: number to call, E.164.
        caller_id: number to show, E.164.
        twiml: what the call does when it is answered, or None where `url` says it.
        url: where the carrier gets that, or None.
        press: keys that are pressed before that, or None.
        timeout_s: how long the phone may ring, 1 to 600.
        time_limit_s: how long the call may last.
        detect: None = nobody listens for a machine; else `Enable` or `DetectMessageEnd`.
        status_callback: public URL that is told of all four events, or None.
        detection_callback: public URL that is told who answered, while the call goes on (`AsyncAmd`); None = the call
            waits for the detection.
    """

    to: str
    caller_id: str
    twiml: str | None = None
    url: str | None = None
    press: str | None = None
    timeout_s: int
    time_limit_s: int
    detect: str | None = None
    status_callback: str | None = None
    detection_callback: str | None = None


class CarrierError(DialerdError):
    """A request to the carrier that did not succeed."""


class Refused(CarrierError):
    """The carrier answered, and refused.

    Args:
        status: HTTP status, 300 or more.
        code: the carrier's own error code, or None where the answer has none.
        message: the carrier's words, without secrets.
        retry_after: how long it asks to be left alone, or None.
    """

    def __init__(
        self, status: int, code: int | None = None, message: str = "", retry_after: Duration | None = None
    ) -> None:
        super().__init__(" ".join(filter(None, (f"HTTP {status}", str(code or ""), message))))
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class Lost(CarrierError):
    """The request was lost, or its answer was, or nobody can make anything of it.

    Args:
        reason: in words, without secrets.
        sent: whether a byte of it may have left; False = the carrier certainly has not seen it.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
