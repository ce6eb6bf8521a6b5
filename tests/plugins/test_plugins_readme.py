"""The text of `plugins/README.md` is run: its provider under the conformance suite, its screen and its notifier."""

import importlib
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio
from modem import ModemServer

from dialerd.model.settings import AgentSettings, Settings
from dialerd.model.structuring import structure
from dialerd.plugin import hookspecs
from dialerd.plugin.conformance import RehearsedOrder
from dialerd.plugin.hookspecs import Notice, Veto
from dialerd.plugin.host import PluginHost
from dialerd.plugin.provider import TrunkSite

README = Path(__file__).parents[2] / "plugins" / "README.md"
FILES = dict(re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL))


def run(name: str) -> ModuleType:
    """Run one of the page's Python files as a module."""
    module = ModuleType(name.removesuffix(".py"))
    sys.modules[module.__name__] = module
    exec(compile(FILES[name], f"{README}:{name}", "exec"), module.__dict__)
    return module


run("dialerd_labmodem.py")
_written = run("test_labmodem.py").TestLabModem


class TestReadmeProvider(_written):  # type: ignore[misc, valid-type]  # the page's own text
    """The page's provider and the page's test, against a modem in this process."""

    virtual_time = True
    leap_after_s = 0.02  # what is on its way through the loopback interface arrives first

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Run the modem."""
        self.modem = ModemServer()
        async with trio.open_nursery() as nursery:
            await nursery.start(self.modem.serve)
            yield {"port": self.modem.port}
            nursery.cancel_scope.cancel()

    def seen(self) -> int:
        """Return how many calls the modem got."""
        return len(self.modem.log)


def test_provider_is_short() -> None:
    """The page promises a whole provider in under 100 lines."""
    assert len(FILES["dialerd_labmodem.py"].splitlines()) < 100


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the page's package as pip would: its module and its metadata on the path."""
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    info = tmp_path / "dialerd_labmodem-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in targets.items())
        for group, targets in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "dialerd_labmodem.py").write_text(FILES["dialerd_labmodem.py"])
    monkeypatch.delitem(sys.modules, "dialerd_labmodem")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path
    run("dialerd_labmodem.py")


def test_installed_package_serves_the_trunk(installed: Path) -> None:
    """Installed by the page's `pyproject.toml`, the provider serves the trunk of the page's `dialerd.toml`."""
    host = PluginHost()
    settings = structure(tomllib.loads(FILES["dialerd.toml"]), Settings)
    assert host.check_trunks(settings) == []
    assert type(host.make_provider(TrunkSite(name="lab"), settings.trunks["lab"])).__module__ == "dialerd_labmodem"


def test_options_fault_reads_as_promised(installed: Path) -> None:
    """The fault that the page quotes is the one that is reported."""
    plain = tomllib.loads(FILES["dialerd.toml"])
    plain["trunks"]["lab"]["options"]["port"] = 0
    (fault,) = PluginHost().check_trunks(structure(plain, Settings))
    assert f"`{fault}`" in README.read_text()


async def test_screen_holds_whom_it_should() -> None:
    """The page's screen vetoes the number on its list and passes others."""
    screen = PluginHost([run("dialerd_nightshift.py")], entry_points=False).screens()["dialerd_nightshift"]
    assert await screen(order("+12125550111")) == Veto(reason="on leave until Monday")
    assert await screen(order("+12125550112")) is None


async def test_notifier_counts() -> None:
    """The page's notifier counts the outcomes of ended calls."""
    tally = run("dialerd_tally.py")
    notifier = PluginHost([tally], entry_points=False).notifiers()["dialerd_tally"]
    ended = Notice(id=1, kind="call.ended", at=0, campaign="c", body={"outcome": "busy"})
    await notifier([ended, Notice(id=2, kind="campaign.completed", at=0, campaign="c")])
    assert tally.OUTCOMES == {"busy": 1}


def test_every_hook_is_on_the_page() -> None:
    """Each hook that a plugin may implement is listed."""
    hooks = {name for name, hook in vars(hookspecs).items() if hasattr(hook, "dialerd_spec")}
    assert hooks
    assert hooks == set(re.findall(r"^\| `(dialerd_\w+)`", README.read_text(), re.MULTILINE))


def order(number: str) -> RehearsedOrder:
    """Return an order to a number."""
    return RehearsedOrder(
        attempt_id="a",
        trunk="t",
        number=number,
        caller_id="+12125550100",
        agent_name="agent",
        agent=AgentSettings(say="hello"),
    )
