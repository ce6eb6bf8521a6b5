"""Arrivals: small campaign files, read whole before, stored many at once with everything that belongs to them.

A file costs little more than the wait for the disk, which is shared. Nothing of a campaign is stored in `loading`
here: it is published in the transaction that begins it.
"""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.instants import Instant
from dialerd.store import campaigns, recipients, spool_files
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch, TakenFile


@frozen(kw_only=True)
class Arrival:
    """A campaign file that was read.

    Args:
        name: its name in `incoming/`.
        fingerprint: of its name, its bytes and its recipients' bytes.
        new: the campaign that it holds.
        batches: all its recipients.
    """

    name: str
    fingerprint: str
    new: NewCampaign
    batches: Sequence[RecipientBatch]


@frozen(kw_only=True)
class Stored:
    """What became of an arrival.

    Args:
        campaign_id: the key of the campaign that it became.
        duplicates: recipients that stood in it twice.
    """

    campaign_id: int
    duplicates: Sequence[Duplicate]


def store(connection: Connection, arrivals: Sequence[Arrival], *, now: Instant) -> list[Stored | TakenFile]:
    """Store and publish campaigns.

    Args:
        arrivals: what was read; together at most as many rows as one transaction may have.
        now: the present instant.

    Returns:
        For each what became of it, or the file of the same fingerprint that was taken before: then nothing of it is
        stored.
    """
    return [_store(connection, arrival, now) for arrival in arrivals]


def _store(connection: Connection, arrival: Arrival, now: Instant) -> Stored | TakenFile:
    known = spool_files.taken_file(connection, arrival.fingerprint)
    if known is not None:
        return known
    campaign_id = campaigns.begin(connection, arrival.new)
    duplicates = [one for batch in arrival.batches for one in recipients.add(connection, campaign_id, batch)]
    taken = TakenFile(
        fingerprint=arrival.fingerprint, name=arrival.name, campaign=arrival.new.uid, taken_at=now, moved=False
    )
    campaigns.publish(connection, campaign_id, state=arrival.new.state, taken=taken, now=now)
    return Stored(campaign_id=campaign_id, duplicates=duplicates)
