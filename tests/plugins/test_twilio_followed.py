"""Following a call: who answers is not hung up on, however little is told; what should be over is, in time."""

import pytest
import trio
from double_call import DoubleCall
from twilio_rig import (
    ACCOUNT,
    CALLBACKS,
    NUMBER,
    TALKER,
    TOKEN,
    Behaviour,
    Faults,
    Report,
    Rig,
    order,
    ref,
    rig,
    secret,
)

from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, AnsweredBy, OnVoicemail, Outcome
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import Accepted, Answered, MaybePlaced, NotPlaced

BY = pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])


def silent() -> Faults:
    """Return the faults of a carrier whose status callbacks never come."""
    return Faults(withheld=1.0)


async def tell(carrier: Rig, status: str, sequence: int, **fields: str) -> None:
    """Send a status callback about the call, as it was written by hand."""
    (call,) = carrier.double.placed(NUMBER)
    form = {"CallSid": call.sid, "CallStatus": status, "SequenceNumber": str(sequence), **fields}
    await carrier.double.webhooks.ask(call, "status", f"{CALLBACKS}/status/a1", form)


def was_left_alone(call: DoubleCall, talk_s: float) -> bool:
    """Tell whether a call lasted for as long as both sides liked."""
    return call.status == "completed" and call.end_by_request is None and call.duration_s == talk_s


@pytest.mark.parametrize("ring_timeout_s", [25, 40, 60, 90])
@pytest.mark.parametrize("early_s", [10, 0.5])
async def test_a_late_answer_that_was_not_asked_for_in_time_is_kept(clock, ring_timeout_s, early_s):
    """Questions get rarer; before a call is ended for ringing too long, the carrier is asked once more."""
    behaviour = Behaviour(ring_s=ring_timeout_s - early_s, talk_s=20)
    async with rig(behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order(ring_timeout=ring_timeout_s * 1_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 20)
    assert end.outcome is Outcome.ANSWERED


async def test_an_answer_a_second_after_the_bound_is_kept(clock):
    """The carrier's timeout and its buffer are not exact; whoever answers within the grace is talked to."""
    async with (
        rig(callbacks=True, behaviour=Behaviour(ring_s=21, talk_s=20), ring_buffer_s=50) as carrier,
        carrier.life(),
    ):
        await carrier.place(order(ring_timeout=20_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 20)


@pytest.mark.parametrize(
    "faults", [Faults(withheld=1.0), Faults(next_callbacks=[None, None, "withheld"])], ids=["all", "the answer"]
)
async def test_an_answer_of_which_no_callback_tells_is_kept(clock, faults):
    """Where callbacks are lost, a call looks as if it rang; with the usual patience nobody has asked by then."""
    behaviour = Behaviour(ring_s=40, talk_s=100)
    async with rig(callbacks=True, behaviour=behaviour, faults=faults) as carrier, carrier.life():
        end = await carrier.place(order(ring_timeout=45_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 100)
    assert end.outcome is Outcome.ANSWERED


async def test_a_cancel_that_comes_too_late_is_not_followed_by_a_hang_up(clock):
    """Somebody answered while `canceled` was on its way, which changes nothing then: that person is talked to."""
    behaviour = Behaviour(ring_s=24, talk_s=30)
    async with (
        rig(callbacks=True, behaviour=behaviour, faults=silent(), ring_buffer_s=50) as carrier,
        carrier.life(),
    ):
        carrier.double.faults.slow_s = 5
        carrier.double.faults.next_others = [None, "slow"]  # the question, and the order to cancel
        end = await carrier.place(order(ring_timeout=20_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 30)
    assert end.outcome is Outcome.ANSWERED


async def test_who_answers_while_the_carrier_fails_is_not_hung_up_on(clock):
    """At the bound neither the question nor the order gets through; what is asked next says that somebody answered."""
    behaviour = Behaviour(ring_s=10, talk_s=60)
    async with rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier, carrier.life():
        carrier.double.faults.next_others = ["server_error", "server_error"]
        await carrier.place(order(ring_timeout=20_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 60)


@pytest.mark.parametrize("cps", [None, 0.04], ids=["ringing", "queued until then"])
async def test_who_answers_between_two_orders_to_cancel_is_not_hung_up_on(clock, cps):
    """The first order failed; before the second one a callback tells that somebody has answered."""
    behaviour = Behaviour(ring_s=22.5 if cps is None else 0.2, talk_s=60)
    async with (
        rig(callbacks=True, behaviour=behaviour, cps=cps, ring_buffer_s=50) as carrier,
        carrier.life(),
    ):
        if cps is not None:  # the account's next call has its turn 22.3 s later
            carrier.double.create(ACCOUNT, {"To": "+447111000002", "From": "+12125550100"})
            await trio.sleep(2.7)
        carrier.double.faults.next_others = [None, "server_error", "server_error"]
        await carrier.place(order(ring_timeout=20_000))
    assert was_left_alone(carrier.double.placed(NUMBER)[0], 60)


@BY
async def test_a_call_that_is_dialled_and_never_rings_is_no_answer(clock, callbacks):
    """Only what the carrier has not begun to dial is congestion; the other one has used an attempt."""
    behaviour = Behaviour(outcome="no-answer", rings=False)
    async with rig(callbacks=callbacks, behaviour=behaviour, ring_buffer_s=500) as carrier, carrier.life():
        end = await carrier.place(order(ring_timeout=20_000))
    assert carrier.double.placed(NUMBER)[0].end_by_request == "canceled"
    assert end.outcome is Outcome.NO_ANSWER


async def test_a_call_that_leaves_the_queue_before_it_is_taken_back_has_rung(clock):
    """The first order to cancel failed; by the second one the phone rang, which is no congestion any more."""
    behaviour = Behaviour(outcome="no-answer")
    async with rig(behaviour=behaviour, cps=0.04, ring_buffer_s=500) as carrier, carrier.life(poll_first="60s"):
        carrier.double.create(ACCOUNT, {"To": "+447111000002", "From": "+12125550100"})
        await trio.sleep(2.7)  # the account's next call has its turn 22.3 s later
        carrier.double.faults.next_others = [None, "server_error", "server_error"]
        end = await carrier.place(order(ring_timeout=20_000))
    assert carrier.double.placed(NUMBER)[0].end_by_request == "canceled"
    assert end.outcome is Outcome.NO_ANSWER


async def test_a_former_lifes_ringing_counts(clock):
    """A phone does not ring for twice as long because the daemon was restarted."""
    behaviour = Behaviour(outcome="no-answer")
    async with rig(behaviour=behaviour, ring_buffer_s=500) as carrier:
        attempt, report = ref(carrier.double), Report()
        async with carrier.life():
            with trio.move_on_after(30):
                await carrier.place(order(), report)
        async with carrier.life() as trunk:
            accepted = report.find(Accepted)
            attempt = ref(
                carrier.double, claimed_at=attempt.claimed_at, reference=accepted.reference, ring_timeout=45_000
            )
            end = await trunk.follow(attempt, Report(), HangUp())
    (call,) = carrier.double.placed(NUMBER)
    assert call.ended_s - call.created_s == pytest.approx(47, abs=1.5)
    assert end.outcome is Outcome.NO_ANSWER


async def test_a_call_that_is_over_already_gets_no_order_to_end(clock):
    """At the bound the carrier is asked, and says that the line was busy: one request, and nothing is ended."""
    behaviour = Behaviour(outcome="busy", ring_s=5)
    async with rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier, carrier.life():
        asked, began_s = carrier.double.requests, trio.current_time()
        end = await carrier.place(order(ring_timeout=20_000))
        assert carrier.double.requests - asked == 2
        assert trio.current_time() - began_s == pytest.approx(22, abs=0.5)
    assert end.outcome is Outcome.BUSY


async def test_hanging_up_on_what_is_over_takes_one_step(clock):
    """The carrier refuses the order (21220); it is asked at once why, not after the next pause."""
    behaviour = Behaviour(ring_s=2, talk_s=5)
    async with rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier, carrier.life():
        asked, wanted = carrier.double.requests, order()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(carrier.place, wanted)
            await trio.sleep(30)
            wanted.hangup.set()
            hung_up_s = trio.current_time()
        assert trio.current_time() - hung_up_s < 0.5
        assert carrier.double.requests - asked == 3  # create, end, fetch


async def test_a_carrier_that_never_answers_leaves_doubt(clock, logged):
    """Some time after the call should be over it is given up as doubtful; the log has one line a minute of it."""
    behaviour = Behaviour(outcome="no-answer")
    async with rig(behaviour=behaviour, ring_buffer_s=500) as carrier, carrier.life():
        carrier.double.faults.reads_failed = 1.0
        began_s = trio.current_time()
        with pytest.raises(MaybePlaced, match="does not say how the call ended"), trio.fail_after(200):
            await carrier.place(order(ring_timeout=20_000))
        assert trio.current_time() - began_s == pytest.approx(47, abs=7)
    complaints = [log for log in logged if log["event"] == "twilio.not_answered"]
    assert [log["more"] for log in complaints] == [0]
    assert "HTTP 500" in complaints[0]["error"]


async def test_complaints_about_a_silent_carrier_come_once_a_minute(clock, logged):
    """Of all calls together, however many there are."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=None)) as carrier, carrier.life():

        async def place(attempt_id: str) -> None:
            await carrier.place(order(attempt_id, ring_timeout=500_000))

        async with trio.open_nursery() as nursery:
            carrier.double.faults.reads_failed = 1.0
            for index in range(3):
                nursery.start_soon(place, f"a{index}")
            await trio.sleep(150)
            nursery.cancel_scope.cancel()
    complaints = [log for log in logged if log["event"] == "twilio.not_answered"]
    assert 2 <= len(complaints) <= 3
    assert complaints[1]["more"] > 5


async def test_a_lost_last_callback_is_noticed(clock):
    """Once callbacks fall silent the carrier is asked, with the patience that the trunk has."""
    faults = Faults(next_callbacks=[None, None, None, "withheld"])
    behaviour = Behaviour(ring_s=2, talk_s=8)
    async with (
        rig(callbacks=True, behaviour=behaviour, faults=faults) as carrier,
        carrier.life(callback_patience="20s"),
    ):
        began_s = trio.current_time()
        end = await carrier.place(order())
        assert trio.current_time() - began_s == pytest.approx(22, abs=1)
    assert end.detail["duration_s"] == 8


async def test_callbacks_that_come_put_the_question_off(clock):
    """A call of which something is told within the patience, again and again, is never asked about."""
    behaviour = Behaviour(ring_s=8, talk_s=8)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life(callback_patience="10s"):
        asked = carrier.double.requests
        await carrier.place(order())
        assert carrier.double.requests - asked == 1


async def test_a_long_call_after_the_last_callback_is_asked_about_less_and_less(clock):
    """Nothing is wrong with it: it just lasts."""
    behaviour = Behaviour(ring_s=2, talk_s=600)
    async with rig(callbacks=True, behaviour=behaviour) as carrier, carrier.life(callback_patience="10s"):
        asked = carrier.double.requests
        await carrier.place(order())
        assert 8 < carrier.double.requests - asked < 22


async def test_missing_callbacks_are_warned_of_and_made_up_for(clock, logged):
    """The first call waits for callbacks; the next ones are asked about at once, until a callback comes."""
    behaviour = Behaviour(ring_s=3, talk_s=14)
    async with (
        rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier,
        carrier.life(callback_patience="15s"),
    ):
        delays = []
        for index in range(2):
            report, began_s = Report(), trio.current_time()
            await carrier.place(order(f"a{index}"), report)
            delays.append(report.at_s(Answered) - began_s)
        assert delays[0] == pytest.approx(15, abs=1)
        assert delays[1] == pytest.approx(5, abs=1)
        warned = [log for log in logged if log["event"] == "twilio.callbacks_missing"]
        assert [(log["trunk"], log["log_level"]) for log in warned] == [("main", "warning")]
        carrier.double.faults.withheld = 0.0
        await carrier.place(order("a2"))
        asked = carrier.double.requests
        await carrier.place(order("a3"))
        assert carrier.double.requests - asked == 1


async def test_a_fax_is_hung_up_on(clock):
    """Also where a message is left for machines: a fax does not listen to any."""
    behaviour = Behaviour(ring_s=2, talk_s=None, answered_by="fax")
    agent = AgentSettings(say="Hello. " * 300, on_voicemail=OnVoicemail.LEAVE_MESSAGE)
    async with rig(behaviour=behaviour) as carrier, carrier.life():
        end = await carrier.place(order(agent=agent, amd=Amd.DETECT))
    assert carrier.double.placed(NUMBER)[0].end_by_request == "completed"
    assert carrier.double.placed(NUMBER)[0].duration_s < 30
    assert end.answered_by is AnsweredBy.FAX
    assert not end.message_left


async def test_who_answered_is_asked_for_where_nobody_told(clock):
    """The detection's callback was lost, and the last one does not say it: one question after the end."""

    async def nobody(_request: CallbackRequest) -> CallbackAnswer:
        return CallbackAnswer(status=502)

    behaviour = Behaviour(ring_s=2, talk_s=10, answered_by="machine")
    async with rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier, carrier.life():
        carrier.double.routes[f"{CALLBACKS}/detection"] = nobody
        ends = []

        async def place() -> None:
            agent = AgentSettings(stream=TALKER.stream, on_voicemail=OnVoicemail.CONTINUE)
            ends.append(await carrier.place(order(agent=agent, amd=Amd.DETECT)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(place)
            await trio.sleep(15)
            when = {"Timestamp": "Sat, 21 Nov 2026 11:00:07 +0000", "CallDuration": "10"}
            await tell(carrier, "completed", 3, **when)
    assert ends[0].answered_by is AnsweredBy.MACHINE
    assert ends[0].outcome is Outcome.VOICEMAIL


async def test_what_the_last_callback_leaves_out_is_asked_for(clock):
    """Without `CallDuration` nobody knows how long a call was up; the carrier does."""
    behaviour = Behaviour(ring_s=2, talk_s=10)
    async with rig(callbacks=True, behaviour=behaviour, faults=silent()) as carrier, carrier.life():
        ends = []

        async def place() -> None:
            ends.append(await carrier.place(order()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(place)
            await trio.sleep(15)
            await tell(carrier, "completed", 3)
    (call,) = carrier.double.placed(NUMBER)
    assert ends[0].detail["duration_s"] == 10
    assert ends[0].answered_at == pytest.approx(call.answered_at, abs=1_000)


async def test_an_unknown_status_is_no_loss(clock, monkeypatch):
    """A carrier's own word for a call that is under way says nothing; the call is followed all the same."""
    ours = DoubleCall.shown_status.fget
    assert ours is not None
    monkeypatch.setattr(
        DoubleCall, "shown_status", property(lambda call: {"ringing": "routing"}.get(s := ours(call), s))
    )
    async with rig(behaviour=Behaviour(ring_s=5, talk_s=5)) as carrier, carrier.life():
        report = Report()
        end = await carrier.place(order(), report)
    assert report.names() == ["Accepted", "Answered"]
    assert end.outcome is Outcome.ANSWERED


async def test_a_secret_that_was_changed_is_read_again(clock, logged):
    """After a 401 the next call uses what the file has now; neither secret is shown."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=1)) as carrier:
        secret(carrier.folder, "the-former-secret")
        async with carrier.life(check_caller_ids=False):
            secret(carrier.folder, TOKEN)
            with pytest.raises(NotPlaced) as refused:
                await carrier.place(order())
            assert refused.value.trunk_down
            end = await carrier.place(order("a2"))
    assert end.outcome is Outcome.ANSWERED
    shown = f"{refused.value} {refused.value.cause} {refused.value.__cause__} {logged}"
    assert "former-secret" not in shown
    assert TOKEN not in shown
