"""What a call does over Twilio: each kind of agent as TwiML, read back as a carrier reads it."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest
from dialerd_twilio.script import Script, UnfitAgent, objection, write_script
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.states import Amd, OnVoicemail
from dialerd.plugin.provider import CallOrder

KEYS = "https://calls.example.com/t/keys/a1"
LONG = 3_990
REMINDER = AgentSettings(
    say="Hello {name}",
    voice="Polly.Amy",
    language="en-GB",
    opt_out="9",
    opt_out_say="Bye {name}",
    menu={
        "1": MenuChoice(say="Thanks {name}"),
        "2": MenuChoice(bridge="sip:desk@example.com"),
        "#": MenuChoice(play="https://example.com/x.mp3"),
        "*": MenuChoice(repeat=True),
    },
    on_voicemail=OnVoicemail.LEAVE_MESSAGE,
)


def script(agent: AgentSettings, keys_url: str | None = KEYS, **order: Any) -> Script:
    """Write what a call of an agent does."""
    wanted = {"trunk": "t", "number": "+447111000001", "caller_id": "+12125550123", "agent_name": "a", **order}
    return write_script(CallOrder(attempt_id="a1", agent=agent, campaign="spring", **wanted), keys_url)


def verbs(twiml: str | None) -> list[Any]:
    """Return a document as `[name, attributes, text, children]` by verb."""
    assert twiml is not None
    root = ElementTree.fromstring(twiml)
    assert root.tag == "Response"
    return [_plain(verb) for verb in root]


def _plain(verb: ElementTree.Element) -> list[Any]:
    return [verb.tag, verb.attrib, verb.text, [_plain(child) for child in verb]]


def parameters(twiml: str | None) -> Mapping[str, str]:
    """Return the parameters of the stream of a document."""
    ((connect, _, _, ((name, _, _, told),)),) = verbs(twiml)
    assert (connect, name) == ("Connect", "Stream")
    return {attributes["name"]: attributes["value"] for _, attributes, _, _ in told}


@given(st.text(), st.text(min_size=1))
def test_a_text_is_said_as_it_is(before, name):
    """Whatever it holds: there is one verb, with this text and no other."""
    before = before.replace("{", "").replace("}", "")
    said = re.sub("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", " ", f"{before} {name}")
    agent = AgentSettings(say=before + " {name}")
    if not said.strip():
        with pytest.raises(UnfitAgent, match="nothing to say"):
            script(agent, variables={"name": name})
        return
    assert verbs(script(agent, variables={"name": name}).twiml) == [["Say", {}, said, []]]


def test_nobody_injects_verbs():
    """A variable that looks like TwiML is spoken."""
    name = '</Say><Dial>+12125550199</Dial><Say a="b">]]>&amp;<!--'
    (only,) = verbs(script(AgentSettings(say="{name}"), variables={"name": name}).twiml)
    assert only == ["Say", {}, name, []]
    told = parameters(script(AgentSettings(stream="wss://x"), variables={name: f'"\n{name}\u0001'}).twiml)
    assert told[name] == f'"\n{name} '


def test_an_agent_that_says_has_a_voice_and_a_language():
    """The call ends when it has spoken."""
    agent = AgentSettings(say="Hello", voice="Polly.Amy", language="en-GB")
    made = script(agent, None)
    assert verbs(made.twiml) == [["Say", {"voice": "Polly.Amy", "language": "en-GB"}, "Hello", []]]
    assert (made.url, made.keys, made.otherwise, made.opt_out) == (None, {}, None, None)


def test_a_text_that_cannot_be_filled_names_the_variable():
    """Neither the place is said, nor anything else instead; the prompt and the call's own facts may be said."""
    with pytest.raises(UnfitAgent, match='no variable "name"'):
        script(AgentSettings(say="Hello {name}"), variables={"nam": "x"})
    with pytest.raises(UnfitAgent, match='no variable "prompt"'):
        script(AgentSettings(say="{prompt}"))
    said = script(AgentSettings(say="{prompt} {campaign} {a}"), prompt="Hi", variables={"a": 3}).twiml
    assert verbs(said)[0][2] == "Hi spring 3"
    with pytest.raises(UnfitAgent, match='no variable "where"'):
        script(AgentSettings(say="x", opt_out="9", opt_out_say="{where}"))
    with pytest.raises(UnfitAgent, match='no variable "where"'):
        script(AgentSettings(say="x", menu={"1": MenuChoice(say="{where}")}))


@pytest.mark.parametrize(
    ("text", "voice", "part"),
    [
        ("x" * 3_001, "Polly.Amy", "3001 bytes, of 3000"),
        ("ü" * 2_100, None, "4200 bytes, of 4096"),
        ("Ж" * 800, None, "4800 characters as a URL"),
        ("x" * 4_000, None, r"40\d\d characters of TwiML, of 4000"),
    ],
)
def test_a_text_that_would_not_be_said_is_refused(text, voice, part):
    """Twilio answers with silence, or refuses the call; the message says how long it is, and not what it says."""
    with pytest.raises(UnfitAgent, match=part) as caught:
        script(AgentSettings(say="{text}", voice=voice), variables={"text": text})
    assert len(str(caught.value)) < 150


def test_texts_up_to_the_limits_are_said():
    """Each limit counts what it is a limit of."""
    for text, voice in (("x" * 3_000, "Polly.Amy"), ("x" * 3_900, None), ("x" * 3_900, "Google.en"), ("Ж" * 750, None)):
        assert verbs(script(AgentSettings(say=text, voice=voice)).twiml)[0][2] == text


def test_an_agent_that_plays():
    """The carrier fetches the sound; a file of this machine it cannot."""
    url = "https://example.com/a b.mp3?x=1&y=2"
    assert verbs(script(AgentSettings(play=url)).twiml) == [["Play", {}, url, []]]
    for sound in ("/var/lib/x.wav", "file:///x.wav", "x.wav", "http://[x"):
        with pytest.raises(UnfitAgent, match="fetches sounds itself"):
            script(AgentSettings(play=sound))


def test_a_stream_is_told_the_facts():
    """Every variable, the prompt and the call's own; text as it is, the rest as JSON."""
    variables = {"name": "Zoë", "n": 3, "list": ["a", 1], "yes": True, "none": None, "call_id": "forged"}
    agent = AgentSettings(stream="wss://agent.example.com/call")
    made = script(agent, variables=variables, prompt="Be kind.")
    assert verbs(made.twiml)[0][3][0][1] == {"url": "wss://agent.example.com/call"}
    own = {"call_id": "a1", "campaign": "spring", "number": "+447111000001", "prompt": "Be kind."}
    assert parameters(made.twiml) == {"name": "Zoë", "n": "3", "list": '["a", 1]', "yes": "true", **own}
    assert parameters(script(agent, variables={"note": "x" * 495}).twiml)["note"] == "x" * 495
    with pytest.raises(UnfitAgent, match='"note" has 496 characters'):
        script(agent, variables={"note": "x" * 496})
    with pytest.raises(UnfitAgent, match='"prompt" has 600 characters'):
        script(agent, prompt="x" * 600)
    with pytest.raises(UnfitAgent, match="characters of TwiML"):
        script(agent, variables={f"v{at}": "x" * 450 for at in range(9)})


@pytest.mark.parametrize(
    ("url", "part"), [("ws://agent.example.com/", "wss URL"), ("wss://agent.example.com/?a=1", "no query")]
)
def test_a_stream_goes_where_twilio_streams(url, part):
    """Over TLS, without a query."""
    with pytest.raises(UnfitAgent, match=part):
        script(AgentSettings(stream=url))


@pytest.mark.parametrize(
    ("target", "noun", "number"),
    [
        ("sip:desk@example.com;transport=tls?X-a=1&b=2", "Sip", "sip:desk@example.com;transport=tls?X-a=1&b=2"),
        ("SIPS:desk@example.com", "Sip", "SIPS:desk@example.com"),
        ("+12125550199", "Number", "+12125550199"),
        ("tel:+1-212-555-0199;ext=1", "Number", "+12125550199"),
        ("TEL:+1.212.(555).0199", "Number", "+12125550199"),
    ],
)
def test_a_bridge_dials(target, noun, number):
    """A SIP URI as it stands, a number in full; the trunk's caller id is shown."""
    assert verbs(script(AgentSettings(bridge=target)).twiml) == [
        ["Dial", {"callerId": "+12125550123"}, None, [[noun, {}, number, []]]]
    ]


@pytest.mark.parametrize("target", ["tel:555-0199", "tel:", "+", "sip:" + "x" * 251])
def test_a_bridge_that_cannot_be_dialled_is_refused(target):
    """A number without its country, or a URI of 255 characters."""
    with pytest.raises(UnfitAgent):
        script(AgentSettings(bridge=target))


def test_an_agents_own_twiml_is_asked_for_with_the_facts():
    """Its query is kept, and everything can be read out of it."""
    url = "https://user:pw@agent.example.com:8443/twiml?a=%20b&c#part"
    made = script(AgentSettings(twiml=url), variables={"näme": "Zoë & <co>+=\ud800", "n": 3})
    assert made.url is not None
    assert made.twiml is None
    assert made.url.startswith("https://user:pw@agent.example.com:8443/twiml?a=%20b&c&")
    assert "#" not in made.url
    told = dict(parse_qsl(urlsplit(made.url).query, keep_blank_values=True))
    own = {"call_id": "a1", "campaign": "spring", "number": "+447111000001"}
    assert told == {"a": " b", "c": "", "näme": "Zoë & <co>+= ", "n": "3", **own}
    with pytest.raises(UnfitAgent, match="over the web"):
        script(AgentSettings(twiml="ftp://agent.example.com/"))


def test_a_menu_speaks_twice_and_waits_for_a_key():
    """Each time for five seconds; `#` is a key like others; without one the call ends."""
    made = script(REMINDER, variables={"name": "Ann"})
    said = ["Say", {"voice": "Polly.Amy", "language": "en-GB"}, "Hello Ann", []]
    waiting = {"input": "dtmf", "numDigits": "1", "timeout": "5", "finishOnKey": "", "method": "POST"}
    gather = ["Gather", {"action": f"{KEYS}?stop=9", **waiting}, None, [said]]
    assert verbs(made.twiml) == [gather, gather, ["Hangup", {}, None, []]]
    assert made.otherwise == made.twiml
    assert made.opt_out == "9"
    assert list(made.keys) == ["9", "1", "2", "#", "*"]
    answers = {key: verbs(twiml) for key, twiml in made.keys.items()}
    assert [answers["9"][0][2], answers["9"][1][0]] == ["Bye Ann", "Hangup"]
    assert [answers["1"][0][2], answers["1"][0][1], answers["1"][1][0]] == ["Thanks Ann", said[1], "Hangup"]
    assert answers["2"] == [
        ["Dial", {"callerId": "+12125550123"}, None, [["Sip", {}, "sip:desk@example.com", []]]],
    ]
    assert [verb[0] for verb in answers["#"]] == ["Play", "Hangup"]
    assert made.keys["*"] == made.twiml


def test_a_key_to_opt_out_alone_is_waited_for_once():
    """A reminder is not said twice to whoever has nothing to answer; silent is what has nothing to say."""
    made = script(AgentSettings(say="x", opt_out="#"), f"{KEYS}?a=1")
    assert [verb[0] for verb in verbs(made.twiml)] == ["Gather", "Hangup"]
    assert verbs(made.twiml)[0][1]["action"] == f"{KEYS}?a=1&stop=%23"
    assert verbs(made.keys["#"]) == [["Hangup", {}, None, []]]


def test_a_menu_that_is_too_long_to_be_said_twice_is_said_once():
    """What fits only once is better said once than not at all."""
    made = script(AgentSettings(say="x" * 3_000, menu={"1": MenuChoice(repeat=True)}))
    assert [verb[0] for verb in verbs(made.twiml)] == ["Gather", "Hangup"]
    with pytest.raises(UnfitAgent, match="of 4000"):
        script(AgentSettings(say="x" * 3_850, menu={"1": MenuChoice(repeat=True)}))


@pytest.mark.parametrize("way", [{"say": "x"}, {"play": "https://x/x.mp3"}])
def test_a_short_text_is_not_over_before_it_is_known_who_listens(way):
    """Where a machine is listened for beside the call, it stays up a moment longer; a message waits for its beep."""
    for policy in OnVoicemail:
        agent = AgentSettings(**way, on_voicemail=policy)
        said = [verb[0] for verb in verbs(script(agent, amd=Amd.DETECT).twiml)]
        assert said[1:] == ([] if policy is OnVoicemail.LEAVE_MESSAGE else ["Pause"])
        assert len(verbs(script(agent).twiml)) == 1
        assert len(verbs(script(agent, None, amd=Amd.DETECT).twiml)) == 1


@pytest.mark.parametrize(
    ("agent", "part"),
    [
        (AgentSettings(play="/x.wav"), "https URL"),
        (AgentSettings(play="https://x/x.wav", menu={"1": MenuChoice(play="x.wav")}), "https URL"),
        (AgentSettings(stream="ws://x"), "wss URL"),
        (AgentSettings(bridge="tel:112"), "full numbers"),
        (AgentSettings(say="x" * 4_000), "of 4000"),
        (AgentSettings(say="x", opt_out="9", opt_out_say="{"), "brace"),
    ],
)
def test_an_agent_that_can_speak_in_no_call_is_objected_to(agent, part):
    """Whatever the call would be."""
    assert part in (objection(agent, callbacks=True) or "")


@pytest.mark.parametrize(
    ("agent", "variables"),
    [
        (AgentSettings(say="x", press="ww{extension}#"), {"extension": 204}),
        (AgentSettings(stream="wss://agent.example.com/call", press="ww{extension}#"), {"extension": "204"}),
        (AgentSettings(twiml="https://agent.example.com/", press="ww204#"), {}),
    ],
)
def test_keys_are_pressed_whatever_follows(agent, variables):
    """An extension for each recipient; the carrier presses it before it does anything else."""
    assert script(agent, variables=variables).press == "ww204#"
    assert objection(agent, callbacks=False) is None
    assert script(REMINDER, variables={"name": "Ada"}).press is None


@pytest.mark.parametrize(
    ("press", "part"),
    [
        ("{extension}", 'there is no variable "extension"'),
        ("{empty}", "must be keys"),
        ("{words}", "must be keys"),
        ("1" * 33, "33 keys, of 32"),
        ("1" * 65, "64 keys at most"),
    ],
)
def test_what_is_no_keys_is_not_pressed(press, part):
    """Nor is half of it; the reason does not show it, since it may be a code."""
    with pytest.raises(UnfitAgent, match=part) as caught:
        script(AgentSettings(say="x", press=press), variables={"empty": "", "words": "secret 12"})
    assert "secret" not in str(caught.value)
    always = objection(AgentSettings(say="x", press=press), callbacks=True) is not None
    assert always is ("{" not in press)


def test_nobody_listens_for_machines_where_keys_are_pressed():
    """The carrier would do one of the two without a word."""
    with pytest.raises(UnfitAgent, match="listens for no machine"):
        script(AgentSettings(say="x", press="1"), amd=Amd.DETECT)


def test_agents_that_may_speak_are_not_objected_to():
    """What depends on the recipient is not known yet; keys need callbacks."""
    asks = AgentSettings(say="{prompt}{a b}", opt_out="9", opt_out_say="{c}", menu={"1": MenuChoice(say="{d}")})
    for agent in (REMINDER, asks, AgentSettings(twiml="http://x/")):
        assert objection(agent, callbacks=True) is None
    assert objection(AgentSettings(say="{x}"), callbacks=False) is None
    for agent in (AgentSettings(say="x", opt_out="9"), AgentSettings(say="x", menu={"1": MenuChoice(repeat=True)})):
        assert "configure [callbacks]" in (objection(agent, callbacks=False) or "")
        with pytest.raises(UnfitAgent, match="callbacks"):
            script(agent, None)
