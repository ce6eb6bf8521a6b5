"""An agent at work, as ladders of what happens and what is done about it."""

from pathlib import Path

import pytest
from dialerd_sip.conversation import (
    KEY_MS,
    STORED_MS,
    Conversation,
    EndCall,
    OptOut,
    Play,
    PressKeys,
    Script,
    StopPlaying,
    WaitFor,
)
from dialerd_sip.media.contract import Clip
from hypothesis import given
from hypothesis import strategies as st


def clip(name):
    """Return a clip."""
    return Clip(path=Path(f"{name}.ulaw"), frames=8_000)


OPENING, PRICES, BYE = clip("opening"), clip("prices"), clip("bye")
PLAIN = Script(opening=OPENING)
MENU = Script(opening=OPENING, answers={"1": PRICES, "2": None})
STOP = Script(opening=OPENING, opt_out="9", opt_out_said=BYE)
BOTH = Script(opening=OPENING, answers={"1": PRICES, "2": None}, opt_out="9", opt_out_said=BYE)
SILENT = Script(opening=OPENING, opt_out="9")
DIALS = Script(press="w12#", opening=OPENING)
DIALS_BOTH = Script(press="w12#", opening=OPENING, answers={"1": PRICES, "2": None}, opt_out="9", opt_out_said=BYE)
SCRIPTS = [PLAIN, MENU, STOP, BOTH, SILENT, DIALS, DIALS_BOTH]


class Rig:
    """A call's side of a conversation: media that end what is played, and a clock that stands still.

    Args:
        script: what the agent says.
    """

    def __init__(self, script):
        self.talk = Conversation(script)
        self.playing = None
        self.waiting = None

    def do(self, actions):
        """Take what is to be done; return it in short."""
        short = []
        for action in actions:
            self.waiting = None
            match action:
                case Play(clips=(only,), mark=mark):
                    self.playing = mark
                    short.append(only.path.stem)
                case StopPlaying():
                    self.playing = None
                    short.append("stop")
                case WaitFor(ms=ms, mark=mark):
                    self.waiting = mark
                    short.append(ms)
                case PressKeys(keys=keys, mark=mark):
                    self.waiting = mark
                    short.append(f"press {keys}")
                case OptOut():
                    short.append("opt out")
                case EndCall():
                    short.append("end")
        return short

    def step(self, event):
        """Let something happen; return what is done about it."""
        match event:
            case "answered":
                return self.do(self.talk.answered())
            case "played":
                mark, self.playing = self.playing, None
                return self.do(self.talk.play_ended(mark, whole=True))
            case "waited":
                return self.do(self.talk.timed_out(self.waiting))
            case "stored" | "not stored":
                return self.do(self.talk.opted_out(done=event == "stored"))
            case key:
                return self.do(self.talk.pressed(key))


KEY = [KEY_MS]
WISH = ["stop", "opt out", STORED_MS]
LADDERS = {
    "what has no keys is said once": (PLAIN, ("answered", ["opening"]), ("played", ["end"])),
    "keys mean nothing where none is asked for": (PLAIN, ("answered", ["opening"]), ("1", []), ("played", ["end"])),
    "a menu is said twice": (
        MENU,
        ("answered", ["opening"]),
        ("played", KEY),
        ("waited", ["opening"]),
        ("played", KEY),
        ("waited", ["end"]),
    ),
    "a key to opt out alone is told once": (STOP, ("answered", ["opening"]), ("played", KEY), ("waited", ["end"])),
    "a key stops what is said": (MENU, ("answered", ["opening"]), ("1", ["prices"]), ("played", ["end"])),
    "a key is waited for": (MENU, ("answered", ["opening"]), ("played", KEY), ("1", ["prices"]), ("played", ["end"])),
    "repeat begins again": (
        MENU,
        ("answered", ["opening"]),
        ("played", KEY),
        ("waited", ["opening"]),
        ("2", ["opening"]),
        ("played", KEY),
        ("waited", ["opening"]),
        ("played", KEY),
        ("waited", ["end"]),
    ),
    "a key without meaning begins again": (
        STOP,
        ("answered", ["opening"]),
        ("5", ["opening"]),
        ("played", KEY),
        ("D", ["opening"]),
        ("played", KEY),
        ("waited", ["end"]),
    ),
    "an answer is not interrupted": (
        MENU,
        ("answered", ["opening"]),
        ("1", ["prices"]),
        ("2", []),
        ("5", []),
        ("played", ["end"]),
    ),
    "an opt-out is confirmed when it is stored": (
        BOTH,
        ("answered", ["opening"]),
        ("9", WISH),
        ("1", []),
        ("9", []),
        ("stored", ["bye"]),
        ("9", []),
        ("1", []),
        ("played", ["end"]),
    ),
    "an opt-out in the wait for a key": (STOP, ("answered", ["opening"]), ("played", KEY), ("9", WISH)),
    "an opt-out is heard while an answer is said": (BOTH, ("answered", ["opening"]), ("1", ["prices"]), ("9", WISH)),
    "an opt-out without words": (SILENT, ("answered", ["opening"]), ("9", WISH), ("stored", ["end"])),
    "nothing is confirmed that is not stored": (
        STOP,
        ("answered", ["opening"]),
        ("9", WISH),
        ("not stored", ["opening"]),
        ("9", WISH),
        ("stored", ["bye"]),
        ("played", ["end"]),
    ),
    "nobody is kept on the line for a disk": (
        STOP,
        ("answered", ["opening"]),
        ("9", WISH),
        ("waited", ["end"]),
        ("stored", []),
    ),
    "nothing happens before the answer": (BOTH, ("1", []), ("9", []), ("stored", []), ("answered", ["opening"])),
    "nothing happens after the end": (
        BOTH,
        ("answered", ["opening"]),
        ("1", ["prices"]),
        ("played", ["end"]),
        ("answered", []),
        ("9", []),
        ("1", []),
        ("not stored", []),
    ),
    "keys are pressed before anything is said": (
        DIALS,
        ("answered", ["press w12#"]),
        ("answered", []),
        ("1", []),
        ("waited", ["opening"]),
        ("played", ["end"]),
    ),
    "keys are pressed once": (
        DIALS_BOTH,
        ("answered", ["press w12#"]),
        ("waited", ["opening"]),
        ("played", KEY),
        ("waited", ["opening"]),
        ("2", ["opening"]),
    ),
    "a menu is heard while keys are pressed": (
        DIALS_BOTH,
        ("answered", ["press w12#"]),
        ("2", []),
        ("5", []),
        ("1", ["prices"]),
        ("played", ["end"]),
    ),
    "an opt-out is heard while keys are pressed": (
        DIALS_BOTH,
        ("answered", ["press w12#"]),
        ("9", WISH),
        ("stored", ["bye"]),
        ("played", ["end"]),
    ),
    "an answer counts once": (PLAIN, ("answered", ["opening"]), ("answered", [])),
}


@pytest.mark.parametrize("name", LADDERS)
def test_ladder(name):
    """What the name says."""
    script, *rungs = LADDERS[name]
    rig = Rig(script)
    for event, done in rungs:
        assert rig.step(event) == done, event


def test_a_stop_is_not_an_end():
    """What was stopped by a key, or replaced, tells so late; that ends nothing."""
    talk = Conversation(BOTH)
    (first,) = talk.answered()
    (second,) = talk.pressed("2")
    assert second.mark != first.mark
    assert talk.play_ended(first.mark, whole=False) == ()
    assert talk.pressed("9")[1] == OptOut()
    assert talk.play_ended(second.mark, whole=False) == ()
    assert talk.play_ended(second.mark, whole=True) == ()
    assert talk.opted_out(done=True)[0].clips == (BYE,)


def test_media_that_fail_to_play():
    """What ended before its end, unasked, counts as said: the call goes on."""
    talk = Conversation(MENU)
    (play,) = talk.answered()
    (wait,) = talk.play_ended(play.mark, whole=False)
    assert isinstance(wait, WaitFor)
    assert talk.play_ended(play.mark, whole=True) == ()


KEYS = st.sampled_from("0123456789*#ABCD")
EVENTS = st.one_of(
    st.just(("answered",)),
    st.tuples(st.just("pressed"), KEYS),
    st.tuples(st.just("play_ended"), st.integers(0, 12), st.booleans()),
    st.tuples(st.just("timed_out"), st.integers(0, 12)),
    st.tuples(st.just("opted_out"), st.booleans()),
)


@given(
    st.sampled_from(SCRIPTS),
    st.lists(st.one_of(EVENTS, st.sampled_from(["played", "waited"])), max_size=40),
)
def test_whatever_happens(script, events):
    """In any order: no error, nothing after the end, nothing but goodbye after an opt-out, no wish unheard or made up.

    Unless it is over, something is always played or waited for, so that no call hangs.
    """
    talk = Conversation(script)
    seen = Seen(script)
    for event in events:
        match event:
            case ("answered",):
                done, seen.begun = talk.answered(), True
            case ("pressed", key):
                done = talk.pressed(key)
                assert (OptOut() in done) is seen.wishes(key)
            case ("opted_out", stored):
                done = talk.opted_out(done=stored)
                seen.stored = seen.stored or (seen.asked and stored)
                seen.asked = False
            case ("play_ended", mark, whole):
                done = talk.play_ended(mark, whole=whole)
            case ("timed_out", mark):
                done = talk.timed_out(mark)
            case "played":
                done = talk.play_ended(seen.latest(), whole=True)
            case "waited":
                done = talk.timed_out(seen.latest())
        seen.take(done)


class Seen:
    """What a conversation did so far, and what it must not do.

    Args:
        script: what the agent says.
    """

    def __init__(self, script):
        self.script = script
        self.marks = []
        self.begun = self.asked = self.stored = self.over = False

    def latest(self):
        """Return the mark of what is played or waited for."""
        return self.marks[-1] if self.marks else 0

    def wishes(self, key):
        """Tell whether a key is a wish to opt out that is to be heard."""
        return key == self.script.opt_out and self.begun and not (self.asked or self.stored or self.over)

    def take(self, done):
        """Look at what is to be done."""
        assert not done or (self.begun and not self.over)
        assert EndCall() not in done[:-1]
        assert not done or isinstance(done[-1], (Play, PressKeys, WaitFor, EndCall))
        self.over = self.over or EndCall() in done
        self.asked = (self.asked or OptOut() in done) and not self.over
        played = [clip for action in done if isinstance(action, Play) for clip in action.clips]
        assert played in ([], [BYE]) if self.stored else BYE not in played
        marks = [action.mark for action in done if isinstance(action, (Play, PressKeys, WaitFor))]
        assert all(mark > self.latest() for mark in marks)
        self.marks += marks


@given(st.sampled_from(SCRIPTS), st.lists(KEYS, max_size=20))
def test_who_presses_no_more_keys_is_let_go(script, keys):
    """After any keys, a call in which nothing else happens than that things end comes to its end."""
    rig = Rig(script)
    rig.step("answered")
    for key in keys:
        rig.step(key)
    for _ in range(6):
        if rig.step("waited" if rig.waiting is not None else "played") == ["end"]:
            return
    pytest.fail("it does not end")
