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

from dialerd.model.instants import NEVER, SECOND, Instant, to_iso
from dialerd.model.retry import MAX_ATTEMPTS
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
        sticky: a recipient keeps the caller id of its first attempt, as long as that may be shown to it.
        caller_ids: those that may be shown to these groups, free or not.
        told: somebody is told what happens.
        max_attempts: attempts that a recipient without a limit of its own may have by now; it may have been lowered.
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
    caller_ids: Sequence[str] = ()
    told: bool = False
    max_attempts: int = MAX_ATTEMPTS
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
    due_at: Instant = 0


@define(kw_only=True)
class Answer:
    """What came of an `Ask`.

    Args:
        claimed: the attempts to place.
        heads: per group that was asked, when its next recipient is due; None = none is pending.
        finished: how many were ended without another call: by a do-not-call entry, or because the campaign allows no
            more attempts since their last one.
        held: how many were put off, by rule.
    """

    claimed: list[Claimed] = field(factory=list)
    heads: dict[int, Instant | None] = field(factory=dict)
    finished: Counter[Final] = field(factory=Counter)
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
_FINISH = SetStatement("UPDATE recipients SET state = 'done', final = ? WHERE id IN (VALUES {rows})", 1)
# One value with all rows in it: a row at a time would hand the interpreter's lock back at every row.
_CANDIDATES = """
    SELECT json_group_array(json_array(
        id, number, attempts, refunds, max_attempts, caller_id, prompt, variables, metadata, is_known, next_at)) FROM (
    SELECT id, number, attempts, refunds, max_attempts, caller_id, prompt, variables, metadata, next_at,
           EXISTS (SELECT 1 FROM attempts AS a WHERE a.number = r.number AND a.claimed_at > ?)
           OR EXISTS (SELECT 1 FROM suppressions AS s WHERE s.number = r.number) AS is_known
    FROM recipients AS r INDEXED BY recipients_due
    WHERE campaign_id = ? AND group_id = ? AND state = 'pending' AND next_at <= ? {sticky}
    ORDER BY next_at, id LIMIT ?)"""
_STICKY = """AND (caller_id IS NULL OR caller_id IN (SELECT value FROM json_each(?))
        OR caller_id NOT IN (SELECT value FROM json_each(?)))"""
_HEAD = "SELECT min(next_at) FROM recipients WHERE campaign_id = ? AND group_id = ? AND state = 'pending'"

# A pause that was stored meanwhile stays; the gate at the last instant keeps these calls back.
_START = """UPDATE campaigns SET state = 'running', started_at = coalesce(started_at, ?), state_at = ?
    WHERE id = ? AND state = 'scheduled'"""

_TOLD = """INSERT INTO notices (kind, at, campaign, body)
    SELECT 'campaign.running', ?1, uid,
           json_object('campaign_id', uid, 'campaign', name, 'state', 'running', 'at', ?2)
    FROM campaigns WHERE id = ?3"""

# Rows that one ask looks at beyond its lines, so that a campaign whose people are all held cannot stretch a turn.
_LOOK_AHEAD = 256


def claim(
    dbapi: sqlite3.Connection,
    ask: Ask,
    *,
    taken: dict[str, Instant],
    counts: Counter[tuple[str, str]],
    limits: PersonSettings,
    now: Instant,
) -> Answer:
    """Claim due recipients of one campaign for the lines of `ask`.

    Args:
        dbapi: the driver's connection, inside a transaction.
        ask: what is wanted.
        taken: numbers that this turn has claimed already, with the instant; added to.
        counts: changes of the day counts; added to.
        limits: what one called number may bear.
        now: the present instant.
    """
    claiming = _Claiming(dbapi=dbapi, ask=ask, taken=taken, limits=limits, now=now)
    claiming.run()
    claiming.settle(counts)
    return claiming.answer


@define(kw_only=True, eq=False)
class _Claiming:
    """The claim for one ask.

    Args:
        dbapi, ask, taken, limits, now: as of `claim`.

    Attributes:
        answer: what has come of it so far.
    """

    dbapi: sqlite3.Connection
    ask: Ask
    taken: dict[str, Instant]
    limits: PersonSettings
    now: Instant
    answer: Answer = field(factory=Answer)
    _slots: list[str] = field(init=False)
    _last_id: int = field(init=False)

    def run(self) -> None:
        """Go through the groups until the lines, or the patience, are used up."""
        self._slots = list(reversed(self.ask.slots))
        self._last_id = self.dbapi.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()[0]
        looks = len(self._slots) + _LOOK_AHEAD
        for group_id, opening in self.ask.groups:
            full = True
            while full and self._slots and looks > 0:
                wanted = min(len(self._slots), looks)
                rows = self._candidates(group_id, wanted)
                self._take(group_id, opening, rows)
                looks -= len(rows)
                full = len(rows) == wanted
            head = self.dbapi.execute(_HEAD, (self.ask.campaign_id, group_id)).fetchone()[0]
            self.answer.heads[group_id] = head
            if not self._slots or looks <= 0:
                break

    def _candidates(self, group_id: int, limit: int) -> list[Any]:
        values: list[object] = [self.now - persons.LOOK_BACK, self.ask.campaign_id, group_id, self.now]
        if self.ask.sticky:
            values.append(msgspec.json.encode(sorted(set(self._slots))).decode())
            values.append(msgspec.json.encode(self.ask.caller_ids).decode())
        query = _CANDIDATES.format(sticky=_STICKY if self.ask.sticky else "")
        rows: list[Any] = msgspec.json.decode(self.dbapi.execute(query, (*values, limit)).fetchone()[0])
        return rows

    def _take(self, group_id: int, opening: Opening, rows: list[Any]) -> None:
        """Judge one set of candidates and write what was decided, so that the next look does not see them again."""
        known = {row[1] for row in rows if row[9] or row[1] in self.taken}
        people = self._people(known) if known else {}
        for_strangers = self._judge(opening, STRANGER)
        claimed: list[Claimed] = []
        put_off: list[tuple[int, Instant]] = []
        finished: dict[Final, list[tuple[int]]] = {}
        for recipient_id, number, attempts, refunds, most, kept, prompt, variables, metadata, _, due_at in rows:
            if attempts and attempts >= (most or self.ask.max_attempts):
                finished.setdefault(Final.EXHAUSTED, []).append((recipient_id,))
                continue
            hold = for_strangers
            if number in known or number in self.taken:
                hold = self._judge(opening, self._with_taken(people.get(number, STRANGER), number))
            if hold is not None:
                if hold.rule is Rule.SUPPRESSED and hold.until == NEVER:
                    finished.setdefault(Final.SUPPRESSED, []).append((recipient_id,))
                else:
                    put_off.append((recipient_id, self._again_at(hold)))
                    self.answer.held[hold.rule] += 1
                continue
            caller_id = self._slot(kept) if self.ask.sticky else self._slots.pop()
            if caller_id is None:
                continue
            self._last_id += 1
            self.taken[number] = self.now
            claimed.append(
                Claimed(
                    attempt_id=self._last_id,
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
                    due_at=due_at,
                )
            )
        self._write(claimed)
        if put_off:
            _PUT_OFF.run(self.dbapi, put_off)
        for final, ended in finished.items():
            _FINISH.run(self.dbapi, ended, final)
            self.answer.finished[final] += len(ended)
        self.answer.claimed += claimed

    def _people(self, numbers: Iterable[str]) -> dict[str, Person]:
        return persons.of_numbers(self.dbapi, numbers, agent=self.ask.agent, campaign=self.ask.campaign, now=self.now)

    def _judge(self, opening: Opening, person: Person) -> Hold | None:
        facts = Facts(
            recipient=RecipientState.PENDING,  # the index has seen to this, and to that it is due
            next_at=self.now,
            campaign=self.ask.state,
            opening=opening,
            person=person,
            limits=self.limits,
        )
        return gate(facts, self.now)

    def _with_taken(self, person: Person, number: str) -> Person:
        """Return `person` with the call that this very turn has claimed for it."""
        taken_at = self.taken.get(number)
        if taken_at is None:
            return person
        calls = (*person.calls, PastCall(taken_at, None))
        return Person(suppressed_until=person.suppressed_until, calls=calls)

    def _again_at(self, hold: Hold) -> Instant:
        """Return when a held recipient is to be looked at again; a live call ends nobody knows when."""
        return hold.until if hold.until is not None else self.now + max(SECOND, self.limits.cooldown)

    def _slot(self, kept: str | None) -> str | None:
        """Take a line for a recipient of a sticky campaign: with the caller id that it keeps, or any for a newcomer.

        Whoever keeps one that may not be shown any more is a newcomer again.
        """
        if kept is None or kept not in self.ask.caller_ids:
            return self._slots.pop() if self._slots else None
        if kept in self._slots:
            self._slots.remove(kept)
            return kept
        return None

    def _write(self, claimed: Sequence[Claimed]) -> None:
        if not claimed:
            return
        if self.ask.sticky:
            _DIALING_STICKY.run(self.dbapi, [(one.recipient_id, one.caller_id) for one in claimed])
        else:
            _DIALING.run(self.dbapi, [(one.recipient_id,) for one in claimed])
        trunks, campaign_id = self.ask.trunks, self.ask.campaign_id
        rows = [
            (
                one.attempt_id,
                one.uid,
                one.recipient_id,
                campaign_id,
                one.number,
                one.caller_id,
                trunks[one.caller_id],
                "claimed",
                self.now,
            )
            for one in claimed
        ]
        _CLAIM.run(self.dbapi, rows)

    def settle(self, counts: Counter[tuple[str, str]]) -> None:
        """Write what follows for the campaign, and count for the daily caps."""
        ask, answer = self.ask, self.answer
        if answer.finished:
            ended = {f"final_{final}": count for final, count in answer.finished.items()}
            add_totals(self.dbapi, ask.campaign_id, ended, self.now)
        if not answer.claimed:
            return
        if ask.state is CampaignState.SCHEDULED:
            started = self.dbapi.execute(_START, (self.now, self.now, ask.campaign_id)).rowcount
            add_totals(self.dbapi, ask.campaign_id, {}, self.now)
            if started and ask.told:
                self.dbapi.execute(_TOLD, (self.now, to_iso(self.now), ask.campaign_id))
        if ask.day_keys:
            for caller_id, calls in Counter(claimed.caller_id for claimed in answer.claimed).items():
                for key in (*ask.day_keys.get(caller_id, ()), *ask.day_keys.get("", ())):
                    counts[key] += calls
