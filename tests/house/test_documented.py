"""Settings, campaign files, hooks and commands: what is there is documented, and what is documented is there."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import click
import dialerd_simulator
import dialerd_sip
import dialerd_twilio
import pytest
from dialerd_simulator.options import Outage, SimulatorOptions
from dialerd_sip.options import SipOptions
from dialerd_twilio.options import TwilioOptions

from dialerd.cli.main import cli as dialerctl
from dialerd.daemon.main import cli
from dialerd.daemon.settings import load_settings
from dialerd.intake.recipients import RecipientSpec
from dialerd.model.campaign import CampaignSpec, Pacing, Window
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.settings import Settings
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.plugin import hookspecs
from dialerd.plugin.host import PluginHost
from dialerd.rules import lifecycle

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "dialerd.toml.example"
HOST = PluginHost([dialerd_simulator, dialerd_twilio, dialerd_sip], entry_points=False)

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def whole_example() -> str:
    """Return the example with every commented setting switched on; prose has a space behind its #."""
    return re.sub(r'(?m)^#(?=[\["\w])', "", EXAMPLE.read_text())


def collect(cls: type[Any], plain: Any, keys: dict[type[Any], set[str]]) -> None:
    """Add the keys that stand in `plain`, by the record they are keys of."""
    keys.setdefault(cls, set()).update(plain)
    for name, target in get_type_hints(cls, include_extras=True).items():
        if name not in plain:
            continue
        for record in (target, *get_args(target)):
            if attrs.has(record):
                tables = plain[name].values() if target is not record and _is_table(target) else [plain[name]]
                for table in tables:
                    collect(record, table, keys)


def _is_table(target: Any) -> bool:
    return getattr(target, "__origin__", None) is dict


def test_the_example_is_valid(tmp_path):
    """The example loads as it stands, and with every commented setting switched on."""
    load_settings(EXAMPLE, host=HOST)
    whole = tmp_path / "dialerd.toml"
    whole.write_text(whole_example())
    load_settings(whole, host=HOST)


def test_every_setting_stands_in_the_example():
    """Each attribute of each table is there; the other way round, loading refuses unknown keys."""
    keys: dict[type[Any], set[str]] = {}
    collect(Settings, tomllib.loads(whole_example()), keys)
    assert RetryRule in keys
    assert len(keys) >= 12
    for record, found in keys.items():
        assert {field.name for field in attrs.fields(record)} == found, record.__name__


def test_every_simulator_option_stands_in_the_example():
    """The provider that comes with dialerd is documented in the same place."""
    options = tomllib.loads(whole_example())["trunks"]["main"]["options"]
    assert set(options) == {field.name for field in attrs.fields(SimulatorOptions)}
    assert set(options["outages"][0]) == {field.name for field in attrs.fields(Outage)}


def test_every_option_of_twilio_stands_in_the_example():
    """Two trunks show them, since some exclude others; each shows its default."""
    trunks = tomllib.loads(whole_example())["trunks"]
    shown = {**trunks["twilio"]["options"], **trunks["compatible"]["options"]}
    assert set(shown) == {field.name for field in attrs.fields(TwilioOptions)}
    read = structure(trunks["twilio"]["options"], TwilioOptions)
    for field in attrs.fields(TwilioOptions):
        if field.default is not attrs.NOTHING and field.default is not None:
            assert getattr(read, field.name) == field.default, field.name


def test_every_option_of_sip_stands_in_the_example():
    """Two trunks show them, since a password stands in one place only; each shows its default."""
    trunks = tomllib.loads(whole_example())["trunks"]
    shown = {**trunks["sip"]["options"], **trunks["other"]["options"]}
    assert set(shown) == {field.name for field in attrs.fields(SipOptions)}
    read = structure(trunks["sip"]["options"], SipOptions)
    for field in attrs.fields(SipOptions):
        if field.default is not attrs.NOTHING and field.default is not None and field.name != "headers":
            assert getattr(read, field.name) == field.default, field.name


def test_the_example_shows_the_defaults():
    """A commented setting shows its default; only what has none shows an example."""
    example = tomllib.loads(whole_example())
    defaults = unstructure(Settings())
    written = set(tomllib.loads(EXAMPLE.read_text())["daemon"])
    for table in ("daemon", "store", "spool", "retry", "pacing", "person", "quiet_hours"):
        for key, default in defaults[table].items():
            if (table == "daemon" and key in written) or isinstance(default, dict):
                continue
            assert example[table][key] == default, f"[{table}] {key}"
    options = unstructure(structure(tomllib.loads(whole_example())["trunks"]["main"]["options"], SimulatorOptions))
    for key, default in unstructure(SimulatorOptions()).items():
        if key not in ("numbers", "outages"):
            assert options[key] == default, key


def test_every_key_of_a_campaign_file_is_documented():
    """The reference of campaign files has a line for each key."""
    page = (ROOT / "docs" / "campaign-files.md").read_text()
    for record in (CampaignSpec, Window, Pacing, RetryPolicy, RetryRule, RecipientSpec):
        for field in attrs.fields(record):
            assert re.search(rf"^\| `{field.name}`", page, re.MULTILINE) or f"`{field.name}`," in page, field.name


HOOKS = [name for name in vars(hookspecs) if name.startswith("dialerd_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_used(hook):
    """A hook has a docstring, a section in the docs and a test that implements it."""
    assert inspect.getdoc(getattr(hookspecs, hook))
    assert f"## `{hook}`" in (ROOT / "docs" / "hooks.md").read_text()
    tests = [file for file in (ROOT / "tests").rglob("*.py") if file.parent.name != "house"]
    assert any(f"def {hook}" in file.read_text() for file in tests), f"no test implements {hook}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_docs_exist(page):
    """`make X` is a target and `dialerd X` a command."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)|^ {4}make ([a-z]+)", text, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    commands = {
        group or other
        for group, other in re.findall(r"`dialerd ([a-z-]+)|^ {4}(?:sudo )?dialerd ([a-z-]+)", text, re.M)
    }
    assert commands <= set(cli.commands)
    for words in re.findall(r"(?:`|^ {4}(?:sudo )?)dialerctl ([a-z]+(?: [a-z]+)?)", text, re.MULTILINE):
        assert is_command(words.split()), f"dialerctl {words}"


def is_command(words: list[str]) -> bool:
    """Tell whether `dialerctl` has the command, or the group, that begins so; what follows a command is its own."""
    command: click.Command | None = dialerctl
    for word in words:
        if not isinstance(command, click.Group):
            return command is not None
        command = command.commands.get(word)
    return command is not None


def test_every_command_is_documented():
    """The README names each command of `dialerd` and the targets people need."""
    text = (ROOT / "README.md").read_text()
    for command in cli.commands:
        assert f"dialerd {command}" in text, command
    for target in ("demo", "test", "check", "bench"):
        assert f"make {target}" in text, target


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands below one, by their whole names; groups are not among them."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from walk(below, f"{path} {name}")
    else:
        yield path, command


def test_every_command_of_dialerctl_is_documented():
    """Each command has a row on its page, in which all its options stand, and nothing else has."""
    page = (ROOT / "docs" / "dialerctl.md").read_text()
    rows = {name.strip(): row for row, name in re.findall(r"^(\| `(dialerctl [a-z ]+).*)$", page, re.MULTILINE)}
    known = dict(walk(dialerctl, "dialerctl"))
    assert set(rows) == set(known)
    for name, command in known.items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "json":
                assert any(f"`{text}" in rows[name] for text in option.opts), f"{name} {option.opts}"


def test_every_command_has_a_man_page(tmp_path):
    """`make man` writes a page for each command and each group of both programs, with its options."""
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path)}
    there = [f"MAN={tmp_path}", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.dev"]
    subprocess.run(["make", "-C", ROOT, "man", *there], check=True, env=environment)
    commands = [*walk(cli, "dialerd"), *walk(dialerctl, "dialerctl")]
    groups = {name.rpartition(" ")[0] for name, _ in commands}
    assert {page.stem for page in tmp_path.iterdir()} == {name.replace(" ", "-") for name in {*groups, *dict(commands)}}
    assert r"\-\-skip\-invalid" in (tmp_path / "dialerctl-campaign-add.1").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_in_the_docs_lead_somewhere(page):
    """A link between pages names a file that is there."""
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_samples_in_the_docs_are_valid(page, tmp_path):
    """Campaigns and settings shown in the docs are accepted as they stand."""
    samples = [tomllib.loads(text) for text in blocks(page, "toml")]
    samples += [json.loads(text) for text in blocks(page, "json")]
    for sample in samples:
        if "agent" in sample:
            recipients = sample.pop("recipients", [])
            sample.pop("recipients_file", None)
            structure(sample, CampaignSpec)
            for recipient in recipients:
                structure(recipient, RecipientSpec)
        else:
            structure(sample, Settings)


def test_the_sample_campaigns_fit_the_demo_settings():
    """The settings of the demonstration load, and its campaigns ask for agents that are there."""
    settings = load_settings(ROOT / "config" / "demo.toml", host=HOST)
    for file in sorted((ROOT / "config" / "campaigns").iterdir()):
        if file.suffix not in (".toml", ".json"):
            continue
        plain = tomllib.loads(file.read_text()) if file.suffix == ".toml" else json.loads(file.read_text())
        recipients = plain.pop("recipients", None)
        name = plain.pop("recipients_file", None)
        assert (recipients is None) != (name is None)
        assert name is None or (file.parent / name).is_file()
        assert structure(plain, CampaignSpec).agent in settings.agents


@pytest.mark.parametrize("table", [lifecycle.CAMPAIGN, lifecycle.RECIPIENT, lifecycle.ATTEMPT])
def test_the_states_are_drawn_from_their_tables(table):
    """The page of states shows each table as it stands in the code."""
    assert lifecycle.diagram(table).strip() in (ROOT / "docs" / "states.md").read_text()


LOUD = re.compile(r"(.*\.)?_?log\.(warning|error|exception|critical)")


def told_events() -> dict[str, bool]:
    """Return the events of the tree that are logged as a warning or an error, and whether each has a remedy."""
    told: dict[str, bool] = {}
    for file in [*(ROOT / "dialerd").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call):
                continue
            words = [call.func, *call.args]
            if ast.unparse(call.func).endswith(("complaints.tell", "complaints().tell")):
                del words[0]  # Complaints.tell(log method, event, ...)
            if not LOUD.fullmatch(ast.unparse(words[0])):
                continue
            assert isinstance(words[1], ast.Constant), f"{file.name}:{call.lineno}: say the event itself"
            # None = **fields, which may hold it
            has_remedy = any(keyword.arg in ("remedy", None) for keyword in call.keywords)
            told[words[1].value] = told.get(words[1].value, True) and has_remedy
    return told


def documented_events() -> dict[str, str]:
    """Return the events that have a row in the docs, in its order, and what to do about each."""
    table = (ROOT / "docs" / "logs.md").read_text().partition("## Events that need somebody")[2]
    rows = re.findall(r"^\| (`.*`) \| .+ \| (.+) \|$", table, re.MULTILINE)
    return {event: what for names, what in rows for event in re.findall(r"`([a-z_.]+)`", names)}


def test_every_warning_and_error_is_documented():
    """Each has a row in the docs, to be found by its name, and each row an event of the tree."""
    told, documented = set(told_events()), documented_events()
    assert told >= {"trunk.failed", "screen.failed"}  # of each way of logging one
    assert told - set(documented) == set(), "give each a row in docs/logs.md"
    assert set(documented) - told - {"log.lines_dropped", "library.logged"} == set(), "no such event in the tree"
    assert list(documented) == sorted(documented)


def test_what_needs_somebody_says_so_in_the_log():
    """An event about which the docs know something to do says it itself, in `remedy`."""
    documented = documented_events()
    mute = [event for event, has_remedy in told_events().items() if not has_remedy]
    nothing_to_do = re.compile(r"nothing[;,]|see `[a-z_]+\.")  # or told by the event that the row names
    assert not [event for event in mute if not nothing_to_do.match(documented[event])]
