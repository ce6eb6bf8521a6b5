"""What the carrier's answers hold: a call, a refusal, the address of a list's next page.

Knows how Twilio writes them, and where carriers that speak its API write otherwise. Asks nothing.
"""

import json
import re
from typing import Final
from urllib.parse import urlsplit

from twilio.rest.api.v2010.account.call import CallInstance

from dialerd.model.instants import SECOND, to_instant
from dialerd_twilio.answers import CallStatus, CarrierCall, Lost

_STATUSES: Final = {status.value: status for status in CallStatus}
_SID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.=~+-]{0,255}")  # CA and 32 digits at Twilio, others elsewhere


def refusal_of(refusal: str, *, codes: bool = True) -> tuple[int | None, str]:
    """Return the code and the words of a refusal: JSON of Twilio's form, of RFC 9457's, or with a list of `errors`.

    Args:
        refusal: the answer.
        codes: whether the codes are Twilio's; SignalWire's list has such ("Create a Call", 400), Telnyx' has its own.
    """
    try:
        fields = json.loads(refusal)
    except (ValueError, RecursionError):
        return None, ""
    if isinstance(fields, dict) and isinstance(fields.get("errors"), list) and fields["errors"]:
        fields = fields["errors"][0]
        if isinstance(fields, str):
            return None, fields
    if not isinstance(fields, dict):
        return None, ""
    words = str(fields.get("message") or fields.get("detail") or fields.get("title") or "")
    code = str(fields.get("code") or "")
    if not codes:
        return None, f"{code} {words}".strip()
    return int(code) if re.fullmatch(r"[0-9]{1,9}", code) else None, words


def as_call(said: CallInstance) -> CarrierCall:
    """Return a call as the carrier tells of it.

    Raises:
        ValueError, TypeError: it has no id.
    """
    if not isinstance(said.sid, str) or not _SID.fullmatch(said.sid):
        raise ValueError("a call without an id")
    created, ended = said.date_created, said.end_time
    return CarrierCall(
        sid=said.sid,
        status=_STATUSES.get(str(said.status), CallStatus.QUEUED),  # a word of the carrier's own says nothing here
        number=said.to or "",
        caller_id=said._from or "",
        created_at=None if created is None else to_instant(created),
        dialled=said.start_time is not None,
        ended_at=None if ended is None else to_instant(ended),
        duration=None if said.duration in (None, "") else int(said.duration) * SECOND,
        answered_by=said.answered_by or None,
        price=None if said.price in (None, "") else str(said.price),
        price_unit=said.price_unit or None,
    )


def may_be(told: str | None, number: str) -> bool:
    """Tell whether a number that the carrier writes may be `number`; one that it does not write may be any."""
    written = "".join(filter(str.isdigit, (told or "").removeprefix("sip:").partition("@")[0]))
    return not written or written == number.removeprefix("+")


def next_page(base: str, url: str) -> str:
    """Return the address of a list's next page, from the one that the SDK makes of the carrier's.

    The SDK puts the carrier's path behind the base URL. Carriers whose API has a path of its own name that in it too,
    or give the whole URL.

    Raises:
        Lost: it leads to another server, which must not get our credentials.
    """
    told = url.removeprefix(base).lstrip("/")
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    path = urlsplit(base).path.strip("/")
    if told.startswith(("http://", "https://")):
        if not told.startswith(origin + "/"):
            raise Lost("a list's next page is said to be on another server", sent=True)
        return told
    if path and told.startswith(path + "/"):
        return f"{origin}/{told}"
    return f"{base}/{told}"
