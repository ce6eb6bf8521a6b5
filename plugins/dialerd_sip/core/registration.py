"""A registration: REGISTER, refreshed before it expires, made again when it is lost (RFC 3261 section 10).

The targets are tried in order; one that has taken the registration keeps it. Where all have failed it is tried again
after growing pauses, and after much longer ones where the registrar refused: whoever guesses passwords gets locked out.
Knows nothing of calls.
"""

import secrets
from collections.abc import Callable
from typing import Final

from attrs import frozen

from dialerd_sip.core.client_transactions import UNANSWERED
from dialerd_sip.core.digest import Authenticator, Credentials
from dialerd_sip.core.events import RegistrationChanged
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.headers import challenges_of
from dialerd_sip.core.identifiers import tag_of
from dialerd_sip.core.message import Response
from dialerd_sip.core.out_of_dialog import request_to
from dialerd_sip.core.plan import Target
from dialerd_sip.core.registrar import granted_to, longer_time, retry_after_of
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction
from dialerd_sip.core.ua import UserAgent

PAUSES: Final = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0)  # seconds after failures of all targets; the last one for ever
REFUSED_PAUSES: Final = (60.0, 300.0, 900.0, 1800.0)  # seconds after refusals; the last one for ever
_MARGIN: Final = 5.0  # seconds beyond 64*T1 that a refresh has before the registration expires
_TRIES: Final = 6  # REGISTERs in a row to one target: challenges, stale nonces, one 423
_ELSEWHERE: Final = frozenset((408, 480, 500, 502, 503, 504))  # answers after which another target may do better


@frozen(kw_only=True)
class RegistrationPlan:
    """What is registered, and where.

    Args:
        name: what `RegistrationChanged` calls it.
        aor: the address of record, a URI such as `sip:alice@example.com`.
        targets: registrars in the order of trying; their `uri` is the registrar's, such as `sip:example.com`.
        credentials: what challenges are answered with, or None.
        expires: seconds that are asked for.
    """

    name: str
    aor: str
    targets: tuple[Target, ...]
    credentials: Credentials | None = None
    expires: int = 600


class Registration:
    """Keeps one address registered; `start` begins, `stop` takes it back.

    `RegistrationChanged` tells when it comes about and when it is lost or refused, and once after `stop`.

    Args:
        ua: the user agent.
        plan: what is registered.
        random: makes the Call-ID.

    Attributes:
        registered: whether the registrar has it.
    """

    __slots__ = (
        "_at",
        "_authenticator",
        "_cseq",
        "_expires",
        "_expiry",
        "_failures",
        "_name",
        "_plan",
        "_request",
        "_seed",
        "_stopping",
        "_targets",
        "_timer",
        "_told",
        "_tried",
        "_tries",
        "_ua",
        "registered",
    )

    def __init__(self, ua: UserAgent, plan: RegistrationPlan, *, random: Callable[[], str] = secrets.token_hex) -> None:
        self._ua = ua
        self._plan = plan
        self._name = plan.name
        self._targets = plan.targets
        self._seed = f"{random()}@{plan.targets[0].sent_by}"
        self._cseq = 0
        self._expires = plan.expires
        self._authenticator = Authenticator(plan.credentials)
        self._at = 0  # which target
        self._tries = 0  # REGISTERs of this attempt
        self._tried = 0  # targets that failed in a row
        self._failures = 0  # rounds over all targets that failed in a row
        self._request: ClientTransaction | None = None
        self._timer: Timer | None = None  # the next refresh or attempt
        self._expiry: Timer | None = None
        self._stopping = False
        self._told: bool | None = None
        self.registered = False

    def start(self, now: float) -> None:
        """Register, and keep at it."""
        self._ua.on_flow_failed(self, self._flow_failed)
        self._attempt(now)

    def retarget(self, targets: tuple[Target, ...], now: float) -> None:
        """Use these targets from now on; where the one that has the registration is gone, register anew at once."""
        current = self._targets[self._at].flow
        self._targets = targets
        flows = [target.flow for target in targets]
        self._at = flows.index(current) if current in flows else 0
        if current not in flows and not self._stopping:
            self._attempt(now)

    def stop(self, now: float) -> None:
        """Take the registration back; `RegistrationChanged` tells when that is done or has failed."""
        self._stopping = True
        self._ua.on_flow_failed(self, None)
        may_have_it = self.registered or self._request is not None
        self._rest()
        if self._expiry is not None:
            self._expiry.cancel()
        if may_have_it:
            self._tries = 0
            self._send(now)
        else:
            self._over()

    # what transactions tell

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer."""
        if transaction is not self._request or response.status < 200:
            return
        self._request = None
        status = response.status
        if status in (401, 407):
            self._challenged(response, now)
            return
        self._authenticator.accepted(response.all("Authentication-Info"))
        if self._stopping:
            self._over()
        elif status < 300:
            self._succeeded(response, now)
        elif status == 423 and (longer := longer_time(response, self._expires)) is not None:
            self._expires = longer
            self._send(now)
        elif status in _ELSEWHERE:
            self._failed(f"{status} {response.phrase}", now, retry_after_of(response))
        else:
            self._refused(f"{status} {response.phrase}", now)

    def unanswered(self, transaction: ClientTransaction, why: str, now: float) -> None:
        """Take it that no answer comes."""
        if transaction is not self._request:
            return
        self._request = None
        if self._stopping:
            self._over()
        else:
            self._failed(UNANSWERED.get(why, why), now)

    # attempts

    def _attempt(self, now: float) -> None:
        self._rest()
        self._tries = 0
        self._send(now)

    def _send(self, now: float) -> None:
        if self._tries >= _TRIES:
            if self._stopping:
                self._over()
            else:
                self._refused("it asks again and again", now)
            return
        self._tries += 1
        self._cseq += 1
        target = self._targets[self._at]
        expires = 0 if self._stopping else self._expires
        aor = f"<{self._plan.aor}>"
        request = request_to(
            target,
            "REGISTER",
            seed=self._seed,
            cseq=self._cseq,
            from_=f"{aor};tag={tag_of(self._seed)}",
            to=aor,
            headers=(
                ("Contact", f"{target.contact};expires={expires}"),
                ("Expires", str(expires)),
                *self._authenticator.headers("REGISTER", target.uri, b""),
            ),
        )
        self._request = self._ua.transactions.request(request, target.flow, self, now)

    def _challenged(self, response: Response, now: float) -> None:
        if self._authenticator.answer(response.status, challenges_of(response)):
            self._send(now)
        elif self._stopping:
            self._over()
        else:
            self._refused(f"{response.status} {response.phrase}", now)

    def _succeeded(self, response: Response, now: float) -> None:
        self._tried = self._failures = 0
        granted = granted_to(response, self._targets[self._at].contact, self._expires)
        if granted <= 0:
            self._refused("it granted no time", now)
            return
        self.registered = True
        self._tell(True, None)
        # Half of it at the least, so that a refresh is not always under way; else as late as a refresh that is lost
        # again and again still comes to an end before the registration does.
        wait = max(granted / 2, granted - self._ua.timing.patience - _MARGIN)
        self._timer = self._ua.timers.at(now + wait, self._attempt)
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = self._ua.timers.at(now + granted, self._expired)

    def _failed(self, reason: str, now: float, retry_after: float = 0.0) -> None:
        """Try the next target, or all again after a pause."""
        self._at = (self._at + 1) % len(self._targets)
        self._tried += 1
        if self._tried < len(self._targets):
            self._attempt(now)
            return
        self._tried = 0
        if not self.registered:
            self._tell(False, reason)
        pause = max(PAUSES[min(self._failures, len(PAUSES) - 1)], retry_after)
        self._failures += 1
        self._rest()
        self._timer = self._ua.timers.at(now + pause, self._attempt)

    def _refused(self, reason: str, now: float) -> None:
        """Have it told at once, and try again much later, as if nothing had been tried with this password."""
        self.registered = False
        self._tell(False, reason, refused=True)
        self._authenticator = Authenticator(self._plan.credentials)
        self._expires = self._plan.expires
        pause = REFUSED_PAUSES[min(self._failures, len(REFUSED_PAUSES) - 1)]
        self._failures += 1
        self._rest()
        if self._expiry is not None:
            self._expiry.cancel()
        self._timer = self._ua.timers.at(now + pause, self._attempt)

    def _expired(self, now: float) -> None:
        self.registered = False
        self._tell(False, "it expired before it could be refreshed")

    def _flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Register again at once where the way by which calls would come is lost; a pause goes on, if there is one."""
        if self.registered and self._request is None and flow == self._targets[self._at].flow:
            self.registered = False
            self._tell(False, UNANSWERED.get(why, why))
            if self._expiry is not None:
                self._expiry.cancel()
            self._attempt(now)

    # housekeeping

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._request is not None:
            self._request.stop()
            self._request = None

    def _over(self) -> None:
        self.registered = False
        self._told = None
        self._tell(False, None)

    def _tell(self, registered: bool, reason: str | None, *, refused: bool = False) -> None:
        if self._told is not registered:
            self._told = registered
            self._ua.emit(RegistrationChanged(name=self._name, registered=registered, reason=reason, refused=refused))
