"""What becomes of a call at the scripted callee, by the number that was called. Knows nothing of messages."""

from typing import Literal

from attrs import frozen


@frozen(kw_only=True)
class Auth:
    """What the callee asks to be shown before it takes a call or a registration.

    Args:
        username, password: whose credentials are taken.
        algorithms: what is offered, a challenge each, in order.
        realm: the realm.
        status: 407 or 401.
        qop: `auth`, or empty for challenges as RFC 2069 had them.
        stale: how many right answers are refused first because their nonce is said to be too old.
    """

    username: str
    password: str
    algorithms: tuple[str, ...] = ("MD5",)
    realm: str = "callee.test"
    status: Literal[401, 407] = 407
    qop: str = "auth"
    stale: int = 0


@frozen(kw_only=True)
class Ask:
    """A request that the callee makes within an answered call.

    Args:
        after_s: how long after the answer.
        method: INVITE, UPDATE, INFO, OPTIONS, NOTIFY or anything else.
        sdp: what an INVITE or UPDATE offers: what was agreed upon, the same on hold or moved to another port with
            another codec, or nothing.
        headers: further headers.
        body: body where there is no `sdp`.
    """

    after_s: float
    method: str
    sdp: Literal["same", "hold", "moved", "none"] = "none"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@frozen(kw_only=True)
class Behaviour:
    """What becomes of a call to a number.

    Args:
        status: the final answer.
        phrase: its words; empty = the usual ones.
        ring_s: seconds between the call's arrival and the final answer; infinity = it rings on.
        rings: the provisional answer, 180 or 183; 0 = none, not even 100.
        ring_tag: whether the provisional answer's To tag is the final one's, another one, or missing.
        reliable: provisional answers are to be acknowledged by PRACK (RFC 3262), where the caller supports it.
        early_sdp: the provisional answer describes media.
        answer_sdp: the final answer describes media.
        talk_s: seconds after the answer after which the callee says BYE; None = it never does.
        codec: what it speaks; None = what was offered first.
        forks: how many 2xx come, each with a To tag of its own.
        silent: nothing is ever answered; the call is known, but nobody is rung.
        drop_requests: how many messages of a call are lost on the way to the callee, the first ones.
        drop_answers: how many of a call's final answers are lost on the way back, the first ones.
        drop_byes: how many of the callee's own BYEs are lost.
        late: a CANCEL finds the call just answered: 200 to both.
        deaf_to_cancel: CANCELs are lost.
        retry_after: seconds in Retry-After of the final answer.
        headers: further headers of the final answer, such as Reason, Warning or Contact of a 302.
        auth: credentials that are asked for first; over those of the callee.
        session_expires: seconds in the 200's Session-Expires; None = it knows no session timers.
        refresher: who refreshes the session, `uac` is the caller.
        min_se: Session-Expires below it are answered 422.
        asks: requests of the callee within the answered call.
        bye_headers: further headers of the callee's BYE, such as Reason.
        events: it takes telephone events (RFC 4733).
        hears: it listens to RTP: `Call.sound` counts what comes.
        speaks: it sends silence, a packet each 20 ms, for as long as the call is up.
        digits: keys that it presses by RFC 4733.
        digits_after_s: how long after the answer.
        digit_ms: how long each is held.
    """

    status: int = 200
    phrase: str = ""
    ring_s: float = 0.0
    rings: int = 180
    ring_tag: Literal["same", "other", "none"] = "same"
    reliable: bool = False
    early_sdp: bool = False
    answer_sdp: bool = True
    talk_s: float | None = None
    codec: Literal["PCMU", "PCMA"] | None = None
    forks: int = 1
    silent: bool = False
    drop_requests: int = 0
    drop_answers: int = 0
    drop_byes: int = 0
    late: bool = False
    deaf_to_cancel: bool = False
    retry_after: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    auth: Auth | None = None
    session_expires: int | None = None
    refresher: Literal["uac", "uas"] = "uac"
    min_se: int = 0
    asks: tuple[Ask, ...] = ()
    bye_headers: tuple[tuple[str, str], ...] = ()
    events: bool = True
    hears: bool = False
    speaks: bool = False
    digits: str = ""
    digits_after_s: float = 0.0
    digit_ms: int = 100

    @property
    def sounds(self) -> bool:
        """Whether the call has an RTP socket of its own."""
        return self.hears or self.speaks or bool(self.digits)
