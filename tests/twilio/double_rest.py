"""The Twilio double's REST API: who may ask, and the requests that create, end and redirect calls.

Validated as Twilio does. Sources: Twilio, "Call resource" and "Error and Warning Dictionary".
"""

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import trio
from double_call import API, DoubleCall
from double_errors import document, error, within
from double_http import Answer, Asked
from double_lists import Lists

if TYPE_CHECKING:
    from twilio_double import TwilioDouble

TWIML_CHARACTERS: Final = 4_000
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}|sip:\S+|client:\S+")
_DIGITS: Final = re.compile(r"[0-9*#A-DwW]{0,32}")
_EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
_RANGES: Final = {  # of parameters, with the code of one that is out of it
    "Timeout": (1, 600, 21208),
    "TimeLimit": (1, 86_400, 20001),
    "MachineDetectionTimeout": (3, 59, 20001),
    "MachineDetectionSpeechThreshold": (1_000, 6_000, 20001),
    "MachineDetectionSpeechEndThreshold": (500, 5_000, 20001),
    "MachineDetectionSilenceTimeout": (2_000, 10_000, 20001),
}


class Rest:
    """Answers requests.

    Args:
        double: for whom.
    """

    def __init__(self, double: "TwilioDouble") -> None:
        self._double = double
        self._lists = Lists(double)
        self._base = f"{double.prefix}{API}/Accounts/"
        self._logins = {_basic(double.account, double.token): double.account}
        for account, token in double.subaccounts.items():
            self._logins[_basic(account, token)] = account
        for key, secret in double.api_keys.items():
            self._logins[_basic(key, secret)] = key

    async def answer(self, asked: Asked) -> Answer | None:
        """Answer a request; None = close the connection."""
        path, _, query = asked.target.partition("?")
        if not path.startswith(self._base) or not path.endswith(".json"):
            return error(404, 20404, path)
        account, _, what = path[len(self._base) : -len(".json")].partition("/")
        login = self._logins.get(asked.headers.get("authorization", ""))
        if login is None or not self._may(login, account, what):
            return error(401, 20003)
        if account != self._double.account and account not in self._double.subaccounts:
            return error(404, 20404, path)
        if asked.method == "POST" and what == "Calls":
            return await self._create(account, parse_qsl(asked.body.decode(), keep_blank_values=True))
        fault = self._double.faults.of_other()
        if fault == "throttle":
            return self._throttled()
        if fault == "server_error":
            return error(500, 20500)
        if fault == "slow":
            await trio.sleep(self._double.faults.slow_s)
        answer = self._other(asked, account, what, path, query)
        return None if fault == "lost_answer" else answer

    def _may(self, login: str, account: str, what: str) -> bool:
        """Tell whether somebody may ask; an API key may not ask for accounts (Twilio, "API keys")."""
        if login.startswith("SK"):
            return bool(what)
        return login in (account, self._double.account)

    def _throttled(self) -> Answer:
        after = self._double.faults.retry_after_s
        return error(429, 20429, headers={} if after is None else {"Retry-After": str(after)})

    def _other(self, asked: Asked, account: str, what: str, path: str, query: str) -> Answer:
        """Answer what creates no call."""
        parts = what.split("/")
        wanted = dict(parse_qsl(query, keep_blank_values=True))
        match parts:
            case [""]:
                return self._lists.account(account)
            case ["IncomingPhoneNumbers" | "OutgoingCallerIds"]:
                return self._lists.numbers(account, what, wanted, path)
            case ["Calls"]:
                return self._lists.calls(account, wanted, path)
        call = self._double.calls.get(parts[1]) if parts[0] == "Calls" else None
        if call is None or call.account != account:
            return error(404, 20404, path)
        if parts[2:] == ["Notifications"]:
            return self._lists.notifications(call, wanted, path)
        if asked.method == "POST":
            return self._update(call, dict(parse_qsl(asked.body.decode(), keep_blank_values=True)))
        return document(200, call.resource(self._double.prefix))

    async def _create(self, account: str, pairs: list[tuple[str, str]]) -> Answer | None:
        """Create a call, unless it is refused or a fault keeps it from being."""
        double, form = self._double, dict(pairs)
        fault = double.faults.of_create()
        refusal = self._refusal(form, fault)
        if refusal is not None or fault == "lost_request":
            return refusal
        events = {value for name, value in pairs if name == "StatusCallbackEvent"} or {"completed"}
        wanted = frozenset(events) if events <= _EVENTS else frozenset()  # Twilio error 21626: none is sent at all
        if fault == "late_creation":
            double.start_soon(self._create_late, account, form, wanted, double.faults.late_creation_s)
            return None
        call = double.create(account, form, wanted)
        if not wanted:
            call.errors.append(21626)
        answer: Answer | None = document(201, call.resource(double.prefix))
        if fault == "slow":
            await trio.sleep(double.faults.slow_s)
        elif fault == "error_after_creation":
            answer = error(500, 20500)
        elif fault == "lost_response":
            answer = None
        return answer

    async def _create_late(self, account: str, form: dict[str, str], wanted: frozenset[str], after_s: float) -> None:
        await trio.sleep(after_s)
        self._double.create(account, form, wanted)

    def _refusal(self, form: dict[str, str], fault: str | tuple[int, int] | None) -> Answer | None:
        """Return why a call is not created, where a fault or the request itself is to blame."""
        if isinstance(fault, tuple):
            return error(*fault, about=form.get("To", ""))
        if fault == "throttle":
            return self._throttled()
        if fault == "server_error":
            return error(500, 20500)
        if self._double.suspended:
            return error(401, 20005)
        wrong = self._objection(form)
        return None if wrong is None else error(400, wrong[0], wrong[1])

    def _objection(self, form: dict[str, str]) -> tuple[int, str] | None:
        """Return the code of what is wrong with a call that is to be created, and what it is about."""
        double = self._double
        to, from_, url, twiml = (form.get(name, "") for name in ("To", "From", "Url", "Twiml"))
        callbacks = [form.get(name, "") for name in ("StatusCallback", "AsyncAmdStatusCallback")]
        checks = (
            (21201, "", not to),
            (21213, "", not from_),
            (21205, url, not (url or twiml or form.get("ApplicationSid")) or (url != "" and not _absolute(url))),
            (21212, from_, not _NUMBER.fullmatch(from_)),
            (21210, from_, from_ not in double.numbers and from_ not in double.verified),
            (21211, to, not _NUMBER.fullmatch(to)),
            (21219, to, double.trial and to not in double.verified),
            (21215, to, to.startswith(tuple(double.forbidden))),
            (32018, "", not url and len(twiml) > TWIML_CHARACTERS),
            (21206, "", not _DIGITS.fullmatch(form.get("SendDigits", ""))),
            (20001, "", form.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd")),
            *((21609, callback, callback != "" and not _absolute(callback)) for callback in callbacks),
            *((code, "", not within(form.get(name), low, high)) for name, (low, high, code) in _RANGES.items()),
        )
        return next(((code, about) for code, about, wrong in checks if wrong), None)

    def _update(self, call: DoubleCall, form: dict[str, str]) -> Answer:
        """End or redirect a call (Twilio, "Update a Call resource").

        A call in progress is not affected by `canceled`. What a call ends with that `completed` is asked of before its
        answer, Twilio's documents do not say: here it is `canceled`.
        """
        wanted, twiml, url = form.get("Status"), form.get("Twiml", ""), form.get("Url", "")
        if wanted not in (None, "canceled", "completed") or not (wanted or twiml or url):
            return error(400, 20001)
        if len(twiml) > TWIML_CHARACTERS:
            return error(400, 32018)
        answered = call.answered_at is not None
        if call.over or (wanted is None and not answered):
            return error(400, 21220)
        if wanted is not None and not answered:
            self._double.life.end(call, "canceled")
        elif wanted == "completed":
            self._double.life.end(call, "completed")
        elif wanted is None:
            self._double.life.redirect(call, twiml, url)
        return document(200, call.resource(self._double.prefix))


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _absolute(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")
