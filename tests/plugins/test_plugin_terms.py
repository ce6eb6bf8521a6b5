"""What a provider says of the settings around its trunk: its pace, and the agents that it objects to."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import frozen

from dialerd.model.errors import InvalidInput
from dialerd.model.settings import AgentSettings, CallbackSettings, NumberSettings, Settings, TrunkSettings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.host import PluginHost
from dialerd.plugin.provider import TrunkSite
from dialerd.plugin.sites import site_of

ONE, TWO, THREE = "+12125550101", "+12125550102", "+12125550103"
NUMBERS = {ONE: NumberSettings(trunk="t"), TWO: NumberSettings(trunk="u", id="two"), THREE: NumberSettings(trunk="t")}


@frozen(kw_only=True)
class Options:
    """Options with what the provider says by them."""

    most: Any = None


def host(**told: Any) -> PluginHost:
    """Return a host with a provider `x` that says what it is told to; `plain` says nothing."""
    factories = [
        ProviderFactory(name="x", options=Options, make=lambda *_: None, **told),  # type: ignore[arg-type]  # none is made
        ProviderFactory(name="plain", options=Options, make=lambda *_: None),  # type: ignore[arg-type]  # none is made
    ]
    return PluginHost(
        [SimpleNamespace(__name__="p", dialerd_providers=hookimpl(lambda: factories))], entry_points=False
    )


def settings(*, pace: Any = None, own: float | None = None, **changes: Any) -> Settings:
    """Return settings with a trunk `t` over `x` and a trunk `u` over `plain`."""
    trunks = {
        "t": TrunkSettings(provider="x", calls_per_second=own, options={"most": pace}),
        "u": TrunkSettings(provider="plain", calls_per_second=7.0),
    }
    wanted: dict[str, Any] = {"trunks": trunks, "numbers": NUMBERS, "agents": {"a": AgentSettings(say="hello")}}
    return Settings(**wanted | changes)


@pytest.mark.parametrize(
    ("pace", "own", "paced"),
    [(None, None, None), (None, 3.0, 3.0), (1, None, 1.0), (1.5, 3.0, 1.5), (5.0, 3.0, 3.0)],
)
def test_a_trunk_goes_no_faster_than_its_carrier(pace: Any, own: float | None, paced: float | None) -> None:
    """The smaller of the two counts; other trunks go as they are told to."""
    wanted = settings(pace=pace, own=own)
    found = host(pace=lambda options: options.most).paced(wanted)
    assert (found.trunks["t"].calls_per_second, found.trunks["u"].calls_per_second) == (paced, 7.0)
    assert (found.numbers, found.agents) == (wanted.numbers, wanted.agents)


@pytest.mark.parametrize("pace", [0, -1, math.inf, math.nan, True, "1", [1]])
def test_a_pace_that_is_none(pace: Any) -> None:
    """It is a fault of that trunk's options, and no start."""
    broken = host(pace=lambda options: options.most)
    (fault,) = broken.check_trunks(settings(pace=pace))
    assert fault.path == "trunks.t.options"
    assert "its pace" in fault.message
    with pytest.raises(InvalidInput, match="its pace"):
        broken.paced(settings(pace=pace))


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_a_pace_that_cannot_be_told(error: BaseException) -> None:
    """Whatever the plugin raises is a fault with its words; Ctrl-C is the user's."""

    def fail(_: Any) -> float:
        raise error

    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            host(pace=fail).check_trunks(settings())
        return
    (fault,) = host(pace=fail).check_trunks(settings())
    assert type(error).__name__ in fault.message
    assert "report it to its author" in fault.message


@pytest.mark.parametrize(
    ("numbers", "asked"),
    [((), ["t", "u"]), ((ONE, THREE), ["t"]), (("two",), ["u"]), (("two", THREE), ["u", "t"]), (("unknown",), [])],
)
def test_an_agent_is_judged_for_the_trunks_it_may_get(numbers: tuple[str, ...], asked: list[str]) -> None:
    """Those of its numbers, by number or id; of all numbers where it names none."""
    judged = []

    def judge(_: Any, site: TrunkSite, agent: AgentSettings) -> None:
        judged.append((site.name, agent.say))

    trunks = dict.fromkeys("tu", TrunkSettings(provider="x"))
    agents = {"a": AgentSettings(say="hello", numbers=numbers)}
    assert host(objection=judge).check_agents(settings(trunks=trunks, agents=agents)) == []
    assert judged == [(name, "hello") for name in asked]


def test_an_objection_is_a_fault_of_the_agent() -> None:
    """It names the trunk and the reason; the agent that fits is none, and options are handed over as they were read."""

    def judge(options: Options, site: TrunkSite, agent: AgentSettings) -> str | None:
        assert isinstance(options, Options)
        return None if agent.say else f"{site.callbacks} speaks only"

    agents = {"a": AgentSettings(say="hello"), "of b": AgentSettings(play="x.wav")}
    callbacks = CallbackSettings(url="https://example.com/calls/")
    (fault,) = host(objection=judge).check_agents(settings(agents=agents, callbacks=callbacks))
    assert fault.path == 'agents."of b"'
    reason = "https://example.com/calls/t speaks only"
    assert fault.message.startswith(f'cannot speak in calls of the trunk "t": {reason}')


@pytest.mark.parametrize("answer", [ValueError("odd"), SystemExit(3), 7, True, ["no"]])
def test_a_plugin_that_cannot_judge(answer: Any) -> None:
    """It is told as the plugin's fault, at the agent."""

    def judge(*_: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    (fault,) = host(objection=judge).check_agents(settings())
    assert fault.path == "agents.a"
    assert "could not judge it" in fault.message
    assert "report it to its author" in fault.message


def test_trunks_with_faults_are_not_asked() -> None:
    """Whose options cannot be read cannot be judged; that is told elsewhere."""
    trunks = {"t": TrunkSettings(provider="x", options={"odd": 1}), "u": TrunkSettings(provider="nobody's")}
    assert host(objection=lambda *_: "no").check_agents(settings(trunks=trunks)) == []


def test_the_site_of_a_trunk() -> None:
    """Its numbers in their order, and its own place below the public URL, whatever it is called."""
    url = CallbackSettings(url="https://example.com/calls")
    assert site_of("t", settings()) == TrunkSite(name="t", caller_ids=(ONE, THREE))
    assert site_of("a/b ü", settings(callbacks=url)).callbacks == "https://example.com/calls/a%2Fb%20%C3%BC"
    assert site_of("u", settings(callbacks=url)) == TrunkSite(
        name="u", caller_ids=(TWO,), callbacks="https://example.com/calls/u"
    )


def test_a_provider_gets_its_site_and_its_options() -> None:
    """That is all it is made from."""
    made = []
    factory = ProviderFactory(name="x", options=Options, make=lambda *given: made.append(given))  # type: ignore[arg-type]  # none is made
    offering = SimpleNamespace(__name__="p", dialerd_providers=hookimpl(lambda: [factory]))
    site = site_of("t", settings())
    PluginHost([offering], entry_points=False).make_provider(site, settings(pace=2).trunks["t"])
    assert made == [(site, Options(most=2))]
