"""A life after a crash: nothing is dialled twice, and who was on the phone is still counted."""

import pytest
import trio
from phone import ANSWERED, Phone, talk
from rig import CALLER_ID, START, crashed, number, rig, settings, trunk, until

from dialerd.engine import engine
from dialerd.model.call import CannotTell, WasNotPlaced, WasPlaced
from dialerd.model.settings import AgentSettings, NumberSettings
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.plugin.provider import Accepted, Answered


@pytest.fixture
def url(tmp_path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{tmp_path}/dialerd.db"


async def test_the_last_calls_of_a_campaign_survive_a_crash(url):
    """A campaign of which nobody is pending, only dialing, is not taken for complete before its calls are known."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(3)
        await until(lambda: len(phone.left) == 3)
    after = Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        assert await bench.state(row) is CampaignState.COMPLETED
        totals = await bench.totals(row)
        assert (totals.finals[Final.SUCCEEDED], totals.dialing, totals.pending) == (3, 0, 0)
        assert after.left == []
        assert len(after.asked) == 3


@pytest.mark.parametrize(
    ("answer", "final", "again"),
    [
        (WasPlaced(end=ANSWERED), Final.SUCCEEDED, 0),
        (CannotTell(reason="no records"), Final.UNCERTAIN, 0),
        (WasNotPlaced(), Final.SUCCEEDED, 5),
    ],
)
async def test_nobody_is_dialled_again_without_proof(url, answer, final, again):
    """After a crash with five of twenty on the phone, the carrier's word decides over those five."""
    wanted = settings(trunks={"t": trunk(max_concurrent=5)})
    phone = Phone(talk(3600))
    async with crashed(phone, wanted, url=url) as bench:
        row = await bench.add(20)
        await until(lambda: len(phone.left) == 5)
    before = set(phone.numbers())
    after = Phone(talk(), answer=lambda _: answer)
    # a refund waits a second: a wall clock that is later finds it due at once
    async with rig(after, wanted, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        totals = await bench.totals(row)
        assert len(before & set(after.numbers())) == again
        assert len(after.numbers()) == len(set(after.numbers())) == 15 + again
        assert totals.finals[final] >= 5
        assert sum(totals.finals.values()) == 20


async def test_calls_found_alive_are_counted_before_the_first_claim(url):
    """Four of five lines are taken by calls of the former life; one new call leaves at a time until they end."""
    wanted = settings(trunks={"t": trunk(max_concurrent=5)})
    phone = Phone(talk(3600))

    async def script(phone, order, report):
        phone.leave(order)
        if order.number == number(0):
            return ANSWERED
        await trio.sleep(3600)
        return ANSWERED

    phone.script = script
    async with crashed(phone, wanted, url=url) as bench:
        row = await bench.add(5)
        await until(lambda: len(phone.left) == 5)
        await until(lambda: len(bench.engine.dispatcher.calls) == 4)
        more = await bench.add([number(2000 + i) for i in range(20)], name="more", start_at=START + 3_600_000)
    done = trio.Event()

    async def followed(attempt, report, hangup):
        report(Answered())
        await done.wait()
        return ANSWERED

    after = Phone(talk(0.005), answer=lambda _: WasPlaced(end=None), followed=followed)
    async with rig(after, wanted, url=url, start=START + 3_600_000) as bench:
        assert bench.borrowed()["t"] >= 4
        await bench.over(more, within_s=60, poll_s=0.01)
        assert after.peak["all"] == 1
        done.set()
        await bench.over(row, within_s=60, poll_s=0.01)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 5


async def test_what_a_provider_handed_over_comes_back(url):
    """Reference and state reach the provider that is asked in the next life."""

    async def script(phone, order, report):
        phone.leave(order)
        report(Accepted("CA123"))
        report.state(b"\x00\xffstate")
        await trio.sleep(3600)
        return ANSWERED

    phone = Phone(script)
    async with crashed(phone, url=url) as bench:
        row = await bench.add(1)
        with trio.fail_after(60):
            while not await bench.rows("SELECT 1 FROM attempts WHERE reference IS NOT NULL"):  # noqa: ASYNC110  # no event
                await trio.sleep(0.02)
    after = Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
    (asked,) = after.asked
    assert (asked.reference, asked.state, asked.number) == ("CA123", b"\x00\xffstate", number(0))


async def test_a_second_crash_during_recovery_changes_nothing(url):
    """Killed again while the carriers are being asked, the attempts are asked about once more."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(4)
        await until(lambda: len(phone.left) == 4)
    for _ in range(2):
        silent = Phone(talk(), answer=lambda _: ConnectionError("down"))
        async with crashed(silent, url=url) as bench:
            assert len(silent.asked) == 4
            assert await bench.open_attempts() == 4
    after = Phone(talk(), answer=lambda _: CannotTell(reason="no"))
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        assert (await bench.totals(row)).outcomes[Outcome.UNCERTAIN] == 4
    assert after.left == []


async def test_proof_about_people_of_a_place_of_their_own(url):
    """Nobody else is pending in the zone group of the calls that were found: it is known all the same."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(2)
        await until(lambda: len(phone.left) == 2)
    after = Phone(talk(), answer=lambda _: WasNotPlaced())
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 2


async def test_a_campaign_cancelled_before_the_crash_is_ended_after_it(url):
    """The calls of a cancelled campaign that are found are hung up on nobody, and the campaign ends with them."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(3)
        await until(lambda: len(phone.left) == 3)
        await bench.engine.steering.cancel("x")
    after = Phone(talk(), answer=lambda _: WasNotPlaced())
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)
        totals = await bench.totals(row)
        assert (totals.finals[Final.CANCELLED], totals.pending) == (3, 0)
        assert await bench.state(row) is CampaignState.CANCELLED
    assert after.left == []


async def test_a_carrier_that_is_slow_to_answer_does_not_hold_a_stop_up(url, monkeypatch):
    """A stop while a carrier is still being asked ends in order; the attempts are left to the next life."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(3)
        await until(lambda: len(phone.left) == 3)

    monkeypatch.setattr(engine, "_RECOVERY_S", 0.2)

    class Silent(Phone):
        async def reconcile(self, attempt):
            await trio.sleep_forever()

    with trio.fail_after(60):
        async with rig(Silent(talk()), url=url, clean=False) as bench:
            pass
    after = Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=60, poll_s=0.01)


async def test_an_attempt_of_a_trunk_that_is_gone_waits_and_the_others_go_on(url):
    """A trunk that was taken out of the settings cannot be asked; nobody else is held up by it."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        await bench.add(2)
        await until(lambda: len(phone.left) == 2)
    moved = settings(trunks={"u": trunk()}, numbers={CALLER_ID: NumberSettings(trunk="u")})
    after = Phone(talk())
    async with rig(after, moved, url=url, clean=False) as bench:
        other = await bench.add([number(5)], name="other")
        await bench.over(other, within_s=60, poll_s=0.01)
        assert await bench.open_attempts() == 2


async def test_calls_found_alive_count_against_limits_that_were_lowered_meanwhile(url):
    """An agent that may have two calls now has twenty from before: the trunk's lines are all taken, and stay so."""
    trunks = {"t": trunk(max_concurrent=20)}
    phone = Phone(talk(3600))
    async with crashed(phone, settings(trunks=trunks), url=url) as bench:
        await bench.add(40)
        await until(lambda: len(phone.left) == 20)
    hang_up = trio.Event()

    async def followed(attempt, report, hangup):
        report(Answered())
        await hang_up.wait()
        return ANSWERED

    after = Phone(talk(), answer=lambda _: WasPlaced(end=None), followed=followed)
    agents = {"a": AgentSettings(say="hello", max_concurrent=2), "b": AgentSettings(say="hello")}
    async with rig(after, settings(trunks=trunks, agents=agents), url=url) as bench:
        other = await bench.add([number(i) for i in range(100, 130)], name="y", agent="b")
        await trio.sleep(0.5)
        assert after.left == []
        assert bench.borrowed()["t"] == 20
        hang_up.set()
        await bench.over(other, within_s=20, poll_s=0.01)
