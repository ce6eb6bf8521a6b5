"""Recipients are added to campaigns that are there already: all or nobody, dialled once, at once where they may be."""

import json
from contextlib import asynccontextmanager
from operator import not_
from pathlib import Path

import pytest
import trio
from attrs import evolve
from groundwork import ground
from phone import Phone, talk
from rig import START, rig, settings, trunk, until, until_stored

from dialerd.intake.accept import discard_loading
from dialerd.intake.reading import Reader
from dialerd.model.errors import Fault, InvalidInput, KeyReused, NotFound, StoreError, WrongState
from dialerd.model.instants import HOUR
from dialerd.model.once import Once
from dialerd.model.states import AttemptState, CampaignState, Final, RecipientState
from dialerd.operations.calls import CallOperations
from dialerd.operations.recipients import RecipientOperations
from dialerd.store import adding, campaigns


def person(i):
    """Return the i-th made-up number."""
    return f"+447111{i:06}"


def csv_file(path, people, header="phone,name"):
    """Write a CSV file of people."""
    path.write_text("\n".join([header, *(f"{person(i)},n{i}" for i in people)]) + "\n")
    return path


@asynccontextmanager
async def desk(bench, scratch):
    """Return the operations of an engine, with a reading process that ends with the block."""
    async with Reader() as reader, trio.open_nursery() as nursery:
        operations = RecipientOperations(evolve(ground(bench, scratch), reader=reader))
        await nursery.start(operations.run)
        yield operations
        nursery.cancel_scope.cancel()


def lasting(until_when):
    """Return the script of calls that end at once, but for one that lasts until an event."""
    at_once = talk()

    async def script(phone, order, report):
        end = await at_once(phone, order, report)
        if order.number == person(900_000):
            await until_when.wait()
        return end

    return script


def url(tmp_path):
    """Return where a test's database lies; the operations of a large list need the host's clock, and so a file."""
    return f"sqlite:///{tmp_path}/db"


def busy():
    """Return settings under which everybody is dialled within moments."""
    return settings(trunks={"t": trunk(max_concurrent=200)})


async def counts(bench):
    """Return how many campaigns and recipients are stored."""
    return (await bench.rows("SELECT (SELECT count(*) FROM campaigns), (SELECT count(*) FROM recipients)"))[0]


async def test_a_small_list_is_dialled_at_once(tmp_path, autojump_clock):
    """Into a campaign that runs; whoever stands in it is not added again; the list says so."""
    phone = Phone(talk(60))
    async with rig(phone) as bench:
        row = await bench.add([person(0), person(1)])
        await trio.sleep(1)
        operations = RecipientOperations(ground(bench, tmp_path))
        added = await operations.add(
            row.uid, [{"phone": person(5), "variables": {"a": 1}}, {"phone": person(0)}, {"phone": person(5)}]
        )
        assert (added.added, added.duplicates, added.invalid_count) == (1, 2, 0)
        assert [warning.message for warning in added.warnings] == [
            f"recipient 2: {person(0)} stands in the campaign already; it is dialled once, as there",
            f"recipient 3: {person(5)} stands in recipient 1 already; it is dialled once, as there",
        ]
        assert {warning.file for warning in added.warnings} == {None}
        await trio.sleep(1)
        assert sorted(phone.numbers()) == [person(0), person(1), person(5)]
        assert phone.left[-1].order.variables == {"a": 1}
        await bench.over(row)
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 3


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.PAUSED])
async def test_who_is_added_to_what_does_not_dial_waits(tmp_path, autojump_clock, state):
    """A draft and a paused campaign take people and ring nobody."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        row = await bench.add([person(0)], start_at=START + HOUR)
        if state is CampaignState.PAUSED:
            await bench.engine.steering.pause(row.uid)
        else:
            row = await bench.add([], name="d", adopt=False)
            await bench.store.write(campaigns.set_state, row.id, CampaignState.DRAFT, now=START)
        operations = RecipientOperations(ground(bench, tmp_path))
        assert (await operations.add(row.uid, [{"phone": person(1)}])).added == 1
        await trio.sleep(30 * 60)
        assert phone.left == []
        assert (await bench.recipients(row))["pending", None] >= 1
        if state is CampaignState.PAUSED:
            await bench.engine.steering.resume(row.uid)
        else:
            await bench.store.write(campaigns.set_state, row.id, CampaignState.SCHEDULED, now=START)
            await bench.engine.campaigns.adopt(row.id)
        await bench.over(row, within_s=2 * 3600)
        assert person(1) in phone.numbers()


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("size", [40, 3_500])
async def test_a_file_of_any_form_and_size(tmp_path, form, size):
    """Read in this process or by another one, stored at once or in pieces: everybody is dialled, and nobody twice."""
    phone = Phone(talk())
    file = tmp_path / f"people.{form}"
    objects = [{"phone": person(i), "metadata": {"i": i}} for i in range(size)]
    if form == "csv":
        file.write_text("phone,metadata.i\n" + "".join(f"{one['phone']},{i}\n" for i, one in enumerate(objects)))
    elif form == "jsonl":
        file.write_text("".join(json.dumps(one) + "\n" for one in objects))
    else:
        file.write_text(json.dumps(objects, indent=1))
    async with rig(phone, busy(), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([person(i) for i in range(3_000, 3_100)], start_at=bench.clock.now() + HOUR)
        added = await operations.add_file(row.uid, file, format=form)
        known = max(0, min(size, 3_100) - 3_000)
        assert (added.added, added.duplicates, added.warnings) == (size - known, known, added.warnings)
        assert len(added.warnings) == known
        assert await counts(bench) == (1, size + 100 - known)
        await bench.engine.steering.cancel(row.uid)
        await until(lambda: bench.engine.campaigns.by_key(row.id) is None)
    assert sorted(path.name for path in tmp_path.iterdir() if "recipients-" in path.name) == []


async def test_nobody_is_dialled_before_the_list_is_whole(tmp_path):
    """A large list goes into a campaign that runs: until its last row is read nobody of it is rung, then everybody."""
    known = {person(i) for i in range(6_000)}
    early = []
    phone = Phone(talk())
    async with rig(phone, busy(), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        phone.script = lasting(published := trio.Event())
        row = await bench.add([person(i) for i in range(900_000, 900_200)])
        write = bench.store.write

        async def watched(op, *args, **kwargs):
            if not published.is_set():
                early.extend(known & {order.number for order in phone.placed})
                if await bench.store.read(adding.under_way):
                    published.set()
            return await write(op, *args, **kwargs)

        bench.store.write = watched  # the very store, looked at before each write
        added = await operations.add_file(row.uid, csv_file(tmp_path / "p.csv", range(6_000)), format="csv")
        assert added.added == 6_000
        published.set()
        await bench.over(row, within_s=60, poll_s=0.01)
        assert early == []
        assert sorted(phone.numbers()) == sorted([*known, *(person(i) for i in range(900_000, 900_200))])
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 6_200
        assert await counts(bench) == (1, 6_200)


@pytest.mark.parametrize("size", [20, 4_000])
async def test_faults_refuse_all_and_are_told_all(tmp_path, size):
    """With line and column; nothing stays, not in the store and not in the scratch directory."""
    rows = [f"{person(i)},n" for i in range(size)]
    rows[3], rows[-1] = "+441,n", f"{person(7)},n,extra"
    (tmp_path / "p.csv").write_text("\n".join(["phone,name", *rows]))
    async with rig(Phone(talk()), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([person(900_000)], start_at=bench.clock.now() + HOUR)
        with pytest.raises(InvalidInput) as refused:
            await operations.add_file(row.uid, tmp_path / "p.csv", format="csv")
        assert [(fault.line, fault.column, fault.path) for fault in refused.value.faults] == [
            (5, 1, "phone"),
            (size + 1, None, ""),
        ]
        assert await counts(bench) == (1, 1)
        added = await operations.add_file(row.uid, tmp_path / "p.csv", format="csv", skip_invalid=True)
        assert (added.added, added.invalid_count, added.warnings) == (size - 2, 2, ())
        assert added.invalid == refused.value.faults
        assert await counts(bench) == (1, size - 1)
        await bench.engine.steering.cancel(row.uid)
        await until(lambda: bench.engine.campaigns.by_key(row.id) is None)
    assert not [path for path in tmp_path.iterdir() if "recipients-" in path.name]


@pytest.mark.parametrize("size", [10, 1_000])
async def test_faults_of_plain_data_say_where_they_stand(tmp_path, size):
    """In the document of which the list is a part; lines of what nobody wrote are not told."""
    people = [{"phone": person(i)} for i in range(size)]
    people[4] = {"phone": "12", "timezone": "Mars"}
    people[6] = 7
    async with rig(Phone(talk()), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([], start_at=bench.clock.now() + HOUR, adopt=False)
        with pytest.raises(InvalidInput) as refused:
            await operations.add(row.uid, people)
        faults = refused.value.faults
        assert [fault.path for fault in faults] == ["recipients[4].phone", "recipients[4].timezone", "recipients[6]"]
        assert {(fault.line, fault.column, fault.file) for fault in faults} == {(None, None, None)}
        with pytest.raises(InvalidInput):
            await operations.add(row.uid, [{"phone": object()}])


async def test_a_campaign_that_is_over_takes_nobody(tmp_path, autojump_clock):
    """It says so, and an unknown one is told as such."""
    async with rig(Phone(talk())) as bench:
        row = await bench.add([person(0)])
        await bench.over(row)
        operations = RecipientOperations(ground(bench, tmp_path))
        with pytest.raises(WrongState, match="is completed"):
            await operations.add(row.uid, [{"phone": person(1)}])
        with pytest.raises(NotFound):
            await operations.add("nobody", [{"phone": person(1)}])
        assert await counts(bench) == (1, 1)


async def test_a_campaign_that_ends_meanwhile_takes_nobody(tmp_path):
    """It ends while a large list for it is being read: nothing of the list stays."""
    async with rig(Phone(talk()), busy(), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([person(900_000)], start_at=bench.clock.now() + HOUR)
        async with trio.open_nursery() as nursery:

            async def cancel():
                await until_stored(bench, lambda: counts(bench), lambda found: found[0] == 2)
                await bench.engine.steering.cancel(row.uid)

            nursery.start_soon(cancel)
            with pytest.raises(WrongState, match="is cancelled"):
                await operations.add_file(row.uid, csv_file(tmp_path / "p.csv", range(60_000)), format="csv")
        await until(lambda: bench.engine.campaigns.by_key(row.id) is None)
        assert await counts(bench) == (1, 1)
        assert await bench.state(row) is CampaignState.CANCELLED


async def test_a_campaign_does_not_end_while_people_are_on_their_way(tmp_path):
    """Its last call ends when a list for it is just published: it goes on with that."""
    phone = Phone(talk())
    async with rig(phone, busy(), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        phone.script = lasting(published := trio.Event())
        row = await bench.add([person(900_000)])
        async with trio.open_nursery() as nursery:

            async def let_go():
                await until_stored(bench, lambda: bench.store.read(adding.under_way))
                published.set()

            nursery.start_soon(let_go)
            added = await operations.add_file(row.uid, csv_file(tmp_path / "p.csv", range(9_000)), format="csv")
        assert added.added == 9_000
        await bench.over(row, within_s=60, poll_s=0.01)
        assert len(phone.left) == len(set(phone.numbers())) == 9_001
        assert await bench.state(row) is CampaignState.COMPLETED


async def test_a_restart_finishes_what_was_published(tmp_path):
    """The campaign had nobody else left; it waits for them, and all are dialled."""
    phone = Phone(talk())
    async with rig(phone, busy(), url=url(tmp_path)) as bench:
        row = await bench.add([], start_at=bench.clock.now() + HOUR, adopt=False)
        key = await bench.store.write(adding.begin, row.id, now=START)
        await bench.store.write(adding.publish, key, row.id)
        other = await bench.store.write(adding.begin, row.id, now=START)
        await bench.store.write(lambda c: c.exec_driver_sql("UPDATE campaigns SET start_at = NULL"))
    async with rig(phone, busy(), url=url(tmp_path)) as bench:
        assert await discard_loading(bench.store) == 1
        await trio.sleep(0.2)
        assert await bench.state(row) is CampaignState.SCHEDULED  # though there is nobody in it
        assert await bench.store.read(adding.under_way) == [(key, row.id)]
        async with desk(bench, tmp_path):
            await bench.over(row, within_s=10, poll_s=0.01)
        assert await bench.state(row) is CampaignState.COMPLETED
        assert (await counts(bench))[0] == 1
    assert other != key


@pytest.mark.parametrize("cut_at", [2, 9, 14, 17, 19])
async def test_a_client_that_goes_away_leaves_all_or_nothing(tmp_path, cut_at):
    """Cancelled at any write: nobody was added, or everybody is, though nobody waits for it."""
    phone = Phone(talk())
    async with rig(phone, busy(), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([], start_at=bench.clock.now() + HOUR)
        row = await bench.add([person(900_000)], name="y", start_at=bench.clock.now() + HOUR)
        file = csv_file(tmp_path / "p.csv", range(10_500))
        before = bench.store.writes
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def cut():
                    while bench.store.writes < before + cut_at:
                        await bench.store.written(bench.store.writes)
                    scope.cancel()

                nursery.start_soon(cut)
                await operations.add_file(row.uid, file, format="csv")
                nursery.cancel_scope.cancel()
        with trio.fail_after(60):
            await until_stored(bench, lambda: bench.rows("SELECT 1 FROM campaigns WHERE state = 'loading'"), not_)
        people = (await bench.recipients(row))["pending", None]
        assert people in (1, 10_501)
        assert people == 1 or cut_at > 9
        await bench.engine.steering.cancel(row.uid)
        await until(lambda: bench.engine.campaigns.by_key(row.id) is None)


@pytest.mark.parametrize("size", [5, 4_000])
async def test_the_same_request_again_adds_nobody(tmp_path, size):
    """It returns what was added the first time; another list with its key is refused."""
    once = Once(key="k", fingerprint="f")
    async with rig(Phone(talk()), url=url(tmp_path)) as bench, desk(bench, tmp_path) as operations:
        row = await bench.add([person(3)], start_at=bench.clock.now() + HOUR)
        file = csv_file(tmp_path / "p.csv", range(size))
        first = await operations.add_file(row.uid, file, format="csv", once=once)
        assert (first.added, first.duplicates) == (size - 1, 1)
        assert await operations.add_file(row.uid, file, format="csv", once=once) == first
        assert (await operations.add(row.uid, [], once=once)).added == size - 1
        with pytest.raises(KeyReused):
            await operations.add_file(row.uid, file, format="csv", once=evolve(once, fingerprint="g"))
        assert await counts(bench) == (1, size)
        await bench.engine.steering.cancel(row.uid)
        await until(lambda: bench.engine.campaigns.by_key(row.id) is None)


@pytest.mark.parametrize("where", ["bytes", "list"])
async def test_a_list_that_cannot_be_kept_is_refused_as_such(tmp_path, where):
    """It is no fault of whoever sent it; a small one needs no room, and is added."""
    async with rig(Phone(talk()), url=url(tmp_path)) as bench, desk(bench, tmp_path / "gone") as operations:
        row = await bench.add([person(0)], start_at=bench.clock.now() + HOUR)

        async def add(people):
            found = [{"phone": person(i)} for i in range(1, people + 1)]
            if where == "list":
                return await operations.add(row.uid, found)
            return await operations.add_file(row.uid, json.dumps(found).encode(), format="json")

        with pytest.raises(StoreError, match="gone cannot be used: No such file"):
            await add(1_000)
        assert (await add(10)).added == 10
        assert await counts(bench) == (1, 11)


async def test_calls_of_a_recipient_stand_where_they_are_now(tmp_path, autojump_clock):
    """What a provider has reported since a call was claimed is shown here as in the list of calls."""
    async with rig(Phone(talk(1_000, prepare=0.01))) as bench:
        row = await bench.add([person(0)])
        await trio.sleep(0.02)
        stand = ground(bench, tmp_path)
        operations = RecipientOperations(stand)
        (call,) = (await CallOperations(stand).list()).items
        assert call.state is AttemptState.ANSWERED
        assert await bench.rows("SELECT state FROM attempts") == [("claimed",)]
        assert (await operations.get(row.uid, person(0))).calls == (call,)
        for wanted in ({"number": person(0)}, {}):
            (one,) = (await operations.list(row.uid, calls=True, **wanted)).items
            assert one.calls == (call,)
        await bench.engine.steering.cancel(row.uid, now=True)
        await bench.over(row)


async def test_lists_and_looks(tmp_path, autojump_clock):
    """Pages in order with filters; one person by any notation of the number, with calls."""
    async with rig(Phone(talk())) as bench:
        row = await bench.add([person(i) for i in range(5)])
        await bench.over(row)
        operations = RecipientOperations(ground(bench, Path(tmp_path)))
        page = await operations.list(row.uid, limit=3)
        assert [one.number for one in page.items] == [person(0), person(1), person(2)]
        rest = await operations.list(row.uid, limit=3, after=page.next, calls=True)
        assert [one.number for one in rest.items] == [person(3), person(4)]
        assert rest.next is None
        assert [len(one.calls) for one in rest.items] == [1, 1]
        assert page.items[0].calls is None
        assert (await operations.list(row.uid, state=RecipientState.PENDING)).items == ()
        assert len((await operations.list(row.uid, final=Final.SUCCEEDED)).items) == 5
        written = person(2)[:6] + " " + person(2)[6:]
        assert [one.number for one in (await operations.list(row.uid, number=written)).items] == [person(2)]
        assert (await operations.list(row.uid, number=written, final=Final.FAILED)).items == ()
        one = await operations.get(row.uid, written)
        assert (one.number, one.final, len(one.calls)) == (person(2), Final.SUCCEEDED, 1)
        with pytest.raises(NotFound):
            await operations.get(row.uid, person(77))
        for wrong in ({"limit": 0}, {"limit": 1_001}, {"after": "x"}, {"number": "12"}):
            with pytest.raises(InvalidInput) as refused:
                await operations.list(row.uid, **wrong)
            assert [fault.path for fault in refused.value.faults] == list(wrong)
        assert isinstance(refused.value.faults[0], Fault)
