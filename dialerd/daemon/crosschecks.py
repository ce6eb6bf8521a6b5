"""What one setting says about another: names that must exist, rules over several keys.

What a single value must be is said by the records' types and validators; what a trunk's options must be, by its plugin.
"""

import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import phonenumbers
from attrs import frozen

from dialerd.daemon.callback_settings import callback_faults, callback_warnings
from dialerd.daemon.full_numbers import number_fault
from dialerd.daemon.voices import voice_faults
from dialerd.model.errors import Fault, StoreError
from dialerd.model.settings import Settings
from dialerd.model.wording import dotted, hint, shown
from dialerd.rules.retry import over_budget
from dialerd.rules.routes import WORLD
from dialerd.rules.zones import BadZone, zone


@frozen
class Names:
    """The names a document gives to things, of those too that have faults of their own.

    Args:
        trunks: names of trunks.
        numbers: keys and ids of numbers.
    """

    trunks: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Names":
        """Return the names in the plain data of a document."""
        trunks, numbers = (
            table if isinstance(table := data.get(name), Mapping) else {} for name in ("trunks", "numbers")
        )
        ids = {entry.get("id") for entry in numbers.values() if isinstance(entry, Mapping)}
        return cls(frozenset(trunks), frozenset(numbers) | {name for name in ids if isinstance(name, str)})


def cross_faults(settings: Settings, names: Names) -> list[Fault]:
    """Return every fault that shows only when settings are seen together.

    Args:
        settings: what could be structured.
        names: what may be referred to.
    """
    return [
        *_daemon(settings),
        *_store(settings),
        *_dialects(settings),
        *callback_faults(settings),
        *_trunks(settings),
        *_numbers(settings, names),
        *_agents(settings, names),
        *_quiet_hours(settings),
        *(fault for _, fault in over_budget(settings.retry)),
    ]


def warnings(settings: Settings) -> list[Fault]:
    """Return what is allowed and yet hardly meant."""
    used = {number.trunk for number in settings.numbers.values()}
    found = [
        _at(("trunks", name), "has no number, so that no campaign can use it; give one in [numbers]")
        for name in settings.trunks
        if name not in used
    ]
    found += [
        _at(("numbers", key), "is in no range that is known to be in use in its country; check it")
        for key in settings.numbers
        if number_fault(key) is None and not phonenumbers.is_valid_number(phonenumbers.parse(key, None))
    ]
    found += callback_warnings(settings)
    if not settings.agents:
        found.append(_at(("agents",), "there is none, so that no campaign can be accepted"))
    return found


def _at(place: tuple[str | int, ...], message: str) -> Fault:
    return Fault(dotted("", place), message)


def _daemon(settings: Settings) -> Iterator[Fault]:
    yield from _zone(("daemon", "timezone"), settings.daemon.timezone)
    if settings.daemon.default_region is not None:
        yield from _country(("daemon", "default_region"), settings.daemon.default_region)


def _store(settings: Settings) -> Iterator[Fault]:
    if settings.store.url is not None:
        from dialerd.store.database import check_url  # noqa: PLC0415  # slow to load, and few give a URL

        try:
            check_url(settings.store.url)
        except StoreError as error:
            yield _at(("store", "url"), str(error).removeprefix("store url "))


def _dialects(settings: Settings) -> Iterator[Fault]:
    """A file of keys that everybody may read is worth nothing; where it cannot be looked at, nothing is told."""
    file = settings.dialects.keys_file
    if file is None:
        return
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):
        return
    if mode & stat.S_IRWXO:
        yield _at(("dialects", "keys_file"), f"{file} is open to everybody; run: chmod o= {file}, and change the keys")


def _trunks(settings: Settings) -> Iterator[Fault]:
    yield from _empty_names("trunks", settings.trunks)
    for name, trunk in settings.trunks.items():
        for at, country in enumerate(trunk.countries):
            if country != WORLD:
                yield from _country(("trunks", name, "countries", at), country)


def _numbers(settings: Settings, names: Names) -> Iterator[Fault]:
    yield from _ids("numbers", {key: number.id for key, number in settings.numbers.items()})
    for key, number in settings.numbers.items():
        if (message := number_fault(key)) is not None:
            yield _at(("numbers", key), message)
        if number.trunk not in names.trunks:
            yield _at(
                ("numbers", key, "trunk"), f"there is no trunk {shown(number.trunk)}{hint(number.trunk, names.trunks)}"
            )


def _agents(settings: Settings, names: Names) -> Iterator[Fault]:
    yield from _empty_names("agents", settings.agents)
    yield from _ids("agents", {name: agent.id for name, agent in settings.agents.items()})
    for name, agent in settings.agents.items():
        place = ("agents", name)
        if agent.timezone is not None:
            yield from _zone((*place, "timezone"), agent.timezone)
        for at, number in enumerate(agent.numbers):
            if number not in names.numbers:
                yield _at((*place, "numbers", at), f"there is no number {shown(number)}{hint(number, names.numbers)}")
        yield from voice_faults(place, agent)


def _quiet_hours(settings: Settings) -> Iterator[Fault]:
    quiet = settings.quiet_hours
    yield from _policy(("quiet_hours", "unknown_zone"), quiet.unknown_zone, ("refuse",))
    yield from _policy(("quiet_hours", "placeless"), quiet.placeless, ("refuse", "every_zone"))
    for code, country in quiet.countries.items():
        place = ("quiet_hours", "countries", code)
        yield from _country(place, code)
        if country.placeless is not None:
            yield from _policy((*place, "placeless"), country.placeless, ("refuse", "every_zone"))


def _policy(place: tuple[str, ...], value: str, words: tuple[str, ...]) -> Iterator[Fault]:
    """A zone, or one of a few words."""
    if value not in words:
        for fault in _zone(place, value):
            choices = " or ".join(shown(word) for word in words)
            yield Fault(fault.path, f"{fault.message}; {choices} would also do")


def _zone(place: tuple[str | int, ...], name: str) -> Iterator[Fault]:
    try:
        zone(name)
    except BadZone as error:
        yield _at(place, str(error))


def _country(place: tuple[str | int, ...], code: str) -> Iterator[Fault]:
    if code not in phonenumbers.SUPPORTED_REGIONS:
        if code.upper() == "UK":  # exceptionally reserved in ISO 3166-1, which has GB
            yield _at(place, f'{shown(code)} is GB in ISO 3166; write "GB"')
            return
        form = f"write {shown(code.upper())}" if code.upper() in phonenumbers.SUPPORTED_REGIONS else "as in GB or US"
        yield _at(place, f"{shown(code)} is not a country's two-letter ISO 3166 code; {form}")


def _empty_names(table: str, entries: Iterable[str]) -> Iterator[Fault]:
    if any(not name.strip() for name in entries):
        yield _at((table,), "a name must not be empty")


def _ids(table: str, ids: Mapping[str, str | None]) -> Iterator[Fault]:
    """Ids are further names: each names one thing, and none is another thing's name."""
    owners = {name: name for name in ids}
    for name, other in ids.items():
        if other is None:
            continue
        place = (table, name, "id")
        if not other.strip():
            yield _at(place, "must not be empty; leave it out instead")
        elif (owner := owners.setdefault(other, name)) != name:
            yield _at(place, f"{shown(other)} names {dotted('', (table, owner))} already; give each its own id")
        elif other == name:
            yield _at(place, "is the name itself; leave it out")
