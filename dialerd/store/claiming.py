"""Claims: due recipients taken for lines that are held already. Hot statements, for SQLite.

Python's part inside the transaction is what the gate must judge. Nearly every recipient is a stranger (not called this
week, not suppressed), and for the strangers of one group the gate's answer is one.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import uuid_utils
from attrs import define, field, frozen

from dialerd.model.instants import NEVER, SECOND, WEEK, Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, Final, RecipientState, Rule
from dialerd.rules.gate import STRANGER, Facts, Hold, Opening, PastCall, Person, gate
from dialerd.store import persons
from dialerd.store.counters import add_totals
from dialerd.store.sets import SetStatement


@frozen(kw_only=True)
class Ask:
    """A wish to claim recipients of one campaign, for lines that are held already.

    Args:
        campaign_id, campaign, agent: its key, its id for the outside, its agent's name.
        state: its state; a scheduled one becomes running with its first claim.
        groups: zone groups to take from, in order, with their openings.
        slots: one caller id a line, in the order in which they are to be used.
        trunks: trunk by caller id.
        sticky: a recipient keeps the caller id of its first attempt.
        day_keys: day counts by caller id, as (key, day) pairs; those under "" count for every call.
    """

    campaign_id: int
    campaign: str
    agent: str
    state: CampaignState
    groups: Sequence[tuple[int, Opening]]
    slots: Sequence[str]
    trunks: Mapping[str, str]
    sticky: bool = False
    day_keys: Mapping[str, Sequence[tuple[str, str]]] = field(factory=dict)


@define(kw_only=True, slots=True, eq=False)
class Claimed:
    """A recipient that is now dialing, with its durable attempt."""

    attempt_id: int
    uid: str
    recipient_id: int
    group_id: int
    number: str
    caller_id: str
    attempts: int
    refunds: int
    max_attempts: int | None
    prompt: str | None
    variables: str | None
    metadata: str | None


@define(kw_only=True)
class Answer:
    """What came of an `Ask`.

    Args:
        claimed: the attempts to place.
        heads: per group that was asked, when its next recipient is due; None = none is pending.
        suppressed: how many were ended because a do-not-call entry came first.
        held: how many were put off, by rule.
    """

    claimed: list[Claimed] = field(factory=list)
    heads: dict[int, Instant | None] = field(factory=dict)
    suppressed: int = 0
    held: Counter[Rule] = field(factory=Counter)


_DIALING = SetStatement("UPDATE recipients SET state = 'dialing' WHERE id IN (VALUES {rows})", 1)
_DIALING_STICKY = SetStatement(
    """WITH c(id, caller_id) AS (VALUES {rows})
    UPDATE recipients SET state = 'dialing', caller_id = c.caller_id FROM c WHERE recipients.id = c.id""",
    2,
)
_CLAIM = SetStatement(
    """INSERT INTO attempts (id, uid, recipient_id, campaign_id, number, caller_id, trunk, state, claimed_at)
    VALUES {rows}""",
    9,
)
_PUT_OFF = SetStatement(
    """WITH h(id, next_at) AS (VALUES {rows})
    UPDATE recipients SET next_at = h.next_at FROM h WHERE recipients.id = h.id""",
    2,
)
_SUPPRESS = SetStatement("UPDATE recipients SET state = 'done', final = 'suppressed' WHERE id IN (VALUES {rows})", 1)
_CANDIDATES = """
    SELECT id, number, attempts, refunds, max_attempts, caller_id, prompt, variables, metadata,
           EXISTS (SELECT 1 FROM attempts AS a WHERE a.number = r.number AND a.claimed_at > ?)
           OR EXISTS (SELECT 1 FROM suppressions AS s WHERE s.number = r.number)
    FROM recipients AS r INDEXED BY recipients_due
    WHERE campaign_id = ? AND group_id = ? AND state = 'pending' AND next_at <= ? {sticky}
    ORDER BY next_at, id LIMIT ?"""
_STICKY = "AND (caller_id IS NULL OR caller_id IN (SELECT value FROM json_each(?)))"
_HEAD = "SELECT min(next_at) FROM recipients WHERE campaign_id = ? AND group_id = ? AND state = 'pending'"

# Rows that one ask looks at beyond its lines, so that a campaign whose people are all held cannot stretch a turn.
_LOOK_AHEAD = 256


def claim(
    dbapi: sqlite3.Connection,
    ask: Ask,
    taken: dict[str, Instant],
    limits: PersonSettings,
    counts: Counter[tuple[str, str]],
    now: Instant,
) -> Answer:
    """Claim due recipients of one campaign for the lines of `ask`.

    Args:
        dbapi: the driver's connection, inside a transaction.
        ask: what is wanted.
        taken: numbers that this turn has claimed already, with the instant; added to.
        limits: what one called number may bear.
        counts: changes of the day counts; added to.
        now: the present instant.
    """
    answer = Answer()
    slots = list(reversed(ask.slots))
    looks = len(slots) + _LOOK_AHEAD
    attempt_id = dbapi.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0]
    put_off: list[tuple[int, Instant]] = []
    suppressed: list[tuple[int]] = []
    for group_id, opening in ask.groups:
        if not slots or looks <= 0:
            break
        asked = min(len(slots), looks)
        rows = _candidates(dbapi, ask, group_id, slots, asked, now)
        while rows:
            looks -= len(rows)
            known = {row[1] for row in rows if row[9] or row[1] in taken}
            people = persons.of_numbers(dbapi, known, agent=ask.agent, campaign=ask.campaign, now=now) if known else {}
            for_strangers = _judge(ask, opening, STRANGER, limits, now)
            first = len(answer.claimed)
            for recipient_id, number, attempts, refunds, most, kept, prompt, variables, metadata, _ in rows:
                hold = for_strangers
                if number in known or number in taken:
                    person = _with_taken(people.get(number, STRANGER), taken.get(number))
                    hold = _judge(ask, opening, person, limits, now)
                if hold is not None:
                    if hold.rule is Rule.SUPPRESSED and hold.until == NEVER:
                        suppressed.append((recipient_id,))
                    else:
                        put_off.append((recipient_id, _again_at(hold, limits, now)))
                        answer.held[hold.rule] += 1
                    continue
                caller_id = _slot(slots, kept) if ask.sticky else slots.pop()
                if caller_id is None:
                    continue
                attempt_id += 1
                taken[number] = now
                answer.claimed.append(
                    Claimed(
                        attempt_id=attempt_id,
                        uid=str(uuid_utils.uuid7()),
                        recipient_id=recipient_id,
                        group_id=group_id,
                        number=number,
                        caller_id=caller_id,
                        attempts=attempts,
                        refunds=refunds,
                        max_attempts=most,
                        prompt=prompt,
                        variables=variables,
                        metadata=metadata,
                    )
                )
            _apply(dbapi, ask, answer.claimed[first:], put_off, suppressed, now)
            answer.suppressed += len(suppressed)
            put_off, suppressed = [], []
            if len(rows) < asked or not slots or looks <= 0:
                break
            asked = min(len(slots), looks)
            rows = _candidates(dbapi, ask, group_id, slots, asked, now)
        answer.heads[group_id] = dbapi.execute(_HEAD, (ask.campaign_id, group_id)).fetchone()[0]
    _settle(dbapi, ask, answer, counts, now)
    return answer


def _candidates(
    dbapi: sqlite3.Connection, ask: Ask, group_id: int, slots: Iterable[str], limit: int, now: Instant
) -> list[Any]:
    values: list[object] = [now - WEEK, ask.campaign_id, group_id, now]
    if ask.sticky:
        values.append(msgspec.json.encode(sorted(set(slots))).decode())
    query = _CANDIDATES.format(sticky=_STICKY if ask.sticky else "")
    return dbapi.execute(query, (*values, limit)).fetchall()


def _judge(ask: Ask, opening: Opening, person: Person, limits: PersonSettings, now: Instant) -> Hold | None:
    # A campaign that is scheduled opens with this claim; the index has seen to it that the recipient is pending and due.
    facts = Facts(
        recipient=RecipientState.PENDING,
        next_at=now,
        campaign=ask.state,
        opening=opening,
        person=person,
        limits=limits,
    )
    return gate(facts, now)


def _with_taken(person: Person, taken_at: Instant | None) -> Person:
    """Return `person` with the call that this very turn has claimed for it."""
    if taken_at is None:
        return person
    calls = (*person.calls, PastCall(taken_at, None))
    return Person(suppressed_until=person.suppressed_until, calls=calls)


def _again_at(hold: Hold, limits: PersonSettings, now: Instant) -> Instant:
    """Return when a held recipient is to be looked at again; a live call ends nobody knows when."""
    return hold.until if hold.until is not None else now + max(SECOND, limits.cooldown)


def _slot(slots: list[str], kept: str | None) -> str | None:
    """Take a slot for a recipient of a sticky campaign: the caller id that it keeps, or any for a newcomer."""
    if kept is None:
        return slots.pop() if slots else None
    if kept in slots:
        slots.remove(kept)
        return kept
    return None


def _apply(
    dbapi: sqlite3.Connection,
    ask: Ask,
    claimed: Sequence[Claimed],
    put_off: Sequence[tuple[int, Instant]],
    suppressed: Sequence[tuple[int]],
    now: Instant,
) -> None:
    """Write what was decided about one set of candidates, so that the next look does not see them again."""
    if claimed:
        if ask.sticky:
            _DIALING_STICKY.run(dbapi, [(c.recipient_id, c.caller_id) for c in claimed])
        else:
            _DIALING.run(dbapi, [(c.recipient_id,) for c in claimed])
        _CLAIM.run(
            dbapi,
            [
                (
                    c.attempt_id, c.uid, c.recipient_id, ask.campaign_id, c.number, c.caller_id,
                    ask.trunks[c.caller_id], "claimed", now,
                )
                for c in claimed
            ],
        )  # fmt: skip
    if put_off:
        _PUT_OFF.run(dbapi, put_off)
    if suppressed:
        _SUPPRESS.run(dbapi, suppressed)


def _settle(
    dbapi: sqlite3.Connection, ask: Ask, answer: Answer, counts: Counter[tuple[str, str]], now: Instant
) -> None:
    """Write what follows for the campaign and for the daily caps."""
    if answer.suppressed:
        add_totals(dbapi, ask.campaign_id, {f"final_{Final.SUPPRESSED}": answer.suppressed}, now)
    if not answer.claimed:
        return
    if ask.state is CampaignState.SCHEDULED:
        dbapi.execute(
            "UPDATE campaigns SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ? AND state = 'scheduled'",
            (now, ask.campaign_id),
        )
        dbapi.execute("UPDATE totals SET changed_at = ? WHERE campaign_id = ?", (now, ask.campaign_id))
    if ask.day_keys:
        for caller_id, calls in Counter(claimed.caller_id for claimed in answer.claimed).items():
            for key in (*ask.day_keys.get(caller_id, ()), *ask.day_keys.get("", ())):
                counts[key] += calls
