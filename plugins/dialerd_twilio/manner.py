"""What carriers that speak Twilio's API have otherwise: fields of their own, or TeXML.

TeXML is Telnyx's. Its calls have the same fields and statuses, but other addresses, a bearer token, JSON where a call
is created, and some other names, ranges and units. Sources: Telnyx, "Initiate an outbound call", "Update call", "Fetch
multiple call resources", "Create a connection-scoped TeXML call" (whose answer has `call_sid`), "TeXML and TwiML
Compatibility". Knows nothing of connections.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from dialerd.model.instants import SECOND
from dialerd_twilio.options import Api, TwilioOptions

_VERSION: Final = "/2010-04-01"
_CREATES: Final = "/Calls.json"
_NAMES: Final = {"Twiml": "Texml", "Method": "UrlMethod"}
_RANGES: Final = {"Timeout": (5, 120), "TimeLimit": (30, 14_400), "MachineDetectionTimeout": (500, 60_000)}


@frozen(kw_only=True)
class Asking:
    """A request, as the SDK hands it over.

    Args:
        method: of HTTP.
        uri: where it goes, without a query.
        data: fields of its form, or its body where that is none.
        headers: further ones.
        auth: user and password of HTTP Basic authentication, or None.
    """

    method: str
    uri: str
    data: Mapping[str, Any] | bytes
    headers: Mapping[str, str]
    auth: tuple[str, str] | None

    @property
    def creates(self) -> bool:
        """Whether it creates a call."""
        return self.method == "POST" and self.uri.endswith(_CREATES)


class Manner:
    """A carrier that wants further fields where a call is created.

    Args:
        extra: the fields.
    """

    def __init__(self, extra: Mapping[str, str]) -> None:
        self._extra = extra

    def ask(self, asking: Asking) -> Asking:
        """Return a request as the carrier wants it."""
        if not asking.creates or isinstance(asking.data, bytes):
            return asking
        return evolve(asking, data={**asking.data, **self._extra})

    def hear(self, text: str) -> str:
        """Return a successful answer as Twilio would give it."""
        return text


class Texml(Manner):
    """A carrier that speaks TeXML.

    Args:
        base: its API, what `/Accounts/…` follows.
        extra: further fields where a call is created.
    """

    def __init__(self, base: str, extra: Mapping[str, str]) -> None:
        super().__init__(extra)
        self._base = base

    def ask(self, asking: Asking) -> Asking:
        """Return a request as the carrier wants it."""
        form, headers = super().ask(asking).data, dict(asking.headers)
        data: Mapping[str, Any] | bytes = form
        if not isinstance(form, bytes):
            named = {_NAMES.get(name, name): value for name, value in form.items()}
            data = json.dumps(_ranged(named)).encode() if asking.creates else named
        if asking.creates:
            headers["Content-Type"] = "application/json"
        if asking.auth is not None:
            headers["Authorization"] = f"Bearer {asking.auth[1]}"
        uri, twilios = asking.uri, self._base + _VERSION
        if uri.startswith(twilios):  # the others are pages that the carrier itself has named
            uri = self._base + uri.removeprefix(twilios).removesuffix(".json")
        return Asking(method=asking.method, uri=uri, data=data, headers=headers, auth=None)

    def hear(self, text: str) -> str:
        """Return a successful answer as Twilio would give it: a new call's id is `sid`."""
        if '"call_sid"' not in text:
            return text
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            return text
        if not isinstance(fields, dict) or "call_sid" not in fields:
            return text
        return json.dumps({"sid": fields["call_sid"], **fields})


def manner_of(options: TwilioOptions, base: str) -> Manner | None:
    """Return what a trunk's carrier has otherwise, or None.

    Args:
        options: of the trunk.
        base: the carrier's API, without a slash at its end.
    """
    if options.api is Api.TEXML:
        return Texml(base, options.extra or {})
    return Manner(options.extra) if options.extra else None


def _ranged(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new call's fields within the carrier's ranges; the whole detection's time is in milliseconds there."""
    ranged = dict(fields)
    if "MachineDetectionTimeout" in ranged:
        ranged["MachineDetectionTimeout"] *= SECOND
    for name, (least, most) in _RANGES.items():
        if name in ranged:
            ranged[name] = min(max(ranged[name], least), most)
    return ranged
