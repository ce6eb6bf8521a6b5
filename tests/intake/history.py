"""A campaign with a past, laid into the store's tables as the engine leaves them."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.store import campaigns, recipients
from dialerd.store.records import NewCampaign, RecipientBatch, TakenFile
from dialerd.store.tables import attempts, totals
from dialerd.store.tables import recipients as recipients_table

AT = 1_813_000_000_000


def lay(
    connection: Connection,
    *,
    name: str = "Tuesday",
    uid: str = "0197aaaa-0000-7000-8000-00000000abcd",
    lives: list[list[str]],
    created_at: int = AT,
    file: str | None = None,
) -> int:
    """Store a scheduled campaign and return its key.

    Args:
        connection: where.
        name, uid: of the campaign.
        lives: what happened to each recipient: outcomes in order, `refunded` for an attempt that does not count;
            empty = never dialled.
        created_at: when it was stored.
        file: the campaign file that it came from.
    """
    new = NewCampaign(
        spec=CampaignSpec(name=name, agent="reminder"),
        uid=uid,
        timezone="Europe/London",
        start_at=None,
        end_at=None,
        created_at=created_at,
    )
    key = campaigns.begin(connection, new)
    rows = [[n, f"+447111{n:06}", 0, None, None, None, '{"row": "é, \\"x\\""}'] for n in range(1, len(lives) + 1)]
    group = ZoneGroup(country="GB", zones=("Europe/London",))
    for start in range(0, len(rows), 2_000):
        some = rows[start : start + 2_000]
        batch = RecipientBatch(groups=(group,), rows=msgspec.json.encode(some).decode(), count=len(some))
        recipients.add(connection, key, batch)
    taken = file and TakenFile(fingerprint=uid, name=file, campaign=uid, taken_at=created_at, moved=True)
    campaigns.publish(connection, key, state=CampaignState.SCHEDULED, taken=taken or None, now=created_at)
    ids = list(
        connection.execute(
            select(recipients_table.c.id, recipients_table.c.number)
            .where(recipients_table.c.campaign_id == key)
            .order_by(recipients_table.c.id)
        )
    )
    calls = [
        {
            "uid": f"{uid}-{row.id}-{number}",
            "recipient_id": row.id,
            "campaign_id": key,
            "number": row.number,
            "caller_id": "+447111000001",
            "trunk": "sim",
            "state": "ended",
            "claimed_at": AT + number * 60_000,
            "answered_at": AT + number * 60_000 + 500 if outcome == Outcome.ANSWERED else None,
            "ended_at": AT + number * 60_000 + 2_500,
            "answered_by": "human" if outcome == Outcome.ANSWERED else None,
            "digits": "42#" if outcome == Outcome.ANSWERED else None,
            "reference": "CA1" if outcome == Outcome.ANSWERED else None,
            "detail": '{"price":"-0.014","note":"a, \\"b\\""}' if outcome == Outcome.ANSWERED else None,
            "outcome": Outcome.CONGESTION if outcome == "refunded" else outcome,
            "refunded": outcome == "refunded",
        }
        for row, life in zip(ids, lives, strict=True)
        for number, outcome in enumerate(life)
    ]
    if calls:
        connection.execute(insert(attempts), calls)
    return key


def finish(connection: Connection, key: int, lives: list[list[str]], now: int) -> None:
    """End every recipient, count, and end the campaign."""
    finals = [
        Final.EXPIRED if not life else Final.SUCCEEDED if life[-1] == Outcome.ANSWERED else Final.EXHAUSTED
        for life in lives
    ]
    for final in set(finals):
        numbers = [f"+447111{n:06}" for n, own in enumerate(finals, 1) if own is final]
        for start in range(0, len(numbers), 5_000):
            connection.execute(
                update(recipients_table)
                .where(recipients_table.c.campaign_id == key)
                .where(recipients_table.c.number.in_(numbers[start : start + 5_000]))
                .values(state="done", final=final)
            )
    counted = [outcome for life in lives for outcome in life]
    connection.execute(
        update(totals)
        .where(totals.c.campaign_id == key)
        .values(
            changed_at=now,
            refunded=counted.count("refunded"),
            **{f"final_{final}": finals.count(final) for final in Final},
            **{f"outcome_{outcome}": counted.count(outcome) for outcome in Outcome},
        )
    )
    campaigns.set_state(connection, key, CampaignState.COMPLETED, now=now)
