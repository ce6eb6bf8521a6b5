"""From an agent to its conversation: what it needs is made before the call leaves, or the reason is told."""

import sys
import time

import numpy as np
import pytest
import soundfile
import trio
from dialerd_sip.conversation import Conversation, Play
from dialerd_sip.speech.unfit import UnfitAgent
from dialerd_sip.studio import Studio, objection

from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.plugin.provider import CallOrder

SPEAKS = """\
import sys, wave
told = sys.stdin.buffer.read().decode().strip()
open(sys.argv[1], "a").write(told + "|" + "|".join(sys.argv[2:]) + "\\n")
if "fail" in told:
    sys.exit("it failed at: " + told.split()[-1])
with wave.open(sys.stdout.buffer, "wb") as out:
    out.setparams((1, 2, 8000, 0, "NONE", ""))
    out.writeframes(bytes(16 * len(told)))
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a sound file and a voice."""
    for name, seconds in (("one.wav", 1), ("two.wav", 2)):
        soundfile.write(tmp_path / name, np.zeros(8_000 * seconds), 8_000)
    (tmp_path / "speaks.py").write_text(SPEAKS)
    return tmp_path


@pytest.fixture
def studio(folder):
    """Return a studio that speaks, with the folder's sounds."""
    command = (sys.executable, "-S", "-E", str(folder / "speaks.py"), str(folder / "spoken"), "{language}", "{voice}")
    return Studio(cache=folder / "cache", sounds=folder, command=command)


def order(agent, **variables):
    """Return an order of a call."""
    return CallOrder(
        attempt_id="01a1fcc3-3fa8-736f-ab3e-138d03c62047",
        trunk="carrier",
        number="+12125550123",
        caller_id="+12125550100",
        agent_name="agent",
        agent=agent,
        variables=variables,
        campaign="spring",
    )


def spoken(folder):
    """Return what was spoken so far, and how."""
    return (folder / "spoken").read_text().splitlines()


def opening(conversation):
    """Return how many samples a conversation begins with."""
    (play,) = conversation.answered()
    assert isinstance(play, Play)
    return play.clips[0].frames


async def test_play_is_played(folder, studio):
    """A sound file by its whole path, or by its name in the folder of sounds."""
    assert opening(await studio.conversation(order(AgentSettings(play="two.wav")))) == 16_000
    assert opening(await studio.conversation(order(AgentSettings(play=str(folder / "one.wav"))))) == 8_000


async def test_say_is_said(folder, studio):
    """A text has its recipient's variables, and the call's own facts, in its places."""
    agent = AgentSettings(say="Hello {name}, {points} points, {campaign}", voice="anna", language="en-GB")
    for name in ("Ada", "Grace", "Ada"):
        talk = await studio.conversation(order(agent, name=name, points=7))
        assert opening(talk) == 8 * len(f"Hello {name}, 7 points, spring")
    assert spoken(folder) == [
        "Hello Ada, 7 points, spring|en-GB|anna",
        "Hello Grace, 7 points, spring|en-GB|anna",
    ]


async def test_keys_are_pressed_first(studio):
    """The same for everybody, or an extension for each."""
    for press, keys in (("ww1#", "ww1#"), ("ww{extension}#", "ww204#")):
        talk = await studio.conversation(order(AgentSettings(play="one.wav", press=press), extension=204))
        (first,) = talk.answered()
        assert first.keys == keys


async def test_all_is_made_before_the_call_leaves(folder, studio):
    """Opening, each answer, and what is said to who opts out; a conversation says them without the studio."""
    agent = AgentSettings(
        say="press",
        menu={"1": MenuChoice(say="one {name}"), "2": MenuChoice(play="two.wav"), "3": MenuChoice(repeat=True)},
        opt_out="9",
        opt_out_say="farewell",
    )
    for key, frames in (("1", 8 * len("one Ada")), ("2", 16_000), ("3", 8 * len("press"))):
        talk = await studio.conversation(order(agent, name="Ada"))
        talk.answered()
        (play,) = talk.pressed(key)
        assert play.clips[0].frames == frames
        assert play.clips[0].path.exists()
    talk.pressed("9")
    (play,) = talk.opted_out(done=True)
    assert play.clips[0].frames == 8 * len("farewell")
    assert len(spoken(folder)) == 3


async def test_each_call_has_a_conversation_of_its_own(studio):
    """What one person presses is nothing to another."""
    agent = AgentSettings(play="one.wav", menu={"1": MenuChoice(play="two.wav")})
    one, other = [await studio.conversation(order(agent)) for _ in range(2)]
    assert isinstance(one, Conversation)
    assert one is not other
    assert opening(one) == opening(other) == 8_000
    assert one.pressed("1")[0].clips[0].frames == 16_000
    assert opening(await studio.conversation(order(agent))) == 8_000


async def test_agents_that_look_alike_are_not_mixed_up(folder, studio):
    """Settings that come and go with reloads: each agent says its own."""
    for number in range(600):
        agent = AgentSettings(play=("one.wav", "two.wav")[number % 2])
        assert opening(await studio.conversation(order(agent))) == 8_000 * (1 + number % 2)


async def test_a_file_that_changes_is_heard(folder, studio, autojump_clock):
    """A second later, calls have the new sound."""
    agent = AgentSettings(play="one.wav")
    assert opening(await studio.conversation(order(agent))) == 8_000
    soundfile.write(folder / "one.wav", np.zeros(24_000), 8_000)
    await trio.sleep(1.1)
    assert opening(await studio.conversation(order(agent))) == 24_000


async def test_the_second_call_costs_next_to_nothing(studio):
    """At 2,000 calls a second there are 500 µs for all of a call; its conversation takes less than 15 of them."""
    menu = {key: MenuChoice(play=("one.wav", "two.wav")[int(key) % 2]) for key in "12345678"}
    call = order(AgentSettings(play="one.wav", menu=menu, opt_out="9"))
    await studio.conversation(call)
    best = float("inf")
    for _ in range(20):  # the machine may be busy with other things
        began = time.process_time()
        for _ in range(200):
            await studio.conversation(call)
        best = min(best, (time.process_time() - began) / 200)
    assert best < 15e-6


@pytest.mark.parametrize(
    ("agent", "variables", "why", "always"),
    [
        (AgentSettings(play="none.wav"), {}, r"sound file .*/none\.wav cannot be read: No such file", True),
        (AgentSettings(play="one.wav", menu={"1": MenuChoice(play="none.wav")}), {}, r"none\.wav", True),
        (AgentSettings(say="{name}"), {}, 'there is no variable "name"', False),
        (AgentSettings(say="{name}"), {"name": None}, 'there is no variable "name"', False),
        (AgentSettings(say="{name}"), {"name": " "}, "nothing to say once the places", False),
        (AgentSettings(say="you {name}"), {"name": "fail"}, "ended with status 1, saying: it failed at: …;", False),
        (AgentSettings(say="fail"), {}, "ended with status 1", True),
        (AgentSettings(play="one.wav", opt_out="9", opt_out_say="fail"), {}, "ended with status 1", True),
        (AgentSettings(stream="wss://agent.example.com/call"), {}, "use a Twilio trunk", True),
        (AgentSettings(say="a {b"), {}, "brace", True),
        (AgentSettings(play="one.wav", press="{e}"), {}, 'cannot be filled: there is no variable "e"', False),
        (AgentSettings(play="one.wav", press="{e}"), {"e": "x"}, "what it presses must be keys: 0 to 9", False),
        (AgentSettings(play="one.wav", press="{e}"), {"e": "1" * 65}, "what it presses must be 64 keys", False),
        (AgentSettings(play="one.wav", press="1 2"), {}, "what it presses must be keys: 0 to 9", True),
    ],
)
async def test_agents_that_cannot_speak(studio, agent, variables, why, always):
    """The reason is told, and whether it is the agent's in every call or this call's alone."""
    with pytest.raises(UnfitAgent, match=why) as caught:
        await studio.conversation(order(agent, **variables))
    assert caught.value.always is always


async def test_a_studio_without_a_voice(folder):
    """Without a command agents play; without a folder of sounds they name whole paths."""
    studio = Studio(cache=folder / "cache")
    assert opening(await studio.conversation(order(AgentSettings(play=str(folder / "one.wav"))))) == 8_000
    with pytest.raises(UnfitAgent, match="speech_command") as caught:
        await studio.conversation(order(AgentSettings(say="hello")))
    assert caught.value.always
    with pytest.raises(UnfitAgent, match="option sounds"):
        await studio.conversation(order(AgentSettings(play="one.wav")))


def test_a_command_with_a_fault(tmp_path):
    """A studio does not take it."""
    with pytest.raises(ValueError, match=r"speech_command has the place \{text\}"):
        Studio(cache=tmp_path, command=("say", "{text}"))


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        (AgentSettings(say="hello {name}"), None),
        (AgentSettings(play="/prompts/one.wav", menu={"1": MenuChoice(repeat=True)}, opt_out="9"), None),
        (AgentSettings(stream="wss://a.example.com"), "stream cannot speak over a SIP trunk yet; use a Twilio trunk"),
        (AgentSettings(bridge="+12125550123"), "bridge cannot speak over a SIP trunk yet; use a Twilio trunk"),
        (AgentSettings(twiml="https://a.example.com"), "twiml cannot speak over a SIP trunk yet; use a Twilio trunk"),
        (AgentSettings(say="a", menu={"1": MenuChoice(bridge="+12125550123")}), "a key of its menu bridges the call"),
        (AgentSettings(play="https://a.example.com/a.mp3"), "not as a URL"),
        (AgentSettings(say="a", menu={"1": MenuChoice(play="https://a.example.com/a.mp3")}), "not as a URL"),
        (AgentSettings(say="a {b"), "its text has a brace"),
        (AgentSettings(say="a", press="ww{b}#"), None),
        (AgentSettings(say="a", press="{b"), "its text has a brace"),
        (AgentSettings(say="a", press="hash"), "what it presses must be keys"),
        (AgentSettings(), "nothing to say"),
        (AgentSettings(say="a", menu={"1": MenuChoice()}), "nothing to say"),
    ],
)
def test_objections(agent, why):
    """What no call of a trunk can do is told when the settings are read."""
    found = objection(agent, speaks=True)
    assert (found is None) if why is None else why in found


@pytest.mark.parametrize(
    "agent",
    [
        AgentSettings(say="hello"),
        AgentSettings(play="/one.wav", menu={"1": MenuChoice(say="one")}),
        AgentSettings(play="/one.wav", opt_out="9", opt_out_say="bye"),
    ],
)
def test_a_trunk_without_a_voice(agent):
    """Whatever is said anywhere needs a command; sound files without a path need a folder."""
    assert "speech_command" in objection(agent, speaks=False)
    assert objection(agent, speaks=True) is None
    assert "sounds" in objection(AgentSettings(play="one.wav"), speaks=False, sounds=False)
    assert objection(AgentSettings(play="one.wav"), speaks=False) is None
