"""Why a recipient is not being dialled: the gate's own answer, from what the store and the settings say.

It sees no live state (a trunk that rests, lines that are full): those pass within moments, and are told by the daemon.
"""

from collections.abc import Callable

from attrs import evolve, frozen
from sqlalchemy import Connection

from dialerd.engine.hours import hours_of
from dialerd.model.instants import NEVER, Instant
from dialerd.model.settings import Settings
from dialerd.model.states import Rule
from dialerd.rules.gate import Facts, Hold, gate
from dialerd.rules.openings import local_day, opening
from dialerd.rules.routes import agent_name, caller_ids, may_ring
from dialerd.store import days, lookup, persons
from dialerd.store.counters import driver
from dialerd.store.lookup import Found
from dialerd.store.records import CampaignRow

_ROUNDS = 100  # rules that hold one after another; more than that would be a loop


@frozen(kw_only=True)
class Explanation:
    """What holds a recipient.

    Args:
        campaign: whose recipient.
        found: the recipient, with its attempts.
        hold: the rule that holds it, or None: it is dialled as soon as a line is free.
        next_at: the next instant at which it may be dialled as far as all rules know; NEVER = not by itself; None =
            when something else ends.
    """

    campaign: CampaignRow
    found: Found
    hold: Hold | None
    next_at: Instant | None


def explain(
    connection: Connection, settings: Settings, campaign: CampaignRow, number: str, now: Instant
) -> Explanation | None:
    """Say what holds a recipient at `now`, or None where the campaign has no such recipient.

    Args:
        connection: one of the store.
        settings: the settings in force.
        campaign: whose recipient.
        number: E.164.
        now: the instant judged.
    """
    found = lookup.recipient(connection, campaign.id, number)
    if found is None:
        return None
    agent = agent_name(campaign.spec.agent, settings) or campaign.spec.agent
    person = persons.of_numbers(driver(connection), [number], agent=agent, campaign=campaign.uid, now=now)[number]
    lines = _lines(connection, settings, campaign, found, now)
    hours = hours_of(campaign)

    def hold_at(instant: Instant) -> Hold | None:
        facts = Facts(
            recipient=found.state,
            next_at=found.next_at,
            campaign=campaign.state,
            opening=opening(hours, found.group, settings.quiet_hours, instant),
            person=person,
            limits=settings.person,
            lines=lines if lines is None or lines.until is None or lines.until > instant else None,
        )
        return gate(facts, instant)

    hold = hold_at(now)
    if hold is not None and (since := _since(connection, hold, campaign, found)) is not None:
        hold = evolve(hold, since=since)
    return Explanation(campaign=campaign, found=found, hold=hold, next_at=_next_at(hold_at, now))


def _since(connection: Connection, hold: Hold, campaign: CampaignRow, found: Found) -> Instant | None:
    """Return since when a rule holds, for the rules whose beginning is not the gate's to know."""
    last = found.tried[-1].view if found.tried else None
    match hold.rule:
        case Rule.DRAFT | Rule.PAUSED | Rule.CAMPAIGN_OVER:
            return campaign.state_at
        case Rule.NOT_STARTED | Rule.UNKNOWN_ZONE | Rule.PLACELESS_NUMBER | Rule.COUNTRY | Rule.AGENT_GONE:
            return campaign.created_at
        case Rule.DIALING:
            return last.claimed_at if last else None
        case Rule.DONE | Rule.RETRY_DELAY:
            return last.ended_at if last else campaign.created_at
        case Rule.SUPPRESSED:
            return lookup.suppressed_since(connection, found.number)
        case _:
            return hold.since


def _next_at(hold_at: Callable[[Instant], Hold | None], now: Instant) -> Instant | None:
    """Go from each rule's own word to the next, until none objects or one does not end by itself."""
    at = now
    for _ in range(_ROUNDS):
        hold = hold_at(at)
        if hold is None:
            return at
        if hold.until is None or hold.until >= NEVER:
            return hold.until
        at = max(hold.until, at + 1)
    return None


def _lines(
    connection: Connection, settings: Settings, campaign: CampaignRow, found: Found, now: Instant
) -> Hold | None:
    """Return what agent, caller ids, trunks and daily caps object, as far as the store knows."""
    if agent_name(campaign.spec.agent, settings) is None:
        return Hold(Rule.AGENT_GONE, until=NEVER, detail=f"no agent {campaign.spec.agent!r} is configured any more")
    pacing = campaign.spec.pacing or settings.pacing
    if pacing.calls_per_day is not None:
        capped = _day_hold(connection, f"campaign:{campaign.id}", campaign.timezone, pacing.calls_per_day, now)
        if capped is not None:
            return Hold(Rule.CAMPAIGN_DAY_CAP, until=capped, detail=f"{pacing.calls_per_day} calls a day")
    numbers = [
        number
        for number in caller_ids(campaign.spec, settings)
        if may_ring(settings.numbers[number].trunk, found.group.country, settings)
    ]
    if not numbers:
        country = found.group.country or "numbers of no country"
        return Hold(Rule.COUNTRY, until=NEVER, detail=f"no trunk of this campaign may ring {country}")
    waits = []
    for number in numbers:
        cap = settings.numbers[number].calls_per_day
        wait = None if cap is None else _day_hold(connection, f"number:{number}", settings.daemon.timezone, cap, now)
        if wait is None:
            return None
        waits.append(wait)
    return Hold(Rule.CALLER_ID_DAY_CAP, until=min(waits), detail="every caller id has had its calls of the day")


def _day_hold(connection: Connection, name: str, zone: str, cap: int, now: Instant) -> Instant | None:
    """Return when a daily cap that is reached resets, or None while there is room."""
    _, ends_at, day = local_day(zone, now)
    return ends_at if days.calls(connection, [(name, day)]).get((name, day), 0) >= cap else None
