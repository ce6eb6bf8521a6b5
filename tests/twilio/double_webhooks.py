"""What the Twilio double asks of the user's addresses: status callbacks, detections, keys and documents, all signed.

Public URLs are mapped to real ones, as a reverse proxy does it; the signature is over the public one (Twilio,
"Webhooks security"). A request has 15 seconds, and one more chance where no connection came about (Twilio, "Webhooks
connection overrides": the defaults of Voice).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

import httpx
import trio
from attrs import define, field
from double_call import Delivery, DoubleCall, date
from twilio.request_validator import RequestValidator

from dialerd.plugin.callback import CallbackAnswer, CallbackRequest

if TYPE_CHECKING:
    from twilio_double import TwilioDouble

Route = str | Callable[[CallbackRequest], Awaitable[CallbackAnswer]]
"""Where a public URL leads: a base URL, or a provider's own method, which gets what follows the prefix."""

TIMEOUT_S: Final = 15.0
_TRIES: Final = 2
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@define(eq=False)
class _Outbox:
    """A call's status callbacks that have not left yet."""

    ready: deque[dict[str, str]] = field(factory=deque)
    held: list[dict[str, str]] = field(factory=list)
    leaving: bool = False


class Webhooks:
    """Requests to the user.

    Args:
        double: whose.
    """

    def __init__(self, double: "TwilioDouble") -> None:
        self._double = double
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
        self._outboxes: dict[str, _Outbox] = {}
        self._validators: dict[str, RequestValidator] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def fields(self, call: DoubleCall) -> dict[str, str]:
        """Return what every request about a call says (Twilio, "TwiML for Programmable Voice", request parameters)."""
        return {
            "CallSid": call.sid,
            "AccountSid": call.account,
            "From": call.from_,
            "To": call.to,
            "Caller": call.from_,
            "Called": call.to,
            "CallStatus": call.status,
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-api",
        }

    def tell(self, call: DoubleCall, event: str) -> None:
        """Send a status callback of an event, where one is wanted (Twilio, "Call resource", StatusCallbackEvent)."""
        url = call.params.get("StatusCallback")
        if not url or event not in call.wanted:
            return
        form = self.fields(call) | {
            "Timestamp": date(self._double.now()) or "",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.told),
        }
        call.told += 1
        if call.answered_by is not None:
            form["AnsweredBy"] = call.answered_by
        if event == "completed":
            duration = call.duration_s or 0
            form |= {"CallDuration": str(duration), "Duration": str(-(-duration // 60))}
            if call.sip_code is not None:
                form["SipResponseCode"] = str(call.sip_code)
        form |= call.behaviour.extra
        self._post(call, form)

    def detected(self, call: DoubleCall) -> None:
        """Tell who answered, while the call goes on (Twilio, "Answering Machine Detection", AsyncAmdStatusCallback)."""
        url = call.params.get("AsyncAmdStatusCallback")
        if url:
            form = {
                "CallSid": call.sid,
                "AccountSid": call.account,
                "AnsweredBy": call.answered_by or "unknown",
                "MachineDetectionDuration": str(call.detection_ms),
            }
            self._double.start_soon(self.ask, call, "detection", url, form)

    async def ask(self, call: DoubleCall, kind: str, url: str, form: dict[str, str], method: str = "POST") -> Delivery:
        """Send a request to a public URL, and keep what became of it among the call's deliveries."""
        if method == "GET":
            url, form = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}", {}
        signature = self._signature(call.account, url, form)
        at_s = trio.current_time()
        tries, status, body = await self._send(method, url, urlencode(form).encode(), signature)
        delivery = Delivery(
            kind=kind, url=url, form=form, signature=signature, at_s=at_s, tries=tries, status=status, body=body
        )
        call.deliveries.append(delivery)
        return delivery

    def _post(self, call: DoubleCall, form: dict[str, str]) -> None:
        """Put a status callback into the call's outbox, as the faults have it."""
        outbox = self._outboxes.setdefault(call.sid, _Outbox())
        match self._double.faults.of_callback():
            case "withheld":
                return
            case "out_of_order":
                outbox.held.append(form)
                self._double.start_soon(self._let_go, call, outbox, form)
                return
            case "duplicated":
                self._double.start_soon(self._repeat, call, form)
        outbox.ready.append(form)
        outbox.ready.extend(outbox.held)
        outbox.held.clear()
        self._leave(call, outbox)

    def _leave(self, call: DoubleCall, outbox: _Outbox) -> None:
        if not outbox.leaving:
            outbox.leaving = True
            self._double.start_soon(self._empty, call, outbox)

    async def _empty(self, call: DoubleCall, outbox: _Outbox) -> None:
        """Send what is ready, one after the other."""
        while outbox.ready:
            await self.ask(call, "status", call.params["StatusCallback"], outbox.ready.popleft(), self._method(call))
        outbox.leaving = False
        if call.over and not outbox.held:
            self._outboxes.pop(call.sid, None)

    async def _let_go(self, call: DoubleCall, outbox: _Outbox, form: dict[str, str]) -> None:
        """Send a callback that was held back, where no other one has come to take it along."""
        await trio.sleep(self._double.faults.held_s)
        if form in outbox.held:
            outbox.held.remove(form)
            outbox.ready.append(form)
            self._leave(call, outbox)

    async def _repeat(self, call: DoubleCall, form: dict[str, str]) -> None:
        await trio.sleep(self._double.faults.again_s)
        await self.ask(call, "status", call.params["StatusCallback"], form, self._method(call))

    def _method(self, call: DoubleCall) -> str:
        return call.params.get("StatusCallbackMethod", "POST")

    def _signature(self, account: str, url: str, form: dict[str, str]) -> str:
        validator = self._validators.get(account)
        if validator is None:
            validator = self._validators[account] = RequestValidator(self._double.token_of(account))
        return str(validator.compute_signature(url, form))

    async def _send(self, method: str, url: str, body: bytes, signature: str) -> tuple[int, int | None, str]:
        """Return how often it was tried, and status and text of an answer; None where there was none."""
        headers = {
            self._double.signature_header: signature,
            "I-Twilio-Idempotency-Token": signature[:16],
            "User-Agent": "TwilioProxy/1.1",
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        prefix = max((one for one in self._double.routes if url.startswith(one)), key=len, default=None)
        route: Route = url if prefix is None else self._double.routes[prefix]
        rest = "" if prefix is None else url[len(prefix) :]
        if callable(route):
            return (1, *await self._hand(route, rest, method, headers, body))
        if prefix is None and urlsplit(url).hostname not in _LOOPBACK:
            return 0, None, ""  # a double asks nothing of the world
        for tries in range(1, _TRIES + 1):
            try:
                answer = await self._client.request(method, route + rest, content=body, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.HTTPError:
                return tries, None, ""
            return tries, answer.status_code, answer.text
        return _TRIES, None, ""

    async def _hand(
        self,
        route: Callable[[CallbackRequest], Awaitable[CallbackAnswer]],
        rest: str,
        method: str,
        headers: dict[str, str],
        body: bytes,
    ) -> tuple[int | None, str]:
        path, _, query = rest.partition("?")
        lower = {name.lower(): value for name, value in headers.items()}
        request = CallbackRequest(method=method, path=path, query=query, headers=lower, body=body)
        with trio.move_on_after(TIMEOUT_S):
            answer = await route(request)
            return answer.status, answer.body.decode()
        return None, ""
