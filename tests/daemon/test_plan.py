"""`dialerd plan` of a file with its recipients' file: text for people, JSON for scripts, and every call in a CSV."""

import csv
import json
from datetime import UTC, datetime

import pytest

from dialerd.daemon import plan
from dialerd.model.errors import InvalidInput
from dialerd.model.instants import to_instant
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings

START = to_instant(datetime(2027, 6, 1, 8, tzinfo=UTC))  # 09:00 in London
OPTIONS = {"ring_time": "1s", "talk_time": "9s", "outcomes": {"answered": 1}}
WORLD = Settings(
    trunks={"t": TrunkSettings(provider="simulator", max_concurrent=2, countries=("GB",), options=OPTIONS)},
    numbers={"+447111999001": NumberSettings(trunk="t")},
    agents={"a": AgentSettings(say="hello")},
)


@pytest.fixture
def file(tmp_path):
    """A campaign of three people, one of whom is listed twice."""
    (tmp_path / "people.csv").write_text(
        "phone,timezone\n" + "".join(f"+44711100000{i},Europe/London\n" for i in (1, 2, 3, 2))
    )
    path = tmp_path / "c.toml"
    path.write_text('name = "[red]c"\nagent = "a"\ntimezone = "Europe/London"\nrecipients_file = "people.csv"\n')
    return path


def test_people_read_the_end_the_hours_and_the_warnings(file, tmp_path, capsys):
    """Times in the campaign's zone; what is odd with its place; names as they are written."""
    calls = tmp_path / "calls.csv"
    assert plan.run(WORLD, file, START, calls, False) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[:6] == [
        "[red]c, forecast from Tue 2027-06-01 09:00:00 BST",
        "ends         Tue 2027-06-01 09:00:20 BST",
        "first call   Tue 2027-06-01 09:00:00 BST",
        "last call    Tue 2027-06-01 09:00:10 BST",
        "recipients   3: 3 succeeded",
        "calls        3: 3 answered",
    ]
    assert "Tue 2027-06-01 09:00      3  █" in told
    assert "warning: people.csv:5: " in told
    with calls.open() as rows:
        assert [row["started_at"] for row in csv.DictReader(rows)][-1] == "2027-06-01T08:00:10Z"


def test_scripts_read_json(file, capsys):
    """Every field, instants in UTC; a campaign that does not end by itself is an exit code."""
    assert plan.run(WORLD, file, START, None, True) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["starts_at"], data["ends_at"]) == ("2027-06-01T08:00:00Z", "2027-06-01T08:00:20Z")
    assert (data["calls"], data["peak_lines"], data["talk_s"]) == (3, 2, 27.0)
    assert data["calls_per_hour"] == {"2027-06-01T08:00:00Z": 3}
    (warning,) = data["warnings"]
    assert (warning["file"], warning["line"]) == ("people.csv", 5)
    file.write_text(file.read_text().replace('"a"', '"b"'))
    with pytest.raises(InvalidInput, match="agent"):
        plan.run(WORLD, file, START, None, True)
