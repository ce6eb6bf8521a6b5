"""Do-not-call entries: when an addition or an import has returned, not one call to its numbers leaves."""

import itertools

import pytest
import trio
from attrs import evolve
from groundwork import ground
from phone import Phone, talk
from rig import START, rig, settings, trunk

from dialerd.model.errors import InvalidInput, KeyReused, NotFound, StoreError
from dialerd.model.instants import HOUR, MINUTE, to_iso
from dialerd.model.once import Once
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Final
from dialerd.operations import suppression_rows
from dialerd.operations.suppressions import Imported, SuppressionOperations


def person(i):
    """Return the i-th made-up number."""
    return f"+447111{i:06}"


def agents():
    """Return settings with two agents, one of which has an id."""
    return settings(agents={"a": AgentSettings(say="hi"), "b": AgentSettings(say="hi", id="b-7")})


def unsteady():
    """Return the script of calls that prepare and last differently long, so that they leave at any instant."""
    turn = itertools.count()

    async def script(phone, order, report):
        n = next(turn)
        return await talk(0.2 + n % 7 / 10, prepare=n % 11 / 10)(phone, order, report)

    return script


async def walk(operations, **wanted):
    """Return the entries of every page as (number, scope)."""
    found, place = [], None
    while True:
        page = await operations.list(after=place, **wanted)
        found += [(one.number, one.scope) for one in page.items]
        place = page.next
        if place is None:
            return found


async def test_not_one_call_leaves_when_an_entry_was_added(tmp_path, autojump_clock):
    """50 lines busy: calls that prepare, that wait, that are claimed at that instant; none of them leaves."""
    phone = Phone(unsteady())
    async with rig(phone) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        row = await bench.add([person(i) for i in range(3_000)])
        for at in range(8):
            await trio.sleep(0.617)
            gone = {order.number for order in phone.placed[-60:]} | {person(i) for i in range(2_000 + at, 3_000, 8)}
            await operations.add(sorted(gone), reason="asked", source="desk")
            left = len(phone.left)
            await trio.sleep(3)
            assert not gone & set(phone.numbers()[left:])
        await bench.over(row)
        totals = await bench.totals(row)
        assert totals.finals[Final.SUPPRESSED] > 900
        assert totals.finals[Final.SUCCEEDED] == len(phone.left)
        assert not bench.engine.dispatcher.withheld.numbers


async def test_not_one_call_leaves_when_a_list_was_imported(tmp_path):
    """A large list, chunk by chunk, on the host's clock and a real disk, while 200 lines are busy."""
    phone = Phone(talk(0.02, prepare=0.05))
    wanted = settings(trunks={"t": trunk(max_concurrent=200)})
    people = range(12_000)
    (tmp_path / "list.csv").write_text("number\n" + "\n".join(person(i) for i in people[1_000:]) + "\n")
    held = 0
    async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/db") as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        row = await bench.add([person(i) for i in reversed(people)])
        await trio.sleep(0.3)
        async with trio.open_nursery() as nursery:

            async def look():
                nonlocal held
                while True:
                    held = max(held, len(bench.engine.dispatcher.withheld.numbers))
                    await trio.sleep(0.001)

            nursery.start_soon(look)
            done = await operations.import_csv(tmp_path / "list.csv")
            nursery.cancel_scope.cancel()
        left = len(phone.left)
        assert done.entries == 11_000
        await bench.over(row, within_s=30, poll_s=0.01)
        gone = {person(i) for i in people[1_000:]}
        assert not gone & set(phone.numbers()[left:])
        totals = await bench.totals(row)
        assert totals.finals[Final.SUPPRESSED] >= done.ended > 0
        assert totals.finals[Final.SUPPRESSED] + totals.finals[Final.SUCCEEDED] == 12_000
        assert totals.finals[Final.SUCCEEDED] == len(phone.left)
        assert 0 < held <= 4 * suppression_rows.CHUNK
        assert not bench.engine.dispatcher.withheld.numbers
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("suppressions-")) == []


async def test_an_entry_of_one_campaign_lets_others_leave(tmp_path, autojump_clock):
    """Calls of others to the same number that are on their way leave as if there were none."""
    phone = Phone(talk(5, prepare=10))
    async with rig(phone) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        p = await bench.add([person(0)], name="p")
        q = await bench.add([person(1), person(2)], name="q")
        await trio.sleep(5)
        assert await operations.add([person(0), person(1)], scope="campaign:p") == 0  # they are being dialled
        await trio.sleep(6)
        assert sorted(phone.numbers()) == [person(1), person(2)]
        assert [left.at for left in phone.left] == [left.at for left in phone.left if left.at < 11]
        await bench.over(p, q)
        assert (await bench.totals(p)).finals[Final.SUPPRESSED] == 1
        assert (await bench.totals(q)).refunded == 0


async def test_an_entry_of_an_agent_ends_its_campaigns_however_they_call_it(tmp_path, autojump_clock):
    """By its name or by its id, and given by either."""
    async with rig(Phone(talk()), agents()) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        for name, agent in (("x", "b"), ("y", "b-7"), ("z", "a")):
            await bench.add([person(0), person(1)], name=name, agent=agent, start_at=START + HOUR)
        assert await operations.add([person(0)], scope="agent:b-7") == 2
        assert await operations.add([person(1)], scope="agent:b") == 2
        assert await walk(operations, scope="agent:b-7") == [(person(0), "agent:b"), (person(1), "agent:b")]
        assert await operations.add([person(0), person(0)[:5] + " " + person(0)[5:]], scope="campaign:z") == 1
        with pytest.raises(NotFound):
            await operations.remove(person(0), scope="agent:a")
        await operations.remove(person(0), scope="agent:b-7")
        assert [one.scope for one in await operations.check(person(0))] == ["campaign:z"]


async def test_whom_an_entry_held_is_dialled_when_it_is_taken_away(tmp_path, autojump_clock):
    """At once, not when it would have expired; whom an entry for good has ended is not."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        await operations.add([person(0), person(1)], expires_at=START + 10 * HOUR)
        await operations.add([person(2)])
        row = await bench.add([person(i) for i in range(3)])
        await trio.sleep(600)
        assert phone.left == []
        await operations.remove(person(0))
        await operations.remove(person(2))
        await trio.sleep(1)
        assert phone.numbers() == [person(0)]
        await bench.over(row, within_s=11 * 3_600)
        assert phone.numbers() == [person(0), person(1)]
        assert phone.left[1].at >= 10 * 3_600
        assert (await bench.totals(row)).finals[Final.SUPPRESSED] == 1


async def test_everything_that_is_wrong_is_told_and_nothing_entered(tmp_path, autojump_clock):
    """Numbers by their places, and every other argument."""
    async with rig(Phone(talk())) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        with pytest.raises(InvalidInput) as refused:
            await operations.add(
                ["12", person(0), "x"], scope="agent:nobody", reason="r" * 1_001, source="\0", expires_at=START
            )
        paths = [fault.path for fault in refused.value.faults]
        assert paths == ["reason", "source", "expires_at", "numbers[0]", "numbers[2]", "scope"]
        for scope in ("", "agent", "agent:", "campaign:nope", "ALL", "trunk:t"):
            with pytest.raises(InvalidInput):
                await operations.add([person(0)], scope=scope)
        assert await walk(operations) == []
        with pytest.raises(InvalidInput):
            await operations.list(after="x")
        with pytest.raises(InvalidInput):
            await operations.list(limit=0)


async def test_many_numbers_and_once(tmp_path, autojump_clock):
    """More than fit into one transaction; the same request again does nothing."""
    once = Once(key="k", fingerprint="f")
    async with rig(Phone(talk())) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        row = await bench.add([person(i) for i in range(100)], start_at=START + HOUR)
        numbers = [person(i) for i in range(4_500)]
        assert await operations.add(numbers, once=once) == 100
        await operations.remove(person(5))
        assert await operations.add(numbers, once=once) == 100
        assert await operations.check(person(5)) == ()
        with pytest.raises(KeyReused):
            await operations.add(numbers, once=evolve(once, fingerprint="g"))
        assert len(await walk(operations, limit=1_000)) == 4_499
        await bench.over(row, within_s=5)


async def test_an_import_says_more_than_the_number(tmp_path):
    """Columns in any order, quotes and blanks; empty cells stand for what was given with the file.

    On the host's clock: a virtual one would jump to the campaign's start while the list is read in its thread.
    """
    until = START + HOUR
    once = Once(key="k", fingerprint="f")
    (tmp_path / "list.csv").write_text(
        "reason;number;expires_at;scope\r\n"
        f'"said ""no"";\nloud";{person(0)};;campaign:x\r\n'
        "\r\n"
        f";{person(1)[:6]} {person(1)[6:]};{to_iso(until)};\r\n"
        f"r;{person(2)};;agent:b-7\r\n"
    )
    async with rig(Phone(talk()), agents()) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        row = await bench.add([person(i) for i in range(3)], start_at=START + HOUR)
        wanted = {"scope": "all", "reason": "list", "source": "crm", "once": once}
        done = await operations.import_csv(tmp_path / "list.csv", **wanted)
        assert done == Imported(entries=3, ended=1)
        assert await operations.import_csv(tmp_path / "list.csv", **wanted) == done
        found = {one.number: one for one in (await operations.list()).items}
        assert [(one.scope, one.reason, one.source, one.expires_at) for one in found.values()] == [
            ("campaign:x", 'said "no";\nloud', "crm", None),
            ("all", "list", "crm", until),
            ("agent:b", "r", "crm", None),
        ]
        await bench.engine.steering.cancel(row.uid)
        await bench.over(row)


async def test_a_small_import_needs_no_room(tmp_path):
    """It is read where it came; a larger one that there is no room for is refused as such."""
    file = tmp_path / "list.csv"
    file.write_text(f"number\n{person(0)}\n{person(1)}\n")
    async with rig(Phone(talk())) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path / "gone"))
        assert await operations.import_csv(file.read_bytes()) == Imported(entries=2, ended=0)
        assert [number for number, _ in await walk(operations)] == [person(0), person(1)]
        with pytest.raises(StoreError, match="gone cannot be used"):
            await operations.import_csv(file)


async def test_an_exported_list_is_read_in_again_however_old_it_is(tmp_path):
    """What has expired meanwhile is passed over, and counted."""
    file = tmp_path / "list.csv"
    file.write_text(f"number,expires_at\n{person(0)},\n{person(1)},{to_iso(START - MINUTE)}\n")
    async with rig(Phone(talk())) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        assert await operations.import_csv(file) == Imported(entries=1, ended=0, expired=1)
        assert [number for number, _ in await walk(operations)] == [person(0)]


async def test_an_import_with_faults_tells_all_of_them(tmp_path, autojump_clock):
    """With line and column; of a list that has one, nothing is entered."""
    past = "tomorrow"
    (tmp_path / "list.csv").write_text(
        "number,scope,reason,expires_at\n"
        f"{person(0)},all,,\n"
        f"12,agent:nobody,{'r' * 1_001},{past}\n"
        f"{person(1)},all\n"
        f'{person(2)},"all"x,,\n'
        f'"{person(3)}",all,,2026-07-01T10:00:00\n'
    )
    async with rig(Phone(talk())) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        with pytest.raises(InvalidInput) as refused:
            await operations.import_csv(tmp_path / "list.csv")
        assert [(fault.line, fault.column, fault.path) for fault in refused.value.faults] == [
            (3, 1, "number"),
            (3, 4, "scope"),
            (3, 17, "reason"),
            (3, 1_019, "expires_at"),
            (4, None, ""),
            (5, None, ""),
            (6, 22, "expires_at"),
        ]
        for text, path in [
            ("", ""),
            ("phone\n1\n", "phone"),
            (f"scope\n{person(0)}\n", "number"),
            (f"number,number\n{person(0)},{person(0)}\n", "number"),
            (f"number,until\n{person(0)},\n", "until"),
            (f"number\n{person(0)}\n\0\n", ""),
            ("number," + "x" * (1 << 20) + f"\n{person(0)},\n", ""),
        ]:
            (tmp_path / "wrong.csv").write_text(text)
            with pytest.raises(InvalidInput) as refused:
                await operations.import_csv(tmp_path / "wrong.csv")
            assert refused.value.faults[0].path == path, text
        (tmp_path / "wrong.csv").write_text("number\n" + "12\n" * 1_500)
        with pytest.raises(InvalidInput) as refused:
            await operations.import_csv(tmp_path / "wrong.csv")
        assert len(refused.value.faults) == 1_001
        assert refused.value.faults[-1].message == "there are 500 faults more; mend these first"
        assert await walk(operations) == []
        assert (await operations.import_csv(_header_only(tmp_path))) == Imported(entries=0, ended=0)


def _header_only(tmp_path):
    (tmp_path / "empty.csv").write_text("number,reason\n")
    return tmp_path / "empty.csv"


async def test_an_entry_that_has_expired_is_none(tmp_path, autojump_clock):
    """What is in force is what the gate goes by: one that has expired is neither told nor does it hold."""
    phone = Phone(talk())
    async with rig(phone) as bench:
        operations = SuppressionOperations(ground(bench, tmp_path))
        await operations.add([person(0)], expires_at=START + MINUTE)
        assert [one.expires_at for one in await operations.check(person(0))] == [START + MINUTE]
        await trio.sleep(60)
        assert await operations.check(person(0)) == ()
        assert await walk(operations) == []
        await bench.over(await bench.add([person(0)]))
        assert phone.numbers() == [person(0)]
