"""Messages under fire: mutations raise nothing but BadMessage, what is written is read, another reader agrees."""

import contextlib
import random
from urllib.parse import unquote

import pytest
import sipmessage
from dialerd_sip.core import headers
from dialerd_sip.core.framing import Framer
from dialerd_sip.core.message import BadMessage, Request, Response, parse_message
from dialerd_sip.core.refusing import answer_to, dropped, refusal
from dialerd_sip.core.source import with_source
from dialerd_sip.core.uri import NameAddr, Uri
from dialerd_sip.core.via import Via
from hypothesis import given
from hypothesis import strategies as st
from torture_invalid import INVALID
from torture_meaning import MEANING
from torture_valid import VALID

MESSAGES = VALID | INVALID | MEANING
SEEDS = list(MESSAGES.values())
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b":",
    b";",
    b",",
    b'"',
    b"<",
    b">",
    b"\\",
    b"=",
    b" ",
    b"\xff",
    b"SIP/2.0",
    b"@",
]
TOKENS = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,10}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
VALUES = st.lists(WORDS, max_size=4).map(" ".join)
HEADERS = st.lists(st.tuples(TOKENS.map(lambda name: f"X-{name}") | st.sampled_from(["Subject", "Via", "k"]), VALUES))

# Every reader that there is; what it is asked may be refused, and that is all.
READERS = [
    lambda m: (m.via, m.via.unique, str(m.via)),
    lambda m: m.branch,
    lambda m: m.cseq,
    lambda m: m.call_id,
    lambda m: (m.from_, m.from_tag, str(m.from_)),
    lambda m: (m.to, m.to_tag),
    lambda m: m.contact and Uri.parse(m.contact.uri),
    lambda m: headers.addresses(m, "Contact"),
    lambda m: headers.addresses(m, "Record-Route"),
    headers.session_expires,
    headers.min_se,
    headers.max_forwards,
    headers.rseq,
    headers.content_type,
    headers.allowed,
    headers.reasons,
    headers.retry_after,
    lambda m: headers.challenges(m, "WWW-Authenticate"),
    lambda m: headers.option_tags(m, "Require"),
    lambda m: headers.seconds(m, "Expires"),
]


def use(data: bytes) -> None:
    """Do with bytes all that is ever done with them; only BadMessage may come out of a reader."""
    try:
        message = parse_message(data)
    except BadMessage as bad:
        answer = answer_to(bad)
        assert answer is None or answer.to_bytes()
        return
    for reader in READERS:
        with contextlib.suppress(BadMessage):
            reader(message)
    with contextlib.suppress(BadMessage):
        assert message.branch == message.via.branch
    with contextlib.suppress(BadMessage):
        assert (message.from_tag, message.to_tag) == (message.from_.tag, message.to.tag)
    assert parse_message(message.to_bytes()).pairs
    if isinstance(message, Response):
        dropped(message)
        return
    with_source(message, "192.0.2.1", 5060)
    try:
        answer = refusal(message)
    except BadMessage:
        assert message.method == "ACK"
        return
    Response.to_request(message, 200, "OK", to_tag="t").to_bytes()
    assert answer is None or answer.to_bytes()


def mutate(chance: random.Random, data: bytes) -> bytes:
    """Return a message with a few things wrong."""
    mutated = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(mutated) + 1)
        match chance.randrange(5):
            case 0:
                mutated[place:place] = chance.choice(PIECES)
            case 1:
                del mutated[place : place + chance.randint(1, 20)]
            case 2:
                mutated[place : place + 1] = bytes([chance.randrange(256)])
            case 3:
                other = chance.choice(SEEDS)
                start = chance.randrange(len(other))
                mutated[place:place] = other[start : start + chance.randint(1, 60)]
            case _:
                mutated[place:place] = mutated[place : place + 10] * chance.randint(1, 30)
    return bytes(mutated)


def test_mutated_messages_raise_nothing_else() -> None:
    """Mutations of the torture messages are read or refused."""
    chance = random.Random(4475)
    for _ in range(10_000):
        use(mutate(chance, chance.choice(SEEDS)))


@pytest.mark.soak
def test_many_mutated_messages_raise_nothing_else() -> None:
    """The same, 300,000 times."""
    chance = random.Random(3261)
    for _ in range(300_000):
        use(mutate(chance, chance.choice(SEEDS)))


def test_mutated_streams_raise_nothing_else() -> None:
    """Mutated streams in pieces are framed or given up."""
    chance = random.Random(183)
    for _ in range(1000):
        framer = Framer(longest=4096)
        stream = mutate(chance, b"".join(chance.choices(SEEDS, k=3)))
        try:
            for start in range(0, len(stream), 500):
                for data in framer.feed(stream[start : start + 500]):
                    assert len(data) <= 4096
                    use(data)
        except BadMessage:
            continue


@given(st.binary(max_size=200), st.sampled_from([b"", b"SIP/2.0 200 OK\r\n", b"BYE sip:a SIP/2.0\r\nVia: "]))
def test_any_bytes_raise_nothing_else(data: bytes, start: bytes) -> None:
    """Any bytes are read or refused."""
    use(start + data + b"\r\n\r\n")


@pytest.mark.parametrize(
    "value",
    [
        '"' * 60_000,
        "<" * 60_000,
        '"\\' * 30_000,
        ";" * 60_000,
        "," * 60_000,
        "a " * 30_000,
        "<>" * 30_000,
        '"a" ' * 15_000,
        "\\" * 60_000,
        "a=b;" * 15_000,
        "9" * 60_000,
        "[" * 60_000,
        "(" * 60_000,
        "a, " * 20_000,
    ],
    ids=lambda value: value[:4],
)
def test_no_value_takes_long(value: str) -> None:
    """Long values of one kind are read in a time that grows with their length, not with its square."""
    names = ["Via", "CSeq", "From", "To", "Contact", "Reason", "Warning", "Retry-After", "Content-Type", "Expires"]
    for name in [*names, "WWW-Authenticate", "RAck", "Session-Expires", "Require", "Max-Forwards"]:
        use(b"BYE sip:a SIP/2.0\r\n" + f"{name}: {value}\r\nl: 0\r\n\r\n".encode())
    for parse in (Uri.parse, NameAddr.parse):
        with contextlib.suppress(BadMessage):
            parse(f"sip:{value}>")


@given(TOKENS, HEADERS, st.binary(max_size=40))
def test_requests_are_written_as_they_are_read(method: str, pairs: list[tuple[str, str]], body: bytes) -> None:
    """Reading what was written gives the same request."""
    request = Request(method, "sip:a@example.com", pairs, body)
    again = parse_message(request.to_bytes())
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (method, "sip:a@example.com", body)
    assert again.pairs == [*request.pairs, ("Content-Length", str(len(body)))]


@given(st.integers(100, 699), VALUES, HEADERS, st.binary(max_size=40))
def test_answers_are_written_as_they_are_read(
    status: int, phrase: str, pairs: list[tuple[str, str]], body: bytes
) -> None:
    """Reading what was written gives the same answer."""
    response = Response(status, phrase, pairs, body)
    again = parse_message(response.to_bytes())
    assert isinstance(again, Response)
    assert (again.status, again.phrase, again.body) == (status, phrase, body)
    assert again.pairs == [*response.pairs, ("Content-Length", str(len(body)))]


TWICE = ("tag", "branch")


def plain(text: str | None) -> str | None:
    """Return a parameter as the other reader sees it: it takes escapes away that mean nothing there."""
    return None if text is None else unquote(text)


def agree(data: bytes) -> bool:
    """Return whether the other reader takes a message; where both do they must say the same."""
    if data.count(b"\n") != data.count(b"\r\n") or b" :" in data or b"\t:" in data:
        return False  # line ends and blanks that are let pass here and are taken for parts of values there
    try:
        theirs = sipmessage.Message.parse(data)
        their_values = (
            theirs.cseq.sequence,
            theirs.cseq.method,
            theirs.call_id,
            [(via.transport.upper(), via.host, via.port, via.parameters.get("branch")) for via in theirs.via],
            [
                (each.uri.scheme, each.uri.host, each.uri.port, each.parameters.get("tag"))
                for each in (theirs.from_address, theirs.to_address)
            ],
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return False
    try:
        ours = parse_message(data)
        our_values = (
            ours.cseq.number,
            ours.cseq.method,
            ours.call_id,
            [(via.transport, via.host, via.port, plain(via.branch)) for via in map(Via.parse, ours.values("Via"))],
            [
                (uri.scheme, uri.host, uri.port, plain(each.tag))
                for each in (ours.from_, ours.to)
                for uri in [Uri.parse(each.uri)]
            ],
        )
    except BadMessage:
        return False
    if any(text.lower().count(name) > 1 for line in ours.pairs for text in line[1].split(",") for name in TWICE):
        return False  # of a parameter that stands twice the first counts here, the last there
    assert our_values == their_values
    return True


def test_another_reader_reads_the_same() -> None:
    """What sipmessage reads of the torture messages, and of mutations of them, is what is read here."""
    agreed = [name for name, data in MESSAGES.items() if agree(data)]
    assert len(agreed) > 20, agreed
    chance = random.Random(8)
    assert sum(agree(mutate(chance, MESSAGES[chance.choice(agreed)])) for _ in range(2000)) > 150
