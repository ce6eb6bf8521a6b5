"""Inviting: from the first INVITE of a call to its final answer, over challenges, refusals and targets.

The one rule above all: once anything may have rung, no further INVITE leaves. Another one is sent only

    after 401, 407, 420, 422 and 3xx    where they can be met, to the same place or where the 3xx leads
    after 503, or refused               to the next target: nobody there took it
    after 64*T1 of silence              to the next target: nobody there was heard, and the ending is uncertain

and each only while nothing but 100 was heard of any INVITE before. Whoever sends one 2xx first is kept; all others are
acknowledged and hung up, whichever INVITE they answer and whenever they come.

The first INVITE to each target has the same CSeq number, with a branch of its own: so a phone that gets a second one
by another way answers 482 (RFC 3261 section 8.2.2.2) instead of ringing twice. After silence nothing else may leave
than what can be known again like that. An INVITE of which nobody told what became is listened for until the call is
over, and cancelled then: 64*T1 after it left it cannot be overtaken, which is why section 9.1 has a CANCEL wait.
"""

from typing import TYPE_CHECKING, Final

from dialerd_sip.core.call_forks import MOST_LEGS, Forks
from dialerd_sip.core.call_invite import Invite, credentials_of, redirected, via_of
from dialerd_sip.core.call_leg import Leg, OutOfOrder
from dialerd_sip.core.dialog import tag_in
from dialerd_sip.core.events import InviteReady, Sent
from dialerd_sip.core.farewell import Farewell
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.headers import challenges_of
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call

MOST_INVITES: Final = 4
"""INVITEs to one target, and redirections of it: a server that always says `stale` must not bring about a flood."""
REASON_NO_ANSWER: Final = 'Q.850;cause=19;text="no answer"'
REASON_FORKED: Final = 'SIP;cause=200;text="call completed elsewhere"'


class Inviting:
    """What is known of a call until it is answered or over; it lives on as long as answers may come to its INVITEs.

    Args:
        call: the call.
        plan: what it is to be.

    Attributes:
        forks: its early legs.
        why: why it is being taken back, or None.
        reasons: Reason values that the far end is told of that.
    """

    __slots__ = (
        "__weakref__",
        "_bound",
        "_call",
        "_cancelled",
        "_crowded",
        "_doubt",
        "_heard",
        "_holds",
        "_invite",
        "_invites",
        "_kept",
        "_plan",
        "_ring",
        "_sent",
        "_silent",
        "_target",
        "_targets",
        "_transaction",
        "_tried",
        "cseq",
        "forks",
        "reasons",
        "why",
    )

    def __init__(self, call: "Call", plan: CallPlan) -> None:
        self._call = call
        self._plan = plan
        self._invite = Invite(plan)
        targets = plan.targets  # one that stands there twice would get the same branch twice
        self._targets = list(targets if len(targets) == 1 else dict.fromkeys(targets))
        self._target: Target = plan.targets[0]
        self._transaction: ClientTransaction | None = None
        self._sent: dict[str, tuple[Request, Target]] = {}  # by branch
        self._silent: list[ClientTransaction] = []  # INVITEs of which nobody told what became
        self._crowded: Response | None = None  # the 503 of a target before this one
        self._tried: set[str] = set()
        self._invites = 0
        self._heard = False  # anything of the INVITE that is under way
        self._doubt = False  # one was neither answered nor certainly not delivered
        self._cancelled = False
        self._holds = False  # the ACK to the 2xx that is kept
        self.reasons: tuple[str, ...] = ()
        self._ring: Timer | None = None
        self._bound: Timer | None = None
        self._kept: tuple[str, str, bytes, Flow] | None = None  # branch, tag and ACK of the 2xx that is kept
        self.cseq = 0
        self.forks = Forks(call, plan)
        self.why: str | None = None

    @property
    def tag(self) -> str:
        """Our tag."""
        return self._invite.tag

    @property
    def holds_ack(self) -> bool:
        """Whether the answer is yet to be acknowledged."""
        return self._holds

    def start(self, now: float) -> None:
        """Send the first INVITE."""
        self._ring = self._call.ua.timers.at(now + self._plan.ring_for, self._rang_long)
        self._next_target(now)

    def take_back(self, why: str, now: float, reasons: tuple[str, ...] = ()) -> None:
        """CANCEL it, as soon as a provisional answer allows it (RFC 3261 section 9.1)."""
        if self.why is None:
            self.why, self.reasons = why, reasons
            for silent in self._silent:
                if silent.heard:
                    self._call.ua.transactions.cancel(silent, now, reasons)
            if self._heard:
                self._cancel(now)

    def stop(self) -> None:
        """Let go of all that waits: the call goes on without, or is over."""
        for timer in (self._ring, self._bound):
            if timer is not None:
                timer.cancel()
        self.forks.stop()
        transactions = self._call.ua.transactions
        silent, self._silent = self._silent, []
        for invite in silent:
            again = invite if invite.open else self._resumed(invite, transactions.now)
            transactions.cancel(again, transactions.now, (REASON_FORKED,) if self._kept else self.reasons)
            again.stop()

    def acknowledge(self) -> None:
        """Send the ACK that was held."""
        if self._holds and self._kept is not None:
            self._holds = False
            self._call.ua.send(*self._kept[2:])

    def forget(self) -> None:
        """Wait for further answers to the INVITEs no more: the user agent sees to them.

        One that was cancelled because another was answered may never get its own (RFC 3261 section 9.1).
        """
        transaction = self._transaction
        if self._kept is not None and transaction is not None and (transaction.heard or not transaction.open):
            transaction.stop()

    def leg_of(self, request: Request) -> Leg | None:
        """Return the early leg that a request of the far end belongs to, by its tag.

        A BYE from one that was not heard of yet has overtaken the 2xx that made its dialog: there is one all the same.
        """
        tag = tag_in(request, of="from")
        leg = self.forks.legs.get(tag)
        sent = self._sent.get(self._transaction.branch) if self._transaction is not None else None
        if leg is None and request.method == "BYE" and sent is not None and len(self.forks.legs) < MOST_LEGS:
            invite, target = sent
            made = Response.to_request(invite, 200, "OK", to_tag=tag or None)
            leg = self.forks.legs[tag] = self.forks.leg(made, invite, target)
        return leg

    # what transactions tell

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer to one of the INVITEs."""
        branch = transaction.branch
        if 200 <= response.status < 300:
            self.accepted(branch, response, now)
        elif transaction in self._silent:
            if response.status < 200:
                self._take_provisional(transaction, response, now)
            else:
                self._silent.remove(transaction)  # nothing rings there any more
        elif transaction is self._transaction and self._kept is None:
            if response.status < 200:
                self._take_provisional(transaction, response, now)
            else:
                self._take_refusal(response, now)
        elif response.status < 200 and transaction is self._transaction and self._kept:
            if self._kept[0] != branch:
                self._call.ua.transactions.cancel(transaction, now, (REASON_FORKED,))  # another INVITE was answered
            if self._call.over:  # nothing more need ever come
                self.forget()

    def unanswered(self, transaction: ClientTransaction, why: str, now: float) -> None:
        """Take it that the INVITE's final answer does not come."""
        if transaction is not self._transaction or self._kept is not None:
            return
        nobody = why == "refused" and not self._heard  # ICMP, or a connection that could not be opened
        if not nobody:
            self._doubt = True
            self._silent.append(self._resumed(transaction, now))
        unheard = why == "timeout" and not self._heard and self._invites == 1  # who asked for credentials is there
        if self._targets and self._may_go_on() and (nobody or unheard):
            self._next_target(now)
        elif self.why is not None:
            self._call.fail(None, now, ours=self.why, certain=not self._doubt)
        else:
            self._call.fail(None, now, why=why, certain=not self._doubt)

    # answers

    def accepted(self, branch: str, response: Response, now: float) -> None:
        """Take a 2xx to the INVITE of a branch: keep the first, end the others (RFC 3261 section 13.2.2.4)."""
        call = self._call
        tag = tag_in(response, of="to")
        if self._kept is not None and self._kept[:2] == (branch, tag):
            if not self._holds:
                call.ua.send(*self._kept[2:])  # our ACK was lost: the same one again
            return
        sent = self._sent.get(branch)
        if sent is None:
            return
        call.authenticator.accepted(response.all("Authentication-Info"))
        first = self._kept is None and not call.over
        if not first and tag not in self.forks.legs and len(self.forks.legs) >= MOST_LEGS:
            return
        leg = self.forks.leg(response, *sent)
        leg.dialog.learn_routes(response)
        leg.learn(response)
        request, flow = leg.dialog.request("ACK", sent[0].cseq.number, credentials_of(sent[0]))
        ack = request.to_bytes()
        if first and self._plan.holds_ack and self.why is None and not leg.ended:
            self._holds = True
        else:
            call.ua.send(ack, flow)
        if not first:
            if not leg.ended:
                leg.ended = True  # a retransmitted one is acknowledged, and hung up once
                self.forks.legs[tag] = leg
                Farewell(call.ua, leg.dialog, call.authenticator, (REASON_FORKED,)).send(now)
            return
        self._kept = (branch, tag, ack, flow)
        self._silent = [silent for silent in self._silent if silent.branch != branch]
        pending = self._transaction
        if pending is not None and pending.open and pending.branch != branch and self._heard:
            call.ua.transactions.cancel(pending, now, (REASON_FORKED,))
        self.stop()
        call.keep(leg, response, now)

    def _take_provisional(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        current = transaction is self._transaction
        self._heard = self._heard or current
        call, status = self._call, response.status
        if status > 100:
            call.progressed = True
            call.authenticator.accepted()
            call.rang = call.rang or status >= 180  # 199 tells that one rang whose 18x was lost (RFC 6228 section 4)
            try:
                progress = self.forks.take(response, transaction.request, self._sent[transaction.branch][1], now)
            except OutOfOrder:
                return
            if self.why is None:
                call.emit(progress)
        if self.why is not None and current:
            self._cancel(now)
        elif self.why is not None:
            call.ua.transactions.cancel(transaction, now, self.reasons)

    def _take_refusal(self, response: Response, now: float) -> None:
        call, status = self._call, response.status
        if self.why is not None:
            # one that was asked for again, or that crossed our CANCEL, ends it as ours
            ours = self._cancelled or status in (401, 407, 420, 422, 503) or 300 <= status < 400
            call.fail(response, now, ours=self.why if ours else None)
        elif not self._may_go_on():
            call.fail(response, now, certain=self._is_certain(response))
        elif status in (401, 407):
            may = self._invites < MOST_INVITES and not self._showed
            if may and call.authenticator.answer(status, challenges_of(response)):
                self._send(now)
            else:
                call.fail(response, now, why="credentials", certain=not self._doubt)
        elif self._invites < MOST_INVITES and not self._doubt and self._is_met(response):
            self._send(now)
        elif status == 503 or (status == 482 and self._crowded is not None and not self._doubt):
            self._crowded = response if status == 503 else self._crowded  # 482: the same server, by another way
            if self._targets:
                self._next_target(now)
            else:
                call.fail(self._crowded, now, certain=not self._doubt)
        else:
            call.fail(response, now, certain=self._is_certain(response))

    def _is_met(self, response: Response) -> bool:
        """Whether another INVITE can do better, which is prepared then."""
        if 300 <= response.status < 400:
            target = redirected(response, self._plan.targets, self._tried) if self._plan.redirects else None
            self._target = target or self._target
            return target is not None
        return self._invite.meets(response)

    def _is_certain(self, response: Response) -> bool:
        """Whether this final answer speaks for all: a busy phone does, a gateway's trouble not after one was silent.

        482 says that the silent one's INVITE has arrived (RFC 3261 section 8.2.2.2), and nothing of what became of it.
        """
        if not self._doubt:
            return True
        status = response.status
        return status != 482 and (self._call.progressed or status in (480, 486, 600, 603, 607, 608))

    @property
    def _showed(self) -> bool:
        """Whether a silent INVITE had credentials: it may have rung, and one with another CSeq would ring again."""
        return any(credentials_of(invite.request) for invite in self._silent)

    def _may_go_on(self) -> bool:
        return self.why is None and not self._call.progressed

    # sending

    def _next_target(self, now: float) -> None:
        self._target = self._targets.pop(0)
        self._invites = self.cseq = 0
        self._call.tried += 1
        self._send(now)

    def _send(self, now: float) -> None:
        call, target = self._call, self._target
        self.cseq += 1
        self._invites += 1
        self._tried.add(target.uri)
        self._heard = False
        self.forks.stop()
        credentials = call.authenticator.headers("INVITE", target.uri, self._invite.body)
        branch, via = via_of(self._plan.seed, self.cseq, target)
        request = self._invite.request(target, self.cseq, via, credentials)
        sent = Sent(cseq=self.cseq, uri=target.uri, via=via, flow=target.flow, routes=target.routes)
        self._sent[branch] = (request, target)
        call.emit(InviteReady(call_id=call.call_id, sent=sent))
        self._transaction = call.ua.transactions.request(request, target.flow, self, now)

    # taking back

    def _resumed(self, invite: ClientTransaction, now: float) -> ClientTransaction:
        return self._call.ua.transactions.resume(invite.request, invite.flow, self, now)

    def _rang_long(self, now: float) -> None:
        self.take_back("ring_timeout", now, (REASON_NO_ANSWER,))

    def _cancel(self, now: float) -> None:
        if self._cancelled or self._transaction is None:
            return
        self._cancelled = True
        ua = self._call.ua
        ua.transactions.cancel(self._transaction, now, self.reasons)
        # RFC 3261 section 9.1: without a final answer 64*T1 after the CANCEL, the INVITE counts as taken back
        self._bound = ua.timers.at(now + ua.transactions.timing.patience, self._give_up)

    def _give_up(self, now: float) -> None:
        if self._transaction is not None:
            self._transaction.stop()
        self._call.fail(None, now, ours=self.why, certain=False, detail="no final answer came after the CANCEL")
