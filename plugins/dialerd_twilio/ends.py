"""How a call ended, as the daemon is told, and what it cost, which is known only a while later."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import structlog
import trio

from dialerd.model.call import CallEnd, Cause
from dialerd.model.instants import SECOND
from dialerd.model.states import AnsweredBy, AtFault, OnVoicemail, Outcome
from dialerd_twilio.answers import CallStatus, CarrierError, answerer
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.leg import Leg
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.verdicts import verdict

_log = structlog.get_logger()

_PRICE_S: Final = (5.0, 60.0)  # between two questions for the price, at first and at most

_ENDED_BY_US: Final = {
    Outcome.CANCELLED: None,
    Outcome.NO_ANSWER: Cause(fault=AtFault.CALLEE, q850=19, detail="it rang for as long as it may"),
    Outcome.CONGESTION: Cause(
        fault=AtFault.TRUNK, q850=34, code="queued", detail="it was still in the carrier's queue, and was taken back"
    ),
}
"""What a call is that was taken back before anybody answered, by why it was."""


def end_of(leg: Leg, *, ended_as: Outcome | None, options: TwilioOptions, carrier: Carrier) -> CallEnd:
    """Return how a call ended.

    Args:
        leg: the call, which is over.
        ended_as: what it is if it was ended from here before anybody answered, or None.
        options: the trunk's.
        carrier: whom to ask for the price.
    """
    known = leg.known
    machine = answerer(known.answered_by) is AnsweredBy.MACHINE
    # the call waited for the beep, and then said what it says, unless it was ended from here
    message_left = machine and known.answered and ended_as is None
    message_left = message_left and leg.script.on_voicemail is OnVoicemail.LEAVE_MESSAGE
    found = verdict(
        status=known.status,
        sip_code=known.sip_code,
        error_code=known.error_code,
        answered_by=known.answered_by,
        message_left=message_left,
    )
    outcome, cause = found.outcome, found.cause
    if known.status is CallStatus.CANCELED and ended_as in _ENDED_BY_US:
        outcome, cause = ended_as, _ENDED_BY_US[ended_as]
    # what was reported when it happened is known to the millisecond; the carrier's own instants are whole seconds
    followed = leg.report is not None
    noted = known.answer_told and followed
    answered_at = None
    if known.answered and not noted and known.ended_at is not None and known.duration is not None:
        answered_at = known.ended_at - known.duration
    wait_for_price = known.answered and known.price is None and known.sid is not None and options.price_wait > 0
    return CallEnd(
        outcome=outcome,
        cause=cause,
        answered_at=answered_at,
        ended_at=None if known.end_told and followed else known.ended_at,
        answered_by=found.answered_by,
        message_left=message_left,
        digits="" if followed else leg.digits,
        opted_out=leg.opted_out,
        detail=known.detail(),
        afterwards=partial(price, carrier, str(known.sid), options.price_wait / SECOND) if wait_for_price else None,
    )


async def price(carrier: Carrier, sid: str, patience_s: float) -> Mapping[str, Any]:
    """Wait for the price of a call, which the carrier does not know at once.

    Args:
        carrier: who had the call.
        sid: its id.
        patience_s: how long to wait.

    Returns:
        `price` and `price_unit`, or nothing.
    """
    pause_s = _PRICE_S[0]
    with trio.move_on_after(patience_s):
        while True:
            await trio.sleep(pause_s)
            try:
                call = await carrier.fetch(sid)
            except CarrierError as error:
                _log.info("twilio.price_not_told", sid=sid, error=str(error))
                call = None
            if call is not None and call.price is not None:
                return {"price": call.price, "price_unit": call.price_unit}
            pause_s = min(pause_s * 2, _PRICE_S[1])
    return {}
