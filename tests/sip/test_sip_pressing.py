"""Keys that an agent presses: as telephone events or by INFO, with their pauses, over holds, and not after the end."""

from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from callee import Behaviour, Callee
from callee_behaviour import Ask
from callstage import SDP, Stage, stage
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.pressing import Pressing
from ports import free_ports
from trunk_rig import CALLED, ordered, trunk

from dialerd.model.settings import MenuChoice
from dialerd.plugin.conformance.recorder import Recorder

NO_EVENTS = SDP.replace(b"RTP/AVP 0 8 101", b"RTP/AVP 0 8")


class Keys:
    """What a media session was told to send."""

    def __init__(self) -> None:
        self.sent = ""

    def send_keys(self, digits: str) -> None:
        self.sent += digits


def up(body: bytes) -> Stage:
    """Return a call that was answered so."""
    s = stage()
    s.hear()
    s.say(200, body=body)
    return s


def infos(s: Stage) -> list[tuple[float, str]]:
    """Return the keys that came by INFO, with their instants."""
    found = [one for one in s.link.carried if one.message.cseq.method == "INFO" and one.message.body]
    return [(one.at, one.message.body.split()[0].decode().removeprefix("Signal=")) for one in found]


def run(s: Stage, pressing: Pressing, most_s: float) -> float | None:
    """Press step by step, the far end taking each INFO; return the seconds that it took, None where it goes on."""
    began = s.link.now
    while s.link.now < began + most_s:
        left_s = pressing.step(s.link.now)
        if left_s is None:
            return s.link.now - began
        s.link.settle()
        for message in [one for one in s.far.inbox if one.cseq.method == "INFO"]:
            s.far.inbox.remove(message)
            s.far.answer(message, 200)
        s.link.run(left_s)
    return None


def test_keys_go_by_info_to_whoever_takes_no_events() -> None:
    """With their pauses, before, between and behind them."""
    s, session = up(NO_EVENTS), Keys()
    began = s.link.now
    took = run(s, Pressing(s.call, session, "w1W2#w"), 10)
    (one, first), (two, second), (three, third) = infos(s)
    assert (first, second, third) == ("1", "2", "#")
    assert one - began >= 0.5
    assert two - one >= 1.0
    assert three - two >= 0.2
    assert took is not None
    assert took >= 2.6
    assert session.sent == ""


def test_a_slow_far_end_has_its_pauses_too() -> None:
    """The pause begins when the key before it was taken, and nothing is said before the last one is."""
    s = up(NO_EVENTS)
    pressing = Pressing(s.call, Keys(), "1w2")
    assert pressing.step(s.link.now) is not None
    s.link.settle()
    for _ in range(5):
        assert pressing.step(s.link.now) is not None
        s.link.run(0.2)
    assert [key for _, key in infos(s)][-1] == "1"
    answered_at = s.link.now
    s.far.answer(s.far.take("INFO"), 200)
    s.link.settle()
    assert run(s, pressing, 5) is not None
    assert next(at for at, key in infos(s) if key == "2") - answered_at >= 0.5


def test_keys_go_as_events_to_whoever_takes_them() -> None:
    """One at a time, each with the time that it takes."""
    s, session = up(SDP), Keys()
    took = run(s, Pressing(s.call, session, "12W#"), 10)
    assert session.sent == "12#"
    assert took is not None
    assert 1.7 <= took <= 2
    assert infos(s) == []


@pytest.mark.parametrize("body", [SDP, NO_EVENTS])
def test_nothing_is_pressed_before_the_acknowledgement_nor_after_the_end(body: bytes) -> None:
    """A far end that waits for an ACK takes no requests; who was hung up on wants no keys."""
    s, session = stage(holds_ack=True), Keys()
    s.hear()
    s.say(200, body=body)
    pressing = Pressing(s.call, session, "12")
    assert run(s, pressing, 1) is None
    assert (session.sent, infos(s)) == ("", [])
    s.call.acknowledge(s.link.now)
    assert pressing.step(s.link.now) is not None
    s.link.settle()
    assert session.sent == ("1" if body is SDP else "")
    assert [key for _, key in infos(s)] == ([] if body is SDP else ["1"])
    s.call.hang_up("hangup", s.link.now)
    assert run(s, pressing, 3) is None
    assert session.sent == ("1" if body is SDP else "")
    assert {key for _, key in infos(s)} == (set() if body is SDP else {"1"})


@asynccontextmanager
async def calling(tmp_path, behaviour, **agent):
    """Place a call, and yield the callee's side of it once that is up; afterwards it is over."""
    callee, media = Callee({CALLED: behaviour}), InlineMedia(*free_ports(100))
    order, report = ordered(tmp_path, hello_s=2, level=0.25, **agent), Recorder(lambda: True, lambda _: None)
    async with callee.serve() as server:
        async with trunk(tmp_path, server, media=media) as sip, trio.open_nursery() as nursery:
            nursery.start_soon(sip.place, order, report)
            with trio.fail_after(60):
                while not any(call.state == "up" for call in callee.calls.values()):  # noqa: ASYNC110  # nobody tells
                    await trio.sleep(0.05)
            (call,) = callee.calls.values()
            yield call
            with trio.fail_after(120):
                while call.state == "up":  # noqa: ASYNC110  # nobody tells
                    await trio.sleep(0.1)
        assert not callee.faults


def presses(call):
    """Return the keys that came as events: where each began, how many packets told its end, and what."""
    found = {}
    for timestamp, key, ends in call.sound.events:
        began, count = found.get(timestamp, (key, 0))
        found[timestamp] = began, count + ends
    return [(at, *told) for at, told in found.items()]


def loud(call):
    """Return how many packets of the prompt came."""
    return sum(payload.count(b"\xff") < 80 for payload in call.sound.payloads)


async def test_events_arrive_with_three_ends_and_their_pauses_before_the_prompt(clock, tmp_path):
    """Over a real socket; the recipient's extension is in its place, and the prompt is heard afterwards."""
    async with calling(tmp_path, Behaviour(hears=True), press="w{extension}W#") as call:
        with trio.fail_after(60):
            while call.sound.keys != "204":  # noqa: ASYNC110  # nobody tells
                await trio.sleep(0.02)
        assert loud(call) == 0
    found = presses(call)
    assert [(key, ends) for _, key, ends in found] == [("2", 3), ("0", 3), ("4", 3), ("#", 3)]
    gaps = [(later - earlier) % 2**32 for (earlier, *_), (later, *_) in pairwise(found)]
    assert all(1_600 <= gap < 4_000 for gap in gaps[:2])
    assert 8_000 + 1_600 <= gaps[2] < 12_000
    assert loud(call) > 90
    assert call.infos == []


async def test_a_far_end_without_events_gets_info(clock, tmp_path):
    """Each key is an INFO, and what is played is whole."""
    async with calling(tmp_path, Behaviour(hears=True, events=False), press="w{extension}#") as call:
        pass
    assert [body.split()[0] for body in call.infos] == [b"Signal=2", b"Signal=0", b"Signal=4", b"Signal=#"]
    assert call.sound.keys == ""
    assert loud(call) > 90


async def test_keys_wait_while_we_are_on_hold(clock, tmp_path):
    """A far end that holds us hears none; they come when it takes us back, all of them, with their pauses."""
    asks = (Ask(after_s=0.3, method="INVITE", sdp="hold"), Ask(after_s=5.0, method="INVITE", sdp="same"))
    async with calling(tmp_path, Behaviour(hears=True, asks=asks), press="1w2w3w4w5") as call:
        await trio.sleep(3)
        held = call.sound.keys
        assert len(held) < 4
        await trio.sleep(1)
        assert call.sound.keys == held
    assert call.sound.keys == "12345"
    began = [at for at, *_ in presses(call)]
    assert all((later - earlier) % 2**32 > 4_000 + 1_600 for earlier, later in pairwise(began))
    assert loud(call) > 90


async def test_whoever_presses_a_key_of_the_menu_hears_its_answer(clock, tmp_path):
    """What was still to be pressed is left."""
    behaviour = Behaviour(hears=True, digits="1", digits_after_s=0.5)
    async with calling(tmp_path, behaviour, press="9" * 60, menu={"1": MenuChoice(play="hello.wav")}) as call:
        await trio.sleep(8)
        assert 0 < len(call.sound.keys) < 10
    assert loud(call) > 90


async def test_keys_end_with_the_call(clock, tmp_path):
    """A far end that hangs up meanwhile is not pressed on."""
    async with calling(tmp_path, Behaviour(hears=True, talk_s=1.0), press="1" * 60) as call:
        pass
    assert 0 < len(call.sound.keys) < 6
    assert loud(call) == 0
