"""The records that cross the store's border."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.instants import Instant, Plain
from dialerd.model.states import CampaignState, Final, Outcome, RecipientState


@frozen(kw_only=True)
class NewCampaign:
    """A campaign to be stored, resolved against the settings at intake.

    Args:
        spec: as its author wrote it.
        uid: UUIDv7 by which the outside knows it.
        timezone: IANA zone of its windows: its own, its agent's or the daemon's.
        start_at: when it becomes due, or None = now.
        end_at: when it ends, or None.
        created_at: now.
        alias: the id by which the dialect that made it knows it, or None.
        dialect: that dialect, or None.
        extra: what it keeps with the campaign.
        draft: it waits until somebody schedules it.
        launch: it is running from the moment it is stored.
    """

    spec: CampaignSpec
    uid: str
    timezone: str
    start_at: Instant | None
    end_at: Instant | None
    created_at: Instant
    alias: str | None = None
    dialect: str | None = None
    extra: dict[str, Plain] = field(factory=dict)
    draft: bool = False
    launch: bool = False

    @property
    def state(self) -> CampaignState:
        """The state that it is published in."""
        if self.draft:
            return CampaignState.DRAFT
        return CampaignState.RUNNING if self.launch else CampaignState.SCHEDULED


@frozen(kw_only=True)
class RecipientBatch:
    """Some recipients, encoded where the parsing was done so that the daemon only passes text on.

    Args:
        groups: every zone group of the campaign so far; rows refer to them by index.
        rows: JSON text: an array of `[position, number, group, prompt, max_attempts, variables, metadata]`, with
            `variables` and `metadata` as JSON text or null, at most 2,000 rows.
        count: number of rows.
    """

    groups: tuple[ZoneGroup, ...]
    rows: str
    count: int


@frozen
class Duplicate:
    """A recipient that stands in its campaign already.

    Args:
        position: where it stands again.
        number: its number.
        first: position of the one that is kept.
        known: that one came with another list.
    """

    position: int
    number: str
    first: int
    known: bool = False


@frozen(kw_only=True)
class TakenFile:
    """A spool file that became a campaign.

    Args:
        fingerprint: of its name, its bytes and its recipients' bytes.
        name: its name in `incoming/`.
        campaign: id of the campaign (the outside's).
        taken_at: when it was stored.
        moved: whether it was moved out of `incoming/` since.
    """

    fingerprint: str
    name: str
    campaign: str
    taken_at: Instant
    moved: bool


@frozen(kw_only=True)
class CampaignRow:
    """A stored campaign.

    Args:
        id: key inside the store.
        uid: id for the outside.
        state: where it stands.
        spec: as its author wrote it.
        timezone: IANA zone of its windows.
        start_at, end_at: its bounds, or None.
        created_at: when it was stored.
        state_at: since when it is in its state.
        started_at: when its first recipient was dialled, or None.
        ended_at: when nothing of it was left to do, or None.
        alias, dialect, extra: see `NewCampaign`.
    """

    id: int
    uid: str
    state: CampaignState
    spec: CampaignSpec
    timezone: str
    start_at: Instant | None
    end_at: Instant | None
    created_at: Instant
    state_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    alias: str | None = None
    dialect: str | None = None
    extra: dict[str, Plain] = field(factory=dict)


@frozen(kw_only=True)
class Totals:
    """A campaign's counters.

    Args:
        recipients: all of them.
        pending, dialing: how many stand there.
        finals: how many ended in each final state.
        outcomes: attempts by outcome; refunded ones are not among them.
        refunded: attempts that did not count, because nothing rang.
        talk_ms: answered time in all, in milliseconds.
    """

    recipients: int = 0
    pending: int = 0
    dialing: int = 0
    finals: Mapping[Final, int] = field(factory=dict)
    outcomes: Mapping[Outcome, int] = field(factory=dict)
    refunded: int = 0
    talk_ms: int = 0


@frozen(kw_only=True)
class Brief:
    """A campaign in brief: what its status file and its report say of it.

    Args:
        id: key inside the store.
        uid: id for the outside.
        name, agent: as its author wrote them.
        state: where it stands.
        created_at: when it was stored.
        start_at, end_at: its bounds, or None.
        ended_at: when nothing of it was left to do, or None.
        file: name of the spool file that it came from, or None.
        totals: its counters.
    """

    id: int
    uid: str
    name: str
    agent: str
    state: CampaignState
    created_at: Instant
    start_at: Instant | None
    end_at: Instant | None
    ended_at: Instant | None
    file: str | None
    totals: Totals


@frozen(kw_only=True)
class CallRow:
    """One attempt with its recipient, as a report lists it.

    Args:
        id: the recipient's key inside the store; a page is asked for after it.
        attempt_id: UUIDv7.
        position: the recipient's place in its list.
        number, caller_id, trunk: who rang whom over what.
        claimed_at, ringing_at, answered_at, ended_at: its instants; None where it did not come to that.
        outcome: how it ended, or None.
        refunded: True where it does not count.
        cause: provider's code or words, or None.
        answered_by: who was found to have answered, or None.
        digits: what the answering person pressed, or None.
        recipient: the recipient's state now.
        final: the recipient's final state, or None.
        metadata: the recipient's metadata.
        reference: the provider's own id of it, or None.
        detail: what the provider keeps with it, as a JSON object, or None.
    """

    id: int
    attempt_id: str
    position: int
    number: str
    caller_id: str
    trunk: str
    claimed_at: Instant
    ringing_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant | None
    outcome: Outcome | None
    refunded: bool
    cause: str | None
    answered_by: str | None
    digits: str | None
    recipient: RecipientState
    final: Final | None
    metadata: Mapping[str, Any]
    reference: str | None
    detail: str | None


@frozen(kw_only=True)
class UndialedRow:
    """A recipient that never had an attempt, as a report lists it.

    Args:
        id: key inside the store.
        position, number: which one.
        state: where it stands.
        final: what became of it, or None.
        metadata: its metadata.
    """

    id: int
    position: int
    number: str
    state: RecipientState
    final: Final | None
    metadata: Mapping[str, Any]
