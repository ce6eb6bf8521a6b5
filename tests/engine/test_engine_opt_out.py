"""Called persons who ask never to be called again: durable before it is confirmed, and nobody rings them any more."""

import sqlite3

import pytest
import trio
from attrs import evolve
from phone import ANSWERED, OUTAGE, Phone, talk
from rig import START, crashed, number, rig, settings, trunk, until

from dialerd.engine import dispatcher
from dialerd.model.call import CallEnd, WasPlaced
from dialerd.model.errors import DialerdError, StoreError
from dialerd.model.instants import HOUR
from dialerd.model.retry import RetryPolicy
from dialerd.model.settings import AgentSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.plugin.provider import Accepted, Answered, MaybePlaced

ENTRIES = "SELECT number, scope, reason, source FROM suppressions"
ASKED_FOR = "the called person asked for it"
NO_MORE = CallEnd(outcome=Outcome.ANSWERED, opted_out=True)
NEVER_MIND = CallEnd(outcome=Outcome.NO_ANSWER, opted_out=True)
TWICE = RetryPolicy(max_attempts=2)


@pytest.fixture
def url(tmp_path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{tmp_path}/dialerd.db"


@pytest.fixture
def impatient(monkeypatch):
    """Let the dispatcher try the store again after a few milliseconds instead of a second."""
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.02)


def pressing(*, end=ANSWERED, times=1, then=0.0):
    """Return the script of calls whose person presses the key by which it opts out."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Accepted(order.attempt_id))
        report(Answered())
        await trio.sleep(0.5)
        for _ in range(times):
            await report.opt_out()
        await trio.sleep(then)
        return end

    return script


async def entry(bench):
    """Return the one do-not-call entry there is."""
    (row,) = await bench.rows(ENTRIES)
    return tuple(row)


@pytest.mark.parametrize("script", [pressing(then=5), pressing(times=3), pressing(end=NO_MORE), talk(1, end=NO_MORE)])
async def test_who_opts_out_is_rung_by_no_campaign_any_more(script, autojump_clock):
    """Told in the call or with its end, once or often: one entry; the call counts as it went, the queued are ended."""
    phone = Phone(script)
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=1)})) as bench:
        row = await bench.add([number(0)])
        others = [await bench.add([number(0)], name=f"other{i}") for i in range(5)]
        later = await bench.add([number(0)], name="later", start_at=START + HOUR)
        await bench.over(row, *others)
        assert phone.numbers() == [number(0)]
        (left,) = phone.left
        assert await entry(bench) == (number(0), "all", ASKED_FOR, f"call:{left.order.attempt_id}")
        first = next(one for one in (row, *others) if one.spec.name == left.order.campaign)
        assert (await bench.totals(first)).finals[Final.SUCCEEDED] == 1
        for other in (row, *others, later):
            if other is not first:
                assert (await bench.totals(other)).finals[Final.SUPPRESSED] == 1
        await bench.over(later, within_s=2)  # nobody is left of it: it does not wait for its start
        assert not bench.engine.dispatcher.withheld.numbers


async def test_who_would_be_tried_again_is_not(autojump_clock):
    """Somebody who was to be called once more is not waited for: the campaign ends with the call."""
    phone = Phone(talk(1, end=NEVER_MIND))
    async with rig(phone) as bench:
        row = await bench.add(1, retry=TWICE)
        await bench.over(row, within_s=30)
        assert phone.numbers() == [number(0)]
        assert (await bench.totals(row)).finals[Final.SUPPRESSED] == 1


async def test_a_call_about_to_leave_does_not(autojump_clock):
    """Another campaign's call to the number that has been claimed and waits is kept back while the entry is stored."""
    ask = trio.Event()

    async def script(phone, order, report):
        if order.agent_name == "b":
            ask.set()
            await trio.sleep(1)
        else:
            phone.leave(order)
            report(Answered())
            await ask.wait()
            return NO_MORE
        phone.leave(order)
        return ANSWERED

    phone = Phone(script)
    wanted = settings(agents={"a": AgentSettings(say="hello"), "b": AgentSettings(say="hello")})
    async with rig(phone, wanted) as bench:
        row = await bench.add([number(0)])
        await until(lambda: phone.left)
        await bench.store.write(lambda c: c.exec_driver_sql("UPDATE attempts SET refunded = 1"))  # it hides the call
        other = await bench.add([number(0)], name="other", agent="b")
        await bench.over(row, other, within_s=30)
        assert phone.numbers() == [number(0)]
        assert (await bench.totals(other)).finals[Final.SUPPRESSED] == 1


@pytest.mark.parametrize("told", ["in the call", "with its end", "when asked"])
async def test_a_call_of_a_former_life(url, told):
    """One that is found alive after a restart, or that ended meanwhile, opts out like any other."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(1)
        await until(lambda: len(phone.left) == 1)
    order = phone.left[0].order

    async def followed(attempt, report, hangup):
        if told == "in the call":
            await report.opt_out()
            return ANSWERED
        return NO_MORE

    after = Phone(talk(), answer=lambda _: WasPlaced(end=NO_MORE if told == "when asked" else None), followed=followed)
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        assert await entry(bench) == (number(0), "all", ASKED_FOR, f"call:{order.attempt_id}")
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1


async def test_a_call_that_was_lost_opts_out_when_it_is_found(autojump_clock):
    """A provider that did not know and then found out says it with the end that it found."""

    async def script(phone, order, report):
        phone.leave(order)
        raise MaybePlaced(OUTAGE)

    phone = Phone(script, answer=lambda _: WasPlaced(end=NO_MORE))
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row, within_s=300)
        assert (await entry(bench))[0] == number(0)


@pytest.mark.parametrize("script", [pressing(then=1), talk(1, end=NO_MORE)])
async def test_while_calls_drain(script, autojump_clock):
    """A stop waits for the calls that are up, and for what their people ask for."""
    phone = Phone(script)
    async with rig(phone) as bench:
        await bench.add(1)
        await until(lambda: len(phone.left) == 1)
        bench.engine.stop()
        await bench.engine.dispatcher.drained()
        await trio.sleep(2)
        assert (await entry(bench))[0] == number(0)


async def test_a_late_word_counts(autojump_clock):
    """A call that was given up on and comes back long after with the wish is not believed, but the wish is."""

    async def script(phone, order, report):
        phone.leave(order)
        with trio.CancelScope(shield=True):
            await trio.sleep(3_000)
        return NO_MORE

    phone = Phone(script, answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(phone) as bench:
        row = await bench.add(1, max_duration=60_000)
        await bench.over(row)
        assert await bench.rows(ENTRIES) == []
        await trio.sleep(3_000)
        assert (await entry(bench))[0] == number(0)


async def test_what_cannot_be_stored_is_not_confirmed(tmp_path, impatient):
    """While the database is locked, `opt_out` raises; told with the end, the number is withheld until it is stored."""
    said = []

    async def script(phone, order, report):
        phone.leave(order)
        await locked.wait()
        try:
            await report.opt_out()
        except DialerdError as error:
            said.append(error)
        return NO_MORE

    locked = trio.Event()
    path = tmp_path / "d.db"
    phone = Phone(script)
    async with rig(phone, url=f"sqlite:///{path}") as bench:
        row = await bench.add(1)
        await bench.store.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout = 20").fetchall())
        await until(lambda: phone.left)
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        other.execute("BEGIN EXCLUSIVE")
        locked.set()
        await until(lambda: said)
        assert isinstance(said[0], StoreError)
        await trio.sleep(0.2)
        assert set(bench.engine.dispatcher.withheld.numbers) == {number(0)}
        other.execute("ROLLBACK")
        other.close()
        await bench.over(row, within_s=60, poll_s=0.01)
        assert (await entry(bench))[0] == number(0)
        await until(lambda: not bench.engine.dispatcher.withheld.numbers)


async def test_the_wish_is_stored_with_the_end_or_neither(url, impatient):
    """An end without its wish would be believed after a crash: they are one transaction."""
    phone = Phone(talk(0.05, end=NO_MORE))
    async with rig(phone, url=url) as bench:
        refuse = "CREATE TRIGGER refuse BEFORE INSERT ON suppressions BEGIN SELECT RAISE(ABORT, 'no'); END"
        await bench.store.write(lambda c: c.exec_driver_sql(refuse))
        row = await bench.add(1)
        await until(lambda: len(phone.left) == 1 and not phone.live["all"])
        await trio.sleep(0.2)
        assert await bench.open_attempts() == 1
        await bench.store.write(lambda c: c.exec_driver_sql("DROP TRIGGER refuse"))
        await bench.over(row, within_s=60, poll_s=0.01)
        assert (await entry(bench))[0] == number(0)
        assert await bench.state(row) is CampaignState.COMPLETED


async def test_it_is_told(autojump_clock):
    """Who follows what happens hears of the entry once, and whose call brought it."""
    heard = []

    async def told(some):
        heard.extend(some)

    phone = Phone(pressing(end=NO_MORE, times=3, then=1))
    async with rig(phone, notifiers={"n": told}) as bench:
        row = await bench.add(1)
        await bench.over(row)
        await until(lambda: any(notice.kind == "campaign.completed" for notice in heard))
    (added,) = (notice.body for notice in heard if notice.kind == "suppression.added")
    assert (added["numbers"], added["source"]) == ([number(0)], f"call:{phone.left[0].order.attempt_id}")


async def test_a_wish_that_is_lost_with_the_database_is_told(tmp_path, logged):
    """The log names the call, so that somebody can enter its number; the engine stops all the same."""
    lost = trio.Event()

    async def script(phone, order, report):
        phone.leave(order)
        await lost.wait()
        return priced

    async def price():
        return {"price": "1"}

    priced = evolve(NO_MORE, afterwards=price)
    phone = Phone(script)
    with trio.fail_after(60):
        async with rig(phone, url=f"sqlite:///{tmp_path}/d.db", clean=False) as bench:
            await bench.add(1)
            await until(lambda: len(phone.left) == 1)
            (tmp_path / "d.db").unlink()
            lost.set()
            await bench.store.lost()
            await until(lambda: not bench.engine.dispatcher.calls)
            assert set(bench.engine.dispatcher.withheld.numbers) == {number(0)}
    (entry,) = (entry for entry in logged if entry["event"] == "suppression.not_stored")
    assert entry["source"] == f"call:{phone.left[0].order.attempt_id}"
    assert "enter the number" in entry["remedy"]
