"""A stock of campaigns in a real database, the turns taken with it, and an audit that counts everything again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Connection, text

from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.instants import DAY, NEVER, Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.rules.gate import Opening
from dialerd.store import campaigns, recipients, reports, turn
from dialerd.store.claiming import Answer, Ask, Claimed
from dialerd.store.database import MEMORY, connect
from dialerd.store.ending import Ended, Progress
from dialerd.store.migrate import create, upgrade
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch, TakenFile

P = ParamSpec("P")
T = TypeVar("T")

NOW: Instant = 1_800_000_000_000
CALLER_ID = "+441632960001"
OTHER_ID = "+441632960002"
LONDON = ZoneGroup(country="GB", zones=("Europe/London",))
NEW_YORK = ZoneGroup(country="US", zones=("America/New_York",))
PARIS = ZoneGroup(country="FR", zones=("Europe/Paris",))
EASY = PersonSettings(cooldown=0)


def number(i: int) -> str:
    """Return the i-th made-up number."""
    return f"+44711{i:07}"


def batch(rows: Iterable[Sequence[Any]], groups: Sequence[ZoneGroup] = (LONDON,)) -> RecipientBatch:
    """Return recipients as intake hands them over; short rows are filled up with nothing."""
    whole = [[*row, *(0, None, None, None, None)[len(row) - 2 :]] for row in rows]
    return RecipientBatch(groups=tuple(groups), rows=msgspec.json.encode(whole).decode(), count=len(whole))


def new(name: str = "c", *, agent: str = "anna", start_at: Instant | None = None, **spec: Any) -> NewCampaign:
    """Return a campaign whose id for the outside is its name."""
    return NewCampaign(
        spec=CampaignSpec(name=name, agent=agent, **spec),
        uid=name,
        timezone="Europe/London",
        start_at=start_at,
        end_at=None,
        created_at=NOW,
    )


def ended(
    claimed: Claimed,
    campaign_id: int,
    outcome: Outcome = Outcome.ANSWERED,
    *,
    at: Instant = NOW,
    final: Final | None = Final.SUCCEEDED,
    next_at: Instant | None = None,
    refunded: bool = False,
    bounded: bool = False,
    **others: Any,
) -> Ended:
    """Return the end of a call; a `final` of None means that it is tried again at `next_at`."""
    plain: dict[str, Any] = dict.fromkeys(
        ("ringing_at", "answered_at", "reference", "cause", "answered_by", "digits", "detail")
    )
    return Ended(
        attempt_id=claimed.attempt_id,
        recipient_id=claimed.recipient_id,
        campaign_id=campaign_id,
        outcome=outcome,
        refunded=refunded,
        bounded=bounded,
        ended_at=at,
        state="pending" if final is None else "done",
        next_at=at if next_at is None else next_at,
        final=final,
        **{**plain, **others},
    )


class Stock:
    """A database with campaigns in it, on one connection.

    Args:
        url: where it lies; it is created where it is not there.
    """

    def __init__(self, url: str = MEMORY) -> None:
        self.engine = connect(url)
        (create if url == MEMORY else upgrade)(self.engine)
        self.connection = self.engine.connect()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self.engine.dispose()

    def do(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an operation of the store in a transaction of its own."""
        with self.connection.begin():
            return op(self.connection, *args, **kwargs)

    def rows(self, query: str, **values: object) -> list[Any]:
        """Return what a query finds."""
        return self.do(lambda c: [tuple(row) for row in c.execute(text(query), values)])

    def one(self, query: str, **values: object) -> Any:
        """Return the one value that a query finds."""
        return self.rows(query, **values)[0][0]

    def run(self, statement: str, **values: object) -> None:
        """Change rows by hand, to make what takes long otherwise."""
        self.do(lambda c: c.execute(text(statement), values))

    def begin(self, name: str = "c", **others: Any) -> int:
        """Store a campaign without recipients, in state loading."""
        return self.do(campaigns.begin, new(name, **others))

    def add(
        self, key: int, rows: Iterable[Sequence[Any]], groups: Sequence[ZoneGroup] = (LONDON,)
    ) -> Sequence[Duplicate]:
        """Add recipients to a campaign."""
        return self.do(recipients.add, key, batch(rows, groups))

    def publish(self, key: int, state: CampaignState = CampaignState.SCHEDULED, taken: TakenFile | None = None) -> None:
        """Make a campaign visible."""
        self.do(campaigns.publish, key, state=state, taken=taken, now=NOW)

    def campaign(
        self,
        people: int | Sequence[str],
        name: str = "c",
        *,
        groups: Sequence[ZoneGroup] = (LONDON,),
        **others: Any,
    ) -> int:
        """Store a scheduled campaign.

        Args:
            people: how many, or their numbers.
            name: its name, its id too.
            groups: zone groups over which the people are spread in turn.
            others: as of `new`.
        """
        numbers = [number(i) for i in range(people)] if isinstance(people, int) else people
        key = self.begin(name, **others)
        rows = [[i + 1, called, i % len(groups)] for i, called in enumerate(numbers)]
        for start in range(0, len(rows), 2_000):
            assert not self.add(key, rows[start : start + 2_000], groups)
        self.publish(key)
        return key

    def group(self, group: ZoneGroup) -> int:
        """Return the key of a zone group."""
        return self.do(recipients.group_id, group)

    def ask(
        self, key: int, slots: int | Sequence[str] = 1, *, groups: Sequence[Any] | None = None, **others: Any
    ) -> Ask:
        """Return a wish to claim.

        Args:
            key: of which campaign.
            slots: lines, as their number or as caller ids.
            groups: keys of zone groups, or pairs with their openings; None = all that the campaign has, open.
            others: as of `Ask`.
        """
        if groups is None:
            groups = [
                g
                for (g,) in self.rows("SELECT DISTINCT group_id FROM recipients WHERE campaign_id=:k ORDER BY 1", k=key)
            ]
        open_now = Opening(None, 0, NEVER)
        (row,) = self.do(campaigns.by_ids, [key])
        plain: dict[str, Any] = {
            "campaign": row.uid,
            "agent": row.spec.agent,
            "state": CampaignState.RUNNING,
            "groups": [g if isinstance(g, tuple) else (g, open_now) for g in groups],
            "slots": [CALLER_ID] * slots if isinstance(slots, int) else slots,
            "trunks": {CALLER_ID: "t", OTHER_ID: "u"},
            "caller_ids": (CALLER_ID, OTHER_ID),
        }
        return Ask(campaign_id=key, **{**plain, **others})

    def turn(
        self,
        *asks: Ask,
        ends: Sequence[Ended] = (),
        progress: Sequence[Progress] = (),
        limits: PersonSettings = EASY,
        now: Instant = NOW,
    ) -> list[Answer]:
        """Take a turn."""
        wanted = turn.Turn(ended=ends, progress=progress, asks=asks, limits=limits, now=now)
        return self.do(turn.take, wanted)

    def claim(
        self,
        key: int,
        slots: int | Sequence[str] = 1,
        *,
        limits: PersonSettings = EASY,
        now: Instant = NOW,
        **others: Any,
    ) -> Answer:
        """Take a turn with one ask."""
        return self.turn(self.ask(key, slots, **others), limits=limits, now=now)[0]

    def call(self, key: int, called: str, *, at: Instant, lasted: int | None = 0, refunded: bool = False) -> None:
        """Write a call of the past by hand; a length of None is a call that lasts."""
        self.run(
            """INSERT INTO attempts (uid, recipient_id, campaign_id, number, caller_id, trunk, state, claimed_at,
                                     ended_at, outcome, refunded)
               VALUES (hex(randomblob(8)), 0, :key, :called, :shown, 't', :state, :at, :over, :outcome, :refunded)""",
            key=key,
            called=called,
            shown=CALLER_ID,
            state="placed" if lasted is None else "ended",
            at=at,
            over=None if lasted is None else at + lasted,
            outcome=None if lasted is None else "no_answer",
            refunded=refunded,
        )

    def next_at(self, key: int) -> dict[str, Instant]:
        """Return when each pending recipient of a campaign is due, by number."""
        return dict(self.rows("SELECT number, next_at FROM recipients WHERE campaign_id=:k AND state='pending'", k=key))

    def states(self, key: int) -> dict[tuple[str, str | None], int]:
        """Return how many recipients of a campaign stand where."""
        query = "SELECT state, final, count(*) FROM recipients WHERE campaign_id=:k GROUP BY 1, 2"
        return {(state, final): count for state, final, count in self.rows(query, k=key)}

    def faults(self) -> list[str]:
        """Return what does not fit together in the database."""
        return self.do(audit)


# Each finds rows that must not be.
_CONTRADICTIONS = {
    "a recipient is in no state of the three": """
        SELECT id FROM recipients WHERE state NOT IN ('pending', 'dialing', 'done')""",
    "done and a final word do not go together": """
        SELECT id FROM recipients WHERE (state = 'done') <> (final IS NOT NULL)""",
    "dialing and one open attempt do not go together": """
        SELECT r.id FROM recipients AS r LEFT JOIN attempts AS a ON a.recipient_id = r.id AND a.ended_at IS NULL
        GROUP BY r.id HAVING count(a.id) <> (r.state = 'dialing')""",
    "an attempt is ended only by halves": """
        SELECT id FROM attempts WHERE (state = 'ended') <> (ended_at IS NOT NULL)
        OR (outcome IS NULL) <> (ended_at IS NULL)""",
    "an attempt is of another number or campaign than its recipient": """
        SELECT a.id FROM attempts AS a LEFT JOIN recipients AS r ON r.id = a.recipient_id
        WHERE r.id IS NULL OR r.number <> a.number OR r.campaign_id <> a.campaign_id""",
    "attempts that counted are miscounted": """
        SELECT r.id FROM recipients AS r
        LEFT JOIN attempts AS a ON a.recipient_id = r.id AND a.ended_at IS NOT NULL AND NOT a.refunded
        GROUP BY r.id HAVING count(a.id) <> r.attempts""",
    "more refunds are counted than there were": """
        SELECT r.id FROM recipients AS r LEFT JOIN attempts AS a ON a.recipient_id = r.id AND a.refunded
        GROUP BY r.id HAVING count(a.id) < r.refunds""",
    "a number is in two calls at once": """
        SELECT number FROM attempts WHERE ended_at IS NULL GROUP BY 1 HAVING count(*) > 1""",
}  # fmt: skip


def audit(connection: Connection) -> list[str]:
    """Return what does not fit together: states, open attempts, and every counter against a count of the rows."""
    faults = [
        f"{words}: {found}"
        for words, query in _CONTRADICTIONS.items()
        if (found := [row[0] for row in connection.execute(text(query))])
    ]
    keys = [row[0] for row in connection.execute(text("SELECT id FROM campaigns"))]
    totals = reports.totals(connection, keys)
    for key in keys:
        states = _counts(connection, "SELECT state, count(*) FROM recipients WHERE campaign_id=:k GROUP BY 1", key)
        finals = _counts(connection, "SELECT final, count(*) FROM recipients WHERE campaign_id=:k GROUP BY 1", key)
        ends = "FROM attempts WHERE campaign_id=:k AND ended_at IS NOT NULL"
        outcomes = _counts(connection, f"SELECT outcome, count(*) {ends} AND NOT refunded GROUP BY 1", key)
        sums = _counts(connection, f"SELECT 'refunded', count(*) {ends} AND refunded", key)
        sums |= _counts(connection, f"SELECT 'talk', coalesce(sum(max(0, ended_at - answered_at)), 0) {ends}", key)
        told = totals[key]
        pairs: list[tuple[str, object, object]] = [
            ("recipients", told.recipients, sum(states.values())),
            ("pending", told.pending, states.get("pending", 0)),
            ("dialing", told.dialing, states.get("dialing", 0)),
            ("refunded", told.refunded, sums["refunded"]),
            ("talk_ms", told.talk_ms, sums["talk"]),
            *((word, told.finals[word], finals.get(word, 0)) for word in Final),
            *((word, told.outcomes[word], outcomes.get(word, 0)) for word in Outcome),
        ]
        faults += [f"campaign {key}: {name} is told as {a}, counted {b}" for name, a, b in pairs if a != b]
        heads = "SELECT group_id, min(next_at) FROM recipients WHERE campaign_id=:k AND state='pending' GROUP BY 1"
        if (told_heads := recipients.heads(connection, key)) != _counts(connection, heads, key):
            faults.append(f"campaign {key}: heads are told as {told_heads}")
    return faults


def _counts(connection: Connection, query: str, key: int) -> Mapping[Any, int]:
    return {row[0]: row[1] for row in connection.execute(text(query), {"k": key})}


LATER = NOW + DAY
"""A day after `NOW`."""
