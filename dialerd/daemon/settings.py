"""Reads `dialerd.toml` into `Settings`, with every fault at once. Knows nothing of what the settings are used for."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dialerd.daemon.crosschecks import Names, cross_faults
from dialerd.model.errors import Fault, InvalidInput, NotFound
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings
from dialerd.model.structuring import structure
from dialerd.plugin.host import PluginHost

DEFAULT_CONFIG: Final = Path("/etc/dialerd/dialerd.toml")

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")  # tomllib's words
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
        # a byte order mark is no mistake: editors on other systems leave one
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no settings file {path}; name one with --config, or copy dialerd.toml.example there"
        ) from error
    except OSError as error:
        raise NotFound(f"the settings file {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput([Fault("", "is not UTF-8; save the file as UTF-8", file=str(path), line=line)]) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput([_syntax_fault(str(error), text, str(path))]) from error
    except RecursionError as error:
        raise InvalidInput([Fault("", "is nested too deeply for a settings file", file=str(path))]) from error


def _syntax_fault(message: str, text: str, file: str) -> Fault:
    """Return a TOML syntax error as a fault with line and column."""
    match = _PLACE.search(message)
    words = _PLACE.sub("", message)
    words = f"is not TOML: {words[:1].lower()}{words[1:]}"
    if match is None:
        return Fault("", words, file=file)
    if match[1] is None:  # the document ends too early
        lines = text.split("\n")
        return Fault("", words + ", at the end of the file", file=file, line=len(lines), column=len(lines[-1]) + 1)
    return Fault("", words, file=file, line=int(match[1]), column=int(match[2]))
