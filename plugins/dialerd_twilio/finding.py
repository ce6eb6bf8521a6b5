"""Finding a call whose answer was lost, or proving that it never came to be.

Twilio knows no idempotency keys: a request whose answer is lost must never be sent again. But it lists its calls, so
that one can be looked for by both numbers and the time at which it was created. Times of the carrier and of this
machine are not the same, and a lost request may still be on its way: what is not certain stays doubtful.
"""

from collections.abc import Callable, Collection
from typing import Final

import trio

from dialerd.model.call import AttemptRef, CannotTell, WasNotPlaced
from dialerd.model.instants import HOUR, SECOND, Duration
from dialerd_twilio.answers import CarrierCall, Refused
from dialerd_twilio.carrier import Carrier

_SKEW: Final[Duration] = 30 * SECOND
"""How far the two clocks may be apart beyond what is known of it; the carrier tells seconds only."""

_STRANGE: Final[Duration] = 2 * HOUR
"""A call to the number that nobody knows, and so long before, might be this one where clocks were set meanwhile."""

_PAUSE_S: Final = (1.0, 8.0)
_NO_LIST: Final = frozenset({404, 405, 501})  # answers of a carrier that has no list of calls


async def find(
    carrier: Carrier, attempt: AttemptRef, *, taken: Callable[[], Collection[str]], proof_at_s: float
) -> CarrierCall | WasNotPlaced | CannotTell:
    """Return the call of an attempt, as the carrier lists it, or the proof that there is none.

    Args:
        carrier: whom to ask.
        attempt: whose call it is; its id at the carrier is not known.
        taken: returns the ids of calls that are other attempts'.
        proof_at_s: when a late creation would have shown, in trio's time; before that nothing is proven.

    Raises:
        CarrierError: the carrier cannot be asked now.
    """
    pause_s = _PAUSE_S[0]
    while True:
        last = trio.current_time() >= proof_at_s  # asked for before the list is: what comes after it would be missed
        try:
            call, strange = await _look(carrier, attempt, taken())
        except Refused as error:
            if error.status in _NO_LIST:
                return CannotTell(reason=f"the carrier has no list of calls: {error}")
            raise
        if call is not None:
            return call
        if last and strange is not None:
            return CannotTell(
                reason=f"the carrier has a call {strange.sid} to this number that no attempt is known to have made, "
                "from before this attempt by both clocks"
            )
        if last:
            return WasNotPlaced()
        await trio.sleep(min(pause_s, max(proof_at_s - trio.current_time(), 0)))
        pause_s = min(pause_s * 2, _PAUSE_S[1])


async def _look(
    carrier: Carrier, attempt: AttemptRef, taken: Collection[str]
) -> tuple[CarrierCall | None, CarrierCall | None]:
    """Return the attempt's call, and one that is a little too old to be, where there are such."""
    found: CarrierCall | None = None
    strange: CarrierCall | None = None
    calls = await carrier.calls(attempt.number, attempt.caller_id)
    claimed_at = attempt.claimed_at + carrier.ahead  # the answer has told the carrier's time
    for call in calls:
        if call.sid in taken or call.sid in attempt.others:
            continue
        if call.created_at is None:
            strange = call
            continue
        if call.created_at >= claimed_at - _SKEW:
            if found is None or found.created_at is None or call.created_at < found.created_at:
                found = call
        elif call.created_at >= claimed_at - _STRANGE:
            strange = call
    return found, strange
