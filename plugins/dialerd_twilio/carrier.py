"""The carrier as the rest of the plugin sees it: its REST API, asked with the official SDK under trio.

Knows what a request is and what became of it; what that means for a call is `dialerd_twilio.verdicts`'.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from time import time_ns
from typing import Any, Final, TypeVar

import httpx
import trio
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberList
from twilio.rest.api.v2010.account.outgoing_caller_id import OutgoingCallerIdList

from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Duration, Instant, to_instant
from dialerd_twilio.answers import CallStatus, CarrierCall, Lost, NewCall, Refused
from dialerd_twilio.manner import manner_of
from dialerd_twilio.options import Api, TwilioOptions
from dialerd_twilio.reading import as_call, may_be, next_page, refusal_of
from dialerd_twilio.transport import Errand, Transport, on_errand, retry_after

T = TypeVar("T")

PAGE_SIZE: Final = 1_000
"""Records on a page, the most that Twilio gives (its API description, `PageSize`)."""

MOST_PAGES: Final = 100
"""A list that goes on beyond this many pages is no list of calls between two numbers: the carrier goes round in
circles, or does not heed the filter and has more calls than can be looked through."""

_ALL_EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
_NOT_OURS: Final = frozenset({"inbound", "outbound-dial"})  # `Direction` of calls that no request has created
_NO_MORE: Final = 21220  # "Invalid call state": Twilio error 21220, the call is not in progress any more
_MOST_WORDS: Final = 300
_NUMBER: Final = re.compile(r"(?:\+|%2B)?\d(?:[ ().-]?\d){6,}")
_ENVIRONMENT: Final = {"TWILIO": ""}  # the SDK would take an account, a region and a token from the daemon's


class Carrier:
    """Asks the carrier. Nothing is opened before it is needed; who is done with it closes it.

    Args:
        options: of the trunk.
        username: who asks: the account's SID, or an API key's.
        secret: reads the secret that goes with it; asked again when the carrier refuses the one that it had.
        now: the wall clock.

    Attributes:
        ahead: how far the carrier's clock is ahead of this machine's, as the last list of calls has told it; 0 = not
            known.

    Raises:
        DialerdError: the secret cannot be read, or the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        options: TwilioOptions,
        *,
        username: str,
        secret: Callable[[], str],
        now: Callable[[], Instant] = lambda: time_ns() // 1_000_000,
    ) -> None:
        self.ahead: Duration = 0
        self._options = options
        self._secret = secret
        self._password = secret()
        self._now = now
        self._texml = options.api is Api.TEXML
        manner = manner_of(options, (options.base_url or "").rstrip("/"))
        self._transport = Transport(options.request_timeout, manner)
        client = self._client = Client(
            username,
            self._password,
            options.account,
            edge=options.edge,
            region=options.region,
            http_client=self._transport,
            environment=_ENVIRONMENT,
        )
        if options.base_url is not None:
            client.api.base_url = options.base_url.rstrip("/")
        self._base = str(client.api.base_url)
        self._account = client.api.v2010.accounts(options.account)
        self._calls = self._account.calls
        self._fixed: dict[str, Any] = {} if options.call_reason is None else {"call_reason": options.call_reason}
        self._listening: dict[str, Any] = {
            "machine_detection_timeout": options.amd_timeout // SECOND,
            "machine_detection_speech_threshold": options.amd_speech_threshold,
            "machine_detection_speech_end_threshold": options.amd_speech_end_threshold,
            "machine_detection_silence_timeout": options.amd_silence_timeout,
        }

    async def aclose(self) -> None:
        """Close every connection."""
        with trio.CancelScope(shield=True):
            await self._transport.aclose()

    async def create(
        self, call: NewCall, leave: Callable[[], None], ready: Callable[[], Awaitable[None]] | None = None
    ) -> CarrierCall:
        """Create a call.

        Args:
            call: what is asked for.
            leave: called right before the first byte leaves; what it raises passes out untouched.
            ready: awaited before that, when there is a connection; what it raises passes out as well.

        Raises:
            CarrierError: it was refused or lost.
        """
        asked: dict[str, Any] = {**self._fixed, "timeout": call.timeout_s, "time_limit": call.time_limit_s}
        if call.url is None:
            asked["twiml"] = call.twiml
        else:
            asked.update(url=call.url, method="POST")
        if call.press is not None:
            asked["send_digits"] = call.press
        if call.detect is not None:
            asked.update(self._listening, machine_detection=call.detect)
            if call.detection_callback is not None:
                asked.update(
                    async_amd="true",
                    async_amd_status_callback=call.detection_callback,
                    async_amd_status_callback_method="POST",
                )
        if call.status_callback is not None:
            asked.update(
                status_callback=call.status_callback,
                status_callback_method="POST",
                status_callback_event=_ALL_EVENTS,
            )
        errand = Errand(leave=leave, ready=ready)
        return await self._ask(errand, lambda: self._calls.create_async(call.to, call.caller_id, **asked), as_call)

    async def fetch(self, sid: str) -> CarrierCall | None:
        """Return what the carrier says of a call; None where it knows none.

        Raises:
            CarrierError: it cannot be asked now.
        """
        try:
            return await self._ask(Errand(), self._calls(sid).fetch_async, as_call)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def end(self, sid: str, status: CallStatus) -> CarrierCall | None:
        """End a call with `canceled` (not yet answered) or `completed`; None where it is over already.

        Raises:
            CarrierError: the order was refused or lost.
        """
        if self._texml:  # it knows nothing else: Telnyx, "Update call"
            status = CallStatus.COMPLETED
        return await self._update(sid, status=status.value)

    async def calls(self, number: str, caller_id: str) -> list[CarrierCall]:
        """Return the calls of the account from one number to another.

        The numbers are compared here as well: a carrier that does not heed the filter lists everybody's.

        Raises:
            CarrierError: a page was refused or lost, or the list has no end.
        """

        def matching(record: CallInstance) -> CarrierCall | None:
            ours = record.direction not in _NOT_OURS and may_be(record.to, number) and may_be(record._from, caller_id)
            return as_call(record) if ours else None

        return await self._listed(
            lambda: self._calls.page_async(to=number, from_=caller_id, page_size=PAGE_SIZE),
            self._calls.get_page_async,
            matching,
        )

    async def caller_ids(self) -> frozenset[str]:
        """Return the numbers that the account may show: its own, and those that it has verified, E.164.

        Raises:
            CarrierError: they cannot be asked for now.
        """
        numbers: set[str] = set()
        refusals: list[Refused] = []
        owned, verified = self._account.incoming_phone_numbers, self._account.outgoing_caller_ids
        for listed in (owned, verified):
            try:
                numbers.update(await self._numbers(listed))
            except Refused as error:
                if error.status != 404:  # a carrier may have one of the two kinds only
                    raise
                refusals.append(error)
        if len(refusals) == 2:
            raise refusals[0]
        return frozenset(numbers)

    async def error_code(self, sid: str) -> int | None:
        """Return the code of the last error or warning that the carrier notes for a call, or None.

        Raises:
            CarrierError: it cannot be asked for now.
        """

        def codes(page: Any) -> list[tuple[Instant, int]]:
            return [
                (0 if note.message_date is None else to_instant(note.message_date), int(note.error_code))
                for note in page
                if note.error_code
            ]

        notes = self._calls(sid).notifications
        try:
            found = await self._ask(Errand(), lambda: notes.page_async(page_size=50), codes)
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return max(found)[1] if found else None

    async def _update(self, sid: str, **change: str) -> CarrierCall | None:
        try:
            return await self._ask(Errand(), lambda: self._calls(sid).update_async(**change), as_call)
        except Refused as error:
            if error.status == 404 or error.code == _NO_MORE:
                return None
            raise

    async def _numbers(self, listed: IncomingPhoneNumberList | OutgoingCallerIdList) -> list[str]:
        """Return the numbers of a list of numbers."""
        return await self._listed(
            lambda: listed.page_async(page_size=PAGE_SIZE),
            listed.get_page_async,
            lambda record: None if record.phone_number is None else str(record.phone_number),
        )

    async def _listed(
        self,
        first: Callable[[], Awaitable[Any]],
        follow: Callable[[str], Awaitable[Any]],
        read: Callable[[Any], T | None],
    ) -> list[T]:
        """Go through the pages of a list to its end.

        Args:
            first: asks for the first page.
            follow: asks for the page at an address.
            read: makes something of a record; None = it is not looked for.
        """

        def taken(page: Any) -> tuple[list[T], str | None]:
            read_ones = [read(record) for record in page]
            return [one for one in read_ones if one is not None], page.next_page_url

        found: list[T] = []
        ask: Callable[[], Awaitable[Any]] = first
        for _ in range(MOST_PAGES):
            errand = Errand()
            records, url = await self._ask(errand, ask, taken)
            self._compare_clocks(errand)
            found += records
            if url is None:
                return found
            ask = partial(follow, next_page(self._base, url))
        raise Lost(f"a list at the carrier goes on beyond {MOST_PAGES} pages", sent=True)

    async def _ask(self, errand: Errand, ask: Callable[[], Awaitable[Any]], read: Callable[[Any], T]) -> T:
        """Ask, and read the answer.

        Raises:
            CarrierError: there is no answer, it is a refusal, or nobody can make anything of it.
        """
        try:
            with on_errand(errand):
                answer = await ask()
            if errand.status is not None and errand.status < 300:
                return read(answer)
        except Exception as error:
            if error is errand.stopped:
                raise
            if errand.status is None:
                raise self._lost(errand, error) from None
            if errand.status < 300:
                raise Lost(f"nobody can make anything of the answer ({type(error).__name__})", sent=True) from None
        raise self._refused(errand)

    def _lost(self, errand: Errand, error: Exception) -> Lost:
        """Return what is said of a request without an answer."""
        kind = "" if isinstance(error, DialerdError | trio.TooSlowError) else f"{type(error).__name__}: "
        when = "its answer was lost" if errand.sent else "it was not sent"
        if isinstance(error, httpx.ConnectError | httpx.ProxyError):
            when = "the carrier cannot be reached"
        return Lost(self._clean(f"{when}: {kind}{error}"), sent=errand.sent)

    def _refused(self, errand: Errand) -> Refused:
        """Return what is said of a refusal."""
        code, words = refusal_of(errand.refusal or "", codes=not self._texml)
        asked = retry_after(errand.retry_after, self._now())
        refused = Refused(errand.status or 0, code, self._clean(words), asked)
        if errand.status == HTTPStatus.UNAUTHORIZED:
            self._read_secret()  # only now: the words may hold the former one
        return refused

    def _read_secret(self) -> None:
        """Read the secret again, since it may have been changed where it lies; the next request uses it."""
        with suppress(DialerdError):
            self._password = self._secret()
            self._client.auth = (self._client.username, self._password)

    def _clean(self, words: str) -> str:
        """Return words without secrets, with numbers masked, on one short line."""
        words = " ".join(words.replace(self._password, "[left out]").split())
        return _NUMBER.sub(lambda match: "*" * (len(match[0]) - 2) + match[0][-2:], words)[:_MOST_WORDS]

    def _compare_clocks(self, errand: Errand) -> None:
        """Take note of the carrier's time, which its answer's Date tells to the second (RFC 9110, section 6.6.1)."""
        if errand.date is None:
            return
        try:
            told = to_instant(parsedate_to_datetime(errand.date))
        except (ValueError, OverflowError):
            return
        self.ahead = told + SECOND // 2 - self._now()
