"""What a carrier calls its calls: found out late it is kept, and none of one attempt is taken for that of another."""

import pytest
import trio
from phone import ANSWERED, BUSY, OUTAGE, Phone, talk
from rig import crashed, number, rig, until

from dialerd.model.call import WasPlaced
from dialerd.model.instants import SECOND
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import Final, Outcome
from dialerd.plugin.provider import Accepted, Answered, MaybePlaced

REFERENCES = "SELECT reference FROM attempts ORDER BY id"
THRICE = RetryPolicy(max_attempts=3, delay=SECOND)


@pytest.fixture
def url(tmp_path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{tmp_path}/dialerd.db"


def numbered(*, lost_from):
    """Return the script of calls that are busy, named CA1, CA2 and so on; from one on they are lost."""

    async def script(phone, order, report):
        phone.leave(order)
        nth = len(phone.left)
        if nth >= lost_from:
            raise MaybePlaced(OUTAGE)
        report(Accepted(f"CA{nth}"))
        await trio.sleep(0.5)
        return BUSY

    return script


async def test_a_provider_is_told_whose_calls_are_known(autojump_clock):
    """Asked about the third call to a number it hears the names of the first two, the latest first, and no other's."""
    phone = Phone(numbered(lost_from=6), answer=lambda _: WasPlaced(end=ANSWERED, reference="CA6"))
    async with rig(phone) as bench:
        other = await bench.add([number(1)], name="other", retry=THRICE)
        await bench.over(other, within_s=600)
        assert phone.asked == []
        row = await bench.add([number(0)], retry=THRICE, start_at=bench.clock.now() + SECOND)
        await bench.over(row, within_s=600)
        (asked,) = phone.asked
        assert (asked.reference, asked.others) == (None, ("CA5", "CA4"))
        assert [row[0] for row in await bench.rows(REFERENCES)] == [f"CA{nth}" for nth in range(1, 7)]
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1


@pytest.mark.parametrize("ends", [False, True])
async def test_a_name_that_is_found_out_when_asked_is_kept(url, ends):
    """It is stored with the end, or while the call that is alive is followed, and whoever follows it is told."""
    first = Phone(talk(3600))

    async def silent(phone, order, report):
        phone.leave(order)
        await trio.sleep(3600)
        return ANSWERED

    first.script = silent
    async with crashed(first, url=url) as bench:
        row = await bench.add(1)
        await until(lambda: len(first.left) == 1)
    refs = []
    go = trio.Event()

    async def followed(attempt, report, hangup):
        refs.append(attempt)
        report(Answered())
        await go.wait()
        return ANSWERED

    after = Phone(
        talk(), answer=lambda _: WasPlaced(end=ANSWERED if ends else None, reference="CA9"), followed=followed
    )
    async with rig(after, url=url) as bench:
        with trio.fail_after(60):
            while [row[0] for row in await bench.rows(REFERENCES)] != ["CA9"]:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.02)
        assert await bench.open_attempts() == (not ends)
        go.set()
        await bench.over(row, within_s=60, poll_s=0.01)
    assert [ref.reference for ref in refs] == ([] if ends else ["CA9"])


@pytest.mark.parametrize("reference", [7, b"CA1", "\udcff"])
async def test_a_name_that_cannot_be_stored(reference, logged, autojump_clock):
    """It is no answer: the provider is asked again, and the fault is its own."""
    answers = [WasPlaced(end=ANSWERED, reference=reference), WasPlaced(end=BUSY)]
    phone = Phone(numbered(lost_from=1), answer=lambda _: answers.pop(0))
    async with rig(phone) as bench:
        row = await bench.add(1, retry=RetryPolicy(max_attempts=1))
        await bench.over(row, within_s=600)
        assert (await bench.totals(row)).outcomes[Outcome.BUSY] == 1
    assert "call.reconcile_failed" in [entry["event"] for entry in logged]
