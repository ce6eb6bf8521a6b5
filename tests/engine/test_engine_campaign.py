"""A campaign on its way to the end: counters, retries, limits of attempts, refunds, doubt."""

import pytest
import trio
from phone import ANSWERED, BUSY, OUTAGE, Phone, ends, talk
from rig import number, rig, settings, trunk

from dialerd.model.call import CallEnd, CannotTell, Cause, WasNotPlaced, WasPlaced
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.states import AtFault, CampaignState, Final, Outcome
from dialerd.plugin.provider import Accepted, Answered, MaybePlaced, NotPlaced, Throttled, Withdrawn

MINUTE_S = 60.0
CALLEE = Cause(fault=AtFault.CALLEE, q850=1)
US = Cause(fault=AtFault.US, detail="no")


async def test_everybody_is_dialled_once_and_the_counters_add_up(autojump_clock):
    """300 recipients, one call each; the campaign completes and every line is free again."""
    phone = Phone(talk(5, ring=3))
    async with rig(phone) as bench:
        row = await bench.add(300)
        await bench.over(row)
        totals = await bench.totals(row)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(300))
        assert totals.recipients == totals.finals[Final.SUCCEEDED] == totals.outcomes[Outcome.ANSWERED] == 300
        assert (totals.pending, totals.dialing, totals.talk_ms) == (0, 0, 300 * 5_000)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert trio.current_time() < 300 / 50 * 8 + 10


async def test_retries_follow_their_outcome(autojump_clock):
    """Busy is tried again after its own delay, no answer after the general one, up to the budget."""
    nobody = CallEnd(outcome=Outcome.NO_ANSWER, cause=CALLEE)
    phone = Phone(ends(BUSY, nobody, nobody, then=nobody))
    policy = RetryPolicy(max_attempts=3, delay=600_000, busy=RetryRule(delay=60_000))
    async with rig(phone) as bench:
        row = await bench.add(1, retry=policy)
        await bench.over(row)
        at = [left.at for left in phone.left]
        assert len(at) == 3
        assert 60 <= at[1] - at[0] <= 66 + 1
        assert 600 <= at[2] - at[1] <= 660 + 1
        totals = await bench.totals(row)
        assert totals.finals[Final.EXHAUSTED] == 1
        assert (totals.outcomes[Outcome.BUSY], totals.outcomes[Outcome.NO_ANSWER]) == (1, 2)


async def test_a_retry_does_not_wait_for_the_campaigns_other_calls(autojump_clock):
    """Somebody who was busy is rung again though somebody else talks on."""

    async def script(phone, order, report):
        phone.leave(order)
        if order.number == number(0):
            await trio.sleep(1_000)
        return ANSWERED if order.number == number(0) or phone.numbers().count(order.number) > 1 else BUSY

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(2, retry=RetryPolicy(max_attempts=2, delay=10_000))
        await bench.over(row)
        assert 10 <= phone.left[2].at <= 12


async def test_a_recipients_own_limit_replaces_the_policys(autojump_clock):
    """Two people: one may be tried once, the other four times, under a policy of two."""
    phone = Phone(ends(then=BUSY))
    async with rig(phone) as bench:
        policy = RetryPolicy(max_attempts=2, delay=1_000)
        row = await bench.add(3, retry=policy, limits={number(0): 1, number(1): 4})
        await bench.over(row)
        dialled = phone.numbers()
        assert [dialled.count(number(i)) for i in range(3)] == [1, 4, 2]


@pytest.mark.parametrize(
    "refusal",
    [
        Throttled(500),
        Throttled(),
        NotPlaced(OUTAGE),
        NotPlaced(US),
        CallEnd(outcome=Outcome.CONGESTION, cause=OUTAGE),
    ],
)
async def test_what_never_rang_does_not_count(autojump_clock, refusal):
    """A call that the carrier, the trunk or we refused is refunded; the person is rung later, within one attempt."""
    phone = Phone(ends(refusal, refusal))
    async with rig(phone) as bench:
        row = await bench.add(4, retry=RetryPolicy(max_attempts=1))
        await bench.over(row)
        totals = await bench.totals(row)
        assert totals.finals[Final.SUCCEEDED] == 4
        assert totals.refunded == 8
        assert sum(totals.outcomes.values()) == 4


async def test_refunds_have_a_bound(autojump_clock):
    """A number that can never be placed does not go round for ever: a hundred refunds, and then it counts."""
    phone = Phone(ends(then=CallEnd(outcome=Outcome.CONGESTION, cause=US)))
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row, within_s=24 * 3600.0)
        totals = await bench.totals(row)
        assert (totals.refunded, totals.outcomes[Outcome.CONGESTION]) == (100, 1)
        assert totals.finals[Final.EXHAUSTED] == 1


async def test_a_number_that_the_carrier_refuses_counts_as_invalid(autojump_clock):
    """`NotPlaced` with the callee at fault is an attempt, and by the default policy the last one."""
    phone = Phone(ends(NotPlaced(CALLEE)))
    async with rig(phone) as bench:
        row = await bench.add(2, retry=RetryPolicy(max_attempts=3))
        await bench.over(row)
        totals = await bench.totals(row)
        assert (totals.outcomes[Outcome.INVALID_NUMBER], totals.finals[Final.FAILED]) == (2, 2)


async def test_nonsense_before_leaving_is_refunded(autojump_clock):
    """A provider that breaks before it let the call go cannot have rung anybody."""
    broken = [True] * 3

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        if broken:
            broken.pop()
            raise KeyError("oops")
        phone.leave(order)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(2)
        await bench.over(row)
        assert (await bench.totals(row)).refunded == 3
        assert not phone.asked


@pytest.mark.parametrize("nonsense", [RuntimeError("oops"), TypeError("x"), MaybePlaced(OUTAGE)])
async def test_nonsense_after_leaving_is_uncertain(autojump_clock, nonsense):
    """A provider that breaks after the call left is asked; without an answer nobody is dialled again."""
    phone = Phone(ends(nonsense))
    async with rig(phone) as bench:
        row = await bench.add(3, retry=RetryPolicy(max_attempts=5, delay=0))
        await bench.over(row)
        totals = await bench.totals(row)
        assert (totals.finals[Final.UNCERTAIN], totals.outcomes[Outcome.UNCERTAIN]) == (3, 3)
        assert len(phone.left) == len(phone.asked) == 3


async def test_doubt_may_be_tried_again_where_the_policy_says_so(autojump_clock):
    """With a rule for uncertain attempts, the person is rung again."""
    phone = Phone(ends(MaybePlaced(OUTAGE)))
    async with rig(phone) as bench:
        policy = RetryPolicy(max_attempts=2, delay=1_000, uncertain=RetryRule(max_attempts=2))
        row = await bench.add(1, retry=policy)
        await bench.over(row)
        totals = await bench.totals(row)
        assert totals.finals[Final.SUCCEEDED] == 1
        assert (totals.outcomes[Outcome.UNCERTAIN], totals.outcomes[Outcome.ANSWERED]) == (1, 1)


async def test_proof_that_a_call_was_not_placed_lets_it_be_dialled_again(autojump_clock):
    """`WasNotPlaced` refunds the attempt."""
    phone = Phone(ends(MaybePlaced(OUTAGE)), answer=lambda _: WasNotPlaced())
    async with rig(phone) as bench:
        row = await bench.add(2)
        await bench.over(row)
        totals = await bench.totals(row)
        assert (totals.finals[Final.SUCCEEDED], totals.refunded) == (2, 2)


async def test_proof_of_an_end_is_taken(autojump_clock):
    """`WasPlaced` with an end counts as that end."""
    phone = Phone(ends(MaybePlaced(OUTAGE)), answer=lambda _: WasPlaced(end=BUSY))
    async with rig(phone) as bench:
        row = await bench.add(2)
        await bench.over(row)
        totals = await bench.totals(row)
        assert (totals.outcomes[Outcome.BUSY], totals.finals[Final.EXHAUSTED]) == (2, 2)
        assert len(phone.left) == 2


async def test_a_call_found_alive_is_followed(autojump_clock):
    """`WasPlaced` without an end: the engine stays with the call, which keeps its line."""

    async def followed(attempt, report, hangup):
        report(Answered())
        await trio.sleep(30)
        return ANSWERED

    phone = Phone(ends(MaybePlaced(OUTAGE)), answer=lambda _: WasPlaced(end=None), followed=followed)
    async with rig(phone) as bench:
        row = await bench.add(2)
        await trio.sleep(10)
        assert bench.borrowed()["t"] == 2
        await bench.over(row)
        assert 30 <= trio.current_time() <= 33
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 2


async def test_follow_that_breaks_costs_one_call_and_not_the_daemon(autojump_clock):
    """A provider that raises anything from `follow` is asked again; the others go on."""
    tries = []

    async def followed(attempt, report, hangup):
        await trio.sleep(1)
        tries.append(attempt)
        if len(tries) < 3:
            raise ConnectionResetError("lost")
        return ANSWERED

    phone = Phone(ends(MaybePlaced(OUTAGE)), answer=lambda _: WasPlaced(end=None), followed=followed)
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1
        assert len(phone.left) == 1


@pytest.mark.parametrize("nonsense", ["yes", WasPlaced(end="busy"), WasPlaced(end=CallEnd(outcome="busy"))])
async def test_an_answer_that_is_none_costs_one_call_and_not_the_daemon(autojump_clock, nonsense):
    """A provider that answers with nonsense is asked again until it says something."""
    answers = [nonsense, nonsense, CannotTell(reason="no")]
    phone = Phone(ends(MaybePlaced(OUTAGE)), answer=lambda _: answers.pop(0))
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.UNCERTAIN] == 1


@pytest.mark.parametrize(
    "end",
    [
        None,
        "answered",
        CallEnd(outcome="answered"),
        CallEnd(outcome=Outcome.ANSWERED, detail={"price": object()}),
        CallEnd(outcome=Outcome.ANSWERED, digits=("1",)),
        CallEnd(outcome=Outcome.ANSWERED, digits="\udcff"),
        CallEnd(outcome=Outcome.ANSWERED, ended_at=2**80),
        CallEnd(outcome=Outcome.ANSWERED, answered_at="noon"),
        CallEnd(outcome=Outcome.ANSWERED, cause="none"),
        CallEnd(outcome=Outcome.BUSY, cause=Cause(fault=AtFault.CALLEE, detail="\udcff")),
        CallEnd(outcome=Outcome.ANSWERED, answered_by=object()),
        Throttled("soon"),
    ],
)
async def test_an_end_that_is_none_costs_one_call_and_not_the_daemon(autojump_clock, end):
    """What a provider may not return is its own fault: that call is uncertain, the next one is placed."""
    phone = Phone(ends(end))
    async with rig(phone) as bench:
        row = await bench.add(1, name="broken")
        await bench.over(row)
        sound = await bench.add([number(7)], name="sound")
        phone.script = talk()
        await bench.over(sound)
        assert (await bench.totals(row)).finals[Final.UNCERTAIN] == 1
        assert (await bench.totals(sound)).finals[Final.SUCCEEDED] == 1


@pytest.mark.parametrize("reference", [object(), "\udcff", 2**80], ids=["object", "bytes", "number"])
async def test_a_reference_that_is_no_text_costs_nothing(autojump_clock, reference):
    """A provider that reports what cannot be stored is told so at once, and the store goes on."""

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        phone.leave(order)
        report(Accepted(reference))
        await trio.sleep(1)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(2)
        await bench.over(row)
        assert len(phone.left) == 2


async def test_a_provider_that_withdraws_of_itself_does_not_spin(autojump_clock):
    """Raising `Withdrawn` although the gate had no objection puts the call back, with a rest."""
    tries = []

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        tries.append(trio.current_time())
        assert len(tries) < 50, "it spins"
        if trio.current_time() < 10:
            raise Withdrawn("I would rather not")
        phone.leave(order)
        return ANSWERED

    async with rig(Phone(script)) as bench:
        row = await bench.add(1)
        await bench.over(row)
        assert len(tries) <= 12
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1


async def test_a_carrier_that_cannot_be_asked_holds_only_its_own(autojump_clock):
    """While a carrier cannot be asked, its doubtful call waits without a line, and everybody else is dialled."""

    def answer(_):
        return ConnectionError("down") if trio.current_time() < 300 else WasNotPlaced()

    doubtful = number(0)

    async def script(phone, order, report):
        await trio.sleep(1)
        phone.leave(order)
        if order.number == doubtful and trio.current_time() < 100:
            raise MaybePlaced(OUTAGE)
        return ANSWERED

    phone = Phone(script, answer=answer)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        row = await bench.add(20)
        await trio.sleep(100)
        assert len(phone.left) == 20
        assert bench.borrowed() == {}
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 20
        assert phone.numbers().count(doubtful) == 2
