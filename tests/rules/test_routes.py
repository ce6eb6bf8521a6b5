"""Which caller ids a campaign may show, and whom a trunk may ring."""

import pytest
from attrs import evolve

from dialerd.model.campaign import CampaignSpec
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings
from dialerd.rules.routes import WORLD, agent_name, allowed_countries, caller_ids, known_number, may_ring

UK, US, JERSEY, ODD = "+447111000001", "+12125550123", "+447797712345", "+800123"

SETTINGS = Settings(
    trunks={
        "own": TrunkSettings(provider="p"),
        "listed": TrunkSettings(provider="p", countries=("de", "001")),
        "bare": TrunkSettings(provider="p"),
    },
    numbers={
        UK: NumberSettings(trunk="own", id="office"),
        US: NumberSettings(trunk="own"),
        JERSEY: NumberSettings(trunk="listed", id="island"),
    },
    agents={
        "given": AgentSettings(id="a1", say="x", numbers=("island", UK)),
        "all": AgentSettings(id="given", say="x"),
    },
)


@pytest.mark.parametrize(
    ("agent", "own", "expected"),
    [
        ("given", (), (JERSEY, UK)),
        ("a1", (), (JERSEY, UK)),
        ("given", ("office", US, UK), (UK, US)),
        ("given", ("gone",), ()),
        ("all", (), (UK, US, JERSEY)),
        ("nobody", (), (UK, US, JERSEY)),
    ],
)
def test_caller_ids(agent, own, expected):
    """The campaign's come first, then the agent's, then all; each once, and only those that are configured."""
    assert caller_ids(CampaignSpec(name="x", agent=agent, caller_ids=own), SETTINGS) == expected


def test_names_come_before_ids():
    """Where the id of one agent is the name of another, the name wins."""
    assert agent_name("given", SETTINGS) == "given"
    assert agent_name("a1", SETTINGS) == "given"
    assert agent_name("a2", SETTINGS) is None
    assert known_number("office", SETTINGS) == known_number(UK, SETTINGS) == UK
    assert known_number("offices", SETTINGS) is None


def test_allowed_countries():
    """A trunk may ring its list, or else the countries of its own numbers, or else nobody."""
    assert allowed_countries("own", SETTINGS) == {"GB", "US"}
    assert allowed_countries("listed", SETTINGS) == {"DE", WORLD}
    assert allowed_countries("bare", SETTINGS) == frozenset()
    assert allowed_countries("gone", SETTINGS) == frozenset()


def test_numbers_of_no_country():
    """They may be rung where the list says so."""
    assert may_ring("listed", None, SETTINGS)
    assert may_ring("listed", "DE", SETTINGS)
    assert not may_ring("own", None, SETTINGS)
    assert not may_ring("listed", "GB", SETTINGS)


def test_answers_follow_the_settings():
    """What was found for one set of settings is not answered for another."""
    assert may_ring("own", "US", SETTINGS)
    others = evolve(SETTINGS, numbers={UK: NumberSettings(trunk="own")})
    assert not may_ring("own", "US", others)
    assert may_ring("own", "US", SETTINGS)


def test_a_caller_id_that_is_no_number_gives_no_country():
    """What cannot be read allows nothing."""
    odd = evolve(SETTINGS, numbers={"office": NumberSettings(trunk="own"), ODD: NumberSettings(trunk="own")})
    assert allowed_countries("own", odd) == {"", WORLD}
