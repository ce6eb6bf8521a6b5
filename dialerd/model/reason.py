"""Why a recipient is not being dialled, as doors show it, and the rules' own words for people."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from dialerd.model.call_view import CallView
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, RecipientState, Rule
from dialerd.model.states import Final as FinalState

RULE_WORDS: Final[Mapping[Rule, str]] = {
    Rule.DONE: "it is done",
    Rule.DIALING: "its call is in progress, or the carrier is being asked what became of it",
    Rule.DRAFT: "the campaign is a draft",
    Rule.PAUSED: "the campaign is paused",
    Rule.CAMPAIGN_OVER: "the campaign is over",
    Rule.NOT_STARTED: "the campaign has not begun",
    Rule.CAMPAIGN_END: "the campaign's end has passed",
    Rule.CALLING_WINDOW: "it is outside the campaign's calling windows",
    Rule.HOLIDAY: "it is a holiday and the campaign skips holidays",
    Rule.QUIET_HOURS: "these are quiet hours where the number may lie",
    Rule.QUIET_HOLIDAY: "it is a quiet holiday where the number may lie",
    Rule.UNKNOWN_ZONE: "nobody knows in which time zone the number lies; give the recipient a timezone",
    Rule.PLACELESS_NUMBER: "the number lies nowhere; give the recipient a timezone or set quiet_hours.placeless",
    Rule.CLOSING: "the hours are about to close and its phone could still be ringing then",
    Rule.SUPPRESSED: "a do-not-call entry forbids it",
    Rule.RETRY_DELAY: "it is waiting for its next attempt",
    Rule.LIVE_CALL: "the same number is in a call already",
    Rule.COOLDOWN: "the same number was called a moment ago",
    Rule.PERSON_DAY_CAP: "the number has had its calls of the day",
    Rule.PERSON_WEEK_CAP: "the number has had its calls of the week",
    Rule.COUNTRY: "its country may not be rung",
    Rule.CAMPAIGN_DAY_CAP: "the campaign has made its calls of the day",
    Rule.CALLER_ID_DAY_CAP: "the caller ids have made their calls of the day",
    Rule.AGENT_GONE: "its agent is not configured any more",
}
"""Every rule in words that end the sentence `held by RULE: …`."""


@frozen(kw_only=True)
class Waiting:
    """Something that the daemon waits for before it dials, of which the store knows nothing.

    Args:
        kind: `daemon`, `trunk`, `number`, `agent` or `campaign` where a limit is full; `pace` where starts are spaced;
            `down` or `resting` of a trunk; `unfit` of an agent that cannot speak and rests; `turn` where others come
            first; `stopping` where nobody is dialled any more.
        name: which trunk, number, agent or campaign; None = there is but one.
        words: the same for people.
        until: when it passes as far as is known, or None.
    """

    kind: str
    name: str | None = None
    words: str
    until: Instant | None = None


@frozen(kw_only=True)
class Reason:
    """What holds one recipient of one campaign.

    Args:
        number: E.164.
        campaign_id: whose recipient.
        campaign: that campaign's name.
        campaign_state: where it stands.
        timezone: IANA zone of its windows, in which instants are told to people.
        position: the recipient's place in its list.
        state: where the recipient stands.
        final: what became of it, or None.
        attempts: attempts that counted.
        max_attempts: how many it may have: its own limit, the campaign's or the daemon's.
        calls: its attempts, oldest first.
        rule: the rule that holds it, or None: it is dialled as soon as a line is free.
        words: the rule in words; empty where there is none.
        detail: what else is to be known of it; may be empty.
        since: since when it holds, or None where that is not recorded.
        until: until when this rule holds as far as it knows; None = not known, or not by itself.
        next_at: the next instant at which it may be dialled as far as all rules know; None = when that ends, or never.
        never: it will not be dialled by itself.
        live: what the running daemon waits for before it dials; None = no daemon was asked.
    """

    number: str
    campaign_id: str
    campaign: str
    campaign_state: CampaignState
    timezone: str
    position: int
    state: RecipientState
    final: FinalState | None = None
    attempts: int = 0
    max_attempts: int
    calls: tuple[CallView, ...] = ()
    rule: Rule | None = None
    words: str = ""
    detail: str = ""
    since: Instant | None = None
    until: Instant | None = None
    next_at: Instant | None = None
    never: bool = False
    live: tuple[Waiting, ...] | None = None
