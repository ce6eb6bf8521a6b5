"""Streams: messages come out whole however the bytes arrive."""

import pytest
from dialerd_sip.core.framing import Framer
from dialerd_sip.core.message import BadMessage, parse_message
from hypothesis import given
from hypothesis import strategies as st
from torture_valid import VALID

HEAD = b"OPTIONS sip:a SIP/2.0\r\n"
BODIES = st.binary(max_size=40) | st.just(b"\r\n\r\n") | st.just(b"SIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc")
LENGTHS = st.sampled_from(
    [
        b"Content-Length: %d",
        b"l:%d",
        b"CONTENT-LENGTH \t:\r\n  00%d  ",
        b"X: l: 9\r\nL: %d\r\nY: Content-Length: 5",
        b"Content-Length: %d\r\nl: %d",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Make a message with its Content-Length written in some way, at some place."""
    body = draw(BODIES)
    line = draw(LENGTHS)
    line = line.replace(b"%d", str(len(body)).encode())
    others = [b"To: <sip:a>", b"Subject: x"]
    place = draw(st.integers(0, 2))
    return HEAD + b"\r\n".join([*others[:place], line, *others[place:]]) + b"\r\n\r\n" + body


@given(st.lists(messages(), max_size=4), st.lists(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]), min_size=4), st.data())
def test_any_splits_give_the_same_messages(whole: list[bytes], between: list[bytes], data: st.DataObject) -> None:
    """Wherever a stream is cut, the same messages come out, breaks between them are gone, and double ones counted."""
    stream = b"".join(gap + message for gap, message in zip(between, whole, strict=False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    framer = Framer()
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += framer.feed(stream[start:end])
    assert found == whole
    assert framer.pings == sum(gap == b"\r\n\r\n" for gap, _ in zip(between, whole, strict=False))
    assert framer.pings == 0


def test_byte_by_byte() -> None:
    """A stream that comes in single bytes is framed the same; a message is there with its last byte, not before."""
    framer = Framer()
    data = VALID["3.1.1.11 mpart01"]
    for place, byte in enumerate(data):
        found = list(framer.feed(bytes([byte])))
        assert found == ([data] if place == len(data) - 1 else [])
    assert parse_message(data).body.endswith(b"--\r\n")


def test_keep_alives() -> None:
    """Each double CRLF is one ping, a single CRLF is none (it answers our own), whatever comes in pieces."""
    framer = Framer()
    for piece in (b"\r", b"\n", b"\r", b"\n", b"\r\n\r\n\r\n\r\n"):
        assert list(framer.feed(piece)) == []
    assert framer.pings == 3
    assert list(framer.feed(b"\r\n" + HEAD + b"l: 0\r\n\r\n")) == [HEAD + b"l: 0\r\n\r\n"]
    assert framer.pings == 0


def test_many_keep_alives_cost_no_memory() -> None:
    """What was counted is forgotten: a flood of keep-alives leaves nothing behind."""
    framer = Framer(longest=100)
    for _ in range(200):
        assert list(framer.feed(100 * b"\r\n\r\n")) == []
    assert framer.pings == 20_000


@pytest.mark.parametrize(
    "line",
    [
        b"X: 1",
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Length:",
        b"l: 1\r\nl: 2",
        b"l: 9999999999999",
        b"l: 5\r\nContent-Length: five",
        b"l: 1 2",
        b"l: 101",
        b"X: 1\r\n l: 5",
    ],
)
def test_what_cannot_be_framed_ends_the_stream(line: bytes) -> None:
    """Without one length that can be believed nobody knows where the next message begins."""
    framer = Framer(longest=100)
    with pytest.raises(BadMessage):
        list(framer.feed(HEAD + line + b"\r\n\r\n"))


def test_what_is_too_long_ends_the_stream() -> None:
    """A head without an end and a message beyond the bound are refused before they are kept."""
    framer = Framer(longest=100)
    assert list(framer.feed(b"X" * 100)) == []
    with pytest.raises(BadMessage, match="too long"):
        list(framer.feed(b"X"))
    whole = HEAD + b"l: 11\r\n\r\n" + b"x" * 11
    assert list(Framer(longest=len(whole)).feed(whole)) == [whole]
    with pytest.raises(BadMessage, match="too long"):
        list(Framer(longest=len(whole) - 1).feed(whole[:-11]))


def test_messages_before_a_fault_come_out() -> None:
    """What was whole before the fault is handed over first."""
    framer = Framer()
    good = HEAD + b"l: 0\r\n\r\n"
    stream = framer.feed(good + HEAD + b"\r\n")
    assert next(stream) == good
    with pytest.raises(BadMessage):
        next(stream)
