"""Files written whole or not at all, moved without overwriting, named so that they fit."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.intake import durable

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)


def test_replace_leaves_the_old_file_when_writing_fails(tmp_path):
    """A write that breaks off changes nothing and leaves nothing behind."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"old")

    def chunks():
        yield b"ne"
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.raises(OSError, match="no space"):
        durable.replace(path, chunks())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.toml"]


def test_replace_never_shows_a_half(tmp_path):
    """Until the new file is whole, readers find the old one."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"old")
    found = []

    def chunks():
        yield b"n" * 100_000
        found.append(path.read_bytes())
        yield b"ew"

    durable.replace(path, chunks())
    assert found == [b"old"]
    assert path.read_bytes().endswith(b"new")


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("a.csv", 1, "a.csv"),
        ("a.csv", 2, "a.2.csv"),
        ("a", 3, "a.3"),
        ("a.b.toml", 12, "a.b.12.toml"),
        (".a", 2, ".a.2"),
    ],
)
def test_numbers_stand_before_the_ending(name, number, expected):
    """The ending stays the last, because programs go by it."""
    assert durable.numbered(name, number) == expected


@given(NAMES, st.integers(1, 10**8), st.integers(0, 20))
def test_numbered_names_fit(name, number, room):
    """However long a name, its variants and what belongs to them can be created."""
    variant = durable.numbered(name, number, room=room)
    assert len(os.fsencode(variant)) + room <= max(durable.NAME_MAX, len(os.fsencode(name)) + 12) or room == 0
    assert "/" not in variant


def test_a_free_name_is_free_with_its_companions(tmp_path):
    """A name whose note lies there already is not free."""
    (tmp_path / "a.toml").touch()
    (tmp_path / "a.2.toml.error.txt").touch()
    assert durable.free_name(tmp_path, "a.toml", [".error.txt"]) == "a.3.toml"


def test_a_free_name_is_found_among_thousands_with_few_looks(tmp_path, monkeypatch):
    """The cost grows with the logarithm of the names taken."""
    taken = {str(tmp_path / durable.numbered("a.csv", number)) for number in range(1, 5_001)}
    looks = []

    def lexists(path):
        looks.append(path)
        return str(path) in taken

    monkeypatch.setattr(os.path, "lexists", lexists)
    assert durable.free_name(tmp_path, "a.csv") == "a.5001.csv"
    assert len(looks) < 40


def test_moving_across_file_systems_copies_whole(tmp_path, monkeypatch):
    """Where rename cannot, the file is copied, made durable, and only then removed."""
    source, target = tmp_path / "a.csv", tmp_path / "there" / "a.csv"
    target.parent.mkdir()
    source.write_bytes(b"x" * 3_000_000)
    os.utime(source, ns=(10**18, 10**18))
    rename = os.rename

    def refuse(old, new):
        if os.fspath(old) == os.fspath(source):
            raise OSError(errno.EXDEV, "invalid cross-device link")
        rename(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    durable.move(source, target)
    assert target.read_bytes() == b"x" * 3_000_000
    assert target.stat().st_mtime_ns == 10**18
    assert not source.exists()
    assert os.listdir(target.parent) == ["a.csv"]


def test_a_link_is_moved_and_not_followed(tmp_path):
    """What a link points at stays where it is."""
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    durable.move(tmp_path / "link", tmp_path / "moved")
    assert os.readlink(tmp_path / "moved") == "real"
    assert (tmp_path / "real").read_text() == "x"
