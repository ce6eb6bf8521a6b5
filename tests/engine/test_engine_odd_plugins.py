"""Nonsense from where no call is placed: from providers that come up and are asked, from screens and notifiers."""

import pytest
import trio
from nonsense import NONSENSE, Odd, stray
from phone import ANSWERED, OUTAGE, Phone, talk
from rig import rig

from dialerd.model.call import CannotTell, WasNotPlaced, WasPlaced
from dialerd.model.states import CampaignState, Final
from dialerd.plugin.provider import MaybePlaced


@pytest.mark.parametrize(
    "answer", [None, "yes", WasPlaced(end="over"), CannotTell(reason="\udc80"), CannotTell(reason=None), Odd(), stray]
)
async def test_an_answer_that_means_nothing_is_asked_for_again(answer, logged, autojump_clock):
    """Nobody is dialled on it, no line is held, and the log says so once a minute at most."""
    if answer is stray:
        answer = await trio.to_thread.run_sync(stray)

    async def script(phone, order, report):
        phone.leave(order)
        raise MaybePlaced(OUTAGE)

    class Odder(Phone):
        async def reconcile(self, attempt):
            self.asked.append(attempt)
            if trio.current_time() > 1800:
                return WasPlaced(end=ANSWERED)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    phone = Odder(script)
    async with rig(phone) as bench:
        row = await bench.add(5)
        await trio.sleep(1799)
        assert (bench.borrowed(), len(phone.left)) == ({}, 5)
        await bench.over(row, within_s=120)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 5
        assert len(phone.left) == 5
    complaints = [entry for entry in logged if entry["event"] == "call.reconcile_failed"]
    assert len(complaints) <= 31
    assert sum(entry["more"] for entry in complaints) > 60


async def test_a_follow_that_raises_anything_is_asked_about_again(autojump_clock):
    """A call that was found alive is not given up for a plugin's fault."""
    follows = []

    async def script(phone, order, report):
        phone.leave(order)
        raise MaybePlaced(OUTAGE)

    async def followed(attempt, report, hangup):
        follows.append(attempt)
        if len(follows) == 1:
            raise SystemExit(1)
        if len(follows) == 2:
            raise ExceptionGroup("x", [MaybePlaced(OUTAGE)])
        raise AssertionError("asked once too often")

    phone = Phone(script, answer=lambda _: WasPlaced(end=None), followed=followed)
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row, within_s=60)
        assert (await bench.totals(row)).finals[Final.UNCERTAIN] == 1
        assert (len(follows), len(phone.left)) == (2, 1)


@pytest.mark.parametrize("entered", [None, 7, "self"])
async def test_a_provider_that_enters_as_nothing_keeps_its_trunk_down(entered, logged, autojump_clock):
    """An `__aenter__` that forgets to return itself is named in the log, and does not look like a trunk that is up."""

    class Forgetful(Phone):
        async def __aenter__(self):
            await super().__aenter__()
            return self if self.entered > 2 else entered

    phone = Forgetful(talk())
    async with rig(phone) as bench:
        await bench.over(await bench.add(2), within_s=30)
    failed = [entry for entry in logged if entry["event"] == "trunk.failed"]
    assert len(failed) == 2
    assert all("return self" in entry["error"] for entry in failed)


@pytest.mark.parametrize("where", ["make", "__aenter__", "background", "__aexit__"])
@pytest.mark.parametrize("kind", ["SystemExit", "BaseException", "Cancelled", "group of odds"])
async def test_a_provider_that_ends_in_nonsense_keeps_its_trunk_down_for_a_moment(where, kind, autojump_clock):
    """Wherever it raises, it is made and entered again; the stop is in order."""
    error = await trio.to_thread.run_sync(NONSENSE[kind])
    made = []

    class Odder(Phone):
        async def __aenter__(self):
            await super().__aenter__()
            if where == "__aenter__" and len(made) == 1:
                raise error
            self.manager = trio.open_nursery()
            nursery = await self.manager.__aenter__()
            if where == "background" and len(made) == 1:
                nursery.start_soon(self.die)
            return self

        async def die(self):
            await trio.sleep(1)
            raise error

        async def __aexit__(self, *raised):
            await self.manager.__aexit__(*raised)
            if where == "__aexit__":
                raise error

    def make(site, table):
        made.append(Odder(talk()))
        if where == "make" and len(made) == 1:
            raise error
        return made[-1]

    async with rig(Phone(talk()), make=make) as bench:
        await trio.sleep(1.5)
        row = await bench.add(3)
        await bench.over(row, within_s=30)
        assert len(made) == (1 if where == "__aexit__" else 2)
        assert await bench.state(row) is CampaignState.COMPLETED


@pytest.mark.parametrize("kind", ["SystemExit", "BaseException", "Cancelled", "unspeakable"])
async def test_screens_and_notifiers_raise_what_they_like(kind, logged, autojump_clock):
    """A screen that raises holds its calls, a notifier that does is told again; a word a minute in the log."""
    error = await trio.to_thread.run_sync(NONSENSE[kind])
    told = []

    async def screen(order):
        if trio.current_time() < 300:
            raise error

    async def notifier(notices):
        if trio.current_time() < 600:
            raise error
        told.extend(notices)

    phone = Phone(talk())
    async with rig(phone, screens={"s": screen}, notifiers={"n": notifier}) as bench:
        row = await bench.add(40)
        await trio.sleep(299)
        assert phone.left == []
        await bench.over(row, within_s=120)
        await trio.sleep(700)
        assert sum(notice.kind == "call.ended" and "answered" in str(notice) for notice in told) >= 40
    assert 1 <= len([entry for entry in logged if entry["event"] == "screen.failed"]) <= 6
    assert not [entry for entry in logged if entry["event"] == "provider.broke"]  # no trunk is blamed for a screen


async def test_a_proof_counts_from_a_provider_in_nurseries(autojump_clock):
    """A `reconcile` whose answer says that nothing rang has the person dialled again, once."""
    raised = []

    async def script(phone, order, report):
        phone.leave(order)
        if not raised:
            raised.append(order)
            raise ExceptionGroup("x", [MaybePlaced(OUTAGE)])
        return ANSWERED

    phone = Phone(script, answer=lambda _: WasNotPlaced())
    async with rig(phone) as bench:
        row = await bench.add(1)
        await bench.over(row, within_s=60)
        assert (len(phone.left), (await bench.totals(row)).finals[Final.SUCCEEDED]) == (2, 1)
