"""RTP headers, what is known of a source, and where packets stand in time."""

import pytest
from dialerd_sip.media import rtp
from dialerd_sip.media.timeline import Timeline
from hypothesis import given
from hypothesis import strategies as st
from rtp_packets import build

words = st.integers(0, 0xFFFF_FFFF)


@given(st.integers(0, 127), st.tuples(st.integers(0, 0xFFFF), words, words, st.binary(max_size=200)), st.booleans())
def test_a_packet_that_was_built_reads_the_same(kind, fields, marker):
    """Every field survives; RTCP's kinds cannot be told from marked packets, and are no RTP (RFC 5761)."""
    read = rtp.parse(build(kind, *fields, marker=marker))
    first = kind | (0x80 if marker else 0)
    assert read == (None if 192 <= first <= 223 else (first, *fields))


@given(st.binary(max_size=64))
def test_no_bytes_raise(data):
    """Whatever comes is a packet or is none."""
    for flags in (b"", b"\x80\x00", b"\xbf\x00", b"\x90\x00", b"\xa0\x00"):
        rtp.parse(flags + data)


@pytest.mark.parametrize(
    ("flags", "between", "after"),
    [
        (0x82, bytes(8), b""),
        (0x90, b"\xbe\xde\x00\x01" + bytes(4), b""),
        (0xA0, b"", b"\x00\x00\x03"),
        (0xB1, bytes(4) + b"\xbe\xde\x00\x00", b"\x01"),
    ],
    ids=["two contributing sources", "an extension", "padding", "all of them"],
)
def test_what_is_around_the_payload_is_left_out(flags, between, after):
    """RFC 3550 section 5.1."""
    head = bytes((flags, 0)) + build(0, 7, 160, 1, b"")[2:]
    assert rtp.parse(head + between + b"sound" + after) == (0, 7, 160, 1, b"sound")


def test_more_than_there_is_is_none():
    """Counts that reach beyond the packet, and padding of nothing."""
    head = build(0, 7, 160, 1, b"")[1:]
    assert rtp.parse(b"\x8f" + head + b"short") is None
    assert rtp.parse(b"\x90" + head + b"\xbe\xde\x00\x09") is None
    assert rtp.parse(b"\xa0" + head + b"\x00") is None
    assert rtp.parse(b"\xa0" + head + b"\xff") is None
    assert rtp.parse(b"\x40" + head) is None


def received(numbers):
    """Return the reception of 20 ms packets with these numbers, each come in its time."""
    found = rtp.Reception(1, numbers[0])
    for number in numbers:
        found.seen(number & 0xFFFF, number * 160, number * 160)
    return found


def test_losses_are_counted_over_the_wrap():
    """A sequence that wraps, with two losses and one that came late."""
    found = received([0xFFFD, 0xFFFE, 0x10000, 0xFFFF, 0x10003])
    assert (found.received, found.expected, found.lost) == (5, 7, 2)
    assert found.extended_highest == 0x10003
    assert found.jitter == 0


def test_the_fraction_is_of_the_interval():
    """Loss since the last report, in 256ths (RFC 3550 section A.3)."""
    found = received([1, 2, 3, 5])
    assert found.fraction_lost() == 256 // 5
    found.seen(6, 0, 0)
    assert found.fraction_lost() == 0
    found.seen(8, 0, 0)
    assert found.fraction_lost() == 128


def test_a_restart_needs_two_in_a_row():
    """A single number far off is ignored; two in a row begin anew, and what was before stays counted (A.1)."""
    found = received([100, 101, 103])
    assert not found.seen(40_000, 0, 0)
    assert found.seen(104, 0, 0)
    assert not found.seen(50_000, 0, 0)
    assert found.seen(50_001, 0, 0)
    assert found.total == 5
    assert found.lost == 1


def test_jitter_follows_the_rfc():
    """Packets that are late by 80 units in turn come to a jitter near 80 (A.8)."""
    found = rtp.Reception(1, 0)
    for number in range(500):
        found.seen(number, number * 160, number * 160 + 80 * (number % 2))
    assert 75 <= found.jitter <= 80
    assert found.jitter_ms == pytest.approx(10, abs=0.7)


def test_positions_follow_timestamps_not_arrival():
    """Jitter and loss move nothing; a packet out of order finds its place."""
    line = Timeline(100.0)
    assert line.place(1, 5_000, 100.5) == 4_000
    assert line.place(1, 5_320, 100.6) == 4_320
    assert line.place(1, 5_160, 100.6) == 4_160
    assert line.place(1, 5_480, 100.9) == 4_480


def test_timestamps_that_jump_do_not_carry_away():
    """A new source, or a timestamp that cannot be, is put where our clock is."""
    line = Timeline(0.0)
    assert line.place(1, 0xFFFF_FF00, 1.0) == 8_000
    assert line.place(1, 0x0000_0000, 1.03) == 8_256
    assert line.place(1, 0x7000_0000, 2.0) == 16_000
    assert line.place(2, 17, 3.0) == 24_000


@given(st.lists(st.tuples(words, words, st.floats(0, 0.1)), max_size=50))
def test_positions_stay_near_the_clock(packets):
    """Whatever timestamps say, nothing is put more than two seconds ahead, nor before the beginning."""
    line, now = Timeline(0.0), 0.0
    for ssrc, timestamp, step in packets:
        now += step
        assert 0 <= line.place(ssrc % 3, timestamp, now) <= now * 8_000 + 16_000
