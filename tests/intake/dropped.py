"""Campaign files as people drop them, and what reading them gives; shared by the tests of this folder."""

from datetime import UTC, datetime
from pathlib import Path

from dialerd.intake.read_now import read_now
from dialerd.model.errors import InvalidInput
from dialerd.model.instants import to_instant
from dialerd.model.settings import AgentSettings, DaemonSettings, NumberSettings, Settings, TrunkSettings

NOW = to_instant(datetime(2027, 6, 1, 12, tzinfo=UTC))

SETTINGS = Settings(
    daemon=DaemonSettings(default_region="GB", timezone="Europe/London"),
    trunks={
        "main": TrunkSettings(provider="simulator", options={"password": "hunter2"}),
        "wide": TrunkSettings(provider="simulator", countries=("GB", "DE")),
    },
    numbers={
        "+447111000000": NumberSettings(trunk="main", id="uk"),
        "+447111000009": NumberSettings(trunk="wide", id="wide"),
    },
    agents={
        "reminder": AgentSettings(id="agent-1", say="hello", numbers=("+447111000000",)),
        "everywhere": AgentSettings(say="hello", timezone="America/New_York"),
    },
)

SPEC = 'name = "Tuesday"\nagent = "reminder"\nrecipients_file = "{file}"\n'


def drop(folder: Path, text: str | bytes, name: str = "tuesday.csv", more: str = "") -> Path:
    """Lay a recipients file and a campaign file that names it into `folder`, and return the campaign file."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    spec = folder / "tuesday.toml"
    spec.write_text(SPEC.format(file=name) + more)
    return spec


def read(spec: Path, settings: Settings = SETTINGS, now: int = NOW):
    """Read a campaign file, and return its campaign, its recipients and its warnings as text."""
    warnings = []
    new, recipients = read_now(spec, settings, now, warn=lambda fault: warnings.append(str(fault)))
    return new, recipients, warnings


def faults(spec: Path, settings: Settings = SETTINGS, now: int = NOW) -> list[str]:
    """Return what is wrong with a campaign file, as text; nothing if it is valid."""
    try:
        read_now(spec, settings, now)
    except InvalidInput as error:
        return [str(fault) for fault in error.faults]
    return []
