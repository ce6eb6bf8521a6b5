"""What became of a call whose answer was lost, or that a former life placed: found, followed, or proven not placed."""

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio_rig import ACCOUNT, NUMBER, Answer, Asked, Behaviour, Faults, Report, TwilioDouble, order, ref, rig

from dialerd.model.call import AttemptRef, CallEnd, CannotTell, WasNotPlaced, WasPlaced
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Outcome
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import Accepted, Answered, MaybePlaced

BY = pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])


def of(double: TwilioDouble, report: Report, **changes: object) -> AttemptRef:
    """Return the attempt of `order()` as a later life knows it."""
    accepted = report.find(Accepted)
    return ref(double, reference=None if accepted is None else accepted.reference, state=report.last_state, **changes)


async def lose(carrier, fault: str, **changes: object) -> None:
    """Place a call whose answer is lost."""
    carrier.double.faults.next_creates.append(fault)
    with pytest.raises(MaybePlaced):
        await carrier.place(order(**changes))


async def test_a_lost_answer_is_found_by_numbers_and_time(clock):
    """The call came to be: it is adopted by its id, followed and ended as it ends."""
    async with rig(behaviour=Behaviour(ring_s=5, talk_s=60)) as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "lost_response")
        (call,) = carrier.double.placed(NUMBER)
        answer = await trunk.reconcile(attempt)
        assert answer == WasPlaced(end=None, reference=call.sid)
        report = Report()
        end = await trunk.follow(attempt, report, HangUp())
        assert report.find(Accepted) == Accepted(call.sid)
        assert report.find(Answered) is not None
        assert end.outcome is Outcome.ANSWERED
        assert end.detail["duration_s"] == 60


async def test_with_callbacks_a_lost_answer_is_hardly_noticed(clock):
    """A callback tells the call's id, by the attempt in its URL, before anybody looks for it."""
    async with rig(callbacks=True, behaviour=Behaviour(ring_s=5, talk_s=60)) as carrier, carrier.life() as trunk:
        carrier.double.faults.next_creates.append("lost_response")
        report = Report()
        end = await trunk.place(order(), report)
    assert end.outcome is Outcome.ANSWERED
    assert report.find(Accepted) == Accepted(carrier.double.placed(NUMBER)[0].sid)


async def test_callbacks_tell_the_id_of_a_call_in_doubt(clock):
    """A callback that comes after the loss was noticed still says which call it was: nobody needs to look for it."""
    faults = Faults(late_creation_s=5)
    async with rig(callbacks=True, behaviour=Behaviour(talk_s=60), faults=faults) as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "late_creation")
        await trio.sleep(8)
        asked = carrier.double.requests
        answer = await trunk.reconcile(attempt)
        assert isinstance(answer, WasPlaced)
        assert answer.reference == carrier.double.placed(NUMBER)[0].sid
        assert carrier.double.requests - asked == 1


async def test_a_lost_request_is_proven_in_time(clock):
    """Not before a late creation would have shown."""
    async with rig() as carrier, carrier.life(late_creation="30s") as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "lost_request")
        began_s = trio.current_time()
        assert isinstance(await trunk.reconcile(attempt), WasNotPlaced)
        assert trio.current_time() - began_s == pytest.approx(30, abs=1)


@BY
async def test_a_late_creation_is_waited_for(clock, callbacks):
    """The connection broke, and the call came to be twenty seconds later."""
    async with (
        rig(callbacks=callbacks, faults=Faults(late_creation_s=20)) as carrier,
        carrier.life(late_creation="30s") as trunk,
    ):
        attempt = ref(carrier.double)
        await lose(carrier, "late_creation")
        answer = await trunk.reconcile(attempt)
        assert isinstance(answer, WasPlaced)
        assert answer.reference == carrier.double.placed(NUMBER)[0].sid


async def test_a_call_that_is_not_listed_at_once_is_waited_for(clock):
    """Twilio's lists may lag behind."""
    async with rig(faults=Faults(unlisted_s=15)) as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "lost_response")
        assert isinstance(await trunk.reconcile(attempt), WasPlaced)


async def test_a_5xx_may_have_created(clock):
    """500 after the call came to be: it is found."""
    async with rig() as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "error_after_creation")
        assert isinstance(await trunk.reconcile(attempt), WasPlaced)


@pytest.mark.parametrize("restarted", [False, True], ids=["this life", "a former life"])
async def test_calls_of_other_attempts_are_not_taken(clock, restarted):
    """The same number was called a moment before, by an attempt of this life, or by one that the store knows."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=5)) as carrier, carrier.life() as trunk:
        await carrier.place(order("before"))
        known = (carrier.double.placed(NUMBER)[0].sid,)
        attempt = ref(carrier.double, others=known if restarted else ())
        await lose(carrier, "lost_request")
        if not restarted:
            assert isinstance(await trunk.reconcile(attempt), WasNotPlaced)
            return
        async with carrier.life() as later:
            assert isinstance(await later.reconcile(attempt), WasNotPlaced)


async def test_a_strange_call_from_before_leaves_doubt(clock):
    """Nobody knows of it, and clocks may have been set: nobody is rung again on such a proof."""
    async with rig(behaviour=Behaviour(ring_s=1, talk_s=5)) as carrier:
        async with carrier.life():
            await carrier.place(order("somebody else's"))
        await trio.sleep(600)
        async with carrier.life() as trunk:
            answer = await trunk.reconcile(ref(carrier.double))
            assert isinstance(answer, CannotTell)
            assert carrier.double.placed(NUMBER)[0].sid in answer.reason
        await trio.sleep(3 * 3600)
        async with carrier.life() as trunk:
            assert isinstance(await trunk.reconcile(ref(carrier.double)), WasNotPlaced)


@pytest.mark.parametrize("off_s", [-3600, -90, 90, 3600])
async def test_clocks_that_differ(clock, off_s):
    """This machine's clock is wrong by an hour; the carrier's answers tell by how much."""
    async with rig() as carrier, carrier.life() as trunk:
        carrier.late = off_s * 1_000
        attempt = ref(carrier.double, claimed_at=carrier.now())
        await lose(carrier, "lost_response")
        assert isinstance(await trunk.reconcile(attempt), WasPlaced)


@BY
async def test_a_call_of_a_former_life_is_followed(clock, callbacks):
    """Killed amid a call: the next life stays with it to its end."""
    async with rig(callbacks=callbacks, behaviour=Behaviour(ring_s=2, talk_s=100)) as carrier:
        report = Report()
        async with carrier.life():
            with trio.move_on_after(20):
                await carrier.place(order(), report)
        async with carrier.life() as trunk:
            attempt = of(carrier.double, report)
            answer = await trunk.reconcile(attempt)
            assert answer == WasPlaced(end=None, reference=attempt.reference)
            follower = Report()
            end = await trunk.follow(attempt, follower, HangUp())
    assert end.outcome is Outcome.ANSWERED
    assert end.detail["duration_s"] == 100
    assert follower.violations == []


async def test_a_call_that_ended_meanwhile_has_its_end(clock):
    """With its instants, as the carrier knows them."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=10)) as carrier:
        report = Report()
        async with carrier.life():
            with trio.move_on_after(5):
                await carrier.place(order(), report)
        await trio.sleep(100)
        async with carrier.life() as trunk:
            answer = await trunk.reconcile(of(carrier.double, report))
    assert isinstance(answer, WasPlaced)
    assert isinstance(answer.end, CallEnd)
    assert answer.end.outcome is Outcome.ANSWERED
    assert answer.end.ended_at - answer.end.answered_at == 10_000
    assert carrier.double.now() - answer.end.ended_at >= 90_000


async def test_a_call_of_a_former_life_can_be_hung_up(clock):
    """A cancel reaches it."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=None)) as carrier:
        report = Report()
        async with carrier.life():
            with trio.move_on_after(20):
                await carrier.place(order(), report)
        async with carrier.life() as trunk:
            attempt = of(carrier.double, report)
            await trunk.reconcile(attempt)
            hangup = HangUp()
            hangup.set()
            await trunk.follow(attempt, Report(), hangup)
    assert carrier.double.placed(NUMBER)[0].over


async def test_keys_are_answered_in_a_later_life(clock):
    """What the menu says was kept with the attempt."""
    agent = AgentSettings(say="Press 9.", opt_out="9", opt_out_say="You will not be called again.")
    behaviour = Behaviour(ring_s=2, talk_s=100, presses="9", press_s=4)
    async with rig(callbacks=True, behaviour=behaviour) as carrier:
        report = Report()
        async with carrier.life():
            with trio.move_on_after(3):
                await carrier.place(order(agent=agent), report)
        async with carrier.life() as trunk:
            attempt = of(carrier.double, report)
            await trunk.reconcile(attempt)
            follower = Report()
            await trunk.follow(attempt, follower, HangUp())
    assert follower.opt_outs == 1
    assert any("not be called again" in said for said in carrier.double.placed(NUMBER)[0].heard)


async def nothing_there(_asked: Asked) -> Answer:
    """Answer 404."""
    return Answer(status=404)


async def test_a_carrier_without_a_list_cannot_tell(clock):
    """Some that speak Twilio's API have none."""
    async with rig() as carrier, carrier.life() as trunk:
        attempt = ref(carrier.double)
        await lose(carrier, "lost_response")
        carrier.double.doors[f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"] = nothing_there
        assert isinstance(await trunk.reconcile(attempt), CannotTell)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.sampled_from(["lost_response", "lost_request", "late_creation", "error_after_creation"]),
        min_size=1,
        max_size=4,
    )
)
async def test_nobody_is_called_twice_and_nobody_is_denied(clock, faults):
    """Whatever is lost, one after the other: what came to be is found, each by its own attempt, and nothing else."""
    async with (
        rig(behaviour=Behaviour(ring_s=1, talk_s=5), faults=Faults(late_creation_s=10)) as carrier,
        carrier.life(late_creation="20s") as trunk,
    ):
        others: tuple[str, ...] = ()
        for index, fault in enumerate(faults):
            attempt = ref(carrier.double, f"a{index}", others=others)
            before = len(carrier.double.calls)
            await lose(carrier, fault, attempt_id=f"a{index}")
            answer = await trunk.reconcile(attempt)
            came = len(carrier.double.calls) - before
            assert came == (fault != "lost_request")
            assert isinstance(answer, WasPlaced if came else WasNotPlaced)
            if isinstance(answer, WasPlaced):
                assert answer.reference == list(carrier.double.calls)[-1]
                others = (*others, str(answer.reference))
                if answer.end is None:
                    await trunk.follow(attempt, Report(), HangUp())
            await trio.sleep(60)
