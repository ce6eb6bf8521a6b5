"""Calls through the provider `twilio` and a Twilio double: what is sent, what is told, how they end."""

import pytest
import trio
from twilio_rig import NUMBER, Behaviour, Faults, Report, on, order, rig

from dialerd.model.call import UNFIT_AGENT, UNFIT_CALL
from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.states import Amd, AnsweredBy, AtFault, OnVoicemail, Outcome
from dialerd.plugin.provider import Accepted, AmdResult, Answered, MaybePlaced, NotPlaced, Ringing, Throttled, Withdrawn

BY = pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])


@BY
async def test_an_answered_call(clock, callbacks):
    """What is sent is what was ordered, and the end is what the carrier says."""
    async with rig(callbacks=callbacks, behaviour=Behaviour(ring_s=4, talk_s=30)) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(ring_timeout=30_000, max_duration=600_000), report)
    (call,) = carrier.double.placed(NUMBER)
    assert call.params["Timeout"] == "25"
    assert call.params["TimeLimit"] == "600"
    assert "<Stream" in call.params["Twiml"]
    assert ("StatusCallback" in call.params) == callbacks
    assert end.outcome is Outcome.ANSWERED
    assert report.names()[0] == "Accepted"
    assert report.names()[-1] == "Answered"
    assert report.find(Accepted) == Accepted(call.sid)
    assert report.violations == []
    assert end.detail["sid"] == call.sid
    assert end.detail["duration_s"] == 30
    if callbacks:  # they told when it happened, to the millisecond
        assert (end.answered_at, end.ended_at) == (None, None)
    else:
        assert end.ended_at - end.answered_at == 30_000
        assert abs(end.ended_at - carrier.double.now()) <= 31_000


async def test_callbacks_tell_at_once_and_nobody_is_asked(clock):
    """With callbacks an answer is told in the second in which it comes; the carrier gets one request a call."""
    async with rig(callbacks=True, behaviour=Behaviour(ring_s=4, talk_s=20)) as carrier, carrier.life():
        asked = carrier.double.requests
        report, began_s = Report(), trio.current_time()
        await carrier.place(order(), report)
        assert report.at_s(Ringing) - began_s == pytest.approx(0, abs=1)
        assert report.at_s(Answered) - began_s == pytest.approx(4, abs=1)
        assert trio.current_time() - began_s == pytest.approx(24, abs=2)
        assert carrier.double.requests - asked == 1


async def test_where_callbacks_stay_away_the_carrier_is_asked(clock):
    """A proxy that lets nothing through costs some delay, and no call."""
    faults = Faults(withheld=1.0)
    async with (
        rig(callbacks=True, behaviour=Behaviour(ring_s=4, talk_s=300), faults=faults) as carrier,
        carrier.life(callback_patience="10s"),
    ):
        report, began_s = Report(), trio.current_time()
        end = await carrier.place(order(), report)
    assert end.outcome is Outcome.ANSWERED
    assert report.at_s(Answered) - began_s == pytest.approx(10, abs=1)
    assert trio.current_time() - began_s < 304 + 35


async def test_asking_gets_rarer(clock):
    """A long call is not asked about every two seconds."""
    async with rig(behaviour=Behaviour(ring_s=4, talk_s=600)) as carrier, carrier.life():
        await carrier.place(order())
        assert carrier.double.requests < 50


@BY
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (Behaviour(outcome="busy", ring_s=1), Outcome.BUSY),
        (Behaviour(outcome="no-answer"), Outcome.NO_ANSWER),
        (Behaviour(outcome="failed", ring_s=1, sip_code=404), Outcome.INVALID_NUMBER),
    ],
)
async def test_unanswered_calls(clock, callbacks, behaviour, outcome):
    """Busy, no answer and invalid numbers are ends, not errors; nobody is said to have answered."""
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(ring_timeout=20_000), report)
    if not callbacks and outcome is Outcome.INVALID_NUMBER:
        assert end.outcome is Outcome.UNREACHABLE  # when it is asked, the carrier gives no SIP code
    else:
        assert end.outcome is outcome
    assert "Answered" not in report.names()
    assert end.answered_at is None


async def test_the_code_of_a_failed_call_is_asked_for(clock):
    """A fetched call has no SIP code; what the carrier notes of it has an error's."""
    behaviour = Behaviour(outcome="failed", ring_s=1, error_code=13224)
    async with rig(behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order())
    assert end.outcome is Outcome.UNREACHABLE
    assert end.cause.code == "13224"
    assert end.detail["error_code"] == 13224


@BY
async def test_a_phone_rings_no_longer_than_ordered(clock, callbacks):
    """Also where the carrier does not heed its own timeout: the call is taken back, as no answer."""
    async with (
        rig(callbacks=callbacks, behaviour=Behaviour(outcome="no-answer"), ring_buffer_s=500) as carrier,
        carrier.life(),
    ):
        began_s = trio.current_time()
        end = await carrier.place(order(ring_timeout=30_000))
    assert end.outcome is Outcome.NO_ANSWER
    assert trio.current_time() - began_s < 40
    (call,) = carrier.double.placed(NUMBER)
    assert call.status == "canceled"


@BY
async def test_a_call_in_the_carriers_queue_is_taken_back(clock, callbacks):
    """What has not begun to ring in all that time would ring too late; nothing rang, so that it does not count."""
    async with rig(callbacks=callbacks, cps=0.001) as carrier, carrier.life():
        await carrier.place(order("first", ring_timeout=10_000))
        end = await carrier.place(order(ring_timeout=20_000))
    assert end.outcome is Outcome.CONGESTION
    assert end.cause.fault is AtFault.TRUNK
    assert [call.status for call in carrier.double.placed(NUMBER)][1] == "canceled"


async def test_a_call_of_which_nothing_is_told_is_not_taken_for_queued(clock):
    """Callbacks that stay away say nothing: it may have rung all the time."""
    faults = Faults(withheld=1.0)
    behaviour = Behaviour(outcome="no-answer")
    async with rig(callbacks=True, behaviour=behaviour, faults=faults, ring_buffer_s=500) as carrier, carrier.life():
        end = await carrier.place(order(ring_timeout=20_000))
    assert end.outcome is Outcome.NO_ANSWER


@BY
@pytest.mark.parametrize("event", [Accepted, Ringing, Answered])
async def test_hanging_up(clock, callbacks, event):
    """`canceled` before the answer, `completed` after it."""
    async with rig(callbacks=callbacks, behaviour=Behaviour(ring_s=10, talk_s=None)) as carrier, carrier.life():
        wanted = order()
        report = Report(None, on(event, wanted.hangup.set))
        end = await carrier.place(wanted, report)
    (call,) = carrier.double.placed(NUMBER)
    assert call.over
    assert end.outcome is (Outcome.ANSWERED if event is Answered else Outcome.CANCELLED)
    assert call.status == ("completed" if event is Answered else "canceled")


async def test_hanging_up_goes_on_until_it_is_done(clock):
    """A carrier that refuses the order once is told again."""
    async with rig(behaviour=Behaviour(ring_s=10, talk_s=None)) as carrier, carrier.life():
        wanted = order()

        def hang_up() -> None:
            carrier.double.faults.next_others += ["server_error", "lost_answer", "server_error", "server_error"]
            wanted.hangup.set()

        end = await carrier.place(wanted, Report(None, on(Answered, hang_up)))
    assert end.outcome is Outcome.ANSWERED
    assert carrier.double.placed(NUMBER)[0].over


@BY
@pytest.mark.parametrize("policy", [OnVoicemail.HANG_UP, OnVoicemail.LEAVE_MESSAGE, OnVoicemail.CONTINUE])
async def test_machines(clock, callbacks, policy):
    """A machine is hung up on, gets the message after its beep, or is talked to."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", greeting_s=8)
    agent = AgentSettings(say="Hello. " * 60, on_voicemail=policy)
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(agent=agent, amd=Amd.DETECT), report)
    (call,) = carrier.double.placed(NUMBER)
    assert call.params["MachineDetection"] == ("DetectMessageEnd" if policy is OnVoicemail.LEAVE_MESSAGE else "Enable")
    assert (call.params.get("AsyncAmd") == "true") == (callbacks and policy is not OnVoicemail.LEAVE_MESSAGE)
    assert end.outcome is Outcome.VOICEMAIL
    assert end.answered_by is AnsweredBy.MACHINE
    assert report.find(AmdResult) == AmdResult(AnsweredBy.MACHINE)
    assert end.message_left == (policy is OnVoicemail.LEAVE_MESSAGE)
    heard = [said for said in call.heard if "Hello." in said]
    if policy is OnVoicemail.LEAVE_MESSAGE:
        assert heard, "the message was never said"


async def test_keys_are_pressed_by_the_carrier(clock):
    """It is told them where the call is created; without any it is told nothing."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=9)) as carrier, carrier.life():
        agent = AgentSettings(say="Hello.", press="ww{extension}#")
        ends = [await carrier.place(order(agent=agent, variables={"extension": 204}))]
        ends.append(await carrier.place(order(agent=AgentSettings(say="Hello."))))
        with pytest.raises(NotPlaced, match="what it presses must be keys"):
            await carrier.place(order(agent=agent, variables={"extension": "front desk"}))
    assert [end.outcome for end in ends] == [Outcome.ANSWERED] * 2
    assert [call.params.get("SendDigits") for call in carrier.double.placed(NUMBER)] == ["ww204#", None]


async def test_a_message_that_is_shorter_than_the_greeting_is_left_after_the_beep(clock):
    """It is not said into the greeting, and the call is not over before anybody knows that a machine listens."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", greeting_s=14)
    agent = AgentSettings(say="Hello.", on_voicemail=OnVoicemail.LEAVE_MESSAGE)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order(agent=agent, amd=Amd.DETECT))
    assert end.outcome is Outcome.VOICEMAIL
    assert end.message_left


async def test_a_text_that_is_shorter_than_the_detection_is_not_taken_for_heard(clock):
    """The call stays up until it is known that a machine has answered."""
    behaviour = Behaviour(ring_s=2, talk_s=60, answered_by="machine", detection_s=4)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order(agent=AgentSettings(say="Hi."), amd=Amd.DETECT))
    assert end.outcome is Outcome.VOICEMAIL


@BY
async def test_humans_hear_the_agent(clock, callbacks):
    """A person is not hung up on, whatever is done with machines."""
    behaviour = Behaviour(ring_s=2, talk_s=20, answered_by="human")
    async with rig(callbacks=callbacks, behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order(amd=Amd.DETECT, agent=AgentSettings(say="Hello. " * 20)))
    assert end.outcome is Outcome.ANSWERED
    assert end.answered_by is AnsweredBy.HUMAN
    assert carrier.double.placed(NUMBER)[0].heard


async def test_keys_and_the_opt_out(clock):
    """What is pressed is told, answered by the menu, and the opt-out is entered before it is confirmed."""
    agent = AgentSettings(say="Press 9.", opt_out="9", opt_out_say="You will not be called again.")
    async with rig(callbacks=True, behaviour=Behaviour(ring_s=2, talk_s=60, presses="9")) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(agent=agent), report)
    assert report.opt_outs == 1
    assert not end.opted_out
    (call,) = carrier.double.placed(NUMBER)
    assert any("not be called again" in said for said in call.heard)


async def test_a_withdrawn_call_is_never_sent(clock):
    """`leave` is asked when a connection is there, and what it raises passes."""
    async with rig() as carrier, carrier.life():
        with pytest.raises(Withdrawn):
            await carrier.place(order(withdrawal=Withdrawn("paused")))
        assert carrier.double.calls == {}
        await carrier.place(order("next"))
        assert len(carrier.double.calls) == 1


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("throttle", Throttled),
        ("lost_response", MaybePlaced),
        ("lost_request", MaybePlaced),
        ("server_error", MaybePlaced),
    ],
)
async def test_refusals(clock, fault, refusal):
    """What is certain is said, and nothing more."""
    async with rig() as carrier, carrier.life():
        carrier.double.faults.next_creates.append(fault)
        with pytest.raises(refusal) as raised:
            await carrier.place(order())
        if refusal is Throttled:
            assert raised.value.retry_after == 1_000


async def test_a_carrier_that_cannot_be_reached_has_not_placed(clock):
    """Nothing was sent where no connection came about."""
    async with rig() as carrier, carrier.life(check_caller_ids=False, base_url="http://127.0.0.1:9"):
        with pytest.raises(NotPlaced) as raised:
            await carrier.place(order())
    assert raised.value.cause.fault in (AtFault.PROVIDER, AtFault.TRUNK)
    assert not raised.value.trunk_down


@pytest.mark.parametrize(("status", "code"), [(401, 20003), (403, 20005), (400, 21210)])
async def test_what_is_the_accounts_matter_takes_the_trunk_down(clock, status, code):
    """Nobody's attempt is burnt while the account is not what it should be."""
    async with rig() as carrier, carrier.life():
        carrier.double.faults.create_error = (status, code)
        with pytest.raises(NotPlaced) as raised:
            await carrier.place(order())
    assert raised.value.trunk_down
    assert raised.value.cause.fault is not AtFault.CALLEE


@pytest.mark.parametrize(
    ("agent", "code"),
    [
        (AgentSettings(say="Hello {name}."), UNFIT_CALL),
        (AgentSettings(say="{name}", menu={"1": MenuChoice(repeat=True)}), UNFIT_AGENT),
        (AgentSettings(play="/srv/hello.wav"), UNFIT_AGENT),
    ],
    ids=["a variable lacks", "keys without callbacks", "a file of ours"],
)
async def test_an_agent_that_cannot_speak_is_our_fault(clock, agent, code):
    """It rings nobody, and it is told whether that is so in every call or in this one alone."""
    async with rig() as carrier, carrier.life():
        with pytest.raises(NotPlaced) as raised:
            await carrier.place(order(agent=agent))
    assert raised.value.cause.fault is AtFault.US
    assert raised.value.cause.code == code
    assert carrier.double.calls == {}


async def test_the_price_comes_later(clock):
    """The line is free before the price is known."""
    behaviour = Behaviour(ring_s=1, talk_s=5, price="-0.01400", price_s=90)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life(price_wait="5m"):
        began_s = trio.current_time()
        end = await carrier.place(order())
        assert trio.current_time() - began_s < 10
        assert "price" not in end.detail
        assert end.afterwards is not None
        assert await end.afterwards() == {"price": "-0.01400", "price_unit": "USD"}


async def test_a_price_that_never_comes_is_not_waited_for_forever(clock):
    """After `price_wait` it stays unknown."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=5, price=None)) as carrier, carrier.life(price_wait="1m"):
        end = await carrier.place(order())
        began_s = trio.current_time()
        assert await end.afterwards() == {}
        assert trio.current_time() - began_s == pytest.approx(60, abs=1)


async def test_the_accounts_pace_is_kept(clock):
    """Ten calls at once at 2 a second: none waits in the carrier's queue."""
    async with (
        rig(cps=2, behaviour=Behaviour(ring_s=1, talk_s=1)) as carrier,
        carrier.life(account_cps=2),
        trio.open_nursery() as nursery,
    ):
        for index in range(10):
            nursery.start_soon(carrier.place, order(f"a{index}"))
    waited_s = max(call.queued_for_s for call in carrier.double.calls.values())
    assert len(carrier.double.calls) == 10
    assert waited_s < 0.3


async def test_a_foreign_caller_id_keeps_the_trunk_down(clock):
    """The message names the number and what to do."""
    async with rig(numbers=["+14155550100"]) as carrier:
        with pytest.raises(Exception, match=r"neither owns nor has verified \+12125550100"):
            async with carrier.life():
                raise AssertionError
        async with carrier.life(check_caller_ids=False):
            assert carrier.double.calls == {}


async def test_a_verified_caller_id_will_do(clock):
    """Numbers are the account's own, or verified by it."""
    async with rig(numbers=["+14155550100"], verified=["+12125550100"]) as carrier, carrier.life():
        assert carrier.double.requests >= 2


async def test_a_carrier_that_fails_at_the_start_is_not_said_to_have_placed_calls(clock):
    """What is told of a failed request is about numbers, not about a call."""
    async with rig(faults=Faults(next_others=["server_error"])) as carrier:
        with pytest.raises(Exception, match="numbers of the account cannot be read: HTTP 500") as raised:
            async with carrier.life():
                raise AssertionError
    assert "placed" not in str(raised.value)


async def test_wrong_credentials_keep_the_trunk_down(clock):
    """The secret is not in the message."""
    async with rig() as carrier:
        (carrier.folder / "token").write_text("wrong")
        with pytest.raises(Exception, match="cannot be read") as raised:
            async with carrier.life():
                raise AssertionError
    assert "wrong" not in str(raised.value)


async def test_a_cancelled_call_lets_go(clock):
    """At a stop that lasts too long the task is cancelled; the call goes on at the carrier, and is found again."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=None)) as carrier, carrier.life():
        with trio.move_on_after(10) as scope:
            await carrier.place(order())
        assert scope.cancelled_caught
        (call,) = carrier.double.placed(NUMBER)
        assert not call.over
