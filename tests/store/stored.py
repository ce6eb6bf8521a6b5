"""What the store's tests share: campaigns in a database, claims and ends without an engine, and a recount."""

from collections import Counter
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.instants import NEVER, Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.rules.gate import Opening
from dialerd.store import campaigns, recipients, reports
from dialerd.store.claiming import Answer, Ask, Claimed
from dialerd.store.ending import Ended
from dialerd.store.records import NewCampaign, RecipientBatch
from dialerd.store.turn import Turn, take

NOW: Instant = 1_780_000_000_000
LONDON = ZoneGroup(country="GB", zones=("Europe/London",))
PARIS = ZoneGroup(country="FR", zones=("Europe/Paris",))
OPEN = Opening(None, 0, NEVER)
NO_REST = PersonSettings(cooldown=0)
CALLER_IDS = ("+441632960001", "+441632960002")


def number(i: int) -> str:
    """Return the i-th made-up number."""
    return f"+4471{i:08}"


def begin(connection: Connection, name: str = "x", *, agent: str = "a", start_at: Instant | None = None) -> int:
    """Store a campaign without recipients and return its key."""
    spec = CampaignSpec(name=name, agent=agent)
    return campaigns.begin(
        connection,
        NewCampaign(spec=spec, uid=name, timezone="Europe/London", start_at=start_at, end_at=None, created_at=NOW),
    )


def batch(numbers: list[str], *, first: int = 1, groups: tuple[ZoneGroup, ...] = (LONDON,)) -> RecipientBatch:
    """Return a batch of people, spread over the groups in turn."""
    rows = [[first + i, called, i % len(groups), None, None, None, None] for i, called in enumerate(numbers)]
    return RecipientBatch(groups=groups, rows=msgspec.json.encode(rows).decode(), count=len(rows))


def campaign(
    connection: Connection,
    numbers: list[str],
    name: str = "x",
    *,
    agent: str = "a",
    groups: tuple[ZoneGroup, ...] = (LONDON,),
    state: CampaignState = CampaignState.SCHEDULED,
) -> int:
    """Store a published campaign and return its key."""
    key = begin(connection, name, agent=agent)
    assert recipients.add(connection, key, batch(numbers, groups=groups)) == ()
    campaigns.publish(connection, key, state=state, taken=None, now=NOW)
    return key


def ask(key: int, lines: int, name: str = "x", **changes: Any) -> Ask:
    """Return a wish for some lines of one caller id, in every group that the tests use."""
    wanted: dict[str, Any] = {
        "campaign_id": key,
        "campaign": name,
        "agent": "a",
        "state": CampaignState.RUNNING,
        "groups": [(1, OPEN), (2, OPEN)],
        "slots": [CALLER_IDS[0]] * lines,
        "caller_ids": CALLER_IDS,
        "trunks": dict.fromkeys(CALLER_IDS, "t"),
    }
    return Ask(**wanted | changes)


def claim(
    connection: Connection, *asks: Ask, now: Instant = NOW, limits: PersonSettings = NO_REST, ended: Any = ()
) -> list[Answer]:
    """Take a turn and return its answers."""
    return take(connection, Turn(ended=ended, asks=asks, limits=limits, now=now))


def end(
    claimed: Claimed, key: int, *, final: Final | None = Final.SUCCEEDED, now: Instant = NOW, **changes: Any
) -> Ended:
    """Return the end of a claimed attempt: answered, unless `changes` say otherwise."""
    values: dict[str, Any] = {
        "attempt_id": claimed.attempt_id,
        "recipient_id": claimed.recipient_id,
        "campaign_id": key,
        "outcome": Outcome.ANSWERED,
        "refunded": False,
        "bounded": False,
        "ringing_at": None,
        "answered_at": None,
        "ended_at": now,
        "reference": None,
        "cause": None,
        "answered_by": None,
        "digits": None,
        "detail": None,
        "state": "pending" if final is None else "done",
        "next_at": now,
        "final": final,
    }
    return Ended(**values | changes)


def rows(connection: Connection, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    return [tuple(row) for row in connection.execute(text(query), values)]


def check(connection: Connection) -> None:
    """Look that every recipient is in one state with the attempts it implies, and that all counters are true."""
    assert rows(connection, "PRAGMA integrity_check") == [("ok",)]
    for key, uid in rows(connection, "SELECT id, uid FROM campaigns"):
        people = rows(
            connection,
            """SELECT r.state, r.final, r.attempts, r.refunds,
                   (SELECT count(*) FROM attempts a WHERE a.recipient_id = r.id AND a.ended_at IS NULL),
                   (SELECT count(*) FROM attempts a WHERE a.recipient_id = r.id AND a.ended_at IS NOT NULL
                                                      AND NOT a.refunded)
               FROM recipients r WHERE campaign_id = :key""",
            key=key,
        )
        for state, final, attempts, _, open_ones, counted in people:
            assert state in ("pending", "dialing", "done")
            assert (state == "done") == (final is not None)
            assert open_ones == (state == "dialing")
            assert attempts == counted
        totals = reports.totals(connection, [key])[key]
        states = Counter(person[0] for person in people)
        assert (totals.recipients, totals.pending, totals.dialing) == (
            len(people),
            states["pending"],
            states["dialing"],
        )
        assert +Counter(totals.finals) == Counter(Final(person[1]) for person in people if person[1])
        ended = rows(
            connection,
            """SELECT outcome, refunded, ended_at - answered_at FROM attempts
               WHERE campaign_id = :key AND state = 'ended'""",
            key=key,
        )
        assert +Counter(totals.outcomes) == Counter(Outcome(outcome) for outcome, refunded, _ in ended if not refunded)
        assert totals.refunded == sum(bool(refunded) for _, refunded, _ in ended)
        assert totals.talk_ms == sum(talk for _, _, talk in ended if talk)
        heads = rows(
            connection,
            "SELECT group_id, min(next_at) FROM recipients WHERE campaign_id = :key AND state = 'pending' GROUP BY 1",
            key=key,
        )
        assert recipients.heads(connection, key) == dict(heads), uid
