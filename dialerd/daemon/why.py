"""`dialerd why`: says which rule holds a recipient, since when, and when it may be dialled."""

import sqlite3

import click
from sqlalchemy.exc import DBAPIError

from dialerd.daemon.instance import store_url
from dialerd.daemon.local import moment
from dialerd.engine.clock import SystemClock
from dialerd.engine.explain import Explanation, explain
from dialerd.model.errors import NotFound
from dialerd.model.instants import NEVER
from dialerd.model.settings import Settings
from dialerd.model.states import Rule
from dialerd.rules.numbers import parse_number
from dialerd.rules.zones import zone
from dialerd.store import campaigns
from dialerd.store.database import connect, database_path
from dialerd.store.database import explain as explained

_WORDS = {
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


def run(settings: Settings, campaign: str, number: str) -> int:
    """Print why a recipient is not being dialled.

    Args:
        settings: the settings in force.
        campaign: its id or its name; of several with one name the latest.
        number: the recipient's, in any form that a campaign file may use.

    Returns:
        The exit code, 0.

    Raises:
        NotFound: there is no such store, campaign or recipient.
        BadNumber: the number cannot be read.
        StoreError: the store cannot be read.
    """
    url = store_url(settings)
    path = database_path(url)
    if path is not None and not path.exists():
        raise NotFound(f"{path} does not exist: dialerd has not run with these settings yet")
    wanted = parse_number(number, settings.daemon.default_region).number
    engine = connect(url, read_only=True)
    try:
        with engine.connect() as connection, connection.begin():
            found = campaigns.find(connection, campaign)
            if not found:
                raise NotFound(f"no campaign has the id or the name {campaign!r}")
            explanation = explain(connection, settings, found[0], wanted, SystemClock().now())
    except (DBAPIError, sqlite3.Error) as error:
        raise explained(error) from error
    finally:
        engine.dispose()
    if explanation is None:
        raise NotFound(f"{wanted} is no recipient of {found[0].spec.name!r} ({found[0].uid})")
    if len(found) > 1:
        click.echo(f"of {len(found)} campaigns named {campaign!r} this is the latest; name another by its id", err=True)
    click.echo("\n".join(told(explanation, settings)))
    return 0


def told(explanation: Explanation, settings: Settings) -> list[str]:
    """Return an explanation in lines for a person; times are in the campaign's zone.

    Args:
        explanation: why a recipient is not being dialled.
        settings: the settings in force; their `[retry]` is that of campaigns that give none.
    """
    campaign, found, hold = explanation.campaign, explanation.found, explanation.hold
    local = zone(campaign.timezone)
    limit = found.max_attempts or (campaign.spec.retry or settings.retry).max_attempts
    lines = [
        f"{found.number} in {campaign.spec.name!r} ({campaign.uid}, {campaign.state})",
        f"  recipient  {found.state}" + (f", {found.final}" if found.final else ""),
        f"  attempts   {found.attempts} of {limit}",
    ]
    for attempt in found.tried:
        what = attempt.outcome or attempt.state
        counted = ", did not count" if attempt.refunded else ""
        at = moment(attempt.claimed_at, local)
        lines.append(f"    {at}  {what} over {attempt.trunk}{counted}  {attempt.attempt_id}")
    if hold is None:
        return [
            *lines,
            "  held by    nothing that the store knows: it is dialled as soon as its trunk takes it and a line is free",
        ]
    since = f", since {moment(hold.since, local)}" if hold.since else ""
    lines.append(f"  held by    {hold.rule}: {_WORDS[hold.rule]}{since}")
    if hold.detail:
        lines.append(f"             {hold.detail}")
    if explanation.next_at is None:
        lines.append("  next       when that ends")
    elif explanation.next_at >= NEVER:
        lines.append("  next       never by itself")
    else:
        lines.append(f"  next       {moment(explanation.next_at, local)}")
    return lines
