"""A campaign as doors show it: its spec, where it stands, and how far it is."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, Outcome


@frozen(kw_only=True)
class Counters:
    """How far a campaign is.

    Args:
        total: its recipients.
        pending: those who wait.
        dialing: those whose call is in progress, or is being asked about.
        done: those who are done, by what became of them; every final state is a key.
        outcomes: its calls that counted, by outcome; every outcome is a key.
        calls: calls that counted.
        refunded: calls that did not count, because nothing rang.
        answer_rate: share of the calls that were answered, 0 to 1; None while there is none.
        minutes: answered time in all.
    """

    total: int = 0
    pending: int = 0
    dialing: int = 0
    done: Mapping[Final, int] = field(factory=dict)
    outcomes: Mapping[Outcome, int] = field(factory=dict)
    calls: int = 0
    refunded: int = 0
    answer_rate: float | None = None
    minutes: float = 0.0


@frozen(kw_only=True)
class CampaignView:
    """A campaign.

    Args:
        id: UUIDv7.
        alias: the id by which the dialect that made it knows it, or None.
        state: where it stands.
        state_at: since when.
        spec: the order, as its author wrote it and as it was changed since.
        timezone: IANA zone of its windows: its own, its agent's or the daemon's.
        created_at: when it was stored.
        start_at: when it becomes due; None = at once.
        end_at: after which nobody is rung, or None.
        started_at: when it was launched or its first recipient was dialled, or None.
        ended_at: when nothing of it was left to do, or None.
        expected_end_at: when it will end if it goes on as it has, within its windows; None = nothing tells.
        counters: how far it is.
        file: name of the spool file that it came from, or None.
        dialect: the dialect in which it was ordered, or None.
        extra: what that dialect keeps with it.
    """

    id: str
    alias: str | None = None
    state: CampaignState
    state_at: Instant
    spec: CampaignSpec
    timezone: str
    created_at: Instant
    start_at: Instant | None = None
    end_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    expected_end_at: Instant | None = None
    counters: Counters
    file: str | None = None
    dialect: str | None = None
    extra: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Added:
    """What became of recipients that were handed in.

    Args:
        added: how many are new in the campaign.
        duplicates: how many stand in it already, or stood in the list twice; the first one is kept.
        invalid_count: how many were left out because they are invalid.
        invalid: what is wrong with them, the first 1,000.
        warnings: what else is to be known, such as people who will never be rung; the first 1,000.
    """

    added: int = 0
    duplicates: int = 0
    invalid_count: int = 0
    invalid: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


@frozen(kw_only=True)
class Created:
    """A campaign that was created.

    Args:
        campaign: the campaign.
        recipients: what became of the recipients that came with it.
    """

    campaign: CampaignView
    recipients: Added
