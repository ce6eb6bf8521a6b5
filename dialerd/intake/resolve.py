"""A campaign's spec against the settings: what its names stand for, when it starts and ends, and what cannot be.

Pure: the present instant is an argument. Knows nothing of files and rows.
"""

from collections.abc import Iterator

from attrs import frozen
from uuid_utils.compat import uuid7

from dialerd.model.campaign import CampaignSpec, Window
from dialerd.model.errors import Fault
from dialerd.model.instants import DAY, Duration, Instant, format_duration, to_iso
from dialerd.model.settings import Settings
from dialerd.model.wording import hint, shown
from dialerd.rules.localtime import instant_of, since_midnight
from dialerd.rules.openings import Hours, hours_of
from dialerd.rules.retry import over_budget
from dialerd.rules.routes import WORLD, agent_name, allowed_countries, caller_ids, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd.store.records import NewCampaign


@frozen(kw_only=True)
class Resolved:
    """What is known of a campaign before its rows are read.

    Args:
        new: the campaign, or None where its spec has faults.
        skip_invalid: whether bad rows are left out instead of refusing the file.
        trunks: trunks of its caller ids; None where they are not known because of faults.
        countries: countries that at least one of these trunks may ring.
    """

    new: NewCampaign | None = None
    skip_invalid: bool = False
    trunks: tuple[str, ...] | None = None
    countries: frozenset[str] = frozenset()

    @property
    def hours(self) -> Hours | None:
        """When the campaign may ring, or None where its spec has faults."""
        if (new := self.new) is None:
            return None
        return hours_of(new.spec, timezone=new.timezone, start_at=new.start_at, end_at=new.end_at)

    def refusal(self, country: str | None) -> str | None:
        """Return why numbers of `country` may not be rung, or None where they may; None is a number of no country."""
        if self.trunks is None or (country or WORLD) in self.countries:
            return None
        if country is None:
            land, code = "numbers of no country, such as +800", WORLD
        else:
            land, code = f"numbers of {country}", country
        trunks = " or ".join(f"[trunks.{name}]" for name in self.trunks)
        return f"no trunk of this campaign may ring {land}; leave it out, or add {shown(code)} to countries of {trunks}"


def resolve(
    spec: CampaignSpec,
    settings: Settings,
    now: Instant,
    *,
    sound: bool = True,
    draft: bool = False,
    launch: bool = False,
) -> tuple[Resolved, tuple[Fault, ...]]:
    """Return what a spec stands for, and everything in it that cannot be.

    Args:
        spec: the campaign.
        settings: the settings in force.
        now: present instant.
        sound: False where `spec` is what is left of a faulty one: it is checked, but becomes no campaign.
        draft: it is to wait until somebody schedules it.
        launch: it begins now, whatever its start says.

    Returns:
        what is known, and the faults; with any of them, `new` is None.
    """
    faults = [*_people(spec, settings)]
    zone_name = _zone_name(spec, settings)
    start_at = end_at = None
    try:
        zone(zone_name)
    except BadZone as error:
        faults.append(Fault("timezone", str(error)))
    else:
        start_at = None if spec.start is None or launch else instant_of(spec.start, zone_name)
        end_at = None if spec.end is None else instant_of(spec.end, zone_name)
        faults += _bounds(start_at, end_at, now)
    faults += _windows(spec)
    faults += _retry(spec, settings)
    numbers = caller_ids(spec, settings)
    known = not any(fault.path.startswith(("agent", "caller_ids")) for fault in faults)
    trunks = tuple(dict.fromkeys(settings.numbers[number].trunk for number in numbers))
    whole = sound and not faults
    resolved = Resolved(
        new=NewCampaign(
            spec=spec,
            uid=str(uuid7()),
            timezone=zone_name,
            start_at=start_at,
            end_at=end_at,
            created_at=now,
            draft=draft,
            launch=launch,
        )
        if whole
        else None,
        skip_invalid=spec.skip_invalid,
        trunks=trunks if known else None,
        countries=frozenset().union(*(allowed_countries(trunk, settings) for trunk in trunks)),
    )
    return resolved, tuple(faults)


def known_of(campaign: NewCampaign, settings: Settings, *, skip_invalid: bool) -> Resolved:
    """Return what rows of a stored campaign are checked against; its names may have left the settings since.

    Args:
        campaign: as it was stored.
        settings: the settings in force.
        skip_invalid: whether bad rows are left out.
    """
    trunks = tuple(dict.fromkeys(settings.numbers[number].trunk for number in caller_ids(campaign.spec, settings)))
    return Resolved(
        new=campaign,
        skip_invalid=skip_invalid,
        trunks=trunks or None,
        countries=frozenset().union(*(allowed_countries(trunk, settings) for trunk in trunks)),
    )


def _people(spec: CampaignSpec, settings: Settings) -> Iterator[Fault]:
    """Yield what is wrong with the agent and the caller ids."""
    if any(not char.isprintable() for char in spec.name):
        yield Fault("name", "has control characters; write plain text")
    name = agent_name(spec.agent, settings)
    if name is None:
        known = [*settings.agents, *(agent.id for agent in settings.agents.values() if agent.id is not None)]
        yield Fault("agent", f"{shown(spec.agent)} is not a configured agent{hint(spec.agent, known)}")
    for at, text in enumerate(spec.caller_ids):
        if known_number(text, settings) is None:
            known = [*settings.numbers, *(entry.id for entry in settings.numbers.values() if entry.id is not None)]
            yield Fault(f"caller_ids[{at}]", f"{shown(text)} is not a configured number{hint(text, known)}")
    if name is not None and not spec.caller_ids and not caller_ids(spec, settings):
        yield Fault("caller_ids", 'there is no caller id to show; configure one under [numbers."+…"]')


def _zone_name(spec: CampaignSpec, settings: Settings) -> str:
    if spec.timezone is not None:
        return spec.timezone
    name = agent_name(spec.agent, settings)
    agent_zone = None if name is None else settings.agents[name].timezone
    return agent_zone or settings.daemon.timezone


def _bounds(start_at: Instant | None, end_at: Instant | None, now: Instant) -> Iterator[Fault]:
    if end_at is None:
        return
    if end_at <= now:
        yield Fault("end", f"{to_iso(end_at)} is past; nobody would be rung. Write a later end, or leave it out")
    elif start_at is not None and end_at <= start_at:
        yield Fault("end", f"{to_iso(end_at)} is not after the start, {to_iso(start_at)}; a day means its beginning")


def _windows(spec: CampaignSpec) -> Iterator[Fault]:
    for at, window in enumerate(spec.windows):
        if (length := _length(window)) <= spec.ring_timeout:
            ring = format_duration(spec.ring_timeout)
            message = (
                f"is {format_duration(length)} long, not longer than ring_timeout ({ring}): no call could start in it"
            )
            yield Fault(f"windows[{at}]", f"{message}; make it longer, or ring_timeout shorter")


def _length(window: Window) -> Duration:
    """Return how long a window is on a day without a change of clocks; equal times are 24 hours."""
    return (since_midnight(window.end) - since_midnight(window.start) - 1) % DAY + 1


def _retry(spec: CampaignSpec, settings: Settings) -> Iterator[Fault]:
    """Yield the outcomes whose own limit could never be reached; one taken from the daemon's table may be."""
    if spec.retry is not None:
        for outcome, fault in over_budget(spec.retry):
            if spec.retry.rule_for(outcome) != settings.retry.rule_for(outcome):
                yield fault
