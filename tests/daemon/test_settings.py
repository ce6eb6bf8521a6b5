"""`dialerd.toml` to settings: one run tells everything that is wrong."""

from pathlib import Path

import dialerd_simulator
import pytest

from dialerd.daemon.check import summary
from dialerd.daemon.crosschecks import warnings
from dialerd.daemon.settings import load_settings
from dialerd.model.errors import InvalidInput, NotFound
from dialerd.model.instants import SECOND
from dialerd.plugin.host import PluginHost

HOST = PluginHost([dialerd_simulator], entry_points=False)

SOUND = """
[trunks.main]
provider = "simulator"
[numbers."+12125550123"]
trunk = "main"
id = "front"
[agents.reminder]
say = "hello"
numbers = ["front"]
"""


def load(tmp_path: Path, text: str | bytes):
    """Return the settings in a file with this text."""
    file = tmp_path / "dialerd.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(file, host=HOST)


def faults(tmp_path: Path, text: str | bytes) -> dict[str, str]:
    """Return messages by path of a file with this text."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, text)
    assert all(fault.file == str(tmp_path / "dialerd.toml") for fault in caught.value.faults)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_a_sound_file_loads(tmp_path):
    """Names may refer to numbers by id; a byte order mark does no harm."""
    settings = load(tmp_path, "\ufeff" + SOUND + '[daemon]\ndrain = "5s"')
    assert settings.agents["reminder"].numbers == ("front",)
    assert settings.daemon.drain == 5 * SECOND
    assert not warnings(settings)


def test_an_empty_file_is_all_defaults(tmp_path):
    """Nothing is required until there is something to dial with."""
    settings = load(tmp_path, "")
    assert settings.trunks == {}
    assert [fault.path for fault in warnings(settings)] == ["agents"]


def test_all_kinds_of_faults_come_together(tmp_path):
    """Types, names, options and rules over several keys are told in one run."""
    found = faults(
        tmp_path,
        """
        [daemon]
        timezone = "Europe/Londn"
        default_region = "uk"
        drian = "5m"
        [trunks.main]
        provider = "simulator"
        countries = ["GB", "United Kingdom", "001"]
        max_concurrent = 0
        [trunks.main.options]
        sede = 1
        [trunks.spare]
        provider = "simulatr"
        [trunks.other]
        provider = "simulator"
        [trunks.other.options]
        maybe_placed = 2
        [numbers."+12125550123"]
        trunk = "mian"
        id = "a"
        [numbers."+12125550124"]
        trunk = "main"
        id = "a"
        [numbers."0207 946 0000"]
        trunk = "main"
        [numbers."+1212"]
        trunk = "main"
        [agents.one]
        say = "x"
        play = "y"
        timezone = "Mars"
        numbers = ["b", "+12125550123"]
        [agents.two]
        id = "one"
        [agents.three]
        stream = "http://agent.example.com"
        [agents.four]
        bridge = "nobody"
        [agents.five]
        say = " "
        [quiet_hours]
        unknown_zone = "every_zone"
        placeless = "every_zone"
        [quiet_hours.countries.UK]
        placeless = "nowhere"
        """,
    )
    assert found["daemon.drian"] == 'is not a known key; did you mean "drain"?'
    assert "Europe/London" in found["daemon.timezone"]
    assert found["trunks.main.max_concurrent"] == "must be between 1 and 100000, but is 0"
    assert "simulator" in found["trunks.spare.provider"]
    assert found["trunks.other.options.maybe_placed"] == "must be between 0 and 1, but is 2"
    assert found['numbers."+12125550123".trunk'] == 'there is no trunk "mian"; did you mean "main"?'
    assert found['numbers."+12125550124".id'].startswith('"a" names numbers."+12125550123" already')
    assert "must be a full number with +" in found['numbers."0207 946 0000"']
    assert "too few or too many digits" in found['numbers."+1212"']
    assert "only one of say, play, stream, bridge and twiml, but has say and play" in found["agents.one"]
    assert "Mars" in found["agents.one.timezone"]
    assert found["agents.one.numbers[0]"].startswith('there is no number "b"')
    assert "agents.one.numbers[1]" not in found
    assert found["agents.two"] == "must have one of say, play, stream, bridge and twiml"
    assert found["agents.two.id"].startswith('"one" names agents.one already')
    assert "WebSocket URL" in found["agents.three.stream"]
    assert "SIP URI" in found["agents.four.bridge"]
    assert found["agents.five.say"] == "must not be empty"
    assert '"refuse" would also do' in found["quiet_hours.unknown_zone"]
    assert "quiet_hours.placeless" not in found
    assert found["quiet_hours.countries.UK"] == '"UK" is GB in ISO 3166; write "GB"'
    assert "every_zone" in found["quiet_hours.countries.UK.placeless"]


def test_a_faulty_trunk_is_still_known_by_name(tmp_path):
    """One slip does not bring a second message about everything that refers to it."""
    found = faults(tmp_path, SOUND.replace('provider = "simulator"', 'provider = "simulator"\nmax_concurrent = "x"'))
    assert list(found) == ["trunks.main.max_concurrent"]


def test_daemon_names_are_checked(tmp_path):
    """Zones and countries are real ones, with the nearest proposed."""
    found = faults(
        tmp_path,
        """
        [daemon]
        timezone = "Europe/Londn"
        default_region = "gb"
        [trunks.t]
        provider = "simulator"
        countries = ["UK"]
        """,
    )
    assert "Europe/London" in found["daemon.timezone"]
    assert found["daemon.default_region"].endswith('write "GB"')
    assert "trunks.t.countries[0]" in found
    assert faults(tmp_path, '[daemon]\ndefault_region = "UK"') == {
        "daemon.default_region": '"UK" is GB in ISO 3166; write "GB"'
    }


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense", "is not understood"),
        ("", "is not understood"),
        ("postgresql://x/y", "only sqlite is supported"),
        ("sqlite+aiosqlite:////var/x.db", "only sqlite is supported"),
        ("sqlite://var/lib/x.db", "three slashes"),
        ("sqlite://var:port/x.db", "is not understood"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_fault(tmp_path, url, part):
    """What the daemon would refuse at its start is told before."""
    found = faults(tmp_path, f'[store]\nurl = "{url}"')
    assert part in found["store.url"]
    assert "sqlite:////" in found["store.url"]


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601])
def test_keys_that_everybody_may_have_are_a_fault(tmp_path, mode):
    """A file of keys is for its owner and a group; one that is not there yet is only warned of."""
    keys = tmp_path / "keys"
    text = f'{SOUND}[dialects]\nkeys_file = "{keys}"\n'
    load(tmp_path, text)
    keys.write_text("key\n")
    keys.chmod(0o640)
    load(tmp_path, text)
    keys.chmod(mode)
    assert "run: chmod o= " in faults(tmp_path, text)["dialects.keys_file"]


def test_faults_within_one_entry_come_together(tmp_path):
    """One slip in an entry hides none of what its other keys are cross-checked for."""
    found = faults(
        tmp_path,
        """
        [trunks.main]
        provider = "simulater"
        countries = ["UK"]
        max_concurrent = 0
        [trunks.spare]
        provider = "simulator"
        max_concurent = 5
        [trunks.spare.options]
        seed = -1
        [trunks.bare]
        countries = ["Wales"]
        [trunks.odd]
        provider = "simulator"
        options = 7
        [numbers."+1212"]
        trunk = "mian"
        max_concurrent = "x"
        [numbers."+12125550123"]
        calls_per_day = 0
        [agents.one]
        say = 5
        timezone = "Mars"
        [agents.two]
        sya = "x"
        numbers = ["b"]
        [agents.three]
        max_concurrent = 0
        [quiet_hours]
        start = "8"
        unknown_zone = "nowhere"
        [quiet_hours.countries.Wales]
        holidays = 1
        placeless = "nowhere"
        """,
    )
    assert set(found) == {
        "trunks.main.provider",
        "trunks.main.countries[0]",
        "trunks.main.max_concurrent",
        "trunks.spare.max_concurent",
        "trunks.spare.options.seed",
        "trunks.bare.provider",
        "trunks.bare.countries[0]",
        "trunks.odd.options",
        'numbers."+1212"',
        'numbers."+1212".trunk',
        'numbers."+1212".max_concurrent',
        'numbers."+12125550123".trunk',
        'numbers."+12125550123".calls_per_day',
        "agents.one.say",
        "agents.one.timezone",
        "agents.two.sya",
        "agents.two.numbers[0]",
        "agents.three",
        "agents.three.max_concurrent",
        "quiet_hours.start",
        "quiet_hours.unknown_zone",
        "quiet_hours.countries.Wales",
        "quiet_hours.countries.Wales.holidays",
        "quiet_hours.countries.Wales.placeless",
    }
    assert found["trunks.bare.provider"] == "is required"
    assert "did you mean 'simulator'" in found["trunks.main.provider"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("[daemon]\ndrain = \n", 2, 9), ("[daemon\n", 1, 8), ('a = "x', 1, 7), ("a = 1\na = 2", 2, 6)],
)
def test_a_syntax_error_has_its_place(tmp_path, text, line, column):
    """Broken TOML is told with line and column."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, text)
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (line, column)
    assert fault.message.startswith("is not TOML: ")


@pytest.mark.parametrize("text", [b"a = 1\nb = '\xff'", b"\x00\x01", b"a = " + b"[" * 5000])
def test_what_is_no_text_is_a_fault(tmp_path, text):
    """Binary and hostile files end in a message, too."""
    with pytest.raises(InvalidInput):
        load(tmp_path, text)


def test_a_missing_file_says_what_to_do(tmp_path):
    """The message names the file and the two ways out; a directory is no file either."""
    with pytest.raises(NotFound, match=r"name one with --config, or copy dialerd\.toml\.example"):
        load_settings(tmp_path / "none.toml", host=HOST)
    with pytest.raises(NotFound, match="cannot be read: is a directory"):
        load_settings(tmp_path, host=HOST)


def test_what_is_hardly_meant_is_a_warning(tmp_path):
    """A trunk without a number and a number in no known range are allowed."""
    settings = load(
        tmp_path,
        SOUND + '[trunks.idle]\nprovider = "simulator"\n[numbers."+447700900123"]\ntrunk = "main"',
    )
    assert [fault.path for fault in warnings(settings)] == ["trunks.idle", 'numbers."+447700900123"']


def test_the_summary_counts(tmp_path):
    """One line tells what the settings describe."""
    assert summary(load(tmp_path, SOUND)) == (
        "1 trunk, 1 number, 1 agent, at most 100 calls at once, calls from 08:00 to 21:00"
    )
    assert "quiet hours are off" in summary(load(tmp_path, SOUND + "[quiet_hours]\nenabled = false"))


def test_an_outcome_above_the_budget(tmp_path):
    """A limit that is never reached is refused, unless the table that it stands in has faults of its own."""
    assert faults(tmp_path, "[retry.busy]\nmax_attempts = 3") == {
        "retry.busy.max_attempts": "is 3, but retry.max_attempts allows 1 attempt in all; raise it, or lower this"
    }
    assert load(tmp_path, "[retry]\nmax_attempts = 3\nbusy = {max_attempts = 3}").retry.max_attempts == 3
    assert list(faults(tmp_path, "[retry]\nmax_attempts = 0\nbusy = {max_attempts = 3}")) == ["retry.max_attempts"]
