"""The daemon over Kamailio to baresip: what is heard at either end is what the other one played, and keys arrive."""

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import soundfile
from attrs import frozen
from baresip_peer import USER, Baresip
from kamailio_peer import PASSWORD, USERNAME, Kamailio
from needs import program
from place import until
from sip_town import Town, alike, chirp

pytestmark = pytest.mark.system


@frozen
class Line:
    """A town with a phone."""

    town: Town
    phone: Baresip
    prompt: Path
    reply: Path
    records: Path


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A trunk to a phone that speaks for longer than our prompt lasts."""
    program("baresip", "baresip-core")
    with Town(tmp_path_factory.mktemp("town")) as town:
        root = town.place.root
        prompt, records = chirp(root / "prompt.wav", 3.0), root / "records"
        reply = chirp(root / "reply.wav", 2.0, first_hz=2_500, last_hz=500)
        voice = padded(reply, root / "voice.wav", 20.0)
        phone = town.enter(Baresip(town.folder("phone"), voice, host="127.0.0.31"))
        trunk = town.enter(Kamailio(town.folder("trunk"), phone.place, callee_user=USER, memory_mb=64))
        account = {"username": USERNAME, "password_file": town.secret(PASSWORD)}
        for name, codec in (("law-u", "PCMU"), ("law-a", "PCMA")):
            town.trunk(name, trunk.place, codecs=[codec], record=str(records / name), **account)
        town.agent("prompt", play=str(prompt))
        menu = {"1": {"play": str(prompt)}, "2": {"repeat": True}}
        town.agent("menu", play=str(prompt), menu=menu, opt_out="9")
        town.start()
        yield Line(town, phone, prompt, reply, records)


def padded(sound: Path, path: Path, seconds: float) -> Path:
    """Write a sound with silence behind it."""
    samples, rate = soundfile.read(sound)
    soundfile.write(path, numpy.pad(samples, (0, round(rate * seconds) - len(samples))), rate, subtype="PCM_16")
    return path


@pytest.mark.parametrize("law", ["law-u", "law-a"])
def test_what_is_played_is_heard_at_both_ends(line: Line, law: str) -> None:
    """The phone's recording has our prompt, ours has what the phone played: both laws, RTP from another address."""
    before = set(line.phone.heard())
    line.town.drop(law, agent="prompt", campaign=f"heard {law}")
    (call,) = line.town.calls(f"heard {law}")
    assert (call["outcome"], call["detail"]["ended_why"]) == ("answered", "agent")
    assert 2.9 < float(call["talk_s"]) < 4.5
    (heard,) = set(line.phone.heard()) - before
    assert alike(line.prompt, heard) > 0.9
    (recorded,) = (line.records / law).glob("*.wav")
    assert recorded.stem == call["attempt_id"]
    until(lambda: alike(line.reply, recorded) > 0.9, "the recording, which is written beside the call", every_s=0.2)
    assert alike(line.prompt, recorded) < 0.5, "we heard ourselves"


def test_keys_that_are_pressed_arrive(line: Line) -> None:
    """They are in the attempt, one starts the prompt anew, and the last one writes the suppression."""
    before = set(line.phone.heard())
    line.town.drop("law-u", agent="menu", campaign="keys")
    until(lambda: line.phone.calls() == 1, "a call at the phone")
    for key in "2519":
        line.phone.press(key)
    (call,) = line.town.calls("keys")
    assert call["digits"] == "2519"
    assert call["outcome"] == "answered"
    assert line.town.place.count("SELECT count(*) FROM suppressions WHERE number = ?", call["number"]) == 1
    assert len(set(line.phone.heard()) - before) == 1


@pytest.mark.soak
def test_a_repeated_prompt_is_heard_whole(line: Line) -> None:
    """A key amid the prompt stops it and plays it from its beginning."""
    before = set(line.phone.heard())
    line.town.drop("law-a", agent="menu", campaign="again", recipients=[{"phone": "+447111900002"}])
    until(lambda: line.phone.calls() == 1, "a call at the phone")
    line.phone.press("2")
    (call,) = line.town.calls("again")
    assert call["digits"] == "2"
    (heard,) = set(line.phone.heard()) - before
    assert alike(line.prompt, heard) > 0.9


def test_every_line_is_free_afterwards(line: Line) -> None:
    """Nothing is open at either end."""
    line.town.until_free()
    assert line.phone.calls() == 0
    assert line.town.place.stop() == 0
