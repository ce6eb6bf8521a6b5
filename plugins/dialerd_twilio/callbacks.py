"""Twilio's requests to the daemon: checked, understood, and handed to the call that they are about.

A request counts only if it is signed for the public URL that the call was given: Twilio, "Webhooks security". Knows
nothing of sockets; the daemon's listener has read the request.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final
from urllib.parse import parse_qsl

import structlog
import trio
from twilio.request_validator import RequestValidator

from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Instant
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.complaints import Complaints
from dialerd_twilio.answers import CallStatus
from dialerd_twilio.board import Board
from dialerd_twilio.leg import Leg
from dialerd_twilio.script import STOP

_log = structlog.get_logger()

STATUS: Final = "status"
DETECTION: Final = "detection"
KEYS: Final = "keys"

_TAKEN: Final = CallbackAnswer(status=204)
_FORGED: Final = CallbackAnswer(status=403)
_NOWHERE: Final = CallbackAnswer(status=404)
_UNREADABLE: Final = CallbackAnswer(status=400)
_XML: Final = "application/xml; charset=utf-8"
_GOODBYE: Final = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
_READ_AGAIN_S: Final = 5.0  # the least time between two looks at the token: anybody may send a wrong signature
_ADOPTED_S: Final = 8.0  # Twilio waits 15 s for an answer; a call of a former life may be found meanwhile
_STATUSES: Final = {status.value: status for status in CallStatus}
_ATTESTATION: Final = {"StirVerstat": "stir_verstat", "StirStatus": "stir_status"}


def callback_url(base: str, kind: str, attempt_id: str) -> str:
    """Return the public URL of an attempt's callbacks of one kind.

    Args:
        base: public URL of the trunk.
        kind: `STATUS`, `DETECTION` or `KEYS`.
        attempt_id: the attempt; so that its call is known by it even if its id was never told.
    """
    return f"{base}/{kind}/{attempt_id}"


class Callbacks:
    """Answers a trunk's carrier.

    Args:
        base: public URL of the trunk.
        token: reads what the carrier signs with; asked again when a signature does not fit.
        header: header of the signature, in small letters.
        board: the calls.
        trunk: name of the trunk, for the log.

    Attributes:
        missing: whether something was found by asking that no callback had told, and none has come since.
    """

    def __init__(self, base: str, token: Callable[[], str], *, header: str, board: Board, trunk: str) -> None:
        self._base = base
        self._read_token = token
        self._token = token()
        self._token_s = -inf  # when it was last read again
        self._validator = RequestValidator(self._token)
        self._header = header
        self._board = board
        self._trunk = trunk
        self.missing = False
        self._complaints = Complaints()

    async def answer(self, request: CallbackRequest) -> CallbackAnswer:
        """Answer a request, and let its call know what it tells."""
        kind, _, attempt_id = request.path.removeprefix("/").partition("/")
        if kind not in (STATUS, DETECTION, KEYS) or not attempt_id or "/" in attempt_id:
            return _NOWHERE
        form = _form(request)
        if form is None:
            return _UNREADABLE
        if not self._signed(request, form):
            return _FORGED
        self.missing = False
        leg = self._board.find(attempt_id) or self._board.closed(attempt_id)
        if leg is None and not request.alone:
            return _NOWHERE  # the trunk's other provider has it
        if leg is None:
            leg = self._board.stranger(attempt_id)
        if kind == KEYS:
            return await self._keys(leg, form, request.query)
        taken = _status(leg, form) if kind == STATUS else _detection(leg, form)
        if taken:
            leg.heard_s = trio.current_time()
            leg.tell()
        return _TAKEN

    def _signed(self, request: CallbackRequest, form: Mapping[str, str]) -> bool:
        url = f"{self._base}{request.path}" + (f"?{request.query}" if request.query else "")
        signature = request.headers.get(self._header, "")
        signed = bool(signature) and self._fits(url, form, signature)
        if not signed:
            self._complaints.tell(
                _log.warning,
                "twilio.callback_refused",
                "signature",
                trunk=self._trunk,
                signed=bool(signature),
                remedy="somebody pretends to be the carrier, or its signature does not fit: look whether [callbacks] "
                "url is exactly what the carrier asks, and whether the trunk's signing_token (or auth_token) is the "
                "one of the account whose calls these are; meanwhile the carrier is asked about calls instead",
            )
        return signed

    def _fits(self, url: str, form: Mapping[str, str], signature: str) -> bool:
        """Tell whether a signature is the carrier's; its token may have been changed where it lies."""
        if self._validator.validate(url, form, signature):
            return True
        now_s = trio.current_time()
        if now_s < self._token_s + _READ_AGAIN_S:
            return False
        self._token_s = now_s
        with suppress(DialerdError):
            token = self._read_token()
            if token != self._token:
                self._token, self._validator = token, RequestValidator(token)
                return bool(self._validator.validate(url, form, signature))
        return False

    def missed(self) -> None:
        """Take note that something was found by asking that a callback should have told."""
        self.missing = True
        self._complaints.tell(
            _log.warning,
            "twilio.callbacks_missing",
            "callbacks",
            trunk=self._trunk,
            remedy="calls go on, and the carrier is asked about them, but keys that people press, the one to opt out "
            "among them, are lost: look whether the reverse proxy passes on what follows [callbacks] url, and at what "
            "the carrier's console shows of its requests",
        )

    async def _keys(self, leg: Leg, form: Mapping[str, str], query: str) -> CallbackAnswer:
        """Take keys that were pressed, and answer what the call does next."""
        digits = form.get("Digits", "")
        stop = leg.script.opt_out or dict(parse_qsl(query)).get(STOP)
        leg.press(digits)  # whatever follows: its call may end while it is waited for
        wished = stop is not None and digits == stop
        leg.opted_out = leg.opted_out or wished
        if leg.opt_out is None:  # nobody has asked about this call in this life
            _learn_sid(leg, form)
            with trio.move_on_after(_ADOPTED_S):
                await leg.adopted.wait()
        twiml = leg.script.keys.get(digits) or leg.script.otherwise or _GOODBYE
        if wished and not await self._opt_out(leg):
            twiml = leg.script.otherwise or _GOODBYE  # nothing is confirmed that is not certain
        return CallbackAnswer(status=200, body=twiml.encode(), content_type=_XML)

    async def _opt_out(self, leg: Leg) -> bool:
        """Have the called number entered as not to be called, and tell whether it is.

        What cannot be stored now goes with the call's end.
        """
        if leg.opt_out is None:
            return False
        try:
            await leg.opt_out()
        except DialerdError as error:
            _log.error(
                "twilio.opt_out_delayed",
                call_id=leg.attempt_id,
                error=str(error),
                remedy="the called person asked not to be called again, and that could not be stored: look at the "
                "database's disk. it is tried again when the call ends; if it is over already, enter the number by "
                "hand",
            )
            return False
        leg.opted_out = False
        return True


def _form(request: CallbackRequest) -> dict[str, str] | None:
    """Return the form that was posted, or None where it is none."""
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body)))
    except ValueError:
        return None


def _status(leg: Leg, form: Mapping[str, str]) -> bool:
    """Take a status callback; tell whether it says anything new."""
    status = _STATUSES.get(form.get("CallStatus", ""))
    sid = form.get("CallSid")
    if not sid or status is None:
        return False
    duration_s = _number(form.get("CallDuration"))  # `Duration` is in minutes, and rounded up
    return leg.known.take_callback(
        sid=sid,
        status=status,
        sequence=_number(form.get("SequenceNumber")),
        at=_instant(form.get("Timestamp")),
        duration=None if duration_s is None else duration_s * SECOND,
        sip_code=_number(form.get("SipResponseCode")),
        error_code=_number(form.get("ErrorCode")),
        answered_by=form.get("AnsweredBy") or None,
        attestation={name: form[field] for field, name in _ATTESTATION.items() if form.get(field)},
    )


def _detection(leg: Leg, form: Mapping[str, str]) -> bool:
    """Take the result of a detection; tell whether it is the first."""
    found = form.get("AnsweredBy")
    if not found or leg.known.answered_by is not None or leg.known.sid not in (None, form.get("CallSid")):
        return False
    _learn_sid(leg, form)
    leg.known.answered_by = found
    return True


def _learn_sid(leg: Leg, form: Mapping[str, str]) -> None:
    leg.known.sid = leg.known.sid or form.get("CallSid") or None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _instant(text: str | None) -> Instant | None:
    try:
        return None if text is None else round(parsedate_to_datetime(text).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return None
