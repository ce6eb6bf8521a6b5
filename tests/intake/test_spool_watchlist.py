"""Since when a file is quiet, what it waits for, and in which order files are dealt with."""

import stat

from hypothesis import given
from hypothesis import strategies as st

from dialerd.intake.kinds import RECIPIENTS, SPEC, Sort
from dialerd.intake.watchlist import Seen, Watchlist, in_order, read_folder

WALL = 2_000_000_000_000  # ms


def seen(name, *, size=10, mtime=WALL, inode=1):
    """Return an entry of a regular file; `mtime` in milliseconds."""
    return Seen(name, stat.S_IFREG | 0o644, size, mtime * 1_000_000, inode)


def ripe(watchlist, now, wall):
    """Return the names that are ripe, in order."""
    return [watched.name for watched in in_order(watchlist.ripe(now, wall))]


def test_an_old_file_is_ripe_at_first_sight():
    """What was renamed in, or lay there before the start, need not wait again."""
    watchlist = Watchlist(250)
    watchlist.see(seen("a.toml", mtime=WALL - 250), 0.0)
    assert ripe(watchlist, 0.0, WALL) == ["a.toml"]


def test_a_growing_file_is_not_ripe():
    """Each change has the quiet begin anew."""
    watchlist = Watchlist(250)
    for step in range(5):
        watchlist.see(seen("a.csv", size=step, mtime=WALL + step * 100), step * 0.1)
        assert ripe(watchlist, step * 0.1, WALL + step * 100) == []
    assert watchlist.next_at(0.4, WALL + 400) == 0.4 + 0.25
    assert ripe(watchlist, 0.65, WALL + 650) == ["a.csv"]


@given(st.integers(-(10**10), 10**10))
def test_a_stepped_wall_clock_holds_no_file_for_ever(step):
    """However far the clock was set back, a file that does not change ripens after `settle`."""
    watchlist = Watchlist(250)
    watchlist.see(seen("a.toml"), 5.0)
    watchlist.see(seen("a.toml"), 5.25)
    assert ripe(watchlist, 5.25, WALL + step) == ["a.toml"]


def test_another_file_under_the_same_name_begins_anew():
    """Same size, same time, another inode: replaced by a rename."""
    watchlist = Watchlist(250)
    watchlist.see(seen("a.toml"), 0.0)
    watchlist.see(seen("a.toml", inode=2), 0.2)
    assert ripe(watchlist, 0.3, WALL) == []


def test_a_busy_or_resting_file_is_not_handed_out():
    """Neither while somebody works on it, nor before its rest is over."""
    watchlist = Watchlist(0)
    watchlist.see(seen("a.toml"), 0.0)
    watched = watchlist.get("a.toml")
    watched.busy = True
    assert ripe(watchlist, 1.0, WALL) == []
    assert watchlist.missing(set()) == []
    watched.busy = False
    watched.retry_at = 9.0
    assert ripe(watchlist, 8.0, WALL) == []
    assert watchlist.next_at(8.0, WALL) == 9.0
    assert watchlist.missing(set()) == [watched]


def test_a_spec_waits_for_its_recipients_to_be_there_and_quiet():
    """First absent, then growing, then quiet."""
    watchlist = Watchlist(250)
    watchlist.see(seen("a.toml", mtime=WALL - 999), 0.0)
    spec = watchlist.get("a.toml")
    watchlist.learn(spec, SPEC, "a.csv")
    assert watchlist.blocked_by(spec, 0.0, WALL) == "its recipients_file a.csv"
    watchlist.see(seen("a.csv"), 0.0)
    assert watchlist.blocked_by(spec, 0.0, WALL) == ""
    assert watchlist.blocked_by(spec, 0.3, WALL + 300) is None
    assert watchlist.blocked_by(watchlist.get("a.csv"), 0.3, WALL + 300) == ""


def test_recipients_alone_wait_for_a_spec():
    """A list of recipients is no campaign."""
    watchlist = Watchlist(0)
    for name in ("a.csv", "b.json"):
        watchlist.see(seen(name), 0.0)
        watchlist.learn(watchlist.get(name), RECIPIENTS, None)
        assert "campaign file" in watchlist.blocked_by(watchlist.get(name), 0.0, WALL)


def test_a_json_that_a_spec_asks_for_is_no_candidate():
    """Even when it would pass for a campaign file by itself; the claim ends with its spec."""
    watchlist = Watchlist(0)
    for name in ("a.toml", "rows.json"):
        watchlist.see(seen(name), 0.0)
    watchlist.learn(watchlist.get("a.toml"), SPEC, "rows.json")
    watchlist.learn(watchlist.get("rows.json"), SPEC, None)
    assert watchlist.blocked_by(watchlist.get("rows.json"), 0.0, WALL) == ""
    watchlist.forget("a.toml")
    assert watchlist.blocked_by(watchlist.get("rows.json"), 0.0, WALL) is None


def test_specs_that_ask_for_each_other_do_not_wait_for_ever():
    """What asks for recipients is a spec, whoever asks for it."""
    watchlist = Watchlist(0)
    for name, needs in (("a.json", "b.json"), ("b.json", "a.json"), ("c.json", "c.json"), ("d.toml", "d.txt")):
        watchlist.see(seen(name), 0.0)
        watchlist.learn(watchlist.get(name), SPEC, needs)
    assert all(watchlist.blocked_by(watchlist.get(f"{x}.json"), 0.0, WALL) is None for x in "abc")
    assert watchlist.blocked_by(watchlist.get("d.toml"), 0.0, WALL) is None


def test_shared_recipients_stay_for_the_others():
    """They are claimed until the last spec that asks for them has left."""
    watchlist = Watchlist(0)
    for name in ("a.toml", "b.toml"):
        watchlist.see(seen(name), 0.0)
        watchlist.learn(watchlist.get(name), SPEC, "all.csv")
    assert watchlist.claimed("all.csv", besides={"a.toml"})
    assert not watchlist.claimed("all.csv", besides={"a.toml", "b.toml"})
    watchlist.see(seen("b.toml", size=99), 1.0)  # changed: what it asks for is not known any more
    assert not watchlist.claimed("all.csv", besides={"a.toml"})


def test_the_order_is_by_time_then_name():
    """So that two runs over the same files do the same."""
    watchlist = Watchlist(0)
    for name, age in (("c.toml", 5), ("b.toml", 5), ("a.toml", 1), ("d.toml", 9)):
        watchlist.see(seen(name, mtime=WALL - age), 0.0)
    assert ripe(watchlist, 0.0, WALL) == ["d.toml", "b.toml", "c.toml", "a.toml"]


def test_reading_a_folder_skips_dotfiles_and_follows_nothing(tmp_path):
    """Links are seen as links."""
    (tmp_path / "a.toml").write_text("x")
    (tmp_path / ".b.toml").write_text("x")
    (tmp_path / "c.toml").symlink_to("nowhere")
    inode, entries = read_folder(tmp_path)
    assert inode == tmp_path.stat().st_ino
    assert {entry.name: stat.S_IFMT(entry.mode) for entry in entries} == {
        "a.toml": stat.S_IFREG,
        "c.toml": stat.S_IFLNK,
    }


def test_an_unfit_thing_that_a_spec_asks_for_goes_with_it():
    """A link in the place of recipients is dealt with by reading the spec, which tells the fault."""
    watchlist = Watchlist(0)
    watchlist.see(Seen("a.csv", stat.S_IFLNK | 0o777, 1, 1, 1), 0.0)
    watchlist.see(seen("a.toml"), 0.0)
    assert watchlist.blocked_by(watchlist.get("a.csv"), 0.0, WALL) is None
    watchlist.learn(watchlist.get("a.toml"), SPEC, "a.csv")
    assert watchlist.blocked_by(watchlist.get("a.csv"), 0.0, WALL) == ""
    assert isinstance(watchlist.get("a.csv").sort, Sort)
