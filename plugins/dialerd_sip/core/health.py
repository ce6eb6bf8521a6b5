"""Whether targets are there: each is asked by OPTIONS now and then (RFC 3261 section 11). Knows nothing of calls.

Any final answer says that a target is alive, also 404, 405 or 500: somebody reads what we send, and most trunks answer
OPTIONS with whatever they like. 503 alone counts like silence: by it a server says of itself that it takes nothing
now (RFC 3261 section 21.5.4), and proxies that drain before maintenance say it to OPTIONS. A 408 was made by a proxy
that is alive. Answers to calls count as much as those to OPTIONS; a target that has given some is not asked in between.

A target is unknown at first. One answer makes an unknown one alive, and two in a row a dead one: what answers every
other time is of no use. Three silences in a row make it dead; after a silence the next question comes soon.
"""

import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2s
from typing import Final

from attrs import define

from dialerd_sip.core.client_transactions import UNANSWERED
from dialerd_sip.core.events import TargetChanged
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.identifiers import tag_of
from dialerd_sip.core.message import Response
from dialerd_sip.core.out_of_dialog import request_to
from dialerd_sip.core.plan import Target
from dialerd_sip.core.sdp import SDP
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction
from dialerd_sip.core.ua import UserAgent

SILENCES_TO_DIE: Final = 3
ANSWERS_TO_LIVE: Final = 2
_WAIT_T1: Final = 8  # T1s that an answer is waited for: four transmissions at 0, 1, 3 and 7 T1
_SOON_T1: Final = 4  # T1s after a silence until the next question


@define(eq=False)
class _Watched:
    """One target.

    Args:
        target: it.
        seed: Call-ID of its questions.
        alive: None = unknown.
    """

    target: Target
    seed: str
    alive: bool | None = None
    cseq: int = 0
    answers: int = 0  # in a row
    silences: int = 0  # in a row
    asked_at: float = float("-inf")
    timer: Timer | None = None
    question: ClientTransaction | None = None


class Health:
    """Asks targets whether they are there.

    Args:
        ua: the user agent.
        interval: seconds between two questions to a target.
        random: makes a part of Call-IDs that nobody has seen before.
    """

    __slots__ = ("_interval", "_random", "_ua", "_watched")

    def __init__(self, ua: UserAgent, interval: float, *, random: Callable[[], str] = secrets.token_hex) -> None:
        self._ua = ua
        self._interval = interval
        self._random = random
        self._watched: dict[Flow, _Watched] = {}

    @property
    def watched(self) -> frozenset[Flow]:
        """The flows of all targets that are asked."""
        return frozenset(self._watched)

    def watch(self, targets: Mapping[Flow, Target], now: float) -> bool:
        """Ask these targets from now on, and no others; new ones at once.

        Args:
            targets: by flow; Request-URI, Via and Contact of the questions are theirs.
            now: the instant.

        Returns:
            Whether any was asked right now.
        """
        for flow in [flow for flow in self._watched if flow not in targets]:
            self._drop(flow)
        asked = False
        for flow, target in targets.items():
            known = self._watched.get(flow)
            if known is not None:
                known.target = target
                continue
            seed = f"{self._random()}@{target.sent_by}"
            watched = self._watched[flow] = _Watched(target, seed)
            self._ask(watched, now)
            asked = True
        return asked

    def is_alive(self, flow: Flow) -> bool | None:
        """Return whether a target is there; None = nobody knows (yet)."""
        watched = self._watched.get(flow)
        return None if watched is None else watched.alive

    def is_dead(self, flow: Flow) -> bool:
        """Whether a target is known not to answer."""
        return self.is_alive(flow) is False

    def stop(self) -> None:
        """Ask nobody any more."""
        for flow in tuple(self._watched):
            self._drop(flow)

    # what transactions tell

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to a question."""
        watched = self._asked_by(transaction)
        if watched is None or response.status < 200:
            return
        if response.status == 503:
            self._silence(watched, "it answers OPTIONS with 503", now)
        else:
            self._answer(watched, now)

    def unanswered(self, transaction: ClientTransaction, why: str, now: float) -> None:
        """Take it that a question is not answered."""
        watched = self._asked_by(transaction)
        if watched is not None:
            self._silence(watched, _REASONS.get(why, why), now)

    # asking

    def _ask(self, watched: _Watched, now: float) -> None:
        heard = self._ua.transactions.heard
        flow = watched.target.flow
        if heard.setdefault(flow, float("-inf")) > watched.asked_at:
            watched.asked_at = now
            self._answer(watched, now)
            return
        watched.asked_at = now
        watched.cseq += 1
        host = watched.target.sent_by
        request = request_to(
            watched.target,
            "OPTIONS",
            seed=watched.seed,
            cseq=watched.cseq,
            from_=f"<sip:dialerd@{host}>;tag={tag_of(watched.seed)}",
            to=f"<{watched.target.uri}>",
            headers=(
                ("Contact", watched.target.contact),
                ("Accept", SDP),
            ),
        )
        wait = min(_WAIT_T1 * self._ua.timing.t1, self._interval)
        watched.timer = self._ua.timers.at(now + wait, lambda now: self._waited(watched, now))
        watched.question = self._ua.transactions.request(request, flow, self, now)

    def _waited(self, watched: _Watched, now: float) -> None:
        if watched.question is not None:
            watched.question.stop()
        self._silence(watched, _REASONS["timeout"], now)

    def _answer(self, watched: _Watched, now: float) -> None:
        watched.silences = 0
        watched.answers = min(watched.answers + 1, ANSWERS_TO_LIVE)
        if watched.alive is None or watched.answers >= ANSWERS_TO_LIVE:
            self._change(watched, True, None)
        soon = watched.alive is not True
        self._again(watched, now, soon=soon)

    def _silence(self, watched: _Watched, reason: str, now: float) -> None:
        watched.answers = 0
        watched.silences = min(watched.silences + 1, SILENCES_TO_DIE)
        if watched.silences >= SILENCES_TO_DIE:
            self._change(watched, False, reason)
        self._again(watched, now, soon=watched.silences < SILENCES_TO_DIE)

    def _again(self, watched: _Watched, now: float, *, soon: bool) -> None:
        watched.question = None
        if watched.timer is not None:
            watched.timer.cancel()
        pause = self._interval * _spread(watched)
        if soon:
            pause = min(pause, _SOON_T1 * self._ua.timing.t1)
        watched.timer = self._ua.timers.at(now + pause, lambda now: self._ask(watched, now))

    def _change(self, watched: _Watched, alive: bool, reason: str | None) -> None:
        if watched.alive is not alive:
            watched.alive = alive
            self._ua.emit(TargetChanged(flow=watched.target.flow, alive=alive, reason=reason))

    def _asked_by(self, transaction: ClientTransaction) -> _Watched | None:
        watched = self._watched.get(transaction.flow)
        return watched if watched is not None and watched.question is transaction else None

    def _drop(self, flow: Flow) -> None:
        watched = self._watched.pop(flow)
        self._ua.transactions.heard.pop(flow, None)
        if watched.timer is not None:
            watched.timer.cancel()
        if watched.question is not None:
            watched.question.stop()


_REASONS: Final = {**UNANSWERED, "timeout": "it does not answer OPTIONS"}


def _spread(watched: _Watched) -> float:
    """Return 0.8 to 1.0, another one each time, so that targets that began together are not asked together for ever."""
    return 0.8 + blake2s(f"{watched.seed} {watched.cseq}".encode(), digest_size=1).digest()[0] / 1280
