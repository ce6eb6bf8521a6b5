"""The plugin host: each plugin on its own, faults with their place, and no global state."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dialerd_simulator
import pytest
from attrs import evolve, frozen
from dialerd_simulator import Simulator

from dialerd.model.errors import Fault, InvalidInput, PluginError
from dialerd.model.settings import Settings, TrunkSettings
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Request, Route
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.host import PluginHost
from dialerd.plugin.provider import TrunkSite

LAB = TrunkSite(name="lab")


def plugin(name: str, **hooks: Callable[[], Any]) -> SimpleNamespace:
    """Return a plugin with these hooks."""
    return SimpleNamespace(__name__=name, **{hook: hookimpl(function) for hook, function in hooks.items()})


@frozen(kw_only=True)
class NoOptions:
    """A provider without options."""


def offer(name: str, make: Callable[[TrunkSite, Any], Any] = lambda *_: None) -> Callable[[], list[ProviderFactory]]:
    """Return a hook that offers one provider."""
    return lambda: [ProviderFactory(name=name, options=NoOptions, make=make)]


async def deaf(_: object) -> None:
    """Be a screen or a notifier."""


SIGN = Dialect(
    name="sign",
    routes=(),
    token=lambda _: None,
    refused=lambda *_: Answer(status=401),
    failed=lambda *_: Answer(status=500),
)


def trunks(**settings: TrunkSettings) -> Settings:
    """Return settings with these trunks."""
    return Settings(trunks=settings)


def test_registered_simulator_serves_a_trunk() -> None:
    """A plugin registered directly offers its provider, which is made from the trunk's options."""
    host = PluginHost([dialerd_simulator], entry_points=False)
    trunk = TrunkSettings(provider="simulator", options={"seed": 3, "talk_time": ["1s", "2s"]})
    assert list(host.providers()) == ["simulator"]
    assert host.check_trunks(trunks(lab=trunk)) == []
    assert isinstance(host.make_provider(LAB, trunk), Simulator)


class Whole:
    """A plugin that has every hook, as an object."""

    @hookimpl
    def dialerd_providers(self) -> list[ProviderFactory]:
        """Offer a provider."""
        return offer("whole")()

    @hookimpl
    def dialerd_screen(self) -> Any:
        """Screen calls."""
        return deaf

    @hookimpl
    def dialerd_notify(self) -> Any:
        """Hear notices."""
        return deaf

    @hookimpl
    def dialerd_dialects(self) -> list[Dialect]:
        """Understand a dialect."""
        return [SIGN]


def test_every_hook_of_an_object_is_asked() -> None:
    """A plugin may be an object; what each of its hooks returns is kept under its name."""
    host = PluginHost([Whole(), Whole()], entry_points=False)
    assert list(host.providers()) == ["whole"]
    assert dict(host.screens()) == {"Whole": deaf, "Whole#2": deaf}
    assert dict(host.notifiers()) == {"Whole": deaf, "Whole#2": deaf}
    assert host.dialects() == (SIGN,)
    assert [broken.problem for broken in host.broken] == [
        "offers the provider 'whole', which another plugin offers already",
        "offers the dialect 'sign', which another plugin offers already",
    ]


async def _handle(request: Request, campaigns: Campaigns) -> Answer:
    return Answer(status=200)


@pytest.mark.parametrize(
    ("method", "path", "clash"), [("POST", "/x/{b}/y", True), ("GET", "/x/{b}/y", False), ("POST", "/x/y/{b}", False)]
)
def test_a_path_has_one_dialect(method: str, path: str, clash: bool) -> None:
    """Of two that answer the same method and path the first is taken, and the other one's plugin is told broken."""
    one = evolve(SIGN, routes=(Route(method="POST", path="/x/{a}/y", handle=_handle),))
    two = evolve(SIGN, name="two", routes=(Route(method=method, path=path, handle=_handle),))
    offers = [plugin(name, dialerd_dialects=lambda sign=sign: [sign]) for name, sign in (("a", one), ("b", two))]
    host = PluginHost(offers, entry_points=False)
    assert host.dialects() == ((one,) if clash else (one, two))
    told = "offers POST /x/{}/y in the dialect 'two', which is offered already"
    assert [broken.problem for broken in host.broken] == ([told] if clash else [])


def test_what_is_no_dialect_is_told() -> None:
    """Dialects are records; anything else is the plugin's fault."""
    host = PluginHost([plugin("a", dialerd_dialects=lambda: ["sign"])], entry_points=False)
    assert host.dialects() == ()
    assert ["Dialect" in broken.problem for broken in host.broken] == [True]


def test_plugin_handed_over_twice_is_asked_once() -> None:
    """An installed plugin that is registered besides counts once."""
    host = PluginHost([dialerd_simulator, dialerd_simulator], entry_points=False)
    assert list(host.providers()) == ["simulator"]
    assert host.broken == ()


def test_hosts_share_nothing() -> None:
    """A plugin of one host is unknown to another."""
    PluginHost([plugin("a", dialerd_providers=offer("a"))], entry_points=False)
    assert PluginHost(entry_points=False).providers() == {}


def test_every_fault_is_listed_with_its_place() -> None:
    """Unknown providers and faults in the options of all trunks come together, each with its path."""
    host = PluginHost([dialerd_simulator], entry_points=False)
    settings = trunks(
        one=TrunkSettings(provider="simulater"),
        two=TrunkSettings(provider="simulator", options={"sed": 1, "talk_time": ["9s", "2s"], "not_placed": 2}),
    )
    faults = host.check_trunks(settings)
    assert faults[0] == Fault(
        "trunks.one.provider", "no plugin offers the provider 'simulater'; did you mean 'simulator'?"
    )
    assert [fault.path for fault in faults[1:]] == [
        "trunks.two.options.sed",
        "trunks.two.options.talk_time",
        "trunks.two.options.not_placed",
    ]
    assert "did you mean" in faults[1].message
    assert '["2s", "9s"]' in faults[2].message


def test_unknown_provider_without_a_like_lists_the_known() -> None:
    """Where nothing is spelled alike, the known providers are named, and what to do."""
    host = PluginHost([dialerd_simulator], entry_points=False)
    (fault,) = host.check_trunks(trunks(x=TrunkSettings(provider="twilio")))
    assert "known are: simulator" in fault.message
    assert "install the plugin" in fault.message


def test_failing_hook_silences_nobody_else() -> None:
    """A plugin that raises, or returns nonsense, is kept in mind; the others are heard."""

    def fail() -> Any:
        raise RuntimeError("no licence")

    host = PluginHost(
        [
            plugin("first", dialerd_providers=offer("first")),
            plugin("broken", dialerd_providers=fail, dialerd_screen=fail, dialerd_notify=fail),
            plugin("odd", dialerd_providers=lambda: ["simulator"], dialerd_screen=lambda: "screen"),
            plugin("none", dialerd_providers=lambda: None),
            plugin("last", dialerd_providers=offer("last"), dialerd_screen=lambda: deaf, dialerd_notify=lambda: deaf),
        ],
        entry_points=False,
    )
    assert set(host.providers()) == {"first", "last"}
    assert set(host.screens()) == {"last", "broken", "odd"}
    assert host.screens()["last"] is deaf
    assert dict(host.notifiers()) == {"last": deaf}
    assert [broken.plugin for broken in host.broken].count("broken") == 3
    assert {broken.plugin for broken in host.broken} == {"broken", "odd", "none"}
    (fault,) = host.check_trunks(trunks(x=TrunkSettings(provider="broken")))
    assert "RuntimeError: no licence" in fault.message


async def test_a_screen_that_cannot_be_had_holds_every_call() -> None:
    """A plugin that fails to give its screen may not let people be rung unscreened."""

    def fail() -> Any:
        raise RuntimeError("no do-not-call list")

    host = PluginHost(
        [
            plugin("dnc", dialerd_screen=fail),
            plugin("odd", dialerd_screen=lambda: 5),
            plugin("far", dialerd_screens=fail),
        ],
        entry_points=False,
    )
    screens = host.screens()
    assert set(screens) == {"dnc", "odd", "far"}
    veto = await screens["dnc"](None)  # type: ignore[arg-type]  # whatever the order
    assert veto is not None
    assert not veto.suppress
    assert veto.reason.startswith(
        "the screen of plugin dnc could not be had: failed in dialerd_screen: RuntimeError: no"
    )
    assert [broken.plugin for broken in host.ask_all() if broken.holds] == ["far", "dnc", "odd"]


def test_every_hook_is_asked_for_a_check() -> None:
    """What fails only when it is asked is found before the daemon runs."""

    def fail() -> Any:
        raise RuntimeError("no broker")

    (broken,) = PluginHost([plugin("a", dialerd_notify=fail)], entry_points=False).ask_all()
    assert (broken.plugin, broken.holds) == ("a", False)


def test_plugin_without_a_screen_has_none() -> None:
    """A hook may answer None, and a plugin need not have every hook."""
    host = PluginHost([plugin("a", dialerd_screen=lambda: None), plugin("b")], entry_points=False)
    assert host.screens() == {}
    assert host.dialects() == ()
    assert host.broken == ()


def test_first_of_two_offers_is_kept() -> None:
    """A provider that two plugins offer is made by one of them, and the other is named."""
    host = PluginHost(
        [plugin("a", dialerd_providers=offer("x")), plugin("b", dialerd_providers=offer("x"))], entry_points=False
    )
    assert list(host.providers()) == ["x"]
    assert "offers the provider 'x'" in host.broken[0].problem


def test_unknown_hook_is_refused() -> None:
    """A plugin with a misspelled hook would do nothing in silence; it is named instead."""
    host = PluginHost([plugin("a", dialerd_screens=lambda: None)], entry_points=False)
    assert "dialerd_screens" in host.broken[0].problem


def test_provider_that_cannot_be_made_is_the_plugins_fault() -> None:
    """What a plugin raises while making a provider is told with provider and trunk."""

    def make(_site: TrunkSite, _options: object) -> object:
        raise KeyError("token")

    host = PluginHost([plugin("a", dialerd_providers=offer("x", make))], entry_points=False)
    with pytest.raises(PluginError, match="provider x could not be made for trunk lab: KeyError: 'token'"):
        host.make_provider(LAB, TrunkSettings(provider="x"))


def test_options_class_that_breaks_is_a_fault() -> None:
    """An options class that is none breaks nothing but its trunk."""
    factory = ProviderFactory(name="x", options=Callable, make=lambda *_: None)  # type: ignore[arg-type]  # no attrs class
    host = PluginHost([plugin("a", dialerd_providers=lambda: [factory])], entry_points=False)
    (fault,) = host.check_trunks(trunks(lab=TrunkSettings(provider="x")))
    assert fault.path == "trunks.lab.options"
    with pytest.raises(InvalidInput):
        host.make_provider(LAB, TrunkSettings(provider="x"))


def install(folder: Path, name: str, source: str) -> None:
    """Put a package with an entry point on a path, as pip would."""
    info = folder / f"dialerd_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dialerd-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[dialerd]\n{name} = dialerd_{name}\n")
    (folder / f"dialerd_{name}.py").write_text(source)


def test_plugin_that_cannot_be_imported_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed plugins are loaded one by one; a trunk that asks for a broken one is told the import error."""
    install(tmp_path, "aardvark", "import no_such_module_anywhere\n")
    install(
        tmp_path,
        "zebra",
        "from attrs import frozen\n"
        "from dialerd.plugin.hookspecs import ProviderFactory, hookimpl\n"
        "@frozen\nclass Options: pass\n"
        "@hookimpl\ndef dialerd_providers():\n"
        "    return [ProviderFactory(name='zebra', options=Options, make=lambda *_: None)]\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        host = PluginHost()
    finally:
        sys.modules.pop("dialerd_zebra", None)
    assert "zebra" in host.providers()
    (fault,) = host.check_trunks(trunks(x=TrunkSettings(provider="aardvark"), y=TrunkSettings(provider="zebra")))
    assert fault.path == "trunks.x.provider"
    assert "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_anywhere'" in fault.message


class Odd(BaseException):
    """An exception that is nobody's, and that cannot be shown."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError("no words")


@pytest.mark.parametrize("error", [SystemExit(2), Odd(), GeneratorExit()])
def test_plugin_that_ends_the_program_is_only_broken(error: BaseException) -> None:
    """Whatever a hook or a factory raises is that plugin's fault; Ctrl-C is the user's will."""

    def fail(*_: object) -> Any:
        raise error

    host = PluginHost([plugin("odd", dialerd_notify=fail), plugin("whole", dialerd_providers=offer("w", fail))])
    assert host.notifiers().keys() == set()
    assert [broken.plugin for broken in host.broken] == ["odd"]
    with pytest.raises(PluginError, match=type(error).__name__):
        host.make_provider(LAB, TrunkSettings(provider="w"))


def test_ctrl_c_while_plugins_are_asked_ends_the_program() -> None:
    """It is not taken for a plugin's fault."""

    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PluginHost([plugin("slow", dialerd_providers=interrupted)], entry_points=False)
