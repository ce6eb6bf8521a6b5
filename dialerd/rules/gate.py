"""The gate: may this recipient be dialled now, and if not, by which rule, since when, and until when.

There is one gate. The dispatcher asks it inside the claim and again at the last instant, `why` asks it for a person at
a terminal, and `plan` runs the dispatcher itself. Rules are asked in the order of `Rule`; the first that objects
answers, because a recipient of a paused campaign is held by the pause, whatever the hour.
"""

from attrs import field, frozen

from dialerd.model.instants import DAY, NEVER, WEEK, Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, RecipientState, Rule


@frozen
class Hold:
    """An objection of the gate.

    Args:
        rule: the rule that objects.
        since: since when it has objected, or None where that is not recorded.
        until: the next instant at which it may be dialled as far as this rule knows; NEVER = not by itself;
            None = when something else ends whose end is not known (a live call, a pause).
        detail: what a person needs besides, in words; may be empty.
    """

    rule: Rule
    since: Instant | None = None
    until: Instant | None = None
    detail: str = ""


@frozen
class Opening:
    """A stretch of time in which nothing changes for one zone group of one campaign.

    Args:
        rule: the rule that keeps it closed; None = open.
        since: when this stretch began.
        until: open: the first instant at which no call may start any more; closed: the next instant at which one
            may, NEVER where there is none before the campaign's end.
        detail: which zone or holiday closes it, in words; may be empty.
    """

    rule: Rule | None
    since: Instant
    until: Instant
    detail: str = ""

    def covers(self, now: Instant) -> bool:
        """Tell whether this stretch still describes `now`; the wall clock may have been stepped either way."""
        return self.since <= now < self.until


@frozen
class PastCall:
    """A call to the same number, in any campaign.

    Args:
        started_at: when it was claimed.
        ended_at: when it ended; None while it lasts.
    """

    started_at: Instant
    ended_at: Instant | None


@frozen(kw_only=True)
class Person:
    """What is known of a called number over all campaigns.

    Args:
        suppressed_until: until when a do-not-call entry forbids it; NEVER = for good; None = there is none.
        calls: calls of the last week that may have rung, oldest first, those in progress included.
    """

    suppressed_until: Instant | None = None
    calls: tuple[PastCall, ...] = ()


STRANGER = Person()
"""A number that was not called in the last week and is not suppressed: by far the most frequent case."""


@frozen(kw_only=True)
class Facts:
    """Everything the gate judges by, for one recipient.

    Args:
        recipient: its state.
        next_at: when its next attempt is due.
        campaign: its campaign's state.
        opening: the present stretch of its zone group in its campaign; an open one that does not cover `now` holds.
        person: what is known of its number.
        limits: what one number may bear.
        lines: what the trunks, caller ids and caps object, or None.
    """

    recipient: RecipientState
    next_at: Instant
    campaign: CampaignState
    opening: Opening
    person: Person = STRANGER
    limits: PersonSettings = field(factory=PersonSettings)
    lines: Hold | None = None


_CAMPAIGN_RULES = {
    CampaignState.LOADING: Rule.DRAFT,
    CampaignState.DRAFT: Rule.DRAFT,
    CampaignState.PAUSED: Rule.PAUSED,
    CampaignState.COMPLETED: Rule.CAMPAIGN_OVER,
    CampaignState.CANCELLED: Rule.CAMPAIGN_OVER,
}


def gate(facts: Facts, now: Instant) -> Hold | None:
    """Return what holds a recipient at `now`, or None when it may be dialled.

    Args:
        facts: what is known.
        now: the instant judged.
    """
    if facts.recipient is not RecipientState.PENDING:
        done = facts.recipient is RecipientState.DONE
        return Hold(Rule.DONE, until=NEVER) if done else Hold(Rule.DIALING)
    if (rule := _CAMPAIGN_RULES.get(facts.campaign)) is not None:
        return Hold(rule, until=NEVER if rule is Rule.CAMPAIGN_OVER else None)
    opening = facts.opening
    if opening.rule is not None:
        return Hold(opening.rule, opening.since, opening.until, opening.detail)
    if not opening.covers(now):
        # what is known of the hours is out of date: it closed meanwhile, or the clock was stepped
        return Hold(Rule.CLOSING, detail="its hours are to be looked up again")
    if facts.person is not STRANGER and (hold := _suppressed(facts.person, now)) is not None:
        return hold
    if facts.next_at > now:
        return Hold(Rule.RETRY_DELAY, until=facts.next_at)
    if facts.person is not STRANGER and (hold := _worn(facts.person, facts.limits, now)) is not None:
        return hold
    return facts.lines


def _suppressed(person: Person, now: Instant) -> Hold | None:
    if person.suppressed_until is not None and person.suppressed_until > now:
        return Hold(Rule.SUPPRESSED, until=person.suppressed_until)
    return None


def _worn(person: Person, limits: PersonSettings, now: Instant) -> Hold | None:
    """Return what one number's calls so far object to another: a live one, the cooldown, the caps."""
    holds = []
    for call in person.calls:
        if call.ended_at is None:
            return Hold(Rule.LIVE_CALL, since=call.started_at)
        if now < (rested := call.ended_at + limits.cooldown):
            holds.append(Hold(Rule.COOLDOWN, call.ended_at, rested))
    for rule, cap, span in (
        (Rule.PERSON_DAY_CAP, limits.calls_per_day, DAY),
        (Rule.PERSON_WEEK_CAP, limits.calls_per_week, WEEK),
    ):
        recent = [call.started_at for call in person.calls if call.started_at > now - span]
        if cap is not None and len(recent) >= cap:
            # rolling: free again when the oldest of the last `cap` calls leaves the span
            holds.append(Hold(rule, recent[-1], recent[-cap] + span))
    return max(holds, key=lambda hold: hold.until or 0, default=None)
