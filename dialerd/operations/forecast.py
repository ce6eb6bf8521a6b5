"""The forecast: the production scheduler on a virtual clock, against the simulator, in a store in memory.

Nothing here decides anything: the same engine claims, gates, retries and ends; only its clock does not wait. It takes
over the event loop, so it runs in a process, or at least outside any other `trio.run`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random

import msgspec
import trio
from attrs import evolve, field, frozen

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import VirtualClock
from dialerd.engine.engine import Engine
from dialerd.engine.live import LiveCall
from dialerd.model.campaign import Recipient, ZoneGroup
from dialerd.model.instants import DAY, HOUR, NEVER, SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState, Outcome, Rule
from dialerd.plugin.host import PluginHost
from dialerd.rules.openings import opening
from dialerd.store import campaigns, recipients, reports
from dialerd.store.database import MEMORY
from dialerd.store.ending import Ended
from dialerd.store.records import NewCampaign, RecipientBatch, Totals
from dialerd.store.store import Store, open_store

_SIMULATOR = "simulator"
_HORIZON = 400 * DAY  # a campaign that has not ended by then is held by something that does not end by itself
_BATCH = 2_000


@frozen(kw_only=True)
class PlannedCall:
    """One call of a forecast.

    Args:
        number: called number.
        caller_id: number shown.
        started_at: when it leaves.
        ended_at: when it is over.
        outcome: what the simulator made of it.
        refunded: it does not count, because nothing rang.
    """

    number: str
    caller_id: str
    started_at: Instant
    ended_at: Instant
    outcome: Outcome
    refunded: bool


@frozen(kw_only=True)
class Forecast:
    """What a campaign is expected to do.

    Args:
        start_at: from when it was forecast.
        end_at: when it ends, or None where it does not end by itself.
        calls: every call that leaves, in order of leaving.
        totals: its counters at the end.
        peak_lines: most calls in progress at once.
        held: how many people each rule put off, each of them once a night, a holiday or a day.
        never_open: recipients to whom no hour opens, by the rule that keeps them closed.
    """

    start_at: Instant
    end_at: Instant | None
    calls: Sequence[PlannedCall]
    totals: Totals
    peak_lines: int
    held: Mapping[Rule, int]
    never_open: Mapping[Rule, int]

    def calls_per_hour(self) -> dict[Instant, int]:
        """Return the number of calls by the beginning of their hour."""
        return dict(sorted(Counter(call.started_at - call.started_at % HOUR for call in self.calls).items()))


def forecast(
    new: NewCampaign,
    people: Sequence[Recipient],
    settings: Settings,
    start_at: Instant,
    *,
    host: PluginHost | None = None,
    seed: int = 0,
) -> Forecast:
    """Run a campaign through the engine as if its time were now, and return what became of it.

    Args:
        new: the campaign.
        people: its recipients.
        settings: the settings in force; trunks of other providers are simulated with the simulator's defaults.
        start_at: the instant at which the virtual clock begins.
        host: where the simulator is found; None = the installed plugins.
        seed: what rotations and retries draw from.
    """
    run = _Run(
        new=new,
        people=people,
        settings=simulated(settings),
        start_at=start_at,
        host=host or PluginHost(),
        seed=seed,
    )
    from trio.testing import MockClock  # noqa: PLC0415  # slow to load: the daemon reads this module at its start too

    return trio.run(run.forecast, clock=MockClock(autojump_threshold=0))


def simulated(settings: Settings) -> Settings:
    """Return `settings` with every trunk on the simulator, which keeps its limits and rings nobody."""
    trunks = {}
    for name, trunk in settings.trunks.items():
        # a simulated trunk goes on as it is, but writes no ledger: nothing was placed
        options = {key: value for key, value in trunk.options.items() if key != "ledger"}
        own = trunk.provider == _SIMULATOR
        trunks[name] = evolve(trunk, provider=_SIMULATOR, options=options if own else {})
    return evolve(settings, trunks=trunks)


@frozen(kw_only=True)
class _Run:
    """One forecast; arguments as of `forecast`."""

    new: NewCampaign
    people: Sequence[Recipient]
    settings: Settings
    start_at: Instant
    host: PluginHost
    seed: int
    calls: list[PlannedCall] = field(factory=list)
    held: Counter[Rule] = field(factory=Counter)
    waiting: Counter[int] = field(factory=Counter)  # by zone group
    told: set[tuple[int, Rule, Instant]] = field(factory=set)

    async def forecast(self) -> Forecast:
        """Let the engine run until the campaign has ended, or until nothing happens any more."""
        clock = VirtualClock(self.start_at)
        async with open_store(MEMORY) as store:
            campaign_id = await _stored(store, self.new, self.people, self.start_at)
            self.waiting.update(await store.read(recipients.pending_by_group, campaign_id))
            engine = Engine(
                store,
                self.settings,
                self.host.make_provider,
                clock,
                random=Random(self.seed),  # the same every time it is asked
                observe=self._observe,
                held=self._held,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                campaign = engine.campaigns.by_key(campaign_id)
                never_open = await _never_open(store, campaign, self.start_at)
                with trio.move_on_after(_HORIZON / SECOND):
                    if campaign is not None:
                        await campaign.ended.wait()
                end_at = clock.now() if campaign is None or campaign.ended.is_set() else None
                nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                totals = (await store.read(reports.totals, [campaign_id]))[campaign_id]
        self.calls.sort(key=lambda call: call.started_at)
        return Forecast(
            start_at=self.start_at,
            end_at=end_at,
            calls=self.calls,
            totals=totals,
            peak_lines=peak(self.calls),
            held=dict(self.held + engine.dispatcher.held),
            never_open=never_open,
        )

    def _held(self, campaign: LiveCampaign, groups: Iterable[int], rule: Rule, until: Instant) -> None:
        for group_id in groups:
            if rule is Rule.CLOSING:  # a matter of seconds; what counts is what it closes for
                rule = opening(campaign.hours, campaign.group(group_id), campaign.quiet, until - 1).rule or rule
            if (group_id, rule, until) not in self.told:
                self.told.add((group_id, rule, until))
                self.held[rule] += self.waiting[group_id]

    def _observe(self, call: LiveCall, end: Ended) -> None:
        if end.final is not None:
            self.waiting[call.claimed.group_id] -= 1
        if call.left_at is not None:
            self.calls.append(
                PlannedCall(
                    number=call.claimed.number,
                    caller_id=call.claimed.caller_id,
                    started_at=call.left_at,
                    ended_at=end.ended_at,
                    outcome=Outcome(end.outcome),
                    refunded=end.refunded,
                )
            )


async def _stored(store: Store, new: NewCampaign, people: Sequence[Recipient], now: Instant) -> int:
    """Store the campaign as intake does and return its key."""
    campaign_id = await store.write(campaigns.begin, new)
    places: dict[ZoneGroup, int] = {}
    for first in range(0, len(people), _BATCH):
        rows = [
            [
                one.position,
                one.number,
                places.setdefault(one.group, len(places)),
                one.prompt,
                one.max_attempts,
                msgspec.json.encode(one.variables).decode() if one.variables else None,
                msgspec.json.encode(one.metadata).decode() if one.metadata else None,
            ]
            for one in people[first : first + _BATCH]
        ]
        batch = RecipientBatch(groups=tuple(places), rows=msgspec.json.encode(rows).decode(), count=len(rows))
        await store.write(recipients.add, campaign_id, batch)
    await store.write(campaigns.publish, campaign_id, state=CampaignState.SCHEDULED, taken=None, now=now)
    return campaign_id


async def _never_open(store: Store, campaign: LiveCampaign | None, now: Instant) -> dict[Rule, int]:
    """Return how many recipients will never be rung, by the rule that keeps their zone group closed."""
    found: Counter[Rule] = Counter()
    if campaign is not None:
        for group_id, count in (await store.read(recipients.pending_by_group, campaign.row.id)).items():
            stretch = campaign.opening(group_id, now)
            if stretch.rule is not None and stretch.until == NEVER:
                found[stretch.rule] += count
    return dict(found)


def peak(calls: Sequence[PlannedCall]) -> int:
    """Return the most calls in progress at once; one that ends at the instant another begins has left its line."""
    changes = sorted([(call.started_at, 1) for call in calls] + [(call.ended_at, -1) for call in calls])
    lines = most = 0
    for _, change in changes:
        lines += change
        most = max(most, lines)
    return most
