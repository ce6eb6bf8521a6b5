"""A Twilio double that is served, a client that asks it, and an address of the user's that keeps what comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
from attrs import define, field
from twilio_double import ACCOUNT, TOKEN, TwilioDouble

from dialerd.plugin.callback import CallbackAnswer, CallbackRequest

NUMBER: Final = "+447111000001"
CALLER_ID: Final = "+12125550100"
PUBLIC: Final = "https://dial.example.com/twilio"
ALL_EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
ACCOUNTS: Final = "/2010-04-01/Accounts"


@define(eq=False)
class Rig:
    """A double, a client, and what came to `PUBLIC`.

    Args:
        double: it.
        http: a client with the account's token.
        came: requests to the user, in the order of their arrival.
        keys: TwiML that answers `/keys/…`.
        statuses: of the next answers to the user's requests; 204 when it is empty.
    """

    double: TwilioDouble
    http: httpx.AsyncClient
    came: list[CallbackRequest] = field(factory=list)
    keys: str = "<Response/>"
    statuses: list[int] = field(factory=list)

    async def create(self, to: str = NUMBER, twiml: str | None = "<Response/>", **more: Any) -> httpx.Response:
        """Ask for a call; fields that are None are left out."""
        wanted = {"To": to, "From": CALLER_ID, "Twiml": twiml} | more
        form = {name: value for name, value in wanted.items() if value is not None}
        return await self.http.post("/Calls.json", data=form)

    async def told(self, to: str = NUMBER, twiml: str | None = "<Response/>", **more: Any) -> str:
        """Ask for a call with all status callbacks; return its SID."""
        wanted = {"StatusCallback": f"{PUBLIC}/status/a1", "StatusCallbackEvent": ALL_EVENTS} | more
        return str((await self.create(to, twiml, **wanted)).json()["sid"])

    async def fetch(self, sid: str) -> dict[str, Any]:
        """Return what the API says of a call."""
        return dict((await self.http.get(f"/Calls/{sid}.json")).json())

    def forms(self, path: str = "/status/a1") -> list[dict[str, str]]:
        """Return what came to an address."""
        return [dict(parse_qsl(one.body.decode())) for one in self.came if one.path == path]

    async def _callback(self, request: CallbackRequest) -> CallbackAnswer:
        self.came.append(request)
        if request.path.startswith(("/keys/", "/document")):
            return CallbackAnswer(status=200, body=self.keys.encode(), content_type="text/xml")
        return CallbackAnswer(status=self.statuses.pop(0) if self.statuses else 204)


@asynccontextmanager
async def rig(**settings: Any) -> AsyncIterator[Rig]:
    """Serve a double with some settings."""
    double = TwilioDouble(**settings)
    async with double.serve() as base_url:
        base = f"{base_url}{double.prefix}{ACCOUNTS}/{ACCOUNT}"
        async with httpx.AsyncClient(base_url=base, auth=(ACCOUNT, TOKEN), trust_env=False, timeout=60) as http:
            made = Rig(double, http)
            double.routes[PUBLIC] = made._callback
            yield made
