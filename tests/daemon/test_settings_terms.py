"""What trunks' providers say of the settings is heard when they are read."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import frozen

from dialerd.daemon.check import summary
from dialerd.daemon.settings import load_settings, lowered
from dialerd.model.errors import InvalidInput
from dialerd.model.settings import Settings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.host import PluginHost


@frozen(kw_only=True)
class Options:
    """What a trunk may have."""

    most: float = 2.0


FACTORY = ProviderFactory(
    name="choosy",
    options=Options,
    make=lambda *_: None,  # type: ignore[arg-type]  # none is made
    pace=lambda options: options.most,
    objection=lambda _, site, agent: None if site.callbacks else f"{agent.say} needs callbacks",
)
HOST = PluginHost([SimpleNamespace(__name__="p", dialerd_providers=hookimpl(lambda: [FACTORY]))], entry_points=False)

FITS = """
[callbacks]
listen = "127.0.0.1:8095"
url = "https://example.com/calls"
"""
TEXT = """
[trunks.main]
provider = "choosy"
calls_per_second = 5
[numbers."+12125550123"]
trunk = "main"
[agents.anna]
say = "hello"
"""


def load(tmp_path: Path, text: str) -> Settings:
    """Return the settings in a file with this text."""
    file = tmp_path / "dialerd.toml"
    file.write_text(text)
    return load_settings(file, host=HOST)


def paths(tmp_path: Path, text: str) -> list[str]:
    """Return where a file with this text has faults."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, text)
    return [fault.path for fault in caught.value.faults]


def test_the_pace_that_counts_is_in_the_settings(tmp_path: Path) -> None:
    """Whoever looks at them sees what the trunk will do."""
    assert load(tmp_path, TEXT + FITS).trunks["main"].calls_per_second == 2.0


@pytest.mark.parametrize(("own", "told"), [("5", True), ("2.5", True), ("2", False), ("0.5", False), (None, False)])
def test_a_trunk_that_wants_more_than_its_carrier_takes_is_told(tmp_path: Path, own: str | None, told: bool) -> None:
    """Else somebody wonders why the setting changes nothing."""
    text = TEXT.replace("calls_per_second = 5\n", f"calls_per_second = {own}\n" if own else "") + FITS
    found = lowered(tmp_path / "dialerd.toml", load(tmp_path, text))
    assert [str(fault) for fault in found] == [
        f"trunks.main.calls_per_second: is {own}, and the trunk starts 2 a second: its carrier takes no more"
    ] * told


def test_an_objection_is_a_fault_among_the_others(tmp_path: Path) -> None:
    """It is told in the same run as what is wrong elsewhere."""
    assert paths(tmp_path, TEXT) == ["agents.anna"]
    assert paths(tmp_path, f"{TEXT}[spool]\nsettel = '1s'\n") == ["spool.settel", "agents.anna"]


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("[callbacks]\nurl = 7\n", "callbacks.url"),
        ('[numbers."12"]\ntrunk = "main"\n', "numbers.12"),
        ('[trunks.other]\nprovider = "choosy"\noptions = {odd = 1}\n', "trunks.other.options.odd"),
        ('[agents.zoe]\nsay = "x"\nplay = "y.wav"\n', "agents.zoe"),
    ],
)
def test_what_follows_from_another_fault_is_not_told(tmp_path: Path, more: str, wrong: str) -> None:
    """A provider's word on agents means nothing while what it goes by is wrong."""
    assert paths(tmp_path, TEXT + more) == [wrong]


SHARED = """
[trunks.main]
provider = "choosy"
calls_per_second = 5
account = "acme"
options = {most = 3}
[trunks.side]
provider = "choosy"
calls_per_second = 0.5
account = "acme"
[trunks.mute]
provider = "choosy"
account = "acme"
[trunks.alone]
provider = "choosy"
calls_per_second = 1.5
"""


def test_trunks_of_one_account_are_told_which_pace_holds(tmp_path: Path) -> None:
    """The least of theirs, and whose it is; those that have no more are told nothing, and the summary names all."""
    settings = load(tmp_path, SHARED)
    assert [str(fault) for fault in lowered(tmp_path / "dialerd.toml", settings)] == [
        "trunks.main.calls_per_second: is 5, and the trunk starts 0.5 a second: its carrier counts them together with "
        "those of side, which starts no more"
    ]
    assert summary(settings).startswith("4 trunks (main, side, mute share a pace), 0 numbers")
