"""Clips in memory: each is read once, in the law that is asked for; the least used go where there is no room."""

from pathlib import Path

import pytest
from dialerd_sip.media.clips import Clips


def clip(folder: Path, name: str, sound: bytes) -> str:
    """Return the name of a clip's file."""
    file = folder / f"{name}.ulaw"
    file.write_bytes(sound)
    file.with_suffix(".alaw").write_bytes(sound[::-1])
    return str(file)


def test_a_clip_is_read_once_in_each_law(tmp_path: Path) -> None:
    """What was read is not looked for again."""
    clips, name = Clips(), clip(tmp_path, "a", b"123")
    assert (clips.get(name, alaw=False), clips.get(name, alaw=True)) == (b"123", b"321")
    Path(name).unlink()
    assert clips.get(name, alaw=False) == b"123"
    with pytest.raises(OSError, match="gone"):
        clips.get(str(tmp_path / "gone.ulaw"), alaw=False)


def test_the_least_used_go_where_there_is_no_room(tmp_path: Path) -> None:
    """As many as it takes; one that is larger than all the room is kept while it is the last one."""
    clips = Clips(most=10)
    names = [clip(tmp_path, name, name.encode() * 4) for name in "abc"]
    for name in (names[0], names[1], names[0], names[2]):
        clips.get(name, alaw=False)
    huge = clip(tmp_path, "huge", bytes(20))
    for name in names:
        Path(name).write_bytes(b"new")
    assert [clips.get(name, alaw=False) for name in (names[0], names[2])] == [b"aaaa", b"cccc"]
    assert clips.get(names[1], alaw=False) == b"new"
    assert clips.get(huge, alaw=False) == bytes(20)
    Path(huge).unlink()
    assert clips.get(huge, alaw=False) == bytes(20)
    assert clips.get(names[0], alaw=False) == b"new"
