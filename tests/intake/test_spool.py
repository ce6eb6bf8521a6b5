"""What becomes of files that are dropped into `incoming/`: real files, real watching, real store."""

import os
import re
import socket
import stat

import pytest
import trio
from spooling import Place, eventually, inline, names_stored, rows, skip_without_leases, spec, stored

from dialerd.store import campaigns, reports


async def test_a_dropped_file_becomes_a_campaign(tmp_path):
    """It is stored, published, and moved to accepted/, without waiting for the timer."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("tuesday.toml", inline())
        await place.until_only("accepted", "tuesday.toml")
        assert place.listing("incoming") == []
        assert await names_stored(store) == ["Tuesday"]
        (campaign,) = await stored(store)
        assert place.published == [campaign.id]
        totals = await store.read(reports.totals, [campaign.id])
        assert totals[campaign.id].recipients == 2


async def test_what_lies_there_at_the_start_is_taken(tmp_path):
    """A daemon that was down misses nothing."""
    place = Place.make(tmp_path)
    place.drop("a.json", '{"name": "A", "agent": "reminder", "recipients": [{"phone": "+447111200001"}]}')
    async with place.life() as store:
        await place.until_only("accepted", "a.json")
        assert await names_stored(store) == ["A"]


async def test_recipients_go_along_whichever_comes_first(tmp_path):
    """A spec waits for its recipients, recipients wait for their spec."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
        place.drop("b.json", '[{"phone": "+447111200001"}]')
        await trio.sleep(0.3)
        assert place.listing("incoming") == ["a.toml", "b.json"]
        assert place.published == []
        place.drop("a.csv", rows())
        place.drop("b.toml", spec("B", recipients_file='"b.json"'))
        await place.until_only("accepted", "a.csv", "a.toml", "b.json", "b.toml")
        assert sorted(await names_stored(store)) == ["A", "B"]


async def test_recipients_shared_by_two_specs_serve_both(tmp_path):
    """The list leaves with the last campaign file that asks for it."""
    place = Place.make(tmp_path)
    for name in "ab":
        place.drop(f"{name}.toml", spec(name.upper(), recipients_file='"all.csv"'))
    place.drop("all.csv", rows())
    async with place.life() as store:
        await place.until_only("accepted", "a.toml", "b.toml", "all.csv")
        assert sorted(await names_stored(store)) == ["A", "B"]


async def test_a_growing_file_is_taken_when_it_is_whole(tmp_path):
    """Written in pieces with rests, it is read once, at the end."""
    place = Place.make(tmp_path, settle=300)
    async with place.life() as store:
        place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
        for piece in range(6):
            with (place.folders.incoming / "a.csv").open("a") as file:
                file.write("phone\n" if piece == 0 else f"+44711120000{piece}\n")
            await trio.sleep(0.1)
        await place.until_only("accepted", "a.csv", "a.toml")
        (campaign,) = await stored(store)
        assert (await store.read(reports.totals, [campaign.id]))[campaign.id].recipients == 5


async def test_a_writer_that_rests_is_waited_for(tmp_path):
    """While some process has the file open for writing, it is not whole, however quiet it is."""
    skip_without_leases(tmp_path)
    place = Place.make(tmp_path)
    async with place.life():
        with (place.folders.incoming / "a.toml").open("w") as file:
            file.write(spec("A"))
            file.flush()
            await trio.sleep(0.5)
            assert place.listing("incoming") == ["a.toml"]
            file.write('[[recipients]]\nphone = "+447111200001"\n')
        await place.until_only("accepted", "a.toml")


@pytest.mark.parametrize("name", [".a.toml", "a.toml.tmp", "a.toml.part", "a.csv.filepart"])
async def test_unfinished_names_are_left_alone(tmp_path, name):
    """Until they are renamed."""
    place = Place.make(tmp_path)
    async with place.life():
        place.drop(name, inline())
        place.drop("b.toml", inline("B"))
        await place.until_only("accepted", "b.toml")
        assert place.listing("incoming") == [name]
        (place.folders.incoming / name).rename(place.folders.incoming / "a.toml")
        await place.until("accepted", "a.toml")


BAD = {
    "truncated.toml": (inline()[:-9], r"truncated\.toml"),
    "truncated.json": ('{"name": "A", "agent": ', r"truncated\.json"),
    "types.toml": (spec("A", ring_timeout="7", skip_holidays='"yes"'), r"ring_timeout"),
    "unknown.toml": (spec("A", timezon='"Europe/London"'), r"did you mean"),
    "zone.toml": (spec("A", timezone='"Europe/Lodnon"'), r"timezone"),
    "empty.toml": ("", r"name"),
    "empty.json": ("", r"empty\.json"),
    "binary.toml": (bytes(range(256)) * 20, r"binary\.toml"),
    "binary.json": (b"\xff\xfe{\0", r"binary\.json"),
    "huge.toml": ('name = "' + "x" * 3_000_000, r"huge\.toml"),
    "nobody.toml": (spec("A"), r"recipients"),
    "elsewhere.toml": (spec("A", recipients_file='"../a.csv"'), r"recipients_file"),
    "own.json": ('{"name": "A", "agent": "reminder", "recipients_file": "own.json"}', r"own\.json"),
    "ending.toml": (spec("A", recipients_file='"a.txt"'), r"a\.txt"),
    "notes.txt": ("hello", r"its ending"),
    "a\udcff.toml": (inline(), r"not UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_files_are_refused_with_reasons(tmp_path, name):
    """Each lies in rejected/ as it was, with its reasons beside it; the next file is taken as if nothing had been."""
    text, reason = BAD[name]
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop(name, text)
        await place.until_only("rejected", name, f"{name}.error.txt")
        kept = (place.folders.rejected / name).read_bytes()
        assert kept == (text if isinstance(text, bytes) else text.encode())

        assert re.search(reason, place.read("rejected", f"{name}.error.txt"))
        place.drop("good.toml", inline("Good"))
        await place.until_only("accepted", "good.toml")
        assert place.listing("incoming") == []
        assert await names_stored(store) == ["Good"]


async def test_every_fault_of_a_long_list_is_listed(tmp_path):
    """A bad number in row 7,000 is told with its line and column, and nobody of the list is kept."""
    place = Place.make(tmp_path)
    lines = ["phone,first", *(f"+4471112{number:05},Ann" for number in range(8_000))]
    lines[7_000] = "+44711,Bob"
    lines[7_500] = "nobody,Eve"
    async with place.life() as store:
        place.drop("a.csv", "\n".join(lines))
        place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
        await place.until_only("rejected", "a.csv", "a.toml", "a.toml.error.txt")
        error = place.read("rejected", "a.toml.error.txt")
        assert "a.csv:7001:1: " in error
        assert "a.csv:7501:1: " in error
        assert "2 faults" in error
        assert await names_stored(store) == []
        assert await store.read(campaigns.loading) == []


async def test_accepted_with_warnings(tmp_path):
    """Duplicates are dialled once and told beside the accepted file."""
    place = Place.make(tmp_path)
    async with place.life():
        place.drop("a.csv", rows(3) + "+447111210001,Again\n")
        place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
        await place.until_only("accepted", "a.csv", "a.toml", "a.toml.warnings.txt")
        warnings = place.read("accepted", "a.toml.warnings.txt")
        assert "1 warning" in warnings
        assert "a.csv:5" in warnings


def make_fifo(path):
    """Make a pipe that nobody writes to."""
    os.mkfifo(path)


def make_socket(path):
    """Make a socket that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def make_link(path):
    """Make a link to a file of ours."""
    path.symlink_to("/etc/hostname")


def make_folder(path):
    """Make a directory with a campaign in it."""
    path.mkdir()
    (path / "b.toml").write_text(inline())


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_link, make_folder])
@pytest.mark.parametrize("name", ["thing.toml", "thing"])
async def test_what_is_no_file_is_refused_without_opening_it(tmp_path, monkeypatch, make, name):
    """Pipes, sockets, links and directories are moved away as they are."""
    place = Place.make(tmp_path)
    monkeypatch.chdir(place.folders.incoming)  # a socket's path must be short
    async with place.life():
        make(place.folders.incoming.__class__(name))
        await place.until_only("rejected", name, f"{name}.error.txt")
        assert "drop" in place.read("rejected", f"{name}.error.txt")
        place.drop("good.toml", inline("Good"))
        await place.until_only("accepted", "good.toml")
        if make is make_link:
            assert os.readlink(place.folders.rejected / name) == "/etc/hostname"
        if make is make_folder:
            assert (place.folders.rejected / name / "b.toml").exists()
        if make is make_fifo:
            assert stat.S_ISFIFO(os.lstat(place.folders.rejected / name).st_mode)


async def test_a_link_in_the_place_of_recipients_is_refused_with_its_spec(tmp_path):
    """Neither waits for ever."""
    place = Place.make(tmp_path)
    async with place.life():
        (place.folders.incoming / "a.csv").symlink_to("/etc/hostname")
        place.drop("a.toml", spec("A", recipients_file='"a.csv"'))
        await place.until_only("rejected", "a.csv", "a.toml", "a.toml.error.txt")
        assert "link" in place.read("rejected", "a.toml.error.txt")


async def test_an_unreadable_file_is_refused(tmp_path):
    """The reason names the right that is missing."""
    place = Place.make(tmp_path)
    place.drop("a.toml", inline())
    (place.folders.incoming / "a.toml").chmod(0)
    if os.access(place.folders.incoming / "a.toml", os.R_OK):
        pytest.skip("this user may read everything")
    async with place.life():
        await place.until_only("rejected", "a.toml", "a.toml.error.txt")
        assert "may not be read" in place.read("rejected", "a.toml.error.txt")


async def test_the_same_file_again_is_told_and_not_dialled(tmp_path):
    """Same name, same bytes: refused with the campaign that it is already; another name is another campaign."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("a.toml", inline("A"))
        await place.until_only("accepted", "a.toml")
        place.drop("a.toml", inline("A"))
        await place.until_only("rejected", "a.toml", "a.toml.error.txt")
        (campaign,) = await stored(store)
        error = place.read("rejected", "a.toml.error.txt")
        assert campaign.uid in error
        assert "another name" in error
        place.drop("again.toml", inline("A"))
        await place.until("accepted", "again.toml")
        assert await names_stored(store) == ["A", "A"]


async def test_nothing_is_overwritten(tmp_path):
    """The second of a name gets a number, and its note with it."""
    place = Place.make(tmp_path)
    async with place.life():
        for name in ("First", "Second"):
            place.drop("a.toml", inline(name))
            await place.until("accepted", "a.toml" if name == "First" else "a.2.toml")
        for text in ("x = 1", "y = 1", "z = 1"):
            before = len(place.listing("rejected"))
            place.drop("a.toml", text)
            await eventually(lambda before=before: len(place.listing("rejected")) == before + 2)
        assert 'name = "First"' in place.read("accepted", "a.toml")
        assert 'name = "Second"' in place.read("accepted", "a.2.toml")
        assert place.listing("rejected") == sorted(
            f"a{number}.toml{note}" for number in ("", ".2", ".3") for note in ("", ".error.txt")
        )


async def test_hundreds_at_once(tmp_path):
    """All are taken, each once, in the order of their times."""
    place = Place.make(tmp_path)
    for number in range(300):
        path = place.folders.incoming / f"{number:03}.toml"
        path.write_text(inline(f"C{number:03}", 1))
        os.utime(path, ns=(10**18, 10**18 + (300 - number) * 10**9))
    async with place.life() as store:
        await eventually(lambda: not place.listing("incoming"))
        assert await names_stored(store) == [f"C{number:03}" for number in reversed(range(300))]
        assert len(place.listing("accepted")) == 300
        assert len(place.published) == 300


async def test_a_large_file_does_not_hold_up_a_small_one(tmp_path):
    """They are read in lanes of their own."""
    place = Place.make(tmp_path)
    async with place.life() as store:
        place.drop("big.csv", "phone\n" + "".join(f"+447112{number:06}\n" for number in range(60_000)))
        place.drop("big.toml", spec("Big", recipients_file='"big.csv"'))
        place.drop("small.toml", inline("Small"))
        await place.until("accepted", "small.toml")
        assert "big.toml" not in place.listing("accepted")
        await place.until("accepted", "big.toml", "big.csv")
        assert sorted(await names_stored(store)) == ["Big", "Small"]


async def test_the_timer_finds_what_the_kernel_does_not_tell(tmp_path, monkeypatch):
    """Without events, as after an overflow or on a network file system, the next look finds it."""
    place = Place.make(tmp_path, rescan=200)

    def refuse(*_paths, **_options):
        raise OSError("no watches left")

    monkeypatch.setattr("watchfiles.awatch", refuse)
    async with place.life():
        await trio.sleep(0.3)
        place.drop("a.toml", inline())
        await place.until_only("accepted", "a.toml")


async def test_a_folder_taken_away_comes_back(tmp_path):
    """Somebody removes incoming/ and makes it anew: it is watched again."""
    place = Place.make(tmp_path, rescan=200)
    async with place.life():
        place.folders.incoming.rmdir()
        await eventually(place.folders.incoming.is_dir)
        place.drop("a.toml", inline())
        await place.until_only("accepted", "a.toml")
