"""The `dialerd` command: exit codes, messages, and what it does not load."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from dialerd.daemon import main
from dialerd.model.instants import to_instant

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _former_configuration():
    """Put the process' logging back as it was."""
    former = structlog.get_config()
    yield
    structlog.configure(**former)


def invoke(*arguments: str):
    """Run the command in this process."""
    return CliRunner().invoke(main.cli, arguments, catch_exceptions=False)


def test_a_sound_file_is_ok(tmp_path):
    """check-config says OK and what the settings describe."""
    config = tmp_path / "dialerd.toml"
    config.write_text('[daemon]\ntimezone = "Europe/London"')
    result = invoke("check-config", "--config", str(config))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"OK {config}: 0 trunks")
    assert "warning: " in result.stderr


def test_a_pace_above_the_carriers_is_a_warning(tmp_path):
    """check-config says OK, and that the trunk starts fewer calls than its table asks for."""
    config = tmp_path / "dialerd.toml"
    config.write_text(
        '[trunks.c]\nprovider = "twilio"\ncalls_per_second = 5\n[trunks.c.options]\n'
        f'account_sid = "AC{"0" * 32}"\nauth_token = "{tmp_path / "token"}"\n'
    )
    result = invoke("check-config", "--config", str(config))
    assert result.exit_code == 0, result.stderr
    assert f"warning: {config}: trunks.c.calls_per_second: is 5, and the trunk starts 1 a second" in result.stderr


def test_faults_go_to_stderr_one_a_line(tmp_path):
    """check-config lists every fault as file, path and message, and exits with 1."""
    config = tmp_path / "dialerd.toml"
    config.write_text("[daemon]\ndrain = 5\nsokcet = 1")
    result = invoke("check-config", "--config", str(config))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f'{config}: daemon.drain: must be a duration such as "90s", "10m" or "2h", but is a whole number',
        f'{config}: daemon.sokcet: is not a known key; did you mean "socket"?',
    ]


@pytest.mark.parametrize(
    ("hook", "code", "beginning"), [("screen", 1, "plugin awful "), ("notify", 0, "warning: plugin awful ")]
)
def test_broken_plugins_are_told(tmp_path, monkeypatch, hook, code, beginning):
    """A screen that cannot be had is a fault, as every call would be held; what else breaks is a warning."""
    info = tmp_path / "dialerd_awful-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dialerd-awful\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dialerd]\nawful = dialerd_awful\n")
    (tmp_path / "dialerd_awful.py").write_text(
        f"from dialerd.plugin.hookspecs import hookimpl\n@hookimpl\ndef dialerd_{hook}(): raise RuntimeError('none')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / "dialerd.toml"
    config.write_text("")
    try:
        result = invoke("check-config", "--config", str(config))
    finally:
        sys.modules.pop("dialerd_awful", None)
    assert result.exit_code == code
    assert result.stdout.startswith("OK") == (code == 0)
    assert any(line.startswith(beginning) for line in result.stderr.splitlines())


@pytest.mark.parametrize("command", [["run"], ["check-config"], ["why", "c", "+12125550123"], ["plan", __file__]])
def test_a_missing_file_is_told_in_a_sentence(tmp_path, command):
    """No command shows a traceback for it."""
    result = invoke(*command, "--config", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert result.stderr.startswith("there is no settings file ")


def test_a_wrong_call_exits_with_2():
    """Usage errors are click's, with their own exit code."""
    assert invoke("plan").exit_code == 2
    assert invoke("nonsense").exit_code == 2
    assert invoke("run", "--log-level", "loud").exit_code == 2


def test_the_config_may_come_from_the_environment(tmp_path, monkeypatch):
    """DIALERD_CONFIG names the settings file."""
    monkeypatch.setenv("DIALERD_CONFIG", str(tmp_path / "mine.toml"))
    assert "mine.toml" in invoke("check-config").stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-06-15", datetime(2027, 6, 14, 23, tzinfo=UTC)),
        ("2027-06-15T09:00", datetime(2027, 6, 15, 8, tzinfo=UTC)),
        ("2027-06-15T09:00:00+02:00", datetime(2027, 6, 15, 7, tzinfo=UTC)),
        ("2027-01-15T09:00:00Z", datetime(2027, 1, 15, 9, tzinfo=UTC)),
    ],
)
def test_an_instant_without_offset_is_local(text, expected):
    """Days and local times are in the daemon's zone."""
    assert main.parse_instant(text, "Europe/London") == to_instant(expected)


def test_a_bad_instant_is_a_usage_error(tmp_path):
    """--from says what to write."""
    config = tmp_path / "dialerd.toml"
    config.write_text("")
    result = invoke("plan", __file__, "--from", "tomorrow", "--config", str(config))
    assert result.exit_code == 2
    assert "--from" in result.stderr
    assert '"2027-06-15"' in result.stderr


def test_help_loads_next_to_nothing():
    """What commands need is imported when they run."""
    script = (
        "import sys; from dialerd.daemon import main\n"
        "try: main.cli.main(['--help'], standalone_mode=False)\n"
        "finally: print(sorted({'trio', 'sqlalchemy', 'phonenumbers', 'rich', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
