"""The settings of one agent: one way to speak, keys for those who say or play, a voice for what is said."""

import attrs
import pytest

from dialerd.daemon.settings import load_settings
from dialerd.daemon.voices import VOICES, voice_faults
from dialerd.model.errors import InvalidInput
from dialerd.model.resource_views import AgentKind
from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.plugin.host import PluginHost

SAYS = AgentSettings(say="Hello {name}")


def faults(agent: AgentSettings) -> dict[str, str]:
    """Return messages by path."""
    return {fault.path: fault.message for fault in voice_faults(("a",), agent)}


@pytest.mark.parametrize(
    "agent",
    [
        SAYS,
        AgentSettings(play="/sounds/x.wav", opt_out="#", opt_out_say="bye", voice="Polly.Amy"),
        AgentSettings(play="/sounds/x.wav", menu={"1": MenuChoice(say="x")}, language="cmn-Hans-CN"),
        AgentSettings(stream="wss://agent.example.com/call"),
        AgentSettings(bridge="tel:+12125550123"),
        AgentSettings(bridge="+12125550123"),
        AgentSettings(twiml="http://127.0.0.1/twiml?x=1"),
        AgentSettings(say="x", press="wW0123456789*#ABCD"),
        AgentSettings(stream="wss://agent.example.com/call", press="ww{extension}#"),
        AgentSettings(play="/sounds/x.wav", press="1" * 64),
        AgentSettings(
            say="x",
            voice="v",
            language="en-GB",
            opt_out="9",
            menu={
                "0": MenuChoice(say="a {b}"),
                "1": MenuChoice(play="x"),
                "*": MenuChoice(bridge="sip:a@example.com"),
                "#": MenuChoice(repeat=True),
            },
        ),
    ],
)
def test_sound_agents_have_no_faults(agent):
    """What the docs allow is allowed."""
    assert not faults(agent)


def test_an_agent_speaks_in_one_way():
    """None, and more than one, are told; an empty one too."""
    assert faults(AgentSettings()) == {"a": "must have one of say, play, stream, bridge and twiml"}
    both = faults(AgentSettings(say="x", twiml="https://agent.example.com/"))
    assert both == {"a": "must have only one of say, play, stream, bridge and twiml, but has say and twiml"}
    for voice in VOICES:
        assert faults(AgentSettings(**{voice: " "})) == {f"a.{voice}": "must not be empty"}


def test_every_way_to_speak_can_be_shown():
    """Doors show how an agent speaks by a word for each way."""
    assert tuple(AgentKind) == VOICES


@pytest.mark.parametrize(
    ("changes", "path", "part"),
    [
        ({"say": "Hello {{name}}"}, "a.say", "brace"),
        ({"press": ""}, "a.press", "must be keys: 0 to 9"),
        ({"press": "1, 2"}, "a.press", "must be keys: 0 to 9"),
        ({"press": "ext {extension}"}, "a.press", "must be keys: 0 to 9"),
        ({"press": "abcd"}, "a.press", "must be keys: 0 to 9"),
        ({"press": "1" * 65}, "a.press", "64 keys at most"),
        ({"press": "{}"}, "a.press", "brace"),
        ({"press": "1{number}"}, "a.press", 'has a place for "number", which is no keys'),
        ({"menu": {"10": MenuChoice(say="x")}}, "a.menu.10", "no key of a phone"),
        ({"menu": {"": MenuChoice(say="x")}}, 'a.menu.""', "no key of a phone"),
        ({"menu": {"1": MenuChoice()}}, "a.menu.1", "must have one of say, play, bridge and repeat"),
        ({"menu": {"1": MenuChoice(say="x", repeat=True)}}, "a.menu.1", "but has say and repeat"),
        ({"menu": {"1": MenuChoice(say="a } b")}}, "a.menu.1.say", "brace"),
        ({"menu": {"1": MenuChoice(play=" ")}}, "a.menu.1.play", "must not be empty"),
        ({"menu": {"1": MenuChoice(bridge="desk")}}, "a.menu.1.bridge", "SIP URI"),
        ({"menu": {"9": MenuChoice(repeat=True)}, "opt_out": "9"}, "a.opt_out", "key of the menu too"),
        ({"opt_out": "99"}, "a.opt_out", "one key of a phone"),
        ({"opt_out": ""}, "a.opt_out", "one key of a phone"),
        ({"opt_out_say": "bye"}, "a.opt_out_say", "opt_out is pressed, which is not given"),
        ({"opt_out": "9", "opt_out_say": ""}, "a.opt_out_say", "leave it out"),
        ({"opt_out": "9", "opt_out_say": "{"}, "a.opt_out_say", "brace"),
        ({"voice": " "}, "a.voice", "must not be empty"),
        ({"language": "english"}, "a.language", "BCP 47"),
        ({"language": "en_GB"}, "a.language", "BCP 47"),
        ({"say": None, "play": "x", "voice": "v"}, "a.voice", "says nothing"),
        ({"say": None, "bridge": "+12125550123", "language": "en"}, "a.language", "says nothing"),
        ({"say": None, "bridge": "+1 212 555 0123"}, "a.bridge", "SIP URI"),
        ({"say": None, "stream": "wss:/agent"}, "a.stream", "WebSocket URL"),
        ({"say": None, "twiml": "agent.example.com"}, "a.twiml", "web address"),
        ({"say": None, "twiml": "wss://agent.example.com"}, "a.twiml", "web address"),
        ({"say": None, "twiml": "https://agent.example.com/a b"}, "a.twiml", "web address"),
        ({"say": None, "twiml": "http://[x"}, "a.twiml", "web address"),
        ({"say": None, "stream": "wss://x", "opt_out": "9"}, "a.opt_out", "others take keys themselves"),
        ({"say": None, "twiml": "https://x", "menu": {"1": MenuChoice(play="x")}}, "a.menu", "for agents with say"),
    ],
)
def test_each_fault_is_told_at_its_place(changes, path, part):
    """One thing wrong is one message, at the key that has it."""
    found = faults(attrs.evolve(SAYS, **changes))
    assert list(found) == [path]
    assert part in found[path]


def test_a_slip_in_a_menu_brings_one_message(tmp_path):
    """A misspelt or mistaken choice is not also one that is missing."""
    file = tmp_path / "dialerd.toml"
    file.write_text(
        """
        [agents.a]
        say = "x"
        [agents.a.menu.1]
        sya = "y"
        [agents.a.menu.2]
        repeat = "yes"
        [agents.a.menu.3]
        say = 3
        """
    )
    with pytest.raises(InvalidInput) as caught:
        load_settings(file, host=PluginHost([], entry_points=False))
    assert sorted(fault.path for fault in caught.value.faults) == [
        "agents.a.menu.1.sya",
        "agents.a.menu.2.repeat",
        "agents.a.menu.3.say",
    ]
