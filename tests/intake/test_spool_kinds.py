"""What a name in `incoming/` stands for."""

import stat

import pytest

from dialerd.intake.kinds import Kind, may_hold_recipients, shown, sort_out, subject

REGULAR = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.toml", Kind.SPEC),
        ("A.TOML", Kind.SPEC),
        ("a.json", Kind.SPEC),
        ("a.csv", Kind.RECIPIENTS),
        ("a.jsonl", Kind.RECIPIENTS),
        (".a.toml", Kind.LEFT_ALONE),
        (".a.toml.Xy3k", Kind.LEFT_ALONE),
        ("a.toml.tmp", Kind.LEFT_ALONE),
        ("a.csv.part", Kind.LEFT_ALONE),
        ("a.csv.filepart", Kind.LEFT_ALONE),
        ("a.txt", Kind.UNFIT),
        ("a", Kind.UNFIT),
        ("a.toml\n", Kind.UNFIT),
        ("a\udcff.toml", Kind.UNFIT),
        ("a" * 240 + ".toml", Kind.UNFIT),
    ],
)
def test_names(name, kind):
    """Each ending has its meaning, and unfinished files are left alone."""
    assert sort_out(name, REGULAR).kind is kind


@pytest.mark.parametrize("mode", [stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
def test_what_is_no_regular_file_is_unfit(mode):
    """The reason says what it is and what to drop instead."""
    sort = sort_out("a.toml", mode | 0o644)
    assert sort.kind is Kind.UNFIT
    assert "drop" in sort.reason


def test_the_root_of_a_file_system_is_left_alone():
    """`lost+found` belongs to fsck."""
    assert sort_out("lost+found", stat.S_IFDIR | 0o700).kind is Kind.LEFT_ALONE


def test_helpers():
    """Notes know their subject, recipients their endings, and every name can be shown."""
    assert subject("a.toml.waiting.txt") == "a.toml"
    assert subject("a.toml") is None
    assert may_hold_recipients("a.JSON")
    assert not may_hold_recipients("a.txt")
    assert shown("a\udcff") == "a\\udcff"
