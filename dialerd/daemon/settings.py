"""Reads `dialerd.toml` into `Settings`, with every fault at once. Knows nothing of what the settings are used for."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs

from dialerd.daemon.crosschecks import Names, cross_faults
from dialerd.daemon.voices import VOICES
from dialerd.model import toml_text
from dialerd.model.errors import Fault, InvalidInput, NotFound
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings
from dialerd.model.structuring import structure
from dialerd.model.wording import dotted
from dialerd.plugin.host import PluginHost
from dialerd.rules.accounts import accounts

_MADE_UP: Final[dict[type[Any], dict[str, Any]]] = {TrunkSettings: {"provider": ""}, NumberSettings: {"trunk": ""}}
"""What stands for required keys that are missing or have faults; nothing is told of it."""


_SPOKEN_OF: Final = ("agents", "callbacks", "numbers", "trunks")
"""Tables by which a provider judges agents; what it says of them means nothing while these have faults."""


def load_settings(path: Path, *, host: PluginHost | None = None) -> Settings:
    """Read, structure and cross-check the settings in `path`.

    Args:
        path: the TOML file.
        host: the plugins that know the trunks' providers; None = those that are installed.

    Returns:
        The settings; no trunk starts more calls a second than its provider's carrier takes.

    Raises:
        NotFound: there is no such file.
        InvalidInput: with every fault, those of trunks' options by their plugins included.
    """
    data = _parse(path)
    faults: list[Fault] = []
    try:
        settings = structure(data, Settings, file=str(path))
    except InvalidInput as invalid:
        faults += invalid.faults
        settings = structure(_sound_part(data), Settings)
    found = cross_faults(settings, Names.of(data))
    if settings.trunks:
        host = host or PluginHost()
        found += host.check_trunks(settings)
        if not any(fault.path.startswith(_SPOKEN_OF) for fault in (*faults, *found)):
            found += host.check_agents(settings)
    if faults:
        wrong = {fault.path for fault in faults}
        found = [fault for fault in found if not _follows(fault.path, wrong)]
    faults += [Fault(fault.path, fault.message, file=str(path)) for fault in found]
    if faults:
        raise InvalidInput(faults)
    return host.paced(settings) if host is not None and settings.trunks else settings


def lowered(path: Path, settings: Settings) -> list[Fault]:
    """Return a warning for every trunk whose table asks for more calls a second than its carrier takes, or its account.

    Args:
        path: the settings file.
        settings: what `load_settings` made of it.

    Raises:
        NotFound, InvalidInput: as of `load_settings`.
    """
    written = {name: table.get("calls_per_second") for name, table in _parse(path).get("trunks", {}).items()}
    found = []
    for account in accounts(settings.trunks).values():
        most = account.calls_per_second
        slowest = [name for name in account.trunks if settings.trunks[name].calls_per_second == most]
        for name in account.trunks:
            if (wanted := written[name]) is None or most is None or wanted <= most:
                continue
            why = "its carrier takes no more"
            if name not in slowest:
                why = f"its carrier counts them together with those of {', '.join(slowest)}, which starts no more"
            message = f"is {wanted:g}, and the trunk starts {most:g} a second: {why}"
            found.append(Fault(dotted("trunks", (name, "calls_per_second")), message))
    return found


def _sound_part(data: Mapping[str, Any], record: type[Any] = Settings) -> dict[str, Any]:
    """Return `data` without the keys that have faults, so that the rest can be cross-checked in the same run."""
    made_up = _MADE_UP.get(record, {})
    sound: dict[str, Any] = dict(made_up)
    types = get_type_hints(record, include_extras=True)
    for key, value in data.items():
        if key not in types:
            continue
        entry = get_args(types[key])[-1] if get_origin(types[key]) is dict else None
        if attrs.has(types[key]) and isinstance(value, Mapping):
            sound[key] = _sound_part(value, types[key])
        elif entry is not None and attrs.has(entry) and isinstance(value, Mapping):
            sound[key] = {name: _sound_part(each, entry) for name, each in value.items() if isinstance(each, Mapping)}
        elif _is_sound({**made_up, key: value}, record):
            sound[key] = value
    return sound if _is_sound(sound, record) else dict(made_up)


def _follows(path: str, wrong: Set[str]) -> bool:
    """Tell whether a fault at `path` only follows from those at the paths `wrong`."""
    above = path
    while above:
        if above in wrong:
            return True
        above = above[: max(above.rfind("."), above.rfind("["), 0)]
    if path.startswith("retry."):  # it is judged as a whole, or not at all
        return any(known.startswith("retry.") for known in wrong)
    if path.startswith("agents."):  # it may speak in the way that has a fault, or that is misspelled
        sound = {field.name for field in attrs.fields(AgentSettings)} - set(VOICES)
        return any(known.startswith(f"{path}.") and _key(known, path) not in sound for known in wrong)
    return False


def _key(path: str, above: str) -> str:
    return path[len(above) + 1 :].partition(".")[0].partition("[")[0]


def _is_sound(data: Any, record: type[Any]) -> bool:
    try:
        structure(data, record)
    except InvalidInput:
        return False
    return True


def _parse(path: Path) -> dict[str, Any]:
    """Return the TOML document in `path`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no settings file {path}; name one with --config, or copy dialerd.toml.example there"
        ) from error
    except OSError as error:
        raise NotFound(f"the settings file {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return toml_text.parse(raw, str(path))
