"""Any order of claims, ends, news, do-not-call entries and clean-ups leaves everything true.

The machine keeps a book of its own, of every call and entry, and judges each claim by it: nobody is called whom the
book forbids, and with lines left over nobody is passed over.
"""

from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stock import CALLER_ID, LONDON, NEW_YORK, NOW, OTHER_ID, Stock, ended, number

from dialerd.model.instants import DAY, HOUR, MINUTE, NEVER, SECOND, WEEK
from dialerd.model.settings import PersonSettings
from dialerd.model.states import AttemptState, Final, Outcome
from dialerd.store import attempts, campaigns, days, suppressions
from dialerd.store.claiming import Claimed
from dialerd.store.ending import Progress

PEOPLE = 7  # few, so that campaigns meet over the same numbers
STEPS = st.sampled_from([0, 1, SECOND, MINUTE, HOUR, DAY - MINUTE, 3 * DAY, 6 * DAY])
LIMITS = st.builds(
    PersonSettings,
    cooldown=st.sampled_from([0, MINUTE, HOUR, WEEK]),
    calls_per_day=st.sampled_from([None, 1, 2]),
    calls_per_week=st.sampled_from([None, 2, 3]),
)


@define(kw_only=True, eq=False)
class Call:
    """A call as the book has it."""

    claimed: Claimed
    key: int
    number: str
    at: int
    over_at: int | None = None
    refunded: bool = False


class Turns(RuleBasedStateMachine):
    """A store under a random hand."""

    def __init__(self):
        super().__init__()
        self.stock = Stock()
        self.now = NOW
        self.calls = []
        self.entries = {}
        self.keys = []
        self.agents = {}
        self.kept = {}

    def teardown(self):
        """Close the store."""
        self.stock.close()

    @initialize(limits=LIMITS, sticky=st.booleans())
    def begin(self, limits, sticky):
        """Two campaigns of one agent and one of another share most of their people."""
        self.limits, self.sticky = limits, sticky
        for i, agent in enumerate(("anna", "anna", "zoe")):
            people = [number(n) for n in range(i, PEOPLE + i)]
            key = self.stock.campaign(people, f"c{i}", agent=agent, groups=(LONDON, NEW_YORK))
            self.keys.append(key)
            self.agents[key] = agent

    def allowed(self, key, called, without=()):
        """Tell by the book whether a campaign may ring a number now."""
        scopes = ("all", f"agent:{self.agents[key]}", f"campaign:c{self.keys.index(key)}")
        if any(self.entries.get((called, scope), 0) > self.now for scope in scopes):
            return False
        past = [c for c in self.calls if c.number == called and not c.refunded and c not in without]
        day = sum(1 for c in past if c.at > self.now - DAY)
        week = sum(1 for c in past if c.at > self.now - WEEK)
        return (
            all(c.over_at is not None and self.now >= c.over_at + self.limits.cooldown for c in past)
            and (self.limits.calls_per_day is None or day < self.limits.calls_per_day)
            and (self.limits.calls_per_week is None or week < self.limits.calls_per_week)
        )

    def book(self, ask, answer, due):
        """Judge an answer by the book, then write its calls into it."""
        key = ask.campaign_id
        assert len(answer.claimed) <= len(ask.slots)
        slots = list(ask.slots)
        for one in answer.claimed:
            slots.remove(one.caller_id)
            assert one.number in due
            assert self.allowed(key, one.number), one.number
            if self.sticky:
                assert self.kept.setdefault((key, one.number), one.caller_id) == one.caller_id
            self.calls.append(Call(claimed=one, key=key, number=one.number, at=self.now))
        if slots:  # lines were left over: whoever may be rung was, but those who keep a line that is not free
            left = self.stock.next_at(key)
            for called, at in left.items():
                waits = self.sticky and self.kept.get((key, called), slots[0]) not in slots
                assert at > self.now or waits, called
        for called, at in self.stock.next_at(key).items():
            if called in due and at > self.now:  # it was put off
                assert not self.allowed(key, called)

    @rule(lines=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=3), pick=st.randoms())
    def claim(self, lines, pick):
        """A turn with some asks, of different campaigns."""
        asks = []
        for i, n in dict(lines).items():
            slots = [pick.choice((CALLER_ID, OTHER_ID)) for _ in range(n)]
            asks.append(self.stock.ask(self.keys[i], slots, sticky=self.sticky, day_keys={"": [("all", "d")]}))
        due = {
            ask.campaign_id: [n for n, at in self.stock.next_at(ask.campaign_id).items() if at <= self.now]
            for ask in asks
        }
        answers = self.stock.turn(*asks, limits=self.limits, now=self.now)
        for ask, answer in zip(asks, answers, strict=True):
            self.book(ask, answer, due[ask.campaign_id])

    @rule(pick=st.randoms(), most=st.integers(1, 6), same_turn=st.booleans())
    def end(self, pick, most, same_turn):
        """Some calls end in every way there is, perhaps in the turn that claims again."""
        live = [c for c in self.calls if c.over_at is None]
        chosen = pick.sample(live, min(most, len(live)))
        ends = []
        for call in chosen:
            kind = pick.choice(("final", "retry", "refund", "withdrawn", "screened"))
            final = {"final": pick.choice(list(Final)), "screened": Final.SUPPRESSED}.get(kind)
            call.refunded = kind in ("refund", "withdrawn", "screened")
            call.over_at = self.now
            ends.append(
                ended(
                    call.claimed,
                    call.key,
                    pick.choice(list(Outcome)),
                    at=self.now,
                    final=final,
                    next_at=self.now + pick.choice((0, MINUTE, HOUR)),
                    refunded=call.refunded,
                    bounded=kind == "refund",
                    answered_at=pick.choice((None, call.at, self.now + 5)),
                    uncount=[("all", "d")] if call.refunded else (),
                )
            )
        if not same_turn:
            self.stock.turn(ends=ends, now=self.now)
            return
        ask = self.stock.ask(self.keys[0], 3, sticky=self.sticky, day_keys={"": [("all", "d")]})
        due = [n for n, at in self.stock.next_at(self.keys[0]).items() if at <= self.now]
        again = {end.attempt_id for end in ends if end.final is None and end.next_at <= self.now}
        due += [c.number for c in chosen if c.key == self.keys[0] and c.claimed.attempt_id in again]
        (answer,) = self.stock.turn(ask, ends=ends, limits=self.limits, now=self.now)
        self.book(ask, answer, due)

    @rule(pick=st.randoms())
    def progress(self, pick):
        """News of some calls."""
        news = [
            Progress(
                attempt_id=call.claimed.attempt_id,
                state=pick.choice((AttemptState.PLACED, AttemptState.RINGING, AttemptState.UNCERTAIN)),
                ringing_at=None,
                answered_at=None,
                reference="r",
                provider_state=None,
            )
            for call in self.calls
            if call.over_at is None and pick.random() < 0.5
        ]
        self.stock.turn(progress=news, now=self.now)

    @rule(
        who=st.integers(0, PEOPLE),
        scope=st.sampled_from(["all", "agent:anna", "agent:zoe", "campaign:c0"]),
        lasts=st.sampled_from([None, HOUR, 4 * DAY]),
    )
    def suppress(self, who, scope, lasts):
        """Somebody does not want to be called, for a while or for good."""
        until = NEVER if lasts is None else self.now + lasts
        self.stock.do(suppressions.add, [number(who)], scope=scope, expires_at=until, now=self.now)
        self.entries[number(who), scope] = until

    @rule(i=st.integers(0, 2), final=st.sampled_from([Final.EXPIRED, Final.CANCELLED]))
    def finish(self, i, final):
        """A campaign is over; rare, as it ends the play."""
        if len(self.calls) > 6:
            self.stock.do(campaigns.finish_pending_some, self.keys[i], final, now=self.now)

    @rule(step=STEPS)
    def wait(self, step):
        """Time passes; no call lasts longer than a day."""
        live = [c.at for c in self.calls if c.over_at is None]
        self.now = min([self.now + step, *(at + DAY for at in live)])

    @invariant()
    def everything_is_true(self):
        """States, open attempts and counters fit together, and the store's open attempts are the book's."""
        assert self.stock.faults() == []
        live = [c for c in self.calls if c.over_at is None]
        found = self.stock.do(attempts.open_attempts)
        assert [one.claimed.attempt_id for one in found] == sorted(c.claimed.attempt_id for c in live)
        counted = sum(not c.refunded for c in self.calls)
        assert self.stock.do(days.calls, [("all", "d")]).get(("all", "d"), 0) == counted


TestTurns = Turns.TestCase
TestTurns.__doc__ = "Random lives of three campaigns over shared numbers."
TestTurns.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
