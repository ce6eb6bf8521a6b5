"""Where clips are kept: whole or not at all, shared, bounded."""

import os
import stat
import threading
import time

import pytest
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.unfit import UnfitAgent

KEY = "ab" * 32
HOUR = 3_600


def keep(cache, key=KEY, size=8_000):
    """Keep a clip."""
    return cache.keep(key, ulaw=b"\xff" * size, alaw=b"\xd5" * size)


def used_before(clip, seconds):
    """Have a clip's last use lie so long ago."""
    then = time.time() - seconds
    os.utime(clip.path.with_name("made"), (then, then))


def test_what_is_kept_is_found(tmp_path):
    """A clip stands as µ-law and A-law, and another life finds it; the folder is its owner's alone."""
    clip = keep(ClipCache(tmp_path / "var" / "cache"))
    assert ClipCache(tmp_path / "var" / "cache").find(KEY) == clip
    assert clip.frames == 8_000
    assert clip.path.suffix == ".ulaw"
    assert clip.path.read_bytes() == b"\xff" * 8_000
    assert clip.path.with_suffix(".alaw").read_bytes() == b"\xd5" * 8_000
    assert stat.S_IMODE((tmp_path / "var" / "cache").stat().st_mode) == 0o700


def test_what_is_not_kept_is_not_found(tmp_path):
    """Nothing is found, and nothing made, where nothing is."""
    assert ClipCache(tmp_path / "cache").find(KEY) is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["sound.ulaw", "sound.alaw", "made"])
@pytest.mark.parametrize("harm", ["shorter", "empty", "other", "gone"])
def test_what_is_damaged_is_not_used(tmp_path, name, harm):
    """A clip that was half written when the power went is none; it is made anew in its place."""
    cache = ClipCache(tmp_path)
    file = keep(cache).path.with_name(name)
    whole = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes({"shorter": whole[:-5], "empty": b"", "other": b"\x00" * len(whole)}[harm])
    assert cache.find(KEY) is None
    assert cache.find(KEY) is None
    assert keep(cache) == cache.find(KEY)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ab"]


def test_a_damaged_one_is_replaced(tmp_path):
    """What stands in the place of a clip, and is none, does not keep a whole one out."""
    cache = ClipCache(tmp_path)
    keep(cache).path.with_name("made").unlink()
    assert keep(cache) == cache.find(KEY)


def test_the_first_one_is_kept(tmp_path):
    """Two makers of one clip: who comes second uses the first one's, which may be played already."""
    first, second = ClipCache(tmp_path), ClipCache(tmp_path)
    keep(first, size=100)
    assert keep(second, size=200).frames == 100
    assert [entry.name for entry in tmp_path.iterdir()] == ["ab"]


def test_many_makers_at_once(tmp_path):
    """Whoever finds a clip finds a whole one, however many make it at the same time."""
    clips = []

    def make(size):
        clips.append(keep(ClipCache(tmp_path), size=size))

    makers = [threading.Thread(target=make, args=(1_000 + number,)) for number in range(16)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({clip.frames for clip in clips}) == 1
    assert clips[0].path.stat().st_size == clips[0].frames == clips[0].path.with_suffix(".alaw").stat().st_size


def test_the_least_recently_used_goes_first(tmp_path):
    """Room is made of what was not used for longest; finding a clip is a use."""
    cache = ClipCache(tmp_path, most_bytes=40_000)
    old = [keep(cache, f"{number:02x}" * 32) for number in range(4)]
    for number, clip in enumerate(old):
        used_before(clip, (10 - number) * HOUR)
    assert cache.find("00" * 32) is not None
    cache.sweep(time.time())
    assert [clip.path.exists() for clip in old] == [True, False, False, True]


def test_what_a_call_may_play_yet_stays(tmp_path):
    """What was used within the hour stays, even if there is no room for it."""
    cache = ClipCache(tmp_path, most_bytes=1)
    clips = [keep(cache, f"{number:02x}" * 32) for number in range(3)]
    used_before(clips[1], 2 * HOUR)
    keep(cache, "aa" * 32)
    assert [clip.path.exists() for clip in clips] == [True, False, True]


def test_what_nobody_uses_goes(tmp_path):
    """A month without use, and a clip goes; and so does what a process left aside when it ended."""
    cache = ClipCache(tmp_path)
    clip, other = keep(cache), keep(cache, "cd" * 32)
    used_before(clip, 31 * 24 * HOUR)
    used_before(other, 29 * 24 * HOUR)
    (tmp_path / ".making-old").mkdir()
    os.utime(tmp_path / ".making-old", (1, 1))
    (tmp_path / ".making-now").mkdir()
    cache.sweep(time.time())
    assert not clip.path.exists()
    assert other.path.exists()
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")) == [".making-now"]


def test_what_others_keep_there_stays(tmp_path):
    """A folder that is not the cache's own keeps what else is in it."""
    (tmp_path / "ab" / "photos").mkdir(parents=True)
    ClipCache(tmp_path).sweep(time.time())
    assert (tmp_path / "ab" / "photos").exists()


def test_a_cache_that_cannot_be_written(tmp_path):
    """The message names the folder, and the option that names another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnfitAgent, match=r"cannot be kept in .*/file/cache: .*; .*option cache") as caught:
        keep(ClipCache(tmp_path / "file" / "cache"))
    assert caught.value.always


def test_a_clip_that_is_gone_is_not_touched(tmp_path):
    """Whoever remembers a clip learns when it is there no more."""
    cache = ClipCache(tmp_path)
    clip = keep(cache)
    assert cache.touch(clip)
    clip.path.unlink()
    assert not cache.touch(clip)
