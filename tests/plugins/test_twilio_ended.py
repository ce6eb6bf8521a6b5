"""What is told of a call's end, in this life and in a later one, and what is asked for after it."""

import pytest
import trio
from dialerd_twilio.answers import CarrierError
from twilio_rig import CALLBACKS, NUMBER, Behaviour, Faults, Report, Rig, order, ref, rig

from dialerd.model.call import CallEnd, CannotTell, WasPlaced
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, AnsweredBy, OnVoicemail, Outcome
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import Accepted, Answered, Throttled

BY = pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])
LEAVES = AgentSettings(say="Hello. " * 40, on_voicemail=OnVoicemail.LEAVE_MESSAGE)
STOPS = AgentSettings(say="Press 9. " * 20, opt_out="9", opt_out_say="You will not be called again.")


async def die_in(carrier: Rig, seconds: float, **changes: object) -> Report:
    """Place a call and end this life while it goes on; return what was told until then."""
    report = Report()
    async with carrier.life():
        with trio.move_on_after(seconds):
            await carrier.place(order(**changes), report)
    return report


def left_by(carrier: Rig, report: Report) -> dict[str, object]:
    """Return what the store knows of the attempt of a former life."""
    accepted = report.find(Accepted)
    assert accepted is not None
    return {"reference": accepted.reference, "state": report.last_state}


@BY
async def test_a_message_that_was_left_is_told_in_a_later_life(clock, callbacks):
    """Reconciling a call that was over meanwhile says so too: the script went with the attempt."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", greeting_s=3)
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier:
        report = await die_in(carrier, 3, agent=LEAVES, amd=Amd.DETECT)
        await trio.sleep(100)
        async with carrier.life() as trunk:
            answer = await trunk.reconcile(ref(carrier.double, **left_by(carrier, report)))
    assert isinstance(answer, WasPlaced)
    assert answer.end is not None
    assert answer.end.message_left
    assert answer.end.outcome is Outcome.VOICEMAIL
    assert answer.end.answered_by is AnsweredBy.MACHINE


async def test_a_message_that_was_left_is_told_where_no_callback_came(clock):
    """All of it is found out only when the phone should have stopped ringing."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", greeting_s=3)
    faults = Faults(withheld=1.0)
    async with rig(callbacks=True, behaviour=behaviour, faults=faults) as carrier, carrier.life():
        end = await carrier.place(order(agent=LEAVES, amd=Amd.DETECT, ring_timeout=45_000))
    assert end.outcome is Outcome.VOICEMAIL
    assert end.message_left


@BY
async def test_a_message_that_was_cut_short_was_not_left(clock, callbacks):
    """Whoever ended the call before its message was over has left none."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", greeting_s=3)
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier, carrier.life():
        wanted, ends = order(agent=LEAVES, amd=Amd.DETECT), []

        async def place() -> None:
            ends.append(await carrier.place(wanted))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(place)
            await trio.sleep(9)
            wanted.hangup.set()
    assert not ends[0].message_left


@pytest.mark.parametrize("followed", [False, True], ids=["found over", "followed"])
async def test_an_opt_out_that_was_never_stored_is_in_the_end(clock, followed):
    """Whether reconciling tells the end or following does; keys are told once, as events or with the end."""
    behaviour = Behaviour(ring_s=1, talk_s=500)
    async with rig(callbacks=True, behaviour=behaviour) as carrier:
        report = await die_in(carrier, 3, agent=STOPS)
        async with carrier.life() as trunk:
            call = carrier.double.placed(NUMBER)[0]
            pressed = {"CallSid": call.sid, "Digits": "9"}
            await carrier.double.webhooks.ask(call, "gather", f"{CALLBACKS}/keys/a1?stop=9", pressed)
            attempt, follower = ref(carrier.double, **left_by(carrier, report)), Report()
            follower.fails = True
            await trio.sleep(0 if followed else 60)
            answer = await trunk.reconcile(attempt)
            assert isinstance(answer, WasPlaced)
            assert (answer.end is None) == followed
            end = answer.end or await trunk.follow(attempt, follower, HangUp())
    assert end.opted_out
    assert end.digits == ("" if followed else "9")
    assert follower.names().count("Digits") == followed


async def test_a_followed_call_tells_its_keys_as_they_come(clock):
    """They are not told again with its end."""
    behaviour = Behaviour(ring_s=1, talk_s=60, presses="5")
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(agent=STOPS), report)
    assert "Digits" in report.names()
    assert end.digits == ""


async def test_instants_are_of_whoever_knows_them_best(clock):
    """What a callback told when it happened has its instant here; what was found by asking has the carrier's."""
    behaviour = Behaviour(ring_s=3, talk_s=10)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life():
        told = await carrier.place(order())
    async with rig(behaviour=behaviour) as carrier, carrier.life():
        asked = await carrier.place(order())
        (call,) = carrier.double.placed(NUMBER)
    assert (told.answered_at, told.ended_at) == (None, None)
    assert asked.answered_at == pytest.approx(call.answered_at, abs=1_000)
    assert asked.ended_at == pytest.approx(call.ended_at, abs=1_000)


@pytest.mark.parametrize("followed", [False, True], ids=["found over", "followed"])
async def test_what_was_told_while_nobody_followed_has_the_carriers_instants(clock, followed):
    """Callbacks of a new life may come long before its calls are looked for; nobody noted the answer then."""
    behaviour = Behaviour(ring_s=10, talk_s=60)
    async with rig(callbacks=True, behaviour=behaviour) as carrier:
        report = await die_in(carrier, 5)
        async with carrier.life() as trunk:
            await trio.sleep(40 if followed else 90)
            attempt = ref(carrier.double, **left_by(carrier, report))
            answer = await trunk.reconcile(attempt)
            assert isinstance(answer, WasPlaced)
            end = answer.end or await trunk.follow(attempt, Report(), HangUp())
    (call,) = carrier.double.placed(NUMBER)
    assert end.answered_at == pytest.approx(call.answered_at, abs=1_000)


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
async def test_what_nobody_answered_costs_nothing(clock, outcome):
    """No price is waited for."""
    behaviour = Behaviour(ring_s=1, outcome=outcome)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life(price_wait="5m"):
        end = await carrier.place(order())
    assert end.afterwards is None


async def test_a_price_is_asked_for_again(clock):
    """A carrier that fails once is asked again."""
    behaviour = Behaviour(ring_s=1, talk_s=5, price="-0.01400", price_s=1)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life(price_wait="5m"):
        end = await carrier.place(order())
        assert end.afterwards is not None
        carrier.double.faults.next_others = ["server_error"]
        assert await end.afterwards() == {"price": "-0.01400", "price_unit": "USD"}
        assert carrier.double.faults.next_others == []


async def test_a_price_that_is_known_at_the_end_is_not_waited_for(clock):
    """A call that ended long ago has it in the answer that tells its end."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=5, price="-0.02")) as carrier:
        report = await die_in(carrier, 3)
        await trio.sleep(600)
        async with carrier.life(price_wait="5m") as trunk:
            answer = await trunk.reconcile(ref(carrier.double, **left_by(carrier, report)))
    assert isinstance(answer, WasPlaced)
    assert isinstance(answer.end, CallEnd)
    assert answer.end.detail["price"] == "-0.02"
    assert answer.end.afterwards is None


async def test_an_id_that_the_carrier_does_not_know_is_asked_about_for_a_while(clock):
    """Its servers may not all have heard of the call; after ten minutes nobody can tell."""
    async with rig() as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double, reference="CA" + "9" * 32)
        for _ in range(12):
            with pytest.raises(CarrierError, match="does not know the call"):
                await trunk.reconcile(attempt)
            await trio.sleep(50)
        assert isinstance(await trunk.reconcile(attempt), CannotTell)


@BY
async def test_a_call_can_be_followed_without_being_asked_about_first(clock, callbacks):
    """The id is in the attempt, and that is enough."""
    behaviour = Behaviour(ring_s=2, talk_s=60)
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier:
        report = await die_in(carrier, 5)
        async with carrier.life() as trunk:
            follower = Report()
            end = await trunk.follow(ref(carrier.double, **left_by(carrier, report)), follower, HangUp())
    assert end.outcome is Outcome.ANSWERED
    assert end.detail["duration_s"] == 60
    assert follower.find(Answered) is not None
    assert follower.violations == []


async def test_a_carrier_that_wants_to_be_left_alone_is_by_every_trunk_of_the_account(clock):
    """What one trunk was told, another one heeds; a day is not believed, but ten minutes are."""
    async with (
        rig(behaviour=Behaviour(ring_s=1, talk_s=1), faults=Faults(retry_after_s=5)) as carrier,
        carrier.life() as one,
        carrier.life() as another,
    ):
        carrier.double.faults.next_creates = ["throttle"]
        with pytest.raises(Throttled):
            await one.place(order(), Report())
        began_s = trio.current_time()
        await another.place(order("a2"), Report())
        (call,) = carrier.double.calls.values()
        assert call.created_s - began_s == pytest.approx(5, abs=0.5)
        carrier.double.faults.next_creates, carrier.double.faults.retry_after_s = ["throttle"], 86_400
        with pytest.raises(Throttled):
            await one.place(order("a3"), Report())
        with pytest.raises(Throttled) as told:
            await another.place(order("a4"), Report())
        assert told.value.retry_after == pytest.approx(600_000, abs=1_000)
