"""A Twilio to test against: its REST API for calls, their lives on trio's clock, and its requests to the user.

    double = TwilioDouble(cps=5, behaviour=Behaviour(talk_s=3))
    async with double.serve() as base_url:
        ...  # http://127.0.0.1:PORT answers as https://api.twilio.com does

It keeps everything that happened, for tests to look at. With a virtual clock it takes no time.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any, Final
from uuid import uuid4

import trio
from attrs import evolve
from double_behaviour import Behaviour, Faults
from double_call import Delivery, DoubleCall, Event
from double_http import Answer, Answering, Asked, background, serve_http
from double_life import Life
from double_rest import Rest
from double_webhooks import Route, Webhooks

__all__ = ["ACCOUNT", "TOKEN", "Behaviour", "Delivery", "DoubleCall", "Event", "Faults", "Route", "TwilioDouble"]

ACCOUNT: Final = "AC" + "0123456789abcdef" * 2
TOKEN: Final = "token-of-the-double"
NUMBERS: Final = ("+12125550100", "+14155550100")


class TwilioDouble:
    """A Twilio with one account, and its subaccounts.

    Args:
        account: its SID.
        token: its auth token.
        api_keys: secrets of its API keys, by SID.
        subaccounts: auth tokens of its subaccounts, by SID; all have the same numbers.
        numbers: numbers that it owns.
        verified: numbers that it has verified as caller ids.
        forbidden: prefixes of numbers that it has no permission to call (21215).
        trial: whether it may call verified numbers only (21219).
        cps: calls that it may start each second, further ones are queued; None = any number.
        now: the wall clock, in ms; None = one that goes with trio's clock from the machine's time on.
        behaviour: what becomes of calls.
        behaviours: what becomes of calls to some numbers; of a list each is used once, but the last.
        faults: what goes wrong.
        routes: where public URLs lead, by prefix: to another base URL, or to a provider's `callback`.
        ring_buffer_s: what is added to the `Timeout` of a call.
        prefix: what the API's paths begin with, before `/2010-04-01`.
        signature_header: name of the header with the signature of a request to the user.

    Attributes:
        calls: every call, by SID, in the order of their creation.
        suspended: whether calls are refused since the account is suspended.
        listeners: told of every call that was `created` and `ended`.
        requests: how many requests came in.
    """

    def __init__(  # a double of many settings, every one with its default
        self,
        *,
        account: str = ACCOUNT,
        token: str = TOKEN,
        api_keys: Mapping[str, str] | None = None,
        subaccounts: Mapping[str, str] | None = None,
        numbers: Iterable[str] = NUMBERS,
        verified: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        trial: bool = False,
        cps: float | None = None,
        now: Callable[[], int] | None = None,
        behaviour: Behaviour | None = None,
        behaviours: Mapping[str, Behaviour | list[Behaviour]] | None = None,
        faults: Faults | None = None,
        routes: Mapping[str, Route] | None = None,
        ring_buffer_s: float = 5.0,
        prefix: str = "",
        signature_header: str = "X-Twilio-Signature",
    ) -> None:
        self.account, self.token = account, token
        self.api_keys, self.subaccounts = dict(api_keys or {}), dict(subaccounts or {})
        self.numbers, self.verified, self.forbidden = set(numbers), set(verified), set(forbidden)
        self.trial, self.suspended = trial, False
        self.cps, self.ring_buffer_s, self.prefix = cps, ring_buffer_s, prefix
        self.signature_header = signature_header
        self.behaviour = behaviour or Behaviour()
        self.behaviours: dict[str, Behaviour | list[Behaviour]] = dict(behaviours or {})
        self.faults = faults or Faults()
        self.routes: dict[str, Route] = dict(routes or {})
        self.calls: dict[str, DoubleCall] = {}
        self.listeners: list[Callable[[DoubleCall, str], None]] = []
        self.doors: dict[str, Answering] = {}  # further paths that are answered
        self.requests = 0
        self._by_number: dict[str, list[DoubleCall]] = {}
        self._now = now
        self._zero = 0.0
        self._nursery: trio.Nursery | None = None
        self.webhooks: Webhooks
        self.life = Life(self)
        self._rest = Rest(self)
        self.began_at = 0

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """Answer requests on loopback; yields the base URL. At its end every call and callback is dropped."""
        self._zero = time.time() - trio.current_time()
        self.began_at = self.now()
        self.webhooks = Webhooks(self)
        try:
            async with background() as self._nursery, serve_http(self._answer, port, self._nursery) as base_url:
                yield base_url
        finally:
            with trio.CancelScope(shield=True):
                await self.webhooks.aclose()

    def placed(self, number: str) -> list[DoubleCall]:
        """Return every call to a number, in the order of their creation."""
        return self._by_number.get(number, [])

    def live(self) -> list[DoubleCall]:
        """Return the calls that are not over."""
        return [call for call in self.calls.values() if not call.over]

    def tasks(self) -> int:
        """Return how many of this process's tasks are the double's: its listener, its clients, calls and callbacks."""

        def below(nursery: trio.Nursery) -> int:
            children = tuple(nursery.child_tasks)
            return len(children) + sum(below(inner) for child in children for inner in child.child_nurseries)

        return 0 if self._nursery is None else below(self._nursery)

    def now(self) -> int:
        """Return the wall clock's instant, in ms."""
        return int((self._zero + trio.current_time()) * 1000) if self._now is None else self._now()

    def token_of(self, account: str) -> str:
        """Return the auth token of an account."""
        return self.token if account == self.account else self.subaccounts[account]

    def create(self, account: str, params: dict[str, str], wanted: frozenset[str] = frozenset()) -> DoubleCall:
        """Create a call, as the REST API does after it has looked at the request."""
        call = DoubleCall(
            sid=f"CA{uuid4().hex}",
            account=account,
            to=params["To"],
            from_=params["From"],
            params=params,
            wanted=wanted,
            behaviour=self._behaviour_of(params["To"]),
            created_at=self.now(),
        )
        self.calls[call.sid] = call
        self._by_number.setdefault(call.to, []).append(call)
        self.life.begin(call)
        self.happened(call, "created")
        return call

    def happened(self, call: DoubleCall, what: str) -> None:
        """Tell the listeners of a call that was `created` or `ended`."""
        for listener in self.listeners:
            listener(call, what)

    def start_soon(self, work: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Do something in the background, as long as the double serves."""
        if self._nursery is None:
            raise RuntimeError("the double does not serve; use `async with double.serve()`")
        self._nursery.start_soon(work, *args)

    def _behaviour_of(self, number: str) -> Behaviour:
        found = self.behaviours.get(number, self.behaviour)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    async def _answer(self, asked: Asked) -> Answer | None:
        self.requests += 1
        door = self.doors.get(asked.target.partition("?")[0])
        answer = await (self._rest.answer(asked) if door is None else door(asked))
        date = {"Date": formatdate(self.now() / 1_000, usegmt=True)}
        return None if answer is None else evolve(answer, headers={**date, **answer.headers})
