"""Reads `dialerd.toml` into `Settings`, with every fault at once. Knows nothing of what the settings are used for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dialerd.daemon.crosschecks import Names, cross_faults
from dialerd.model import toml_text
from dialerd.model.errors import Fault, InvalidInput, NotFound
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings
from dialerd.model.structuring import structure
from dialerd.plugin.host import PluginHost

_NAMED: Final[dict[str, type[Any]]] = {"trunks": TrunkSettings, "numbers": NumberSettings, "agents": AgentSettings}


def load_settings(path: Path, *, host: PluginHost | None = None) -> Settings:
    """Read, structure and cross-check the settings in `path`.

    Args:
        path: the TOML file.
        host: the plugins that know the trunks' providers; None = those that are installed.

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
    if any(fault.path.startswith("retry.") for fault in faults):  # it is judged as a whole, or not at all
        found = [fault for fault in found if not fault.path.startswith("retry.")]
    if settings.trunks:
        found += (host or PluginHost()).check_trunks(settings)
    faults += [Fault(fault.path, fault.message, file=str(path)) for fault in found]
    if faults:
        raise InvalidInput(faults)
    return settings


def _sound_part(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` without what has faults, so that the rest can be cross-checked in the same run."""
    sound: dict[str, Any] = {}
    for table, content in data.items():
        if not _is_sound({table: {}}, Settings):
            continue
        record = _NAMED.get(table)
        if record is not None and isinstance(content, Mapping):
            sound[table] = {name: entry for name, entry in content.items() if _is_sound(entry, record)}
        elif isinstance(content, Mapping):  # no key of these tables is required
            sound[table] = {key: value for key, value in content.items() if _is_sound({table: {key: value}}, Settings)}
    return sound


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
