"""The engine sends in time what is to be sent, on a clock that the test moves."""

from itertools import pairwise
from sys import getrefcount

import pytest
from dialerd_sip.core.sdp import Codec
from dialerd_sip.media import rtcp
from dialerd_sip.media.contract import Detected, Digit, Heard, PlayEnded, Silent
from dialerd_sip.media.events import KEYS
from hypothesis import given
from hypothesis import strategies as st
from media_stage import FAR, Stage, agreed

SILENCE = b"\xff" * 160


@pytest.fixture
def clip(tmp_path):
    """Return what makes a clip of both laws."""

    def make(name, sound):
        (tmp_path / f"{name}.alaw").write_bytes(bytes(byte ^ 0x80 for byte in sound))
        (tmp_path / f"{name}.ulaw").write_bytes(sound)
        return tmp_path / f"{name}.ulaw"

    return make


def sound(size, first=0):
    """Return sound in which every byte is another than its neighbours."""
    return bytes((first + number) % 249 for number in range(size))


def test_nothing_is_sent_before_the_session_is_connected(clip):
    """There is nowhere to send to; what is played waits for it."""
    stage = Stage()
    stage.play(clip("one", sound(320)))
    assert stage.run(200) == []
    stage.connect()
    assert b"".join(packet[-1] for packet in stage.run(40)) == sound(320)


@pytest.mark.parametrize(("asked", "ptime"), [(10, 10), (20, 20), (25, 20), (30, 30), (40, 40), (60, 60), (200, 60)])
def test_packets_leave_on_the_clock(clip, asked, ptime):
    """One each `ptime`, numbers and timestamps in step, the marker at the first alone; sound, then silence."""
    stage = Stage()
    stage.connect(ptime_ms=asked)
    stage.play(clip("one", sound(8_000)))
    packets = stage.run(1_200)
    size = ptime * 8
    assert len(packets) == 1_200 // ptime
    for one, other in pairwise(packets):
        assert other[0] - one[0] == pytest.approx(ptime / 1_000)
        assert (other[2] - one[2]) & 0xFFFF == 1
        assert (other[3] - one[3]) & 0xFFFF_FFFF == size
    assert [packet[1] for packet in packets] == [0x80] + [0] * (len(packets) - 1)
    assert b"".join(packet[-1] for packet in packets) == sound(8_000).ljust(9_600, b"\xff")
    assert stage.events == [PlayEnded(1, whole=True)]


def test_clips_follow_without_a_gap(clip):
    """Clips that end amid a packet, an empty one among them, are one sound; the end is told once."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(250)), clip("b", b""), clip("c", sound(77, 5)), mark=4)
    found = b"".join(packet[-1] for packet in stage.run(100))
    assert found.startswith(sound(250) + sound(77, 5) + b"\xff")
    assert stage.events == [PlayEnded(4, whole=True)]


def test_what_is_played_gives_way(clip):
    """A play over another, and a stop, end what was played before its end."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(8_000)), mark=1)
    stage.run(100)
    stage.play(clip("b", sound(8_000, 7)), mark=2)
    assert stage.run(20)[0][-1] == sound(160, 7)
    stage.engine.stop(stage.stream, stage.now)
    stage.engine.stop(stage.stream, stage.now)
    assert [packet[-1] for packet in stage.run(60)] == [SILENCE] * 3
    assert stage.events == [PlayEnded(1, whole=False), PlayEnded(2, whole=False)]
    stage.play(mark=3)
    stage.run(20)
    assert stage.events[2:] == [PlayEnded(3, whole=True)]


def test_what_cannot_be_read_ends_what_was_played(clip):
    """Whoever asked for it is told by an error; where only what is played is sent, nothing is sent any more."""
    stage = Stage(fills=False)
    stage.connect()
    stage.play(clip("a", sound(8_000)), mark=1)
    assert len(stage.run(100)) == 5
    with pytest.raises(FileNotFoundError):
        stage.play(clip("b", sound(80)).with_name("nothing.ulaw"), mark=2)
    assert stage.run(100) == []
    assert stage.engine.events() == [(stage.stream, PlayEnded(1, whole=False))]


def test_the_codec_changes_amid_a_clip(clip):
    """A re-INVITE from µ-law to A-law: the sound goes on at the same place, in the other law."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(200)), clip("b", sound(900)))
    first = stage.run(60)
    stage.connect(codec=Codec.PCMA, payload=8)
    then = stage.run(80)
    assert {packet[1] & 0x7F for packet in first} == {0}
    assert {packet[1] & 0x7F for packet in then} == {8}
    whole = b"".join(packet[-1] for packet in first) + bytes(
        byte ^ 0x80 for byte in b"".join(packet[-1] for packet in then)
    )
    assert whole[:1_100] == sound(200) + sound(900)
    assert stage.run(20)[0][-1] == b"\xd5" * 160


def test_on_hold_nothing_is_sent_but_all_is_heard(clip):
    """Afterwards sending goes on with a marker, and what is played where it was."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(1_600)))
    stage.run(40)
    stage.connect(sends=False)
    assert stage.run(500) == []
    stage.hears(bytes((7, 10, 0, 160)), kind=101, marker=True)
    assert stage.events == [Heard(), Digit("7")]
    stage.connect()
    packets = stage.run(20)
    assert packets[0][1] == 0x80
    assert packets[0][-1] == sound(1_600)[320:480]


def test_a_length_of_packets_that_changes(clip):
    """From 20 to 30 ms: no sound is lost or doubled."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(2_000)))
    first = stage.run(60)
    stage.connect(ptime_ms=30)
    found = b"".join(packet[-1] for packet in [*first, *stage.run(300)])
    assert found.startswith(sound(2_000))


@pytest.mark.parametrize(("late_ms", "sent"), [(15, 1), (45, 2), (55, 3), (2_000, 3)])
def test_what_was_missed_is_caught_up_within_bounds(clip, late_ms, sent):
    """After a stall some packets leave at once; the rest is skipped in time, but not in what is said."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(4_000)))
    before = stage.run(100)
    stage.now = before[-1][0] + 0.020 + (late_ms - 15) / 1_000  # the next packet would have left then
    found = stage.engine.due(stage.now)
    assert len(found) in (sent, sent + 1)
    after = stage.run(100)
    stamps = [packet[3] for packet in (*before, *after)]
    real = (after[-1][0] - before[0][0]) * 8_000
    assert (stamps[-1] - stamps[0]) & 0xFFFF_FFFF == pytest.approx(real, abs=161)
    said = b"".join([*(packet[-1] for packet in before), *(data[12:] for _, data in found)])
    assert sound(4_000).startswith(said + after[0][-1])


def test_sessions_are_spread_over_the_slots(clip):
    """A hundred sessions that begin together share the 20 ms: five in each."""
    stage = Stage()
    streams = [stage.engine.open() for _ in range(100)]
    for stream in streams:
        stage.engine.connect(stream, agreed(), stage.now)
    counts = [len(stage.engine.due(1_000 + tick / 1_000)) for tick in range(1, 21)]
    assert counts == [5] * 20
    for stream in streams:
        stage.engine.close(stream, stage.now)
    assert stage.engine.due(1_000.1) == []
    assert stage.engine.next_due(1_000.1) is None or stage.engine.next_due(1_000.1) > 1_001


def test_a_few_sessions_leave_together():
    """Each instant at which something leaves wakes the process: four sessions, begun at four instants, need one."""
    stage = Stage()
    for _ in range(4):
        stage.engine.connect(stage.engine.open(), agreed(), stage.now)
        stage.run(7)
    counts = [len(stage.engine.due(stage.now + tick / 1_000)) for tick in range(1, 21)]
    assert sorted(counts) == [0] * 19 + [4]


def test_a_session_that_was_closed_is_forgotten(clip):
    """Nothing holds it until its next report would have been due: thousands of short calls leave nothing behind."""
    stage = Stage()
    stream = stage.engine.open()
    before = getrefcount(stream)
    for silence_ms in (3_000, 300):  # which ends before the first report is due
        stage.engine.connect(stream, agreed(), stage.now, silence_ms)
    stage.engine.play(stream, [str(clip("a", sound(8_000)))], 1, stage.now)
    stage.run(100)
    stage.engine.close(stream, stage.now)
    assert getrefcount(stream) == before
    stage.run(10_000)
    assert stage.events == stage.reports == []


def test_keys_take_the_place_of_sound(clip):
    """While keys are sent what is played waits, and goes on where it was."""
    stage = Stage()
    stage.connect()
    stage.play(clip("a", sound(1_600)))
    before = stage.run(40)
    stage.engine.send_keys(stage.stream, "42", stage.now)
    packets = stage.run(1_000)
    keys = [packet for packet in packets if packet[1] & 0x7F == 101]
    assert [KEYS[packet[-1][0]] for packet in keys if packet[1] & 0x80] == ["4", "2"]
    assert len(keys) == 14
    assert len({packet[3] for packet in keys}) == 2
    heard = b"".join(packet[-1] for packet in (*before, *packets) if packet[1] & 0x7F == 0 and packet[-1] != SILENCE)
    assert heard == sound(1_600)
    numbers = [packet[2] for packet in (*before, *packets)]
    assert all((other - one) & 0xFFFF == 1 for one, other in pairwise(numbers))


def test_keys_that_the_far_end_does_not_take_are_not_sent():
    """No telephone events were agreed upon: nothing but silence leaves."""
    stage = Stage()
    stage.connect(dtmf_payload=None)
    stage.engine.send_keys(stage.stream, "42", stage.now)
    assert {packet[-1] for packet in stage.run(500)} == {SILENCE}


def test_silence_of_the_far_end_is_told_once():
    """Counted from the connection, then from the last packet; told again after something came."""
    stage = Stage(reports=False)
    stage.connect(silence_ms=3_000)
    stage.run(2_900)
    assert stage.events == []
    stage.hears()
    stage.run(2_900)
    assert stage.events == [Heard()]
    stage.run(10_000)
    assert stage.events == [Heard(), Silent()]


def test_who_does_not_send_is_not_silent():
    """While the far end is not to send (on hold), or any silence is borne, nothing is told."""
    for options in ({"silence_ms": 3_000, "receives": False}, {"silence_ms": 0}):
        stage = Stage(reports=False)
        stage.connect(**options)
        stage.run(60_000)
        assert stage.events == []


def test_reports_leave_and_are_signs_of_life():
    """Every five seconds or so, with what was sent and received; those of the far end count as life."""
    stage = Stage()
    stage.connect(silence_ms=6_000)
    for _ in range(60):
        stage.run(500)
        stage.hears()
        stage.engine.received_report(stage.stream, rtcp.build(9, b"far"), (FAR[0], 4_001), stage.now)
    assert 4 <= len(stage.reports) <= 12
    report = rtcp.parse(stage.reports[-1])[0]
    assert report.ntp_middle is not None
    assert report.blocks[0].ssrc == 9
    assert report.blocks[0].fraction_lost == 0
    for _ in range(10):
        stage.run(3_000)
        stage.engine.received_report(stage.stream, rtcp.build(9, b"far"), (FAR[0], 4_001), stage.now)
    assert Silent() not in stage.events
    farewell = stage.engine.close(stage.stream, stage.now)
    figures = stage.stream.figures()
    assert farewell[1] == (FAR[0], 4_001)
    assert rtcp.parse(farewell[0])[-1].bye
    assert (figures.received, figures.lost) == (60, 0)


def test_a_detector_hears_early_media():
    """Sound before the session is connected reaches the detector; an unknown detector is a fault of who asks."""
    stage = Stage()
    stage.engine.detect(stage.stream, "loud", stage.now, stage.failures.append)
    for number in range(20):
        stage.run(20)
        stage.hears(b"\xff" * 160 if number < 10 else b"\x80\x00" * 80)
    assert stage.events[0] == Heard()
    (found,) = [event for event in stage.events if isinstance(event, Detected)]
    assert found.kind == "loud"
    assert 160 <= found.at_ms <= 240
    with pytest.raises(LookupError, match="no detector 'nothing'"):
        stage.engine.detect(stage.stream, "nothing", stage.now, stage.failures.append)


def test_what_was_dropped_is_counted():
    """Of sessions that are up and of those that are over: unknown sources, what is no RTP or RTCP, and what is lost."""
    stage = Stage()
    stage.connect()
    stage.hears()
    stage.hears(address=("203.0.113.9", 7))
    stage.raw(b"nothing")
    stage.engine.received_report(stage.stream, b"nothing", FAR, stage.now)
    stage.engine.received_report(stage.stream, rtcp.build(9, b"far"), ("203.0.113.9", 7), stage.now)
    stage.hears()
    counts = {"rtp_unknown": 2, "rtp_malformed": 2, "rtp_lost": 1}
    assert stage.engine.counts([stage.stream]) == counts
    assert stage.stream.figures().strangers == 4
    stage.engine.close(stage.stream, stage.now)
    assert stage.engine.counts([]) == counts


def test_silence_between_keys_bears_one_marker():
    """The marker is the first packet's of what begins, and of each key's."""
    stage = Stage()
    stage.connect()
    stage.engine.send_keys(stage.stream, "12", stage.now)
    assert [kind & 0x7F for _, kind, *_ in stage.run(2_000) if kind & 0x80] == [101, 0, 101]


def test_other_payloads_and_sources_are_left_alone():
    """Comfort noise and unknown payloads say nothing; another SSRC is heard on; strangers are counted."""
    stage = Stage()
    stage.connect()
    stage.hears(b"\x40", kind=13)
    stage.hears(bytes(4), kind=97)
    stage.hears(ssrc=10)
    for number in range(50):
        stage.hears(bytes((number % 10, 10, 0, 160)), kind=101, address=("203.0.113.9", 1_000 + number), marker=True)
    assert stage.events == [Heard()]
    assert stage.stream.hearing.strangers == 50
    assert stage.stream.hearing.received == 3


@given(
    st.lists(
        st.tuples(st.sampled_from([b"", b"\x80\x00", b"\x80\x65", b"\x80\x08", b"\xb0\x00"]), st.binary(max_size=60))
    )
)
def test_fuzzed_packets_never_raise(packets):
    """Whatever comes, from wherever, into both ports: nothing is raised."""
    stage = Stage()
    stage.engine.detect(stage.stream, "loud", stage.now, stage.failures.append)
    stage.connect(silence_ms=100)
    for number, (start, data) in enumerate(packets):
        stage.raw(start + data, FAR if number % 3 else ("203.0.113.9", 7))
        stage.engine.received_report(stage.stream, bytes((0x81, 200 + number % 4)) + data, FAR, stage.now)
        stage.run(7)
