"""A live campaign: what the engine keeps in memory of one that is not over.

Its size does not depend on the number of its recipients: per zone group it holds the instant at which the next one is
due, and the present stretch of opening hours.
"""

from collections.abc import Mapping
from random import Random

import trio

from dialerd.engine.days import DayCount
from dialerd.engine.hours import hours_of
from dialerd.engine.limits import Limit
from dialerd.engine.telling import Telling
from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import DAY, NEVER, Instant
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState, RecipientState, Rotation
from dialerd.rules.gate import STRANGER, Facts, Hold, Opening, Person, gate
from dialerd.rules.openings import opening
from dialerd.rules.pacing import Pace
from dialerd.rules.rotation import Rotor
from dialerd.rules.routes import agent_name, caller_ids
from dialerd.store.records import CampaignRow

_GIVE_UP_AFTER = DAY
_FIRST_APPETITE = 16  # recipients that are asked for first; doubled while there are as many, so that few permits idle
_LARGEST_APPETITE = 512  # bounds the transaction, and with it how long everything else waits for its turn


class LiveCampaign:
    """A campaign that is not over.

    Args:
        row: as it is stored.
        settings: the settings in force.
        groups: where numbers may lie, by key; shared by all campaigns.
        random: what a random rotation draws from.
        telling: whether notices are written; None = never.

    Attributes:
        state: where it stands; set before the store knows of a pause, so that the very next call is stopped.
        heads: per zone group with pending recipients, when the next one is due.
        live: its attempts that have no stored end.
        dialable_since: since when this daemon has it as it is, and it is not paused.
        blocked_until: monotonic seconds before which it gets no line.
        parked: groups for which it waits for a line; empty while it does not wait.
        wake_at: when it next has something due in an open group, as far as is known; NEVER = not by itself.
        closing: its pending recipients are being ended, or it is.
        look_again: somebody asked for that while it was closing.
        ended: set when nothing of it is left to do.
        was_claimed: somebody of it was dialled in this life of the daemon.
        changes: grows with every recipient that becomes due again.
        appetite: how many recipients it is asked for next.
        stalls: how often in a row nobody who was due could be had with the lines that were free.
    """

    __slots__ = (
        "_counted",
        "_groups",
        "_openings",
        "_random",
        "_verdicts",
        "agent",
        "appetite",
        "blocked_until",
        "caller_ids",
        "changes",
        "closing",
        "day",
        "dialable_since",
        "ended",
        "heads",
        "hopeless_since",
        "hours",
        "limit",
        "live",
        "look_again",
        "pace",
        "pacing",
        "parked",
        "quiet",
        "retry",
        "rotor",
        "row",
        "stalls",
        "state",
        "sticky",
        "telling",
        "wake_at",
        "was_claimed",
    )  # ten thousand campaigns may live at once

    def __init__(  # the registry's alone
        self,
        row: CampaignRow,
        settings: Settings,
        groups: Mapping[int, ZoneGroup],
        random: Random,
        *,
        telling: Telling | None = None,
    ) -> None:
        self.telling = telling or Telling()
        self.row = row
        self.state = row.state
        self.heads: dict[int, Instant] = {}
        self.live = 0
        self.dialable_since: Instant = 0
        self.blocked_until = 0.0
        self.parked: frozenset[int] = frozenset()
        self.wake_at: Instant = NEVER
        self.closing = False
        self.look_again = False
        self.changes = 0
        self.hopeless_since: Instant | None = None
        self.was_claimed = False
        self.stalls = 0
        self.ended = trio.Event()
        self.appetite = _FIRST_APPETITE
        self.limit = Limit(None)
        self.pace = Pace(None, trio.current_time())
        self.day: DayCount | None = None
        self._counted: DayCount | None = None  # today's count, kept while there is no cap
        self._groups = groups
        self._random = random
        self._openings: dict[int, Opening] = {}
        self._verdicts: dict[int, tuple[Opening, CampaignState, Hold | None]] = {}
        self.update(settings)

    def update(self, settings: Settings) -> None:
        """Follow changed settings."""
        spec = self.row.spec
        self.pacing = spec.pacing or settings.pacing
        self.retry = spec.retry or settings.retry
        self.agent = agent_name(spec.agent, settings) or spec.agent
        self.quiet = settings.quiet_hours
        self.hours = hours_of(self.row)
        self.caller_ids = caller_ids(spec, settings)
        self.sticky = spec.rotation is Rotation.STICKY
        self.rotor = Rotor(spec.rotation, self.caller_ids, self._random)
        self.limit.set_total(self.pacing.max_concurrent)
        self.pace.set_rate(self.pacing.calls_per_second, trio.current_time())
        self.day = None
        if self.pacing.calls_per_day is not None:
            if self._counted is None:
                self._counted = DayCount(f"campaign:{self.row.id}", self.row.timezone, self.pacing.calls_per_day)
            self.day = self._counted
            self.day.cap = self.pacing.calls_per_day
        self._openings.clear()
        self._verdicts.clear()

    def follow(self, row: CampaignRow, settings: Settings) -> None:
        """Follow a changed spec: from now on it is dialled as `row` says, and so are its calls that have not left.

        Args:
            row: the campaign as it shall be; its state is not looked at.
            settings: the settings in force.
        """
        self.row = row
        self.update(settings)

    @property
    def started(self) -> bool:
        """Whether anybody of it was dialled yet."""
        return self.row.started_at is not None or self.was_claimed

    @property
    def dialable(self) -> bool:
        """Whether its state lets calls start."""
        return self.state is CampaignState.RUNNING or self.state is CampaignState.SCHEDULED

    @property
    def over(self) -> bool:
        """Whether nothing of it is left to do."""
        return not self.heads and not self.live

    def group(self, group_id: int) -> ZoneGroup:
        """Return the zone group of that key."""
        return self._groups[group_id]

    def opening(self, group_id: int, now: Instant) -> Opening:
        """Return the present stretch of a zone group, from memory while it lasts."""
        known = self._openings.get(group_id)
        if known is None or not known.covers(now):
            known = self._openings[group_id] = opening(self.hours, self._groups[group_id], self.quiet, now)
        return known

    def since(self, group_id: int, due_at: Instant, now: Instant) -> Instant:
        """Return since when somebody of a zone group who is due since `due_at` could have been rung.

        Args:
            group_id: the zone group; open.
            due_at: 0 = they were never dialled.
            now: the present instant.
        """
        return max(due_at, self.opening(group_id, now).since, self.dialable_since)

    def judge(self, group_id: int, now: Instant, person: Person) -> Hold | None:
        """Return what the gate says of somebody of a zone group who is due."""
        opening = self.opening(group_id, now)
        due = Facts(recipient=RecipientState.PENDING, next_at=now, campaign=self.state, opening=opening, person=person)
        return gate(due, now)

    def verdict(self, group_id: int, now: Instant) -> Hold | None:
        """Return what the gate says of strangers of a zone group who are due.

        It says the same of all of them while the campaign's state and the stretch of opening hours last; it is asked
        at the last instant of every call, and is remembered that long.
        """
        opening = self.opening(group_id, now)
        known = self._verdicts.get(group_id)
        if known is None or known[0] is not opening or known[1] is not self.state:
            known = self._verdicts[group_id] = (opening, self.state, self.judge(group_id, now, STRANGER))
        return known[2]

    def due_groups(self, now: Instant) -> list[int]:
        """Return the zone groups that are open and have somebody due, the longest waiting first."""
        if not self.dialable:
            return []
        due = [
            (head, opening.until, group_id)
            for group_id, head in self.heads.items()
            if head <= now and (opening := self.opening(group_id, now)).rule is None
        ]
        return [group_id for _, _, group_id in sorted(due)]

    def waits(self, now: Instant) -> bool:
        """Tell whether it waits for lines, and nobody else of it is due for whom there might be some."""
        return bool(self.parked) and bool(due := self.due_groups(now)) and self.parked.issuperset(due)

    def next_wake(self, now: Instant) -> Instant:
        """Return the earliest instant at which somebody is due in an open group, `now` or later.

        Takes note, besides, since when nobody who is left can ever be rung.
        """
        wake = NEVER
        hopeless = False
        if self.dialable:
            hopeless = bool(self.heads) and not self.live
            for group_id, head in self.heads.items():
                stretch = self.opening(group_id, now)
                opens = head if stretch.rule is None else max(head, stretch.until)
                # due beyond the end of this stretch: look again when it ends
                wake = min(wake, max(now, min(opens, stretch.until)))
                hopeless = hopeless and stretch.rule is not None and stretch.until == NEVER
        self.hopeless_since = (self.hopeless_since or now) if hopeless else None
        if self.hopeless_since is not None:
            wake = max(now, self.hopeless_since + _GIVE_UP_AFTER)
        if self.hours.end_at is not None and self.heads:
            wake = min(wake, max(now, self.hours.end_at))
        return wake

    def given_up(self, now: Instant) -> bool:
        """Tell whether those who wait will not be dialled any more.

        They are not, once the campaign's end has passed; nor where no hour will ever open to any of them, and that has
        been so for a day: long enough to notice settings that shut everybody out by mistake.
        """
        if self.hours.end_at is not None and now >= self.hours.end_at:
            return bool(self.heads)
        return self.hopeless_since is not None and now >= self.hopeless_since + _GIVE_UP_AFTER

    def served(self, claimed: int) -> None:
        """Note how many recipients the last ask brought."""
        self.was_claimed = self.was_claimed or claimed > 0
        self.appetite = max(_FIRST_APPETITE, min(claimed * 2, _LARGEST_APPETITE))

    def due_again(self, group_id: int, at: Instant) -> None:
        """Note that a recipient of `group_id` is due at `at`."""
        self.changes += 1
        head = self.heads.get(group_id)
        if head is None or at < head:
            self.heads[group_id] = at
