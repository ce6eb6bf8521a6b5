"""What a campaign leaves behind: folders that appear whole, and counts that add up."""

import csv
import errno
import os
import tomllib
import unicodedata

import pytest
from history import finish, lay
from hypothesis import given
from hypothesis import strategies as st
from spooling import Place, now

from dialerd.intake import durable
from dialerd.intake.call_rows import COLUMNS
from dialerd.intake.report_folder import folder_name
from dialerd.model.states import Final, Outcome
from dialerd.store import reports

LIVES = [
    ["answered"],
    ["busy", "no_answer", "answered"],
    [],
    ["refunded", "busy"],
    ["no_answer", "no_answer"],
    [],
]


def read_report(place, folder):
    """Return a report's summary and the rows of its calls."""
    with (place.folders.reports / folder / "calls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return tomllib.loads((place.folders.reports / folder / "summary.toml").read_text()), rows


async def write_all(store, lives, now_at, **more):
    """Lay an ended campaign into the store."""
    key = await store.write(lay, lives=lives, **more)
    await store.write(finish, key, lives, now_at)
    return key


@pytest.mark.parametrize("lives", [LIVES, [], [[]], LIVES * 700, [[]] * 4_500 + [["answered"]]])
async def test_the_counts_add_up(tmp_path, lives):
    """Summary, rows and recipients agree, whole pages of undialled recipients included."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        await write_all(store, lives, now())
        assert await place.reports(store).write_due() == 1
        assert await place.reports(store).write_due() == 0
        assert await store.read(reports.unreported) == []
    summary, rows = read_report(place, "tuesday-0000abcd")
    recipients, attempts = summary["recipients"], summary["attempts"]
    assert list(rows[0]) == list(COLUMNS) if rows else not lives
    assert recipients["total"] == len(lives) == len({row["number"] for row in rows})
    assert sum(recipients[final] for final in Final) == len(lives)
    assert recipients["undialed"] == sum(not life for life in lives) == sum(not row["attempt_id"] for row in rows)
    assert attempts["total"] == sum(attempts[outcome] for outcome in Outcome)
    assert attempts["total"] + attempts["refunded"] == sum(map(len, lives)) == sum(bool(r["attempt_id"]) for r in rows)
    assert [int(row["position"]) for row in rows] == sorted(int(row["position"]) for row in rows)
    answered = [row for row in rows if row["outcome"] == "answered"]
    assert summary["talk_time_s"] == sum(float(row["talk_s"]) for row in answered) == 2.0 * len(answered)
    assert summary["state"] == "completed"


async def test_a_row_tells_everything_of_a_call(tmp_path):
    """Instants in UTC, metadata as JSON, empty where it did not come to that."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        await write_all(store, [["answered"], []], now())
        await place.reports(store).write_due()
    summary, (called, undialed) = read_report(place, "tuesday-0000abcd")
    assert called["claimed_at"].endswith("Z")
    assert called["ringing_at"] == ""
    assert summary["first_call_at"] == summary["last_call_at"] == called["claimed_at"], "both are beginnings of calls"
    assert (called["answered_by"], called["digits"]) == ("human", "42#")
    assert (called["outcome"], called["talk_s"], called["final"]) == ("answered", "2.000", "succeeded")
    assert called["metadata"] == '{"row":"é, \\"x\\""}'
    assert undialed["final"] == "expired"
    assert (called["reference"], called["detail"]) == ("CA1", '{"price":"-0.014","note":"a, \\"b\\""}')
    assert not any(undialed[column] for column in COLUMNS[3:] if column != "metadata")


async def test_a_report_waits_for_the_last_call(tmp_path):
    """An attempt without an end would be missing in it."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        key = await write_all(store, LIVES, now())
        await store.write(lambda connection: connection.exec_driver_sql("UPDATE attempts SET ended_at = NULL"))
        assert await place.reports(store).write_due() == 0
        await store.write(lambda connection: connection.exec_driver_sql("UPDATE attempts SET ended_at = claimed_at"))
        assert await place.reports(store).write_due() == 1
        assert key


async def test_a_stop_before_the_mark_writes_it_anew(tmp_path, monkeypatch):
    """The former report is replaced as a whole, and nothing else is left behind."""
    place = Place.make(tmp_path)
    async with place.store() as store:
        await write_all(store, LIVES, now())
        with monkeypatch.context() as patch:
            patch.setattr(reports, "mark_reported", lambda _connection, *_ids, now: 1 / 0)
            assert await place.reports(store).write_due() == 0
        (place.folders.reports / "tuesday-0000abcd" / "calls.csv").write_text("old")
        assert await place.reports(store).write_due() == 1
    assert os.listdir(place.folders.reports) == ["tuesday-0000abcd"]
    assert len(read_report(place, "tuesday-0000abcd")[1]) == 10


async def test_a_folder_of_the_same_name_is_left_alone(tmp_path):
    """Two campaigns that agree in name and short id get folders of their own."""
    place = Place.make(tmp_path)
    (place.folders.reports / "tuesday-0000abcd").mkdir()
    (place.folders.reports / "tuesday-0000abcd" / "mine.txt").write_text("x")
    async with place.store() as store:
        await write_all(store, LIVES, now())
        assert await place.reports(store).write_due() == 1
    assert sorted(os.listdir(place.folders.reports)) == [
        "tuesday-0000abcd",
        "tuesday-0197aaaa-0000-7000-8000-00000000abcd",
    ]
    assert os.listdir(place.folders.reports / "tuesday-0000abcd") == ["mine.txt"]


async def test_a_full_disk_puts_it_off(tmp_path, monkeypatch):
    """Nothing half is left, the campaign stays unreported, and it is written when there is room."""
    place = Place.make(tmp_path)

    def refuse(path, _chunks):
        raise OSError(errno.ENOSPC, "no space left on device")

    async with place.store() as store:
        await write_all(store, LIVES, now())
        writer = place.reports(store)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "replace", refuse)
            assert await writer.write_due() == 0
        assert os.listdir(place.folders.reports) == []
        assert await writer.write_due() == 0, "it rests for a while"
        assert len(await store.read(reports.unreported)) == 1
        assert await place.reports(store).write_due() == 1


@given(st.text(max_size=300))
def test_folder_names_are_tame(name):
    """Whatever a campaign is called: one plain name, visible, printable, bounded, ending in the id."""
    folder = folder_name(name, "0197aaaa-0000-7000-8000-00000000abcd")
    assert folder.endswith("-0000abcd")
    assert "/" not in folder
    assert not folder.startswith((".", "-"))
    assert len(folder.encode()) <= 100
    assert not any(unicodedata.category(char).startswith(("C", "Z")) for char in folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Tuesday appointment reminders", "tuesday-appointment-reminders"),
        ("../../etc/passwd", "etc-passwd"),
        ("Überfällige Rechnungen №7", "überfällige-rechnungen-7"),
        ("नमस्ते", "नमस्ते"),
        ("...", "campaign"),
    ],
)
def test_folder_names_can_be_read(name, expected):
    """Letters of every script stay."""
    assert folder_name(name, "0197aaaa-0000-7000-8000-00000000abcd") == f"{expected}-0000abcd"
