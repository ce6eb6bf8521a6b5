"""What is known of one call, put together from answers and callbacks that come late, twice, or in the wrong order.

A call's status only ever advances. Callbacks are numbered by the carrier, and one that is not newer than the newest is
of no interest: Twilio, "Call resource: status callbacks", `SequenceNumber`.
"""

from typing import Any, Final

from attrs import define

from dialerd.model.instants import Duration, Instant
from dialerd_twilio.answers import OVER, CallStatus, CarrierCall

_RANK: Final = {
    CallStatus.QUEUED: 0,
    CallStatus.INITIATED: 1,
    CallStatus.RINGING: 2,
    CallStatus.IN_PROGRESS: 3,
    **dict.fromkeys(OVER, 4),
}


@define(kw_only=True, eq=False, slots=True)
class Known:
    """What is known of one call.

    Attributes:
        sid: the carrier's id, or None while it is not known.
        status: the furthest that was told.
        dialled: whether the carrier has begun to dial it.
        sequence: number of the newest callback, -1 before the first.
        ended_at: when it ended by the carrier's clock, or None.
        duration: how long it was up, or None.
        answered_by: what the detection found, in the carrier's words, or None.
        sip_code: the callee's network's answer, or None.
        error_code: the carrier's error, or None.
        price, price_unit: what it cost, or None.
        attestation: what the callbacks say of its caller id's verification (`StirVerstat`, `StirStatus`).
        complete: whether the carrier was asked, or told everything, after its end.
        answer_told, end_told: whether a callback told at once that it was answered, and that it was over.
    """

    sid: str | None = None
    status: CallStatus = CallStatus.QUEUED
    dialled: bool = False
    sequence: int = -1
    ended_at: Instant | None = None
    duration: Duration | None = None
    answered_by: str | None = None
    sip_code: int | None = None
    error_code: int | None = None
    price: str | None = None
    price_unit: str | None = None
    attestation: dict[str, str] | None = None
    complete: bool = False
    answer_told: bool = False
    end_told: bool = False

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    @property
    def rang(self) -> bool:
        """Whether the far end rang, or more."""
        return self.status in (CallStatus.RINGING, CallStatus.NO_ANSWER) or self.answered

    @property
    def answered(self) -> bool:
        """Whether it was answered."""
        return self.status in (CallStatus.IN_PROGRESS, CallStatus.COMPLETED)

    def take_answer(self, call: CarrierCall) -> None:
        """Take what the carrier answered when it was asked."""
        self.sid = call.sid
        self.dialled = self.dialled or call.dialled
        self._advance(call.status)
        if call.status in OVER:
            self.complete = True
            self.ended_at = call.ended_at or self.ended_at
            self.duration = call.duration if call.duration is not None else self.duration
        self.answered_by = call.answered_by or self.answered_by
        self.price = call.price or self.price
        self.price_unit = call.price_unit or self.price_unit

    def take_callback(
        self,
        *,
        sid: str,
        status: CallStatus,
        sequence: int | None,
        at: Instant | None,
        duration: Duration | None,
        sip_code: int | None,
        error_code: int | None,
        answered_by: str | None,
        attestation: dict[str, str],
    ) -> bool:
        """Take what a callback tells, unless it is late or came before.

        Args:
            sid: the carrier's id of the call.
            status: where the call stood.
            sequence: the callback's number; None where the carrier numbers none.
            at: when that was, by the carrier's clock, or None.
            duration, sip_code, error_code, answered_by: as of `Known`, or None.
            attestation: as of `Known`.

        Returns:
            Whether it was taken.
        """
        late = sequence is not None and sequence <= self.sequence
        if late or (self.sid is not None and sid != self.sid):
            return False
        self.sid, self.sequence, self.dialled = sid, self.sequence if sequence is None else sequence, True
        self.answer_told = self.answer_told or (status is CallStatus.IN_PROGRESS and not self.answered)
        self.end_told = self.end_told or (status in OVER and not self.over)
        self._advance(status)
        self.answered_by = answered_by or self.answered_by
        if attestation:
            self.attestation = {**(self.attestation or {}), **attestation}
        if status in OVER:
            self.sip_code = sip_code if sip_code is not None else self.sip_code
            self.error_code = error_code if error_code is not None else self.error_code
            self.duration = duration if duration is not None else self.duration
            self.ended_at = at or self.ended_at
            # of a call that was up, how long it was must be known; of others there is nothing more to ask
            self.complete = self.complete or status is not CallStatus.COMPLETED or None not in (duration, at)
        return True

    def detail(self) -> dict[str, Any]:
        """Return what is kept with the attempt."""
        found = {
            "sid": self.sid,
            "status": str(self.status),
            "duration_s": None if self.duration is None else self.duration // 1_000,
            "price": self.price,
            "price_unit": self.price_unit if self.price is not None else None,
            "sip_code": self.sip_code,
            "error_code": self.error_code,
            **(self.attestation or {}),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _advance(self, status: CallStatus) -> None:
        if _RANK[status] > _RANK[self.status]:
            self.status = status
