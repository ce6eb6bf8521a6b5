"""Requests of Twilio's and the call that they are about: before it is known, while it goes on, and after its end."""

from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
import trio
from dialerd_twilio import board as boards
from dialerd_twilio.board import Board
from dialerd_twilio.callbacks import Callbacks
from dialerd_twilio.script import Script
from twilio.request_validator import RequestValidator
from twilio_rig import CALLBACKS, NUMBER, Behaviour, Faults, Report, Rig, order, ref, rig

from dialerd.model.call import WasNotPlaced, WasPlaced
from dialerd.model.settings import AgentSettings
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import Accepted, Digits, MaybePlaced

TOKEN = "a token"
SID = "CA" + "0" * 32
OTHER = "CA" + "1" * 32
STOPS = AgentSettings(say="Press 9. " * 80, opt_out="9", opt_out_say="You will not be called again.")


class Trunk:
    """A trunk's board and callbacks."""

    def __init__(self) -> None:
        self.board = Board()
        self.callbacks = Callbacks(
            CALLBACKS, lambda: TOKEN, header="x-twilio-signature", board=self.board, trunk="main"
        )

    async def post(
        self, kind: str, form: Mapping[str, str], *, attempt_id: str = "a1", query: str = "", alone: bool = True
    ) -> CallbackAnswer:
        """Send a request as Twilio does."""
        path = f"/{kind}/{attempt_id}"
        url = f"{CALLBACKS}{path}" + (f"?{query}" if query else "")
        request = CallbackRequest(
            method="POST",
            path=path,
            query=query,
            headers={"x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, form)},
            body=urlencode(form).encode(),
            alone=alone,
        )
        return await self.callbacks.answer(request)


async def press(carrier: Rig, digits: str, attempt_id: str = "a1", stop: str = "?stop=9") -> str:
    """Press keys in the first call, as the carrier tells of it; return what answers them."""
    call = carrier.double.placed(NUMBER)[0]
    url = f"{CALLBACKS}/keys/{attempt_id}{stop}"
    delivery = await carrier.double.webhooks.ask(call, "gather", url, {"CallSid": call.sid, "Digits": digits})
    return delivery.body


async def lose(carrier: Rig, fault: str, attempt_id: str = "a1", **changes: object) -> Report:
    """Place a call whose answer is lost; return what was told."""
    report = Report()
    carrier.double.faults.next_creates.append(fault)
    with pytest.raises(MaybePlaced):
        await carrier.place(order(attempt_id, **changes), report)
    return report


KINDS = {
    "status": {"CallSid": SID, "CallStatus": "ringing", "SequenceNumber": "1"},
    "detection": {"CallSid": SID, "AnsweredBy": "human"},
    "keys": {"CallSid": SID, "Digits": "1"},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_of_the_trunks_other_provider_is_left_to_it(autojump_clock, kind):
    """After a reload two providers are asked; who does not know the call says so at once, and keeps nothing."""
    trunk = Trunk()
    assert (await trunk.post(kind, KINDS[kind], alone=False)).status == 404
    assert trunk.board.open("a1", None).known.sid is None
    assert trio.current_time() == 0
    assert (await trunk.post(kind, KINDS[kind], alone=False)).status < 300 or kind == "keys"


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_comes_first_tells_the_id(autojump_clock, kind):
    """Also keys or a detection, where the status callbacks were lost."""
    trunk = Trunk()
    await trunk.post(kind, KINDS[kind])
    leg, report = trunk.board.open("a1", None), Report()
    leg.follow(report)
    assert report.find(Accepted) == Accepted(SID)


async def test_callbacks_without_a_number_count():
    """A carrier that speaks Twilio's API may number none; each advances the call all the same."""
    trunk, report = Trunk(), Report()
    leg = trunk.board.open("a1", Script())
    leg.follow(report)
    for status in ("initiated", "ringing", "in-progress", "ringing", "completed"):
        await trunk.post("status", {"CallSid": SID, "CallStatus": status})
    assert report.names() == ["Accepted", "Ringing", "Answered"]
    assert leg.known.over


async def test_a_detection_in_another_call_is_not_taken():
    """An attempt has one call; a late request about another is not believed."""
    trunk = Trunk()
    leg = trunk.board.open("a1", Script())
    leg.known.sid = SID
    await trunk.post("detection", {"CallSid": OTHER, "AnsweredBy": "machine_start"})
    assert (leg.known.answered_by, leg.known.sid) == (None, SID)
    await trunk.post("detection", {"CallSid": SID, "AnsweredBy": "human"})
    assert leg.known.answered_by == "human"


async def test_keys_before_anybody_follows_are_told_to_who_does(autojump_clock):
    """They are kept, in their order."""
    trunk, report = Trunk(), Report()
    await trunk.post("keys", {"CallSid": SID, "Digits": "1"})
    await trunk.post("keys", {"CallSid": SID, "Digits": "2"})
    trunk.board.open("a1", None).follow(report)
    assert [told.event for told in report.told if isinstance(told.event, Digits)] == [Digits("12")]


async def test_after_the_end_keys_are_not_waited_for():
    """The call is over and let go of: what the person pressed last is answered at once, and an opt-out is entered."""
    trunk, report = Trunk(), Report()
    leg = trunk.board.open("a1", Script(keys={"9": "<Response>done</Response>"}, opt_out="9"))
    leg.follow(report)
    await trunk.post("status", {"CallSid": SID, "CallStatus": "completed", "SequenceNumber": "3"})
    leg.release()
    trunk.board.close(leg)
    answer = await trunk.post("keys", {"CallSid": SID, "Digits": "9"}, query="stop=9", alone=False)
    assert answer.body == b"<Response>done</Response>"
    assert report.opt_outs == 1
    assert "Digits" not in report.names()


async def test_a_call_that_is_followed_again_is_waited_for_again():
    """Once it was left, nobody follows it until somebody else does."""
    leg = Board().open("a1", Script())
    leg.follow(Report())
    assert leg.adopted.is_set()
    leg.release()
    assert not leg.adopted.is_set()
    assert leg.report is None


async def test_an_opt_out_at_the_very_end_is_entered(clock):
    """Its request may be handled after the last status callback."""
    async with rig(callbacks=True, behaviour=Behaviour(ring_s=1, talk_s=3)) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(agent=STOPS), report)
        assert "not be called again" in await press(carrier, "9")
    assert report.opt_outs == 1
    assert not end.opted_out


@pytest.mark.parametrize("fails", [False, True], ids=["stored", "not stored"])
async def test_an_opt_out_before_the_call_was_found_is_entered_when_it_is(clock, fails):
    """Not only at the end of the call; what cannot be stored goes with the end."""
    behaviour = Behaviour(ring_s=1, talk_s=100)
    async with rig(callbacks=True, behaviour=behaviour) as carrier:
        async with carrier.life():
            with trio.move_on_after(5):
                await carrier.place(order(agent=STOPS))
        async with carrier.life() as trunk:
            await press(carrier, "9")
            attempt, follower = ref(carrier.double), Report()
            assert isinstance(await trunk.reconcile(attempt), WasPlaced)
            follower.fails = fails
            ends = []

            async def follow() -> None:
                ends.append(await trunk.follow(attempt, follower, HangUp()))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await trio.sleep(1)
                assert follower.opt_outs == (not fails)
    assert Digits("9") in [told.event for told in follower.told]
    assert ends[0].opted_out == fails
    assert ends[0].digits == ""


async def test_an_opt_out_in_a_call_that_was_over_when_it_was_found_goes_with_its_end(clock):
    """Nobody ever followed it in this life: the keys, and the wish, are in what reconciling says."""
    async with rig(callbacks=True, behaviour=Behaviour(ring_s=1, talk_s=20)) as carrier:
        async with carrier.life():
            with trio.move_on_after(5):
                await carrier.place(order(agent=STOPS))
        async with carrier.life() as trunk:
            await press(carrier, "9")
            await trio.sleep(60)
            answer = await trunk.reconcile(ref(carrier.double))
    assert isinstance(answer, WasPlaced)
    assert answer.end is not None
    assert answer.end.opted_out
    assert answer.end.digits == "9"


async def test_a_call_in_doubt_is_answered_by_this_lifes_script(clock):
    """Its state was never stored; the process that placed it still knows what the menu says."""
    behaviour = Behaviour(ring_s=1, talk_s=100)
    async with (
        rig(callbacks=True, behaviour=behaviour, faults=Faults(withheld=1.0)) as carrier,
        carrier.life() as trunk,
    ):
        await lose(carrier, "lost_response", agent=STOPS)
        attempt, report = ref(carrier.double), Report()
        assert isinstance(await trunk.reconcile(attempt), WasPlaced)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trunk.follow, attempt, report, HangUp())
            await trio.sleep(1)
            assert "not be called again" in await press(carrier, "9", stop="")
    assert report.opt_outs == 1


async def test_what_a_later_life_needs_is_told_before_the_request_leaves(clock):
    """The process may end between the first byte and the answer, and somebody may press a key then."""
    async with rig(callbacks=True) as carrier, carrier.life():
        report = await lose(carrier, "lost_request", agent=STOPS)
    script = Script.from_state(report.last_state)
    assert script is not None
    assert script.opt_out == "9"
    assert "not be called again" in script.keys["9"]
    assert report.told == []


async def test_two_attempts_in_doubt_do_not_take_the_same_call(clock):
    """The first one has found its call and follows it; the second one's request came to nothing."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=500)) as carrier, carrier.life(late_creation="5s") as trunk:
        await lose(carrier, "lost_response", "a1")
        await lose(carrier, "lost_request", "a2")
        assert isinstance(await trunk.reconcile(ref(carrier.double, "a1")), WasPlaced)
        assert isinstance(await trunk.reconcile(ref(carrier.double, "a2")), WasNotPlaced)


async def test_what_nobody_asks_about_is_bounded(autojump_clock, monkeypatch):
    """Anybody's calls may be told of; the latest ones are kept."""
    monkeypatch.setattr(boards, "_STRANGERS", 3)
    trunk = Trunk()
    for index in range(5):
        await trunk.post("status", {**KINDS["status"], "CallSid": f"CA{index:032}"}, attempt_id=f"a{index}")
    known = [trunk.board.open(f"a{index}", None).known.sid for index in range(5)]
    assert known == [None, None, *(f"CA{index:032}" for index in (2, 3, 4))]


async def test_what_is_over_is_bounded(autojump_clock, monkeypatch):
    """Ids of calls that are over are kept for a while, so that no other attempt takes them; their keys for a minute."""
    monkeypatch.setattr(boards, "_REMEMBERED", 3)
    board = Board()
    for index in range(5):
        leg = board.open(f"a{index}", None)
        leg.known.sid = f"CA{index:032}"
        board.close(leg)
        await trio.sleep(25)
    assert board.taken("a3") == {f"CA{index:032}" for index in (2, 4)}
    assert [board.closed(f"a{index}") is not None for index in range(5)] == [False, False, True, True, True]
    assert board.find("a4") is None
