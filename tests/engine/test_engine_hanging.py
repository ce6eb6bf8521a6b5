"""Providers that never come back: every line is free again in the end, and nobody is dialled twice."""

import pytest
import trio
from attrs import evolve
from phone import ANSWERED, Phone, hung_up, talk
from rig import CALLER_ID, LONDON, NEW_YORK, OTHER_ID, crashed, number, rig, settings, trunk, until

from dialerd.engine import engine, insisting, reconciling, shift, trunks
from dialerd.model.call import CallEnd, CannotTell, WasPlaced
from dialerd.model.settings import NumberSettings
from dialerd.model.states import Final, Outcome
from dialerd.plugin.provider import Accepted, Answered, Ringing

NUMBERS = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")}
SHORT = {"ring_timeout": 5_000, "max_duration": 20_000}
PATIENCE_S = 60 + 25 + 30  # preparing, the longest call, winding up
GONE_S = PATIENCE_S + 10 + 5 + 10  # the shift, last words, hanging up


def hangs(*numbers, leaving=True, answering=False, shielded=False):
    """Return the script of a trunk on which the calls to some numbers never come back."""

    async def script(phone, order, report):
        await trio.sleep(0.01)
        if order.number not in numbers or phone.numbers().count(order.number) or len(phone.tried[order.number]):
            phone.leave(order)
            return ANSWERED
        phone.tried[order.number].append(trio.current_time())
        if leaving:
            phone.leave(order)
            report(Accepted("ref"))
        if answering:
            report(Ringing())
            report(Answered())
        with trio.CancelScope(shield=shielded):
            await phone.released.wait()
        return ANSWERED

    return script


class Hanging(Phone):
    """A phone that remembers which calls hung."""

    def __attrs_post_init__(self):
        super().__attrs_post_init__()
        self.tried = {number(i): [] for i in range(1000)}
        self.released = trio.Event()


@pytest.mark.parametrize("shielded", [False, True])
@pytest.mark.parametrize("answering", [False, True])
async def test_a_call_that_never_returns_is_asked_about(autojump_clock, answering, shielded, logged):
    """Two of three lines hang: they are back after the longest call, and their people are not rung again."""
    phone = Hanging(
        hangs(number(0), number(1), answering=answering, shielded=shielded), answer=lambda _: WasPlaced(end=ANSWERED)
    )
    async with rig(phone, settings(trunks={"t": trunk(max_concurrent=3)})) as bench:
        row = await bench.add(30, **SHORT)
        await trio.sleep(PATIENCE_S - 1)
        assert bench.borrowed()["t"] == 2  # not a call is cut off before its time
        assert len(phone.left) == 30
        await bench.over(row, within_s=30)
        assert bench.borrowed() == {}
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 30
        assert len(phone.left) == 30
        assert sorted(ref.number for ref in phone.asked) == [number(0), number(1)]
        assert {ref.reference for ref in phone.asked} == {"ref"}
        phone.released.set()  # a provider that comes back after all changes nothing
        await trio.sleep(10)
    (overdue,) = (entry for entry in logged if entry["event"] == "call.overdue")
    (given_up,) = (entry for entry in logged if entry["event"] == "call.given_up")
    assert (overdue["trunk"], overdue["calls"], given_up["calls"]) == ("t", 2, 2)
    assert "report it" in overdue["remedy"]


async def test_a_call_that_hangs_before_it_leaves_is_dialled_again(autojump_clock):
    """Nothing rang: it is refunded, held against the trunk, and dialled; the one that hangs can leave no more."""
    phone = Hanging(hangs(number(0), leaving=False))
    async with rig(phone) as bench:
        row = await bench.add(5, **SHORT)
        await bench.over(row, within_s=GONE_S + 60)
        assert sorted(phone.numbers()) == [number(i) for i in range(5)]
        totals = await bench.totals(row)
        assert (totals.finals[Final.SUCCEEDED], totals.refunded) == (5, 1)
        assert phone.asked == []


async def test_a_call_given_up_can_never_leave_afterwards(autojump_clock):
    """A provider that wakes up when its call was given to another attempt is refused at the gate."""
    refused = []

    async def script(phone, order, report):
        await trio.lowlevel.checkpoint()
        if not phone.placed[1:]:
            with trio.CancelScope(shield=True):
                await trio.sleep(GONE_S + 20)
            try:
                phone.leave(order)
            except BaseException as error:
                refused.append(type(error).__name__)
                raise
        phone.leave(order)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(1, **SHORT)
        await bench.over(row, within_s=GONE_S + 30)
        await trio.sleep(60)
        assert (refused, phone.numbers()) == (["Withdrawn"], [number(0)])


async def test_a_call_that_heeds_the_hang_up_ends_by_itself(autojump_clock):
    """Told to hang up, a provider that has forgotten its timers returns; it is not asked about."""

    async def script(phone, order, report):
        phone.leave(order)
        await order.hangup.wait()
        await trio.sleep(8)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(3, **SHORT)
        await bench.over(row, within_s=GONE_S)
        assert (phone.asked, len(phone.left)) == ([], 3)


async def test_calls_of_a_daemon_that_stood_still_are_heard_first(autojump_clock, monkeypatch):
    """After a long stop of the process, what the carrier has to say comes before any hang-up."""
    clock = autojump_clock

    async def script(phone, order, report):
        phone.leave(order)
        report(Answered())
        if await hung_up(order.hangup, 20):
            return CallEnd(outcome=Outcome.CANCELLED)
        await trio.sleep(3)  # the carrier's word was in the socket, and takes its time through the plugin
        return CallEnd(outcome=Outcome.CANCELLED) if order.hangup.is_set() else ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(3, **SHORT)
        await trio.sleep(12)
        clock.jump(3600)
        await bench.over(row, within_s=20)
        assert (await bench.totals(row)).outcomes[Outcome.ANSWERED] == 3
        assert len(phone.left) == 3


async def test_the_last_ten_seconds_count_only_while_the_loop_runs(autojump_clock):
    """A daemon that is stopped between the hang-up and the end of its patience lets the calls end all the same."""
    clock = autojump_clock

    async def script(phone, order, report):
        phone.leave(order)
        await order.hangup.wait()
        await trio.sleep(1)
        clock.jump(600)
        for _ in range(5):
            await trio.sleep(1)
        return ANSWERED

    phone = Phone(script)
    async with rig(phone) as bench:
        row = await bench.add(1, **SHORT)
        await bench.over(row, within_s=GONE_S + 700)
        assert phone.asked == []


async def test_a_stop_leaves_calls_that_hang_to_the_next_life(tmp_path, monkeypatch, logged):
    """Neither a hanging call nor a shielded one holds the stop up; the next life asks about them."""
    monkeypatch.setattr(engine, "HANG_UP_S", 0.2)
    monkeypatch.setattr(engine, "_STUCK_S", 0.2)
    monkeypatch.setattr(insisting, "_LOOK_S", 0.1)
    url = f"sqlite:///{tmp_path}/dialerd.db"
    hanging = hangs(number(0), shielded=True)

    async def script(phone, order, report):
        end = await hanging(phone, order, report)
        await trio.lowlevel.checkpoint()
        return end

    phone = Hanging(script)
    wanted = settings()
    wanted = evolve(wanted, daemon=evolve(wanted.daemon, drain=0))
    stuck = []

    def left_behind(_stored):
        stuck.append(True)
        phone.released.set()

    with trio.fail_after(30):
        async with rig(phone, wanted, url=url, clean=False, stuck=left_behind) as bench:
            row = await bench.add(3)
            await until(lambda: len(phone.left) == 3)
    assert stuck
    assert bench.borrowed() == {}, "calls that were given up keep their lines"
    (held_up,) = (entry for entry in logged if entry["event"] == "stop.held_up")
    assert f"{__file__}:" in held_up["at"][0]
    after = Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=30, poll_s=0.01)
        assert [ref.number for ref in after.asked] == [number(0)]
        assert after.left == []


async def test_a_reload_closes_a_provider_that_keeps_a_call_for_ever(autojump_clock):
    """The old provider is left once its hanging call was taken from it, and the new one works meanwhile."""
    made = []

    def make(site, table):
        script = hangs(number(0), shielded=True)
        made.append(Hanging(script, answer=lambda _: CannotTell(reason="no")))
        return made[-1]

    wanted = settings()
    async with rig(Phone(talk()), wanted, make=make) as bench:
        row = await bench.add(1, **SHORT)
        await trio.sleep(1)
        await bench.engine.reload(evolve(wanted, trunks={"t": trunk(options={"x": 1})}))
        await trio.sleep(GONE_S + 5)
        assert (made[0].exited, made[1].entered) == (1, 1)
        await bench.over(row, within_s=5)
        made[0].released.set()


@pytest.fixture
def url(tmp_path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{tmp_path}/dialerd.db"


async def left_alone(url, count=1):
    """Leave attempts without an end to the next life, and return their campaign."""
    phone = Phone(talk(3600))
    async with crashed(phone, url=url) as bench:
        row = await bench.add(count, **SHORT)
        await until(lambda: len(phone.left) == count)
    return row


@pytest.mark.parametrize("shielded", [False, True])
async def test_a_provider_that_never_answers_keeps_no_line(url, monkeypatch, shielded):
    """It is asked again and again in vain; its line goes to others, and nobody is dialled again."""
    monkeypatch.setattr(reconciling, "_ANSWER_S", 0.1)
    row = await left_alone(url)
    released = trio.Event()

    class Silent(Phone):
        async def reconcile(self, attempt):
            self.asked.append(attempt)
            if len(self.asked) > 2:
                return WasPlaced(end=ANSWERED)
            with trio.CancelScope(shield=shielded):
                await released.wait()
            return WasPlaced(end=ANSWERED)

    after = Silent(talk())
    with trio.fail_after(30):
        async with rig(after, settings(trunks={"t": trunk(max_concurrent=1)}), url=url) as bench:
            other = await bench.add([number(500)], name="other")
            await bench.over(other, within_s=10, poll_s=0.01)
            await bench.over(row, within_s=20, poll_s=0.01)
            assert after.numbers() == [number(500)]
            assert len(after.asked) == 3
            released.set()


async def test_a_trunk_that_never_answers_does_not_keep_others_from_being_asked(url, monkeypatch):
    """A carrier with more open attempts than are asked about at once keeps only its own waiting."""
    monkeypatch.setattr(reconciling, "_ASKED_AT_ONCE", 2)
    two = settings(trunks={"t": trunk(countries=("GB",)), "u": trunk(countries=("US",))}, numbers=NUMBERS)
    phone = Phone(talk(3600))
    async with crashed(phone, two, url=url) as bench:
        await bench.add(8, groups=(LONDON, NEW_YORK))
        await until(lambda: len(phone.left) == 8)
    released = trio.Event()

    class Silent(Phone):
        async def reconcile(self, attempt):
            await released.wait()
            return WasPlaced(end=ANSWERED)

    monkeypatch.setattr(engine, "_RECOVERY_S", 0.1)
    phones = {"t": Silent(talk()), "u": Phone(talk(), answer=lambda _: WasPlaced(end=ANSWERED))}
    async with rig(phones, two, url=url) as bench:
        await until(lambda: len(bench.engine.dispatcher.calls) == 4, 5)
        released.set()
        await until(lambda: not bench.engine.dispatcher.calls, 5)


@pytest.mark.parametrize("shielded", [False, True])
async def test_a_call_that_is_followed_for_ever_ends_uncertain(url, monkeypatch, shielded):
    """Found alive, and still there long after it can be: asked about once more, and counted; not dialled again."""
    monkeypatch.setattr(reconciling, "_LEAST_FOLLOWED_S", 0.1)
    monkeypatch.setattr(shift, "_PREPARE_S", -25)
    monkeypatch.setattr(shift, "_WIND_UP_S", 0)
    monkeypatch.setattr(reconciling, "HANG_UP_S", 1)
    row = await left_alone(url)
    released = trio.Event()
    hung = []

    async def followed(attempt, report, hangup):
        report(Answered())
        await hangup.wait()
        hung.append(attempt)
        with trio.CancelScope(shield=shielded):
            await released.wait()
        return ANSWERED

    after = Phone(talk(), answer=lambda _: WasPlaced(end=None), followed=followed)
    async with rig(after, url=url) as bench:
        await bench.over(row, within_s=20, poll_s=0.01)
        assert (await bench.totals(row)).finals[Final.UNCERTAIN] == 1
        assert (len(after.asked), len(hung), after.left) == (2, 1, [])
        assert bench.borrowed() == {}
        released.set()


async def test_a_provider_that_never_comes_up_holds_neither_reload_nor_stop(autojump_clock, logged):
    """It is left after a while and tried again, with a word in the log; the other trunk's calls go on."""

    class Slow(Phone):
        async def __aenter__(self):
            self.entered += 1
            if self.entered < 3:
                await trio.sleep_forever()
            return self

    slow = Slow(talk())
    wanted = settings()
    async with rig(slow, wanted) as bench:
        row = await bench.add(2)
        with trio.fail_after(11):
            await bench.engine.reload(evolve(wanted, trunks={"t": trunk(max_concurrent=4)}))
        await bench.over(row, within_s=2 * 120 + 10)
    assert slow.entered == 3
    assert [entry["error"] for entry in logged if entry["event"] == "trunk.failed"] == [
        "TimeoutError: it did not come up within 120 s"
    ] * 2
    never = Slow(talk())
    never.entered = -10
    with trio.fail_after(60):
        async with rig(never, wanted):
            pass


async def test_a_provider_that_never_closes_is_cancelled(autojump_clock, logged):
    """A reload does not wait for it, and a stop only for a while."""

    class Clinging(Phone):
        async def __aexit__(self, *error):
            await trio.sleep_forever()

    wanted = settings()
    with trio.fail_after(120):
        async with rig(Clinging(talk()), wanted) as bench:
            await bench.engine.reload(evolve(wanted, trunks={"t": trunk(options={"x": 1})}))
            await bench.over(await bench.add(2), within_s=5)
            await trio.sleep(trunks._EXIT_S + 1)
            assert [entry["error"] for entry in logged if entry["event"] == "trunk.failed"] == [
                "TimeoutError: it did not close within 30 s"
            ]


async def test_what_watching_over_calls_leaves_behind_is_nothing(autojump_clock):
    """When the last call is over and some seconds have passed, no shift is left."""
    async with rig(Phone(talk(1))) as bench:
        await bench.over(await bench.add(20, name="a", **SHORT), await bench.add(20, name="b"))
        assert bench.engine._calling is not None
        await trio.sleep(2 * shift.OPEN_S)
        assert bench.engine._calling._shifts == {}
