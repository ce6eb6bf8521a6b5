"""One call of the Twilio double, and how Twilio prints it: the Call resource (Twilio, "Call resource")."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final

import trio
from attrs import define, field, frozen
from double_behaviour import Behaviour

OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
API: Final = "/2010-04-01"
_PARTS: Final = (
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
)
_PATHS: Final = {name: "".join(word.capitalize() for word in name.split("_")) for name in _PARTS}


@lru_cache(maxsize=1024)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def date(instant: int | None) -> str | None:
    """Return an instant as Twilio writes it: RFC 2822, to the second, UTC."""
    return None if instant is None else _date(instant // 1000)


def formatted(number: str) -> str:
    """Return a number as Twilio shows it: those of North America with brackets, others as they are."""
    if number.startswith("+1") and len(number) == 12:
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number


@frozen(kw_only=True)
class Delivery:
    """A request of the double to an address of the user's.

    Args:
        kind: `status`, `detection`, `gather` or `document`.
        url: the public one.
        form: what it said.
        signature: what it was signed with.
        at_s: on trio's clock, when it left.
        tries: how often a connection was asked for; 0 = the double asks nothing of that address.
        status: HTTP status of the answer; None = there was none.
        body: of the answer.
    """

    kind: str
    url: str
    form: dict[str, str]
    signature: str
    at_s: float
    tries: int
    status: int | None
    body: str = ""


@frozen(kw_only=True)
class Event:
    """A status that a call had.

    Args:
        status: it; the first is `queued`.
        at: wall clock's instant.
        at_s: on trio's clock.
    """

    status: str
    at: int
    at_s: float


@define(eq=False, kw_only=True)
class DoubleCall:
    """A call.

    Args:
        sid: its id.
        account: whose it is.
        to: called number.
        from_: shown number.
        params: form of the request that created it; of `StatusCallbackEvent` the last.
        wanted: events that status callbacks are wanted of.
        behaviour: what becomes of it.
        created_at: wall clock's instant, like all that end in `_at`.
        queued_for_s: how long it waited for its turn among the account's calls per second.
        status: where it stands; between `queued` and `ringing` it is `initiated`.
        events: all statuses that it had.
        heard: what was said and played to who answered.
        pressed: keys that were pressed.
        dialled: what `<Dial>` called.
        streams: `<Stream>`s: their address, and their parameters.
        redirects: documents that took the place of the former, by request.
        deliveries: requests to the user's addresses about this call.
        errors: codes that Twilio notes about it.
    """

    sid: str
    account: str
    to: str
    from_: str
    params: dict[str, str]
    wanted: frozenset[str] = frozenset()
    behaviour: Behaviour
    created_at: int
    created_s: float = field(factory=trio.current_time)
    status: str = "queued"
    queued_for_s: float = 0.0
    dialled_at: int | None = None
    answered_at: int | None = None
    answered_s: float | None = None
    ended_at: int | None = None
    ended_s: float | None = None
    answered_by: str | None = None
    detection_ms: int | None = None
    sip_code: int | None = None
    events: list[Event] = field(factory=list)
    heard: list[str] = field(factory=list)
    pressed: str = ""
    dialled: list[str] = field(factory=list)
    streams: list[tuple[str, dict[str, str]]] = field(factory=list)
    redirects: list[str] = field(factory=list)
    deliveries: list[Delivery] = field(factory=list)
    errors: list[int] = field(factory=list)
    presses_left: str = field(init=False)
    told: int = 0  # SequenceNumber of the next status callback
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    executing: trio.CancelScope | None = None
    detected: trio.Event = field(factory=trio.Event)
    next_document: tuple[str, str] | None = None  # what a redirect wants: text, and the URL that it is from
    end_by_request: str | None = None

    def __attrs_post_init__(self) -> None:
        self.presses_left = self.behaviour.presses

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    @property
    def shown_status(self) -> str:
        """Its status as the REST API has it, which knows no `initiated`."""
        return "queued" if self.status == "initiated" else self.status

    @property
    def duration_s(self) -> int | None:
        """How long it was up, in whole seconds; None where it has not ended, or nobody had answered."""
        if self.ended_s is None or self.answered_s is None:
            return None
        return round(self.ended_s - self.answered_s)

    def price(self) -> str | None:
        """Return what it cost, where that is known by now."""
        if self.ended_s is None or self.answered_s is None or self.behaviour.price is None:
            return None
        return self.behaviour.price if trio.current_time() >= self.ended_s + self.behaviour.price_s else None

    def enter(self, status: str, now: Callable[[], int]) -> None:
        """Take on a status."""
        self.status = status
        self.events.append(Event(status=status, at=now(), at_s=trio.current_time()))

    def resource(self, prefix: str) -> dict[str, Any]:
        """Return what Twilio prints of it.

        Args:
            prefix: what the API's paths begin with; empty for Twilio itself.
        """
        base = f"{prefix}{API}/Accounts/{self.account}/Calls/{self.sid}"
        duration = self.duration_s
        completed = self.status == "completed"
        last = self.events[-1].at if self.events else self.created_at
        return {
            "account_sid": self.account,
            "answered_by": self.answered_by,
            "api_version": "2010-04-01",
            "caller_name": None,
            "date_created": date(self.created_at),
            "date_updated": date(last),
            "direction": "outbound-api",
            "duration": None if duration is None else str(duration),
            "end_time": date(self.ended_at) if completed else None,
            "forwarded_from": None,
            "from": self.from_,
            "from_formatted": formatted(self.from_),
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": self.price(),
            "price_unit": "USD",
            "sid": self.sid,
            "start_time": date(self.dialled_at),
            "status": self.shown_status,
            "subresource_uris": {name: f"{base}/{path}.json" for name, path in _PATHS.items()},
            "to": self.to,
            "to_formatted": formatted(self.to),
            "trunk_sid": None,
            "uri": f"{base}.json",
            "queue_time": str(int(self.queued_for_s * 1000)),
        }
