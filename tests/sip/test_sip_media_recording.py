"""Recordings: a WAV file that any reader takes, with everything at its place in time."""

import numpy
import pytest
import soundfile
from dialerd_sip.media.law import ALAW_SAMPLES, ALAW_TO_ULAW, ULAW_SAMPLES
from dialerd_sip.media.recording import HEADER_SIZE, Recording
from dialerd_sip.media.writing import Writer
from media_stage import Stage


def at_once(work, _size):
    """Do the work now."""
    work()
    return True


def never(reason):
    """Fail the test."""
    raise AssertionError(reason)


@pytest.fixture
def path(tmp_path):
    """Return where a recording goes; its folder is not there yet."""
    return tmp_path / "calls" / "one.wav"


def read(path):
    """Return a file's samples as a common library reads them."""
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 8_000
    return samples


def test_the_laws_are_those_of_the_library(path):
    """All 256 bytes of each law read as libsndfile has them; A-law is written as the nearest µ-law."""
    recording = Recording(str(path), at_once, never)
    recording.heard(0, bytes(range(256)), alaw=False)
    recording.heard(256, bytes(range(256)), alaw=True)
    recording.end()
    samples = read(path)
    assert list(samples[:256]) == list(ULAW_SAMPLES)
    raw = path.with_suffix(".raw")
    raw.write_bytes(bytes(range(256)))
    alaw, _ = soundfile.read(raw, dtype="int16", samplerate=8_000, channels=1, format="RAW", subtype="ALAW")
    assert list(alaw) == list(ALAW_SAMPLES)
    ulaw = numpy.array(ULAW_SAMPLES, dtype=int)
    for code, sample in enumerate(ALAW_SAMPLES):
        assert abs(ULAW_SAMPLES[ALAW_TO_ULAW[code]] - sample) == abs(ulaw - sample).min()


def test_what_is_missing_is_silence(path):
    """A gap, a packet out of order, and one that comes far too late."""
    recording = Recording(str(path), at_once, never)
    one, two, three = (bytes((value,)) * 160 for value in (0x10, 0x20, 0x30))
    recording.heard(0, one, alaw=False)
    recording.heard(480, three, alaw=False)
    recording.heard(160, two, alaw=False)
    recording.heard(40_000, one, alaw=False)
    recording.heard(320, two, alaw=False)
    recording.end()
    assert path.read_bytes()[HEADER_SIZE:] == one + two + b"\xff" * 160 + three + b"\xff" * 39_360 + one


def test_the_file_is_whole_while_it_is_written(path):
    """Nobody ends the recording, as after kill -9: all but the last second and a half is there, and is read."""
    recording = Recording(str(path), at_once, never)
    for number in range(500):
        recording.heard(number * 160, b"\x20" * 160, alaw=False)
        samples = read(path)
        assert number * 160 + 160 - 12_000 <= len(samples) <= number * 160 + 160
        assert (samples == ULAW_SAMPLES[0x20]).all()
    assert soundfile.info(path).subtype == "ULAW"


def test_its_length_is_bounded(path):
    """What is beyond the bound is left out; what was there is whole."""
    recording = Recording(str(path), at_once, never, most=16_000)
    for number in range(500):
        recording.heard(number * 160, b"\x20" * 160, alaw=False)
    assert len(read(path)) == 16_000


def test_a_disk_that_fails_ends_the_recording(tmp_path):
    """The reason is told once, and nothing is raised into the streams."""
    (tmp_path / "file").write_text("no folder")
    told = []
    recording = Recording(str(tmp_path / "file" / "one.wav"), at_once, told.append)
    for number in range(500):
        recording.heard(number * 160, b"\x20" * 160, alaw=False)
    recording.end()
    assert len(told) == 1
    assert "file" in told[0]


def test_a_disk_that_is_too_slow_ends_the_recording(path):
    """What waits for the disk is bounded; the file is shut behind what was taken."""
    works, told = [], []

    def slow(work, size):
        works.append(work) if not size or len(works) < 4 else None
        return not size or len(works) < 4

    recording = Recording(str(path), slow, told.append)
    for number in range(1_000):
        recording.heard(number * 160, b"\x20" * 160, alaw=False)
    for work in works:
        work()
    assert told == ["the disk is too slow"]
    assert 8_000 <= len(read(path)) < 160_000


def test_the_thread_works_in_order(path):
    """The media process's thread writes it all, and its bound is of bytes that wait."""
    writer = Writer(most=100_000)
    recording = Recording(str(path), writer.take, never)
    sound = bytes(number % 251 for number in range(40_000))
    for at in range(0, 40_000, 160):
        recording.heard(at, sound[at : at + 160], alaw=False)
    recording.end()
    writer.end()
    assert path.read_bytes()[HEADER_SIZE:] == sound
    assert not writer.take(lambda: None, 100_001)
    assert writer.take(lambda: None, 0)


def test_a_session_records_what_it_hears(path):
    """Early media, a codec switch, lost packets and a new source: each at its instant."""
    stage = Stage()
    stage.engine.record(stage.stream, Recording(str(path), at_once, never), stage.now)
    loud = {}
    for number in range(100):
        stage.run(20)
        if number == 50:
            stage.connect()
        if number % 10 != 3:
            kind = 8 if number > 70 else 0
            stage.hears(bytes((0x20 + number,)) * 160, kind=kind, ssrc=2 if number > 80 else 1)
            loud[number] = ALAW_TO_ULAW[0x20 + number] if kind else 0x20 + number
    stage.engine.close(stage.stream, stage.now)
    found = path.read_bytes()[HEADER_SIZE:]
    for number in range(6, 100):
        place = found[(number + 1) * 160 + 80]
        assert place == loud.get(number, 0xFF), number
