"""Calls over a running engine: pages that miss nothing, live states, hang-ups, and agents' reports."""

import msgspec
import pytest
import trio
from groundwork import ground
from phone import ANSWERED, BUSY, Phone, ends, hung_up, talk
from rig import Rig, number, rig, settings, trunk

from dialerd.model.call_view import CallResult, CallView
from dialerd.model.errors import InvalidInput, NotFound, WrongState
from dialerd.model.instants import SECOND
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.states import AttemptState, Final, Outcome, RecipientState
from dialerd.operations.calls import CallOperations
from dialerd.plugin.provider import Accepted, Answered, Digits, Ringing
from dialerd.store import call_pages

TWICE = RetryPolicy(max_attempts=2, busy=RetryRule(delay=60 * SECOND))


async def every(calls: CallOperations, limit: int, **wanted: object) -> list[CallView]:
    """Return the calls of all pages, one after another."""
    found: list[CallView] = []
    after = None
    for _ in range(200):
        page = await calls.list(limit=limit, after=after, **wanted)  # type: ignore[arg-type]  # several types
        assert len(page.items) <= limit
        found += page.items
        after = page.next
        if after is None:
            return found
    raise AssertionError("there is no last page")


async def busy_then_answered(bench: Rig) -> CallOperations:
    """Let two campaigns of seven people each be dialled, everybody twice."""
    rows = [await bench.add(7, name=name, retry=TWICE, metadata={}) for name in ("one", "two")]
    await bench.over(*rows)
    return CallOperations(ground(bench))


@pytest.mark.parametrize("limit", [1, 3, 14, 100])
async def test_pages_show_every_call_once(autojump_clock, limit):
    """All newest first, a number's newest first, a campaign's by recipient and then by age; filters apply to each."""
    async with rig(Phone(ends(BUSY, then=ANSWERED))) as bench:
        calls = await busy_then_answered(bench)
        keys = {uid: key for key, uid in await bench.rows("SELECT id, uid FROM attempts")}
        found = await every(calls, limit)
        assert [keys[call.id] for call in found] == sorted(keys.values(), reverse=True)
        assert len(found) == len(keys) >= 28 - 7  # the first campaign's answer may spare nobody of the second
        of_one = await every(calls, limit, campaign="one")
        places = [int(call.number[-6:]) for call in of_one]
        assert places == sorted(places)
        assert [keys[call.id] for call in of_one] == [
            key for (key,) in await bench.rows(
                "SELECT id FROM attempts WHERE campaign_id = 1 ORDER BY recipient_id, id")
        ]  # fmt: skip
        of_number = await every(calls, limit, number=number(3))
        assert [call.id for call in of_number] == [call.id for call in found if call.number == number(3)]
        both = await every(calls, limit, number=number(3), campaign="two")
        assert [call.id for call in both] == [call.id for call in of_number if call.campaign_id == "two"] != []
        for others in ({}, {"campaign": "one"}, {"number": number(3)}):
            within = await every(calls, limit, **others)
            wanted = [call.id for call in within if call.outcome is Outcome.ANSWERED]
            found = await every(calls, limit, outcome=Outcome.ANSWERED, **others)
            assert [call.id for call in found] == wanted != []
            assert await every(calls, limit, state=AttemptState.RINGING, **others) == []
            ended = await every(calls, limit, state=AttemptState.ENDED, **others)
            assert [call.id for call in ended] == [call.id for call in within]


async def test_a_page_looks_at_a_bounded_number_of_rows(autojump_clock, monkeypatch):
    """Where what is wanted is rare a page is short, and says where to go on."""
    monkeypatch.setattr(call_pages, "SCANNED", 5)
    async with rig(Phone(ends(BUSY, then=ANSWERED))) as bench:
        calls = await busy_then_answered(bench)
        page = await calls.list(outcome=Outcome.BUSY, campaign="one")
        assert page.next is not None
        assert len(page.items) <= 5
        assert len(await every(calls, 50, outcome=Outcome.BUSY, campaign="one")) == 7
        assert await every(calls, 50, outcome=Outcome.REJECTED) == []
        assert (await calls.list(outcome=Outcome.REJECTED)).next is not None


async def test_recipients_without_calls_are_passed_over(autojump_clock, monkeypatch):
    """A campaign that has hardly begun has pages without calls, and an end."""
    monkeypatch.setattr(call_pages, "SCANNED", 5)
    async with rig(Phone(talk(1000)), settings(trunks={"t": trunk(max_concurrent=2)})) as bench:
        row = await bench.add(23)
        await trio.sleep(1)
        calls = CallOperations(ground(bench))
        assert len(await every(calls, 1, campaign=row.uid)) == 2
        assert (await calls.list(campaign=row.uid)).next is not None
        up = {"state": AttemptState.ANSWERED}  # those that are on are found at once, however many people there are
        assert [call.number for call in await every(calls, 1, **up)] == [number(1), number(0)]
        assert [call.number for call in await every(calls, 1, campaign=row.uid, **up)] == [number(0), number(1)]
        assert [call.number for call in (await calls.list(campaign=row.uid, **up)).items] == [number(0), number(1)]
        assert [call.number for call in await every(calls, 1, number=number(1), **up)] == [number(1)]
        await bench.engine.steering.cancel(row.uid, now=True)


async def test_a_call_shows_what_the_store_does_not_know_yet(autojump_clock):
    """Its state, its instants and what was pressed are those of this instant, also in a filter."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Accepted("ref"))
        await trio.sleep(0.01)
        report(Ringing())
        report(Answered())
        report(Digits("42"))
        await hung_up(order.hangup, 1000)
        return ANSWERED

    async with rig(Phone(script)) as bench:
        await bench.add(1)
        await trio.sleep(0.02)
        assert await bench.rows("SELECT state FROM attempts") == [("claimed",)]
        calls = CallOperations(ground(bench))
        (call,) = (await calls.list()).items
        assert (call.state, call.digits, call.reference) == (AttemptState.ANSWERED, "42", "ref")
        assert call.answered_at is not None
        assert (await calls.list(state=AttemptState.ANSWERED)).items == [call]
        assert (await calls.list(state=AttemptState.CLAIMED, campaign="x")).items == []
        assert await calls.get(call.id) == call
        await calls.hangup(call.id)
        await trio.sleep(1)
        over = await calls.get(call.id)
        assert (over.state, over.outcome, over.counted) == (AttemptState.ENDED, Outcome.ANSWERED, True)
        assert over.talk_s == pytest.approx(0.02, abs=0.02)


async def test_a_hang_up_ends_a_call_that_is_on(autojump_clock):
    """The provider is told at once; what is over cannot be hung up, nor what never was."""
    phone = Phone(talk(1000))
    async with rig(phone) as bench:
        await bench.add(2)
        await trio.sleep(1)
        calls = CallOperations(ground(bench))
        first, second = (await calls.list()).items
        await calls.hangup(first.id)
        await trio.sleep(1)
        assert phone.live["all"] == 1
        with pytest.raises(WrongState, match="is over"):
            await calls.hangup(first.id)
        assert (await calls.get(second.id)).state is AttemptState.ANSWERED
        for ask in (calls.hangup, calls.get):
            with pytest.raises(NotFound, match="no call with the id 'nobody'"):
                await ask("nobody")
        await calls.hangup(second.id)


async def test_of_several_reports_the_last_stays(autojump_clock):
    """During the call and after it; others' calls have none, and each report is told."""
    async with rig(Phone(talk(10))) as bench:
        bench.engine.telling.on = True
        row = await bench.add(2)
        await trio.sleep(1)
        calls = CallOperations(ground(bench))
        first, second = (await calls.list()).items
        early = await calls.result(first.id, CallResult(success=False, data={"note": "calls back"}))
        assert early.result is not None
        assert early.result.reported_at == bench.clock.now()
        assert early.state is AttemptState.ANSWERED
        await bench.over(row)
        late = CallResult(success=True, data={"slot": [1, {"at": "noon"}]}, reported_at=7)
        assert (await calls.result(first.id, late)).result == late
        assert (await calls.get(first.id)).result == late
        assert (await calls.get(second.id)).result is None
        told = await bench.rows("SELECT body FROM notices WHERE kind = 'call.result' ORDER BY id")
        assert [msgspec.json.decode(body)["success"] for (body,) in told] == [False, True]
        assert {msgspec.json.decode(body)["call_id"] for (body,) in told} == {first.id}
        with pytest.raises(NotFound):
            await calls.result("nobody", late)


async def test_an_opt_out_holds_in_every_campaign(autojump_clock):
    """When the report has been taken nobody rings that number; queued work of others is ended in the store."""
    phone = Phone(talk(10))
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        first = await bench.add([number(1)], name="first")
        await trio.sleep(1)
        second = await bench.add([number(1), number(2)], name="second")
        calls = CallOperations(ground(bench))
        (call,) = (await calls.list()).items
        told = await calls.result(call.id, CallResult(opt_out=True))
        assert told.result is not None
        assert told.result.opt_out
        entry = "SELECT number, scope, reason, source FROM suppressions"
        assert await bench.rows(entry) == [(number(1), "all", "opt-out", "agent")]
        assert await bench.recipients(second) == {
            (RecipientState.DONE, Final.SUPPRESSED): 1,
            (RecipientState.PENDING, None): 1,
        }
        third = await bench.add([number(1)], name="third")
        await bench.over(first, second, third)
        assert phone.numbers() == [number(1), number(2)]


async def test_what_makes_no_sense_is_refused(autojump_clock):
    """Cursors of other lists, numbers that are none, pages of no length, campaigns that are not there."""
    async with rig(Phone(ends(BUSY, then=ANSWERED))) as bench:
        calls = await busy_then_answered(bench)
        after = (await calls.list(limit=1)).next
        for wanted, place in (
            ({"after": "x"}, "after"),
            ({"after": "9" * 30}, "after"),
            ({"after": after, "campaign": "one"}, "after"),
            ({"number": "nobody"}, "number"),
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
        ):
            with pytest.raises(InvalidInput) as refused:
                await calls.list(**wanted)
            assert [fault.path for fault in refused.value.faults] == [place]
        with pytest.raises(NotFound):
            await calls.list(campaign="nobody")


async def test_each_list_reads_along_an_index(autojump_clock):
    """No list searches all calls, or sorts them."""
    async with rig(Phone(ends(BUSY, then=ANSWERED))) as bench:
        for query, values, sorts in (
            (call_pages._NEWEST, (9,), False),
            (call_pages._OF_NUMBER, ("+1", 9, 9), False),
            (call_pages._OF_CAMPAIGN, (1, 9), False),
        ):
            plan = await bench.store.read(
                lambda c, q=query, v=values: [
                    row[-1] for row in c.connection.driver_connection.execute("EXPLAIN QUERY PLAN " + q, v)
                ]
            )
            assert not any(line.startswith("SCAN") for line in plan), plan
            assert any(line == "USE TEMP B-TREE FOR ORDER BY" for line in plan) is sorts, plan
