"""A script over a restart: what a later life needs to answer keys, and to deal with a machine."""

import msgspec
from attrs import evolve
from dialerd_twilio.script import Script
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.model.states import OnVoicemail
from dialerd.plugin.provider import STATE_BYTES

TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # documents hold no surrogates
SCRIPTS = st.builds(
    Script,
    twiml=st.none() | TEXT,
    url=st.none() | TEXT,
    keys=st.dictionaries(st.sampled_from("0123456789*#"), TEXT),
    otherwise=st.none() | TEXT,
    opt_out=st.none() | st.sampled_from("0123456789*#"),
    on_voicemail=st.sampled_from(OnVoicemail),
)


@given(SCRIPTS)
def test_a_state_brings_back_what_a_later_life_needs(script):
    """Everything but what the carrier has already."""
    assert Script.from_state(script.to_state()) == evolve(script, twiml=None, url=None)


def test_a_repeated_answer_is_kept_once():
    """A menu's opening is long, and most keys may lead to it."""
    script = Script(keys=dict.fromkeys("123", "x" * 1_000), otherwise="x" * 1_000)
    assert len(script.to_state()) < 1_300
    assert Script.from_state(script.to_state()) == script


def test_what_is_too_much_for_a_state_is_left_out():
    """Keys from the last on, then the rest; which key opts out stays known, its answer longest."""
    big = "ü" * 10_000  # 20,000 bytes
    script = Script(
        keys={"9": "bye", "1": f"{big}1", "2": f"{big}2", "3": f"{big}3"},
        otherwise=big,
        opt_out="9",
        on_voicemail=OnVoicemail.LEAVE_MESSAGE,
    )
    assert len(script.to_state()) <= STATE_BYTES
    assert Script.from_state(script.to_state()) == evolve(script, keys={"9": "bye", "1": f"{big}1", "2": f"{big}2"})
    hopeless = evolve(script, otherwise=big * 4)
    kept = Script.from_state(hopeless.to_state())
    assert kept == Script(opt_out="9", on_voicemail=OnVoicemail.LEAVE_MESSAGE)


@given(st.binary())
@example(b"[1, {}]")
@example(b"detect hang_up")
@example(b'{"version": 1}')
@example(b'{"version": 1, "keys": {"1": "\xff"}}')
def test_what_is_no_state_is_none(state):
    """Neither garbage nor another plugin's state brings anything down."""
    assert Script.from_state(state) is None


def test_another_versions_state_is_none():
    """A later release may write something else under the same names."""
    plain = msgspec.json.decode(Script(opt_out="9").to_state())
    assert Script.from_state(msgspec.json.encode(plain)) == Script(opt_out="9")
    assert Script.from_state(msgspec.json.encode(plain | {"version": 2})) is None
    assert Script.from_state(None) is None
