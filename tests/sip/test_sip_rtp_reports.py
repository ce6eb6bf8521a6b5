"""RTCP: what is built is read, and what is broken is none."""

from random import Random

from dialerd_sip.media import rtcp
from hypothesis import given
from hypothesis import strategies as st

words = st.integers(0, 0xFFFF_FFFF)
blocks = st.builds(
    rtcp.Block,
    ssrc=words,
    fraction_lost=st.integers(0, 255),
    lost=st.integers(0, 0x7F_FFFF),
    highest=words,
    jitter=words,
    last_report=words,
    since_last_report=words,
)


@given(words, st.binary(min_size=1, max_size=40), st.none() | blocks, st.booleans(), st.booleans())
def test_reports_read_as_they_were_built(ssrc, cname, block, sends, bye):
    """Sender and receiver reports, with and without a block and a farewell; the whole is made of 32-bit words."""
    sent = rtcp.Sent(unix_s=1_700_000_000.5, timestamp=160, packets=2, octets=320) if sends else None
    data = rtcp.build(ssrc, cname, sent=sent, block=block, bye=bye)
    first = rtcp.Report(
        ssrc=ssrc,
        ntp_middle=(1_700_000_000 + 2_208_988_800 & 0xFFFF) << 16 | 0x8000 if sends else None,
        blocks=() if block is None else (block,),
    )
    assert rtcp.parse(data) == ((first, rtcp.Report(ssrc=ssrc, bye=True)) if bye else (first,))
    assert len(data) % 4 == 0
    assert cname + b"\0" in data  # section 6.5: a zero ends the list of items
    assert data[1] == (200 if sends else 201)


@given(st.binary(max_size=120), st.integers(0, 31))
def test_no_bytes_raise(data, count):
    """Whatever comes is reports, or none."""
    for start in (b"", bytes((0x80 | count, 200)), bytes((0x80 | count, 201, 0, 7))):
        rtcp.parse(start + data)


def test_what_is_no_report_is_none():
    """A compound packet begins with a report, unpadded, and its counts stay within it (RFC 3550 section A.2)."""
    good = rtcp.build(1, b"name", block=rtcp.Block(ssrc=2))
    assert rtcp.parse(good) is not None
    assert rtcp.parse(bytes((0xA1,)) + good[1:]) is None
    assert rtcp.parse(bytes((0x41,)) + good[1:]) is None
    assert rtcp.parse(bytes((0x81, 202)) + good[2:]) is None
    assert rtcp.parse(bytes((0x9F,)) + good[1:]) is None
    assert rtcp.parse(b"") is None


def test_the_interval_is_spread():
    """Half to one and a half times five seconds (RFC 3550 section 6.3.1)."""
    random = Random(1)
    found = [rtcp.spread(random) for _ in range(500)]
    assert 2.5 <= min(found) < 2.8
    assert 7.2 < max(found) <= 7.5
