"""Sound files of any kind to clips."""

import os
import shutil

import numpy as np
import pytest
import soundfile
import trio
import trio.testing
from dialerd_sip.media.law import ALAW_SAMPLES, ULAW_SAMPLES
from dialerd_sip.speech import prompts as prompts_module
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.prompts import Prompts
from dialerd_sip.speech.unfit import UnfitAgent

TONE_HZ = 440


def tone(rate, seconds=0.5, level=0.4, channels=1):
    """Return a tone; of several channels, only the first has it."""
    one = level * np.sin(2 * np.pi * TONE_HZ * np.arange(int(rate * seconds)) / rate)
    return one if channels == 1 else np.stack([one, *([np.zeros_like(one)] * (channels - 1))], axis=1)


def heard(clip, law="ulaw"):
    """Return the samples of a clip."""
    samples = {"ulaw": ULAW_SAMPLES, "alaw": ALAW_SAMPLES}[law]
    return np.array(samples)[np.frombuffer(clip.path.with_suffix(f".{law}").read_bytes(), np.uint8)] / 32_768


def loudness(samples):
    """Return the amplitude that a tone of this loudness has; its ends, where filters swing in, left out."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return np.sqrt(2 * np.mean(middle**2))


def pitch(samples):
    """Return the strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * 8_000 / len(samples)


@pytest.fixture
def prompts(tmp_path):
    """Return prompts that are kept in a folder of the test."""
    return Prompts(ClipCache(tmp_path / "cache"), trio.CapacityLimiter(2))


@pytest.mark.parametrize(
    ("name", "rate", "kind"),
    [
        ("a.wav", 8_000, (1, "PCM_16")),
        ("a.wav", 44_100, (2, "PCM_24")),
        ("a.wav", 8_000, (1, "ULAW")),
        ("a.wav", 16_000, (1, "FLOAT")),
        ("a.wav", 11_025, (1, "PCM_U8")),
        ("a.flac", 96_000, (1, "PCM_16")),
        ("a.ogg", 48_000, (2, "VORBIS")),
        ("a.ogg", 48_000, (1, "OPUS")),
        ("a.mp3", 44_100, (2, "MPEG_LAYER_III")),
        ("a.au", 22_050, (1, "PCM_16")),
        ("a.aiff", 32_000, (6, "PCM_16")),
    ],
)
async def test_any_sound_file(tmp_path, prompts, name, rate, kind):
    """Each comes out at 8,000 Hz, as long, as high and as loud as it was, the channels' mean, in both laws."""
    channels, subtype = kind
    soundfile.write(tmp_path / name, tone(rate, channels=channels), rate, subtype=subtype)
    clip = await prompts.clip(tmp_path / name)
    assert clip.frames == clip.path.stat().st_size == pytest.approx(4_000, abs=600 if name.endswith("mp3") else 1)
    for law in ("ulaw", "alaw"):
        samples = heard(clip, law)
        assert pitch(samples) == pytest.approx(TONE_HZ, abs=3)
        assert loudness(samples) == pytest.approx(0.4 / channels, rel=0.06)


async def test_what_is_8000_hz_is_not_touched(tmp_path, prompts):
    """Samples of G.711 go out as they are."""
    values = np.array(ULAW_SAMPLES, np.int16)
    soundfile.write(tmp_path / "a.wav", values, 8_000)
    clip = await prompts.clip(tmp_path / "a.wav")
    assert (heard(clip) * 32_768 == values).all()


async def test_nothing_is_cut_off(tmp_path, prompts):
    """What is beyond full scale is made softer as a whole: a tone stays a tone."""
    soundfile.write(tmp_path / "a.wav", tone(8_000, level=4.0), 8_000, subtype="FLOAT")
    samples = heard(await prompts.clip(tmp_path / "a.wav"))
    assert loudness(samples) == pytest.approx(1.0, rel=0.05)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum[np.abs(np.arange(len(spectrum)) * 2 - TONE_HZ) > 20].max() < spectrum.max() / 50


async def test_voices_beyond_4_khz_do_not_fold_back(tmp_path, prompts):
    """What telephones cannot carry is filtered out, not mirrored into what they can."""
    rate = 48_000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 6_000 * np.arange(rate) / rate), rate)
    assert loudness(heard(await prompts.clip(tmp_path / "a.wav"))) < 0.002


async def test_a_file_is_read_once(tmp_path, prompts, monkeypatch):
    """The second call costs nothing; nor does another life read it, as long as the file is as it was."""
    reads = []
    read = prompts_module.read_sound
    monkeypatch.setattr(prompts_module, "read_sound", lambda source: reads.append(1) or read(source))
    soundfile.write(tmp_path / "a.wav", tone(8_000), 8_000)
    clip = await prompts.clip(tmp_path / "a.wav")
    assert await prompts.clip(tmp_path / "a.wav") == clip
    again = Prompts(ClipCache(tmp_path / "cache"), trio.CapacityLimiter(2))
    assert await again.clip(tmp_path / "a.wav") == clip
    assert len(reads) == 1


async def test_many_want_it_at_once(tmp_path, prompts, monkeypatch, autojump_clock):
    """One reads, all have it; where that one is cancelled, another goes on."""
    reads = []
    read = prompts_module.read_sound
    monkeypatch.setattr(prompts_module, "read_sound", lambda source: reads.append(1) or read(source))
    soundfile.write(tmp_path / "a.wav", tone(8_000), 8_000)
    clips = []

    async def take(scope):
        with scope:
            clips.append(await prompts.clip(tmp_path / "a.wav"))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(take, trio.CancelScope())
    assert len(set(clips)) == 1
    assert len(clips) == 10
    assert len(reads) == 1
    soundfile.write(tmp_path / "a.wav", tone(8_000, level=0.1), 8_000)
    await trio.sleep(1.1)
    clips.clear()
    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in range(5)]
        for scope in scopes:
            nursery.start_soon(take, scope)
        await trio.testing.wait_all_tasks_blocked()
        for scope in scopes[:4]:
            scope.cancel()
    assert len(clips) >= 1
    assert loudness(heard(clips[-1])) == pytest.approx(0.1, rel=0.06)


async def test_a_file_that_is_written_while_it_is_read(tmp_path, prompts, monkeypatch):
    """What is kept is the whole file; one that does not come to rest is not played."""
    file, reads = tmp_path / "a.wav", []
    read = prompts_module.read_sound

    def written_meanwhile(source):
        samples = read(source)
        reads.append(1)
        if len(reads) != 2:
            soundfile.write(file, tone(8_000, seconds=len(reads)), 8_000)
        return samples

    monkeypatch.setattr(prompts_module, "read_sound", written_meanwhile)
    soundfile.write(file, tone(8_000), 8_000)
    assert (await prompts.clip(file)).frames == 8_000
    assert len(reads) == 2
    soundfile.write(tmp_path / "b.wav", tone(8_000), 8_000)
    file = tmp_path / "b.wav"
    with pytest.raises(UnfitAgent, match="is being written"):
        await prompts.clip(file)


@pytest.mark.parametrize("how", ["written", "renamed"])
async def test_a_file_that_changes_is_made_anew(tmp_path, prompts, autojump_clock, how):
    """Also where it has the same size and the same date: it is another file."""
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(8_000), 8_000)
    first = await prompts.clip(file)
    told = file.stat()
    target = tmp_path / "b.wav" if how == "renamed" else file
    soundfile.write(target, tone(8_000, level=0.1), 8_000)
    os.utime(target, ns=(told.st_atime_ns, told.st_mtime_ns))
    if how == "renamed":
        target.rename(file)
    await trio.sleep(1.1)
    second = await prompts.clip(file)
    assert second.path != first.path
    assert loudness(heard(second)) == pytest.approx(0.1, rel=0.06)
    assert first.path.exists()  # a call may play it yet


async def test_a_cache_that_somebody_emptied(tmp_path, prompts, autojump_clock):
    """Clips are made again, within a second."""
    soundfile.write(tmp_path / "a.wav", tone(8_000), 8_000)
    clip = await prompts.clip(tmp_path / "a.wav")
    shutil.rmtree(tmp_path / "cache")
    await trio.sleep(1.1)
    assert await prompts.clip(tmp_path / "a.wav") == clip
    assert clip.path.exists()


async def test_a_file_that_is_gone(tmp_path, prompts, autojump_clock):
    """A file that was there and is gone is missed: whoever takes it away has a reason."""
    soundfile.write(tmp_path / "a.wav", tone(8_000), 8_000)
    await prompts.clip(tmp_path / "a.wav")
    (tmp_path / "a.wav").unlink()
    await trio.sleep(1.1)
    with pytest.raises(UnfitAgent, match="No such file"):
        await prompts.clip(tmp_path / "a.wav")


def a_wav(path, samples=None, rate=8_000, **more):
    """Write a sound file."""
    soundfile.write(path, tone(rate) if samples is None else samples, rate, **more)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda file: None, "cannot be read: No such file or directory"),
        (lambda file: file.mkdir(), "is no file"),
        (os.mkfifo, "is no file"),
        (lambda file: file.write_bytes(b""), "is no sound that can be read"),
        (lambda file: file.write_bytes(b"hello" * 1_000), "is no sound that can be read"),
        (lambda file: file.write_bytes(b"RIFF\x24\0\0\0WAVEfmt "), "is no sound that can be read|has no sound"),
        (lambda file: a_wav(file, np.zeros(0)), "has no sound in it"),
        (lambda file: a_wav(file, np.array([0.1, np.nan]), subtype="FLOAT"), "has samples that are no numbers"),
        (lambda file: a_wav(file, np.zeros(601 * 1_000, np.int16), 1_000), "is longer than 10 minutes"),
        (lambda file: a_wav(file, np.zeros(100, np.int16), 7), "has a rate of 7 Hz"),
    ],
)
async def test_files_that_cannot_be_played(tmp_path, prompts, make, why):
    """The message names the file, says why, and that it is so in every call."""
    file = tmp_path / "prompt.wav"
    make(file)
    with pytest.raises(UnfitAgent, match=why) as caught:
        await prompts.clip(file)
    assert str(file) in str(caught.value)
    assert caught.value.always


async def test_bytes_without_a_header(tmp_path, prompts):
    """What stands for itself alone cannot be read, and is told like the rest."""
    (tmp_path / "a.raw").write_bytes(b"\0" * 8_000)
    with pytest.raises(UnfitAgent, match="is no sound that can be read"):
        await prompts.clip(tmp_path / "a.raw")
