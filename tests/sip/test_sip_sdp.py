"""Offers and answers: what is read, what is agreed upon, what is said, and that nothing hostile breaks it."""

from contextlib import suppress
from itertools import pairwise

import pytest
from dialerd_sip.core import sdp as reading
from dialerd_sip.core import sdp_text
from dialerd_sip.core.sdp import BadDescription, Codec, LocalMedia, accept, answer, offer
from dialerd_sip.core.sdp_text import read
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

OURS = LocalMedia(host="192.0.2.1", port=4_000, session_id=77)
HEAD = ("v=0", "o=x 1 5 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0")


def sdp(*lines, head=HEAD):
    """Return a description of these lines."""
    return "".join(f"{line}\r\n" for line in (*head, *lines)).encode()


def lines_of(body):
    """Return the lines of a description, each of which ends as RFC 8866 says."""
    text = body.decode()
    assert text.endswith("\r\n")
    return text.removesuffix("\r\n").split("\r\n")


def test_our_offer():
    """All codecs in our order, keys, the wished length; static types have an rtpmap too, for those who want one."""
    assert lines_of(offer(OURS, 3)) == [
        "v=0",
        "o=- 77 3 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    other = replace(OURS, host="2001:db8::1", codecs=(Codec.PCMA,), dtmf_payload=96, ptime_ms=30)
    lines = lines_of(offer(other))
    assert lines[1] == "o=- 77 1 IN IP6 2001:db8::1"
    assert lines[3] == "c=IN IP6 2001:db8::1"
    assert lines[5:8] == ["m=audio 4000 RTP/AVP 8 96", "a=rtpmap:8 PCMA/8000", "a=rtpmap:96 telephone-event/8000"]
    assert "a=ptime:30" in lines


def test_a_whole_exchange():
    """What we offer is answered, and both sides have agreed upon the same; the answerer's order decides."""
    theirs = LocalMedia(host="192.0.2.2", port=5_000, codecs=(Codec.PCMA, Codec.PCMU))
    said, there = answer(theirs, offer(OURS), 1)
    here = accept(OURS, said)
    assert (there.host, there.port, there.codec, there.payload, there.dtmf_payload) == (
        "192.0.2.1",
        4_000,
        Codec.PCMA,
        8,
        101,
    )
    assert (here.host, here.port, here.codec, here.payload, here.dtmf_payload) == (
        "192.0.2.2",
        5_000,
        Codec.PCMA,
        8,
        101,
    )
    assert here.sends and here.receives and there.sends and there.receives  # noqa: PT018  # one statement
    assert lines_of(said)[5] == "m=audio 5000 RTP/AVP 8 101"


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_static_payloads_need_no_rtpmap_and_lines_end_in_any_way(ending):
    """RFC 3551, table 4; unknown lines and attributes are passed over."""
    text = sdp("x=what", "m=audio 6000 RTP/AVP 8", "a=candidate:1", "nonsense", "b=AS:64").decode()
    agreed = accept(OURS, text.replace("\r\n", ending).encode())
    assert (agreed.codec, agreed.payload, agreed.dtmf_payload) == (Codec.PCMA, 8, None)
    assert (agreed.host, agreed.port, agreed.rtcp_port, agreed.ptime_ms) == ("192.0.2.9", 6_000, None, 20)


def test_of_several_codecs_in_an_answer_the_first_common_counts():
    """RFC 3264, section 6.1: an answer lists what it prefers first; what we do not speak is passed over."""
    assert accept(OURS, sdp("m=audio 6000 RTP/AVP 18 8 0")).codec is Codec.PCMA
    assert accept(replace(OURS, codecs=(Codec.PCMU,)), sdp("m=audio 6000 RTP/AVP 18 8 0")).codec is Codec.PCMU


def test_numbers_are_those_of_the_far_end():
    """Dynamic types by rtpmap, in any case; a static number that is said to be something else is that."""
    agreed = accept(
        OURS,
        sdp(
            "m=audio 6000 RTP/AVP 0 98 99 97",
            "a=rtpmap:0 G729/8000",
            "a=rtpmap:98 pcmu/16000",
            "a=rtpmap:99 pcmu/8000/1",
            "a=rtpmap:97 Telephone-Event/8000",
        ),
    )
    assert (agreed.codec, agreed.payload, agreed.dtmf_payload) == (Codec.PCMU, 99, 97)


def test_keys_are_taken_at_8000_alone():
    """An event clock of 16 kHz is another codec's."""
    body = sdp(
        "m=audio 6000 RTP/AVP 0 96 101", "a=rtpmap:96 telephone-event/16000", "a=rtpmap:101 telephone-event/8000"
    )
    assert accept(OURS, body).dtmf_payload == 101
    assert accept(OURS, sdp("m=audio 6000 RTP/AVP 0", "a=rtpmap:101 telephone-event/8000")).dtmf_payload is None


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        ((), 20),
        (("a=ptime:30",), 30),
        (("a=ptime:30", "a=maxptime:20"), 20),
        (("a=maxptime:10",), 10),
        (("a=maxptime:150",), 20),
        (("a=ptime:20.0",), 20),
        (("a=ptime:25",), 20),
        (("a=ptime:5",), 10),
        (("a=ptime:200",), 60),
        (("a=ptime:0",), 20),
        (("a=ptime:x",), 20),
    ],
)
def test_lengths_of_packets(attributes, ptime):
    """What the far end wants, in whole frames of 10 ms, never more than it takes."""
    assert accept(OURS, sdp("m=audio 6000 RTP/AVP 0", *attributes)).ptime_ms == ptime


def test_what_is_said_for_the_session_counts_for_its_media():
    """RFC 8866, section 5; the medium's own word wins."""
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", "a=sendonly", "a=ptime:30")
    agreed = accept(OURS, sdp("m=audio 6000 RTP/AVP 0", head=head))
    assert (agreed.host, agreed.sends, agreed.receives, agreed.ptime_ms) == ("192.0.2.9", False, True, 30)
    own = ("m=audio 6000 RTP/AVP 0", "c=IN IP4 192.0.2.10", "a=recvonly", "a=ptime:40")
    agreed = accept(OURS, sdp(*own, head=head))
    assert (agreed.host, agreed.sends, agreed.receives, agreed.ptime_ms) == ("192.0.2.10", True, False, 40)


def test_rtcp_elsewhere_and_port_counts():
    """RFC 3605, and a port with the number of ports behind it."""
    agreed = accept(OURS, sdp("m=audio 6000/2 RTP/AVP 0", "a=rtcp:7001 IN IP4 192.0.2.9"))
    assert (agreed.port, agreed.rtcp_port) == (6_000, 7_001)
    assert accept(OURS, sdp("m=audio 6000 RTP/AVP 0", "a=rtcp:70000")).rtcp_port is None


def test_ipv6():
    """An address of the other family is taken as it is."""
    agreed = accept(OURS, sdp("m=audio 6000 RTP/AVP 0", "c=IN IP6 2001:DB8:0::9"))
    assert agreed.host == "2001:db8::9"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("m=audio 0 RTP/AVP 0",), "port 0"),
        (("m=audio 6000 RTP/SAVP 0",), "RTP/SAVP"),
        (("m=audio 6000 RTP/AVPF 0",), "RTP/AVPF"),
        (("m=audio 6000 RTP/AVP 18",), "none of the codecs"),
        (("m=audio 6000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), "none of the codecs"),
        (("m=video 6000 RTP/AVP 31",), "no audio line"),
        (("m=audio 6000 RTP/AVP 0", "c=IN IP4 media.example.com"), "no IP address"),
        (("m=audio 6000 RTP/AVP 0", "c=IN IP4 233.252.0.1/127"), "no IP address"),
        (("m=audio 6000 RTP/AVP 0", "c=XX"), "no IP address"),
        (("m=audio 66000 RTP/AVP 0",), "cannot be read"),
        (("m=audio",), "cannot be read"),
        (("m=audio -1 RTP/AVP 0",), "cannot be read"),
        (("m=audio \u00b2 RTP/AVP 0",), "cannot be read"),
        ((), "no session description"),
        (("m=audio 6000 RTP/AVP 0",) * 65, "more than 64"),
    ],
)
def test_what_cannot_be_used_says_why(lines, why):
    """As an answer and as an offer."""
    with pytest.raises(BadDescription, match=why):
        accept(OURS, sdp(*lines))
    with pytest.raises(BadDescription, match=why):
        answer(OURS, sdp(*lines), 1)


@pytest.mark.parametrize("formats", ["0 " + "9" * 9_000, "0 " + "1 " * 200, "0 101"])
def test_far_ends_cannot_fill_what_is_remembered(formats):
    """Only short lists of formats are remembered, and encodings and addresses as long as real ones are."""
    before = reading._known_formats.cache_info().misses
    long = ["a=rtpmap:101 " + "X" * 9_000, "c=IN IP4 " + "1" * 9_000]
    found = accept(OURS, sdp(f"m=audio 6000 RTP/AVP {formats}", *long[:1]))
    assert found.codec is Codec.PCMU
    assert found.dtmf_payload is None
    assert reading._known_formats.cache_info().misses - before == (formats == "0 101")
    known = sdp_text._address.cache_info().misses
    with pytest.raises(BadDescription, match="no IP address"):
        accept(OURS, sdp("m=audio 6000 RTP/AVP 0", *long[1:]))
    assert sdp_text._address.cache_info().misses == known


def test_other_lines_are_refused_in_their_places():
    """The first usable audio line is taken; RFC 3264, section 6: as many lines as were offered, in their order."""
    offered = sdp(
        "m=video 7000 RTP/AVP 31 96",
        "m=audio 7100 RTP/SAVP 0",
        "m=audio 7200 RTP/AVP 8 0",
        "m=audio 7300 RTP/AVP 0",
        "m=image 7400 udptl t38",
    )
    said, agreed = answer(OURS, offered, 1)
    assert agreed.port == 7_200
    assert [line for line in lines_of(said) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31 96",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=image 0 udptl t38",
    ]
    assert lines_of(said).index("m=audio 4000 RTP/AVP 0") < lines_of(said).index("a=rtpmap:0 PCMU/8000")


def test_an_answer_has_the_numbers_and_the_order_of_the_offer():
    """RFC 3264, section 6.1; the codec is our best, the t= line is the offer's (section 6)."""
    head = (*HEAD[:4], "t=2873397496 2873404696")
    offered = sdp(
        "m=audio 7000 RTP/AVP 96 97 8",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-16",
        "a=rtpmap:97 PCMU/8000",
        head=head,
    )
    said, agreed = answer(OURS, offered, 4)
    assert (agreed.codec, agreed.payload, agreed.dtmf_payload) == (Codec.PCMU, 97, 96)
    lines = lines_of(said)
    assert lines[1] == "o=- 77 4 IN IP4 192.0.2.1"
    assert lines[4:10] == [
        "t=2873397496 2873404696",
        "m=audio 4000 RTP/AVP 96 97",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-15",
        "a=rtpmap:97 PCMU/8000",
        "a=ptime:20",
    ]


@pytest.mark.parametrize(
    ("lines", "said", "sends", "receives"),
    [
        ((), "sendrecv", True, True),
        (("a=sendrecv",), "sendrecv", True, True),
        (("a=sendonly",), "recvonly", False, True),
        (("a=recvonly",), "sendonly", True, False),
        (("a=inactive",), "inactive", False, False),
        (("c=IN IP4 0.0.0.0",), "recvonly", False, True),
        (("c=IN IP4 0.0.0.0", "a=sendonly"), "recvonly", False, True),
        (("c=IN IP4 0.0.0.0", "a=recvonly"), "inactive", False, False),
        (("c=IN IP6 ::",), "recvonly", False, True),
    ],
)
def test_hold_and_resume(lines, said, sends, receives):
    """RFC 3264, sections 6.1 and 8.4: by direction, or in the old way by an address that is none."""
    body, agreed = answer(OURS, sdp("m=audio 7000 RTP/AVP 0", *lines), 1)
    assert f"a={said}" in lines_of(body)
    assert (agreed.sends, agreed.receives) == (sends, receives)


def test_the_version_rises_only_when_something_changed():
    """RFC 3264, section 8; hold, refresh on hold, resume."""
    plain, hold = sdp("m=audio 7000 RTP/AVP 0"), sdp("m=audio 7000 RTP/AVP 0", "a=sendonly")
    said = [offer(OURS, 7)]
    for offered in (plain, plain, hold, hold, plain):
        said.append(answer(OURS, offered, 99, before=said[-1])[0])
    assert [read(body).version for body in said] == [7, 8, 8, 9, 9, 10]
    assert all((one == two) == (read(one).version == read(two).version) for one, two in pairwise(said))


def test_our_offers_later_keep_the_lines():
    """RFC 3264, section 8: lines never get fewer; ours stays where it is, with all that we speak."""
    said, _ = answer(OURS, sdp("m=video 7000 RTP/AVP 31", "m=audio 7100 RTP/AVP 8"), 1)
    again = offer(OURS, before=said)
    assert [line for line in lines_of(again) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31",
        "m=audio 4000 RTP/AVP 0 8 101",
    ]
    assert read(again).version == 2
    assert offer(OURS, before=again) == again


@given(st.binary(max_size=300))
def test_bytes_never_break_it(body):
    """Whatever comes is used, or refused in one way."""
    for use in (lambda: accept(OURS, body), lambda: answer(OURS, body, 1), lambda: offer(OURS, before=body)):
        with suppress(BadDescription):
            assert use()


PIECES = st.sampled_from(
    [
        *("m=audio 6000 RTP/AVP 0 8 101", "m=audio 6000 RTP/AVP 0 0 00 -1 999 x", "m=audio 1/9 rtp/avp 96"),
        *("m=audio 5 RTP/AVP", "m=", "m=a b", "m=video 0 RTP/AVP 31", "m=audio \u0661 RTP/AVP 0", "v=", "\u0660="),
        *("m=audio \u00b2 RTP/AVP 0", "o=- 1 \u00b2", "a=ptime:\u00b2", "a=rtcp:\u00b2"),
        *("a=rtpmap:96 PCMA/8000", "a=rtpmap:0", "a=rtpmap:", "a=rtpmap:101 telephone-event/8000", "a=rtcp:x"),
        *("a=rtpmap:96 telephone-event/8000", "a=rtpmap:\u0660 PCMU/8000", "a=inactive", "a=sendonly", "a=recvonly"),
        *("a=ptime:999999999", "a=ptime:", "a=ptime:\u0662", "a=maxptime:1", "t=9 9", "t=x"),
        *("c=IN IP4 0.0.0.0", "c=IN IP4 192.0.2.5", "c=IN IP6 ::1", "c="),
        *("o=", "o=- 1 x", "o=- 1 9", "o=- 1 99999999999999999999999 IN"),
    ]
)


@given(st.lists(PIECES, max_size=12))
def test_odd_lines_never_break_it(lines):
    """What is answered is a description that the other side can use, with as many lines as were offered."""
    body = sdp(*lines)
    try:
        said, agreed = answer(OURS, body, 1)
    except BadDescription:
        return
    assert 0 < agreed.port < 65_536
    assert 10 <= agreed.ptime_ms <= 60
    assert agreed.ptime_ms % 10 == 0
    assert len(read(said).media) == len(read(body).media)
    there = accept(LocalMedia(host="192.0.2.2", port=1), said)
    assert (there.codec, there.payload, there.dtmf_payload) == (agreed.codec, agreed.payload, agreed.dtmf_payload)
    assert (there.sends, there.receives) == (agreed.receives, agreed.sends)
