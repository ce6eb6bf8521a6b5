"""What the Twilio double is told beforehand: what becomes of calls, and which faults its requests and callbacks have.

Knows nothing of requests and calls themselves.
"""

from random import Random
from typing import Any, Final

from attrs import define, field, frozen

FAULTS_OF_CREATES: Final = (
    "lost_response",
    "lost_request",
    "late_creation",
    "throttle",
    "server_error",
    "error_after_creation",
    "slow",
)
FAULTS_OF_CALLBACKS: Final = ("out_of_order", "duplicated", "withheld")


@frozen(kw_only=True)
class Behaviour:
    """What becomes of a call.

    Args:
        ring_s: from the initiation until somebody picks up, or until the network says busy or failed. Nobody picks up
            later than the call's `Timeout` and Twilio's buffer allow; with `no-answer` nobody ever does.
        talk_s: when who answered hangs up, from the answer on; None = never.
        outcome: `completed` (answered), `busy`, `no-answer` or `failed`.
        rings: whether the call is `ringing` at all; None = if it is answered, or not at all answered.
        answered_by: who answers: `human`, `machine`, or any word of Twilio's that the detection is to say.
        detection_s: how long the detection takes.
        greeting_s: how long a machine's greeting is, for `DetectMessageEnd`.
        sip_code: `SipResponseCode` of the end; None = the one that goes with the outcome.
        error_code: code of an error that Twilio notes with a call's end (`Notifications`), or None.
        presses: keys that are pressed, one `<Gather>` after the other.
        press_s: when a key is pressed, from the beginning of a `<Gather>` on.
        price: what an answered call costs, or None = Twilio never says.
        price_s: how long after the end the price becomes known.
        extra: further fields of status callbacks, as `StirStatus`.
    """

    ring_s: float = 2.0
    talk_s: float | None = 10.0
    outcome: str = "completed"
    rings: bool | None = None
    answered_by: str = "human"
    detection_s: float = 2.0
    greeting_s: float = 6.0
    sip_code: int | None = None
    error_code: int | None = None
    presses: str = ""
    press_s: float = 1.0
    price: str | None = "-0.01300"
    price_s: float = 5.0
    extra: dict[str, str] = field(factory=dict)


@define(kw_only=True)
class Faults:
    """Which requests and callbacks go wrong; may be changed at any time.

    The shares, 0 to 1, are of requests that create calls, but for `reads_*` (all other requests) and the last three
    (callbacks). The lists hold names of faults of the next requests or callbacks, each used once, None = none.

    Args:
        lost_response: the call is created, and the connection closed without an answer.
        lost_request: the connection is closed, and no call created.
        late_creation: the connection is closed, and the call created `late_creation_s` later.
        throttle: 429 with 20429, and `Retry-After` where `retry_after_s` is not None.
        server_error: 500, and no call created.
        error_after_creation: 500, although the call is created.
        slow: the call is created at once, and the answer takes `slow_s`.
        create_error: HTTP status and error code of every creation, as when the account is suspended; None = none.
        reads_lost: another request's connection is closed without an answer (by name: `lost_answer`).
        reads_failed: another request gets 500 (by name: `server_error`).
        unlisted_s: how long a new call is missing in lists.
        out_of_order: a callback comes after the call's next one, or `held_s` later where there is none.
        duplicated: a callback comes twice, the second one `again_s` later.
        withheld: a callback never comes.
        next_creates: besides the names, a pair of HTTP status and error code.
        next_others: of other requests: `lost_answer`, `throttle`, `server_error`, `slow`.
        next_callbacks: of callbacks.
        seed: of the chances.
    """

    lost_response: float = 0.0
    lost_request: float = 0.0
    late_creation: float = 0.0
    late_creation_s: float = 5.0
    throttle: float = 0.0
    retry_after_s: int | None = 1
    server_error: float = 0.0
    error_after_creation: float = 0.0
    slow: float = 0.0
    slow_s: float = 5.0
    create_error: tuple[int, int] | None = None
    reads_lost: float = 0.0
    reads_failed: float = 0.0
    unlisted_s: float = 0.0
    out_of_order: float = 0.0
    held_s: float = 3.0
    duplicated: float = 0.0
    again_s: float = 1.0
    withheld: float = 0.0
    next_creates: list[str | tuple[int, int] | None] = field(factory=list)
    next_others: list[str | None] = field(factory=list)
    next_callbacks: list[str | None] = field(factory=list)
    seed: int = 1
    _random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = Random(self.seed)

    def change(self, changes: dict[str, Any]) -> None:
        """Set fields by name; pairs may come as lists, as JSON has them."""
        for name, value in changes.items():
            if name.startswith("_") or not hasattr(self, name):
                raise ValueError(f"the double knows no fault {name}")
            setattr(self, name, _pair(value) if name == "create_error" else value)
            if name == "next_creates":
                self.next_creates = [_pair(one) for one in value]
        if "seed" in changes:
            self._random = Random(self.seed)

    def of_create(self) -> str | tuple[int, int] | None:
        """Return the fault of the next request that creates a call."""
        if self.next_creates:
            return self.next_creates.pop(0)
        if self.create_error is not None:
            return self.create_error
        return self._chance(*((name, getattr(self, name)) for name in FAULTS_OF_CREATES))

    def of_other(self) -> str | None:
        """Return the fault of the next other request."""
        if self.next_others:
            return self.next_others.pop(0)
        return self._chance(("lost_answer", self.reads_lost), ("server_error", self.reads_failed))

    def of_callback(self) -> str | None:
        """Return the fault of the next callback."""
        if self.next_callbacks:
            return self.next_callbacks.pop(0)
        return self._chance(*((name, getattr(self, name)) for name in FAULTS_OF_CALLBACKS))

    def _chance(self, *shares: tuple[str, float]) -> str | None:
        """Return one of some faults by their shares; nothing is drawn where none has a share."""
        if not any(share for _, share in shares):
            return None
        drawn = self._random.random()
        for name, share in shares:
            drawn -= share
            if drawn < 0:
                return name
        return None


def _pair(value: Any) -> Any:
    """Return a pair as such, where JSON has made a list of it."""
    return tuple(value) if isinstance(value, list) else value
