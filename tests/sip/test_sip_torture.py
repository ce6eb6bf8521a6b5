"""RFC 4475: what becomes of each of its messages, as the parser and what is refused at once decide it together."""

from collections.abc import Callable

import pytest
from dialerd_sip.core.headers import addresses, content_type, max_forwards, reasons, retry_after
from dialerd_sip.core.message import BadMessage, Request, Response, parse_message
from dialerd_sip.core.refusing import answer_to, dropped, refusal
from dialerd_sip.core.uri import Uri
from dialerd_sip.core.via import Via
from torture_invalid import INVALID
from torture_meaning import MEANING
from torture_valid import VALID

MESSAGES = VALID | INVALID | MEANING
TAKEN, DROPPED = "taken", "dropped"

# Section and name, and what must happen: it is taken, it is dropped without an answer, or answered with a status.
# Where RFC 4475 leaves a choice the row says what this program chose. REGISTER and MESSAGE are well formed, and methods
# that are known and not spoken here: 405.
TABLE: dict[str, str | int] = {
    "3.1.1.1 wsinv": TAKEN,
    "3.1.1.2 intmeth": 501,
    "3.1.1.3 esc01": TAKEN,
    "3.1.1.4 escnull": 405,
    "3.1.1.5 esc02": 501,
    "3.1.1.6 lwsdisp": TAKEN,
    "3.1.1.7 longreq": TAKEN,
    "3.1.1.8 dblreq": 405,
    "3.1.1.9 semiuri": TAKEN,
    "3.1.1.10 transports": TAKEN,
    "3.1.1.11 mpart01": 405,
    "3.1.1.12 unreason": TAKEN,
    "3.1.1.13 noreason": TAKEN,
    "3.1.2.1 badinv01": 400,
    "3.1.2.2 clerr": 400,
    "3.1.2.3 ncl": 400,
    "3.1.2.4 scalar02": 400,
    "3.1.2.5 scalarlg": DROPPED,
    "3.1.2.6 quotbal": 400,
    "3.1.2.7 ltgtruri": 400,
    "3.1.2.8 lwsruri": 400,
    "3.1.2.9 lwsstart": 400,
    "3.1.2.10 trws": TAKEN,  # or 400
    "3.1.2.11 escruri": 400,
    "3.1.2.12 baddate": TAKEN,  # or 400; nobody here reads Date
    "3.1.2.13 regbadct": 400,
    "3.1.2.14 badaspec": TAKEN,  # or 400
    "3.1.2.15 baddn": 400,
    "3.1.2.16 badvers": 505,
    "3.1.2.17 mismatch01": 400,
    "3.1.2.18 mismatch02": 501,  # or 400
    "3.1.2.19 bigcode": DROPPED,
    "3.2.1 badbranch": TAKEN,
    "3.3.1 insuf": 400,
    "3.3.2 unkscm": 416,
    "3.3.3 novelsc": 416,
    "3.3.4 unksm2": 405,
    "3.3.5 bext01": 420,
    "3.3.6 invut": 415,
    "3.3.7 regaut01": 405,
    "3.3.8 multi01": 400,
    "3.3.9 mcl01": 400,
    "3.3.10 bcast": DROPPED,
    "3.3.11 zeromf": TAKEN,
    "3.3.12 cparam01": 405,
    "3.3.13 cparam02": 405,
    "3.3.14 regescrt": 405,
    "3.3.15 sdp01": 406,
    "3.4.1 inv2543": TAKEN,
}


def read(name: str) -> Request | Response:
    """Return a message that the parser must take."""
    return parse_message(MESSAGES[name])


def request(name: str) -> Request:
    """Return a request that the parser must take."""
    message = read(name)
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    """Return an answer that the parser must take."""
    message = read(name)
    assert isinstance(message, Response)
    return message


def outcome(data: bytes) -> tuple[str | int, Response | None]:
    """Return what happens to a message, and the answer to it."""
    try:
        message = parse_message(data)
    except BadMessage as bad:
        answer = answer_to(bad)
        return (DROPPED, None) if answer is None else (answer.status, answer)
    if isinstance(message, Response):
        return (DROPPED if dropped(message) else TAKEN), None
    answer = refusal(message)
    return (TAKEN, None) if answer is None else (answer.status, answer)


@pytest.mark.parametrize("name", TABLE)
def test_each_message_is_taken_dropped_or_answered(name: str) -> None:
    """Each message meets the fate that the RFC wants for it, and what is answered can be sent and read."""
    fate, answer = outcome(MESSAGES[name])
    assert fate == TABLE[name]
    if answer is not None:
        again = parse_message(answer.to_bytes())
        assert isinstance(again, Response)
        assert again.all("Via") == answer.all("Via") != []


def test_the_table_is_whole() -> None:
    """All 49 messages stand in the table."""
    assert list(TABLE) == list(MESSAGES)
    assert len(TABLE) == 49


@pytest.mark.parametrize("name", [name for name in TABLE if name.startswith("3.1.1")])
def test_valid_messages_are_read_and_written_again(name: str) -> None:
    """What was read of a valid message is the same after it was written and read once more."""
    message = read(name)
    again = parse_message(message.to_bytes())
    assert [pair for pair in again.pairs if pair[0] != "Content-Length"] == [
        pair for pair in message.pairs if pair[0] != "Content-Length"
    ]
    assert (again.start_line(), again.body) == (message.start_line(), message.body)
    assert (again.via, again.cseq, again.from_, again.to) == (message.via, message.cseq, message.from_, message.to)


def check_wsinv() -> None:
    message = request("3.1.1.1 wsinv")
    assert (message.method, message.cseq.number, message.cseq.method) == ("INVITE", 9, "INVITE")
    assert Uri.parse(message.uri).params == {"unknownparam": None}
    assert (message.to.uri, message.to.params) == ("sip:vivekg@chair-dnrc.example.com", {"tag": "1918181833n"})
    assert (message.from_.display, message.from_.uri) == ('J Rosenberg \\"', "sip:jdrosen@example.com")
    assert (message.from_tag, message.to_tag) == ("98asjd8", "1918181833n")
    assert max_forwards(message) == 68
    assert message.call_id == "wsinv.ndaksdj@192.0.2.1"
    assert (message.via.transport, message.via.host, message.branch) == ("UDP", "192.0.2.2", "390skdjuw")
    assert not message.via.unique
    assert [(via.transport, via.host, via.branch) for via in map(Via.parse, message.values("Via")[1:])] == [
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.first("Subject") == ""
    assert message.first("newfangledheader") == "newfangled value continued newfangled value"
    assert message.first("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (route,) = addresses(message, "Route")
    assert Uri.parse(route.uri).loose
    assert message.contact is not None
    assert message.contact.display == 'Quoted string ""'
    assert message.contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert len(message.body) == 150


def check_intmeth() -> None:
    message = request("3.1.1.2 intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~" == message.cseq.method
    uri = Uri.parse(message.uri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert (uri.host, str(uri)) == ("example.com", message.uri)
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params == {"fromparam''~+*_!.-%": "работающий", "tag": "_token~1'+`*%!-."}
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.branch == "z9hG4bK-.!%66*_+`'~"
    assert message.first("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def check_esc01() -> None:
    message = request("3.1.1.3 esc01")
    uri = Uri.parse(message.uri)
    assert (uri.scheme, uri.user, uri.host) == ("sip", "sips%3Auser%40example.com", "example.net")
    assert message.contact is not None
    contact = Uri.parse(message.contact.uri)
    assert contact.params == {"%6c%72": None, "n%61me": "v%61lue%25%34%31"}
    kind = content_type(message)
    assert kind is not None
    assert kind.media == "application/sdp"


def check_escnull() -> None:
    message = request("3.1.1.4 escnull")
    assert [Uri.parse(each.uri).user for each in addresses(message, "Contact")] == ["%00", "%00%00"]
    assert Uri.parse(message.to.uri).user == "null-%00-null"


def check_esc02() -> None:
    message = request("3.1.1.5 esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display == "%Z%45"
    assert len(addresses(message, "Contact")) == 2
    assert message.first("c%6fntact") == "<sip:alias2@host2.example.com>"


def check_lwsdisp() -> None:
    message = request("3.1.1.6 lwsdisp")
    assert (message.from_.display, message.from_.uri, message.from_tag) == ("caller", "sip:caller@example.com", "323")


def check_longreq() -> None:
    message = request("3.1.1.7 longreq")
    assert len(message.values("Via")) == 34
    assert (message.via.host, message.branch, message.via.unique) == ("sip33.example.com", None, False)
    assert message.from_tag == "12" + 50 * "982" + "424"
    assert message.to.display == "I have a user name of " + 10 * "extreme" + " proportion"
    uri = Uri.parse(message.to.uri)
    assert (uri.port, len(uri.params)) == (6000, 3)


def check_dblreq() -> None:
    message = request("3.1.1.8 dblreq")
    assert (message.method, message.body) == ("REGISTER", b"")
    assert message.call_id == "dblreq.0ha0isndaksdj99sdfafnl3lk233412"


def check_semiuri() -> None:
    message = request("3.1.1.9 semiuri")
    uri = Uri.parse(message.uri)
    assert (uri.user, uri.host, uri.params) == ("user;par=u%40example.net", "example.com", {})
    assert len(message.values("Accept")) == 6


def check_transports() -> None:
    message = request("3.1.1.10 transports")
    kinds = [value.split("/")[2].split()[0] for value in message.values("Via")]
    assert kinds == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def check_mpart01() -> None:
    message = request("3.1.1.11 mpart01")
    assert len(message.body) == 553
    assert b"\0" in message.body
    kind = content_type(message)
    assert kind is not None
    assert (kind.media, kind.params) == ("multipart/mixed", {"boundary": "7a9cbec02ceef655"})
    assert message.via.params["rport"] is None


def check_unreason() -> None:
    message = response("3.1.1.12 unreason")
    assert (message.status, message.phrase) == (200, "= 2**3 * 5**2 но сто девяносто девять - простое")


def check_noreason() -> None:
    message = response("3.1.1.13 noreason")
    assert (message.status, message.phrase) == (100, "")


CHECKS: list[Callable[[], None]] = [
    check_wsinv,
    check_intmeth,
    check_esc01,
    check_escnull,
    check_esc02,
    check_lwsdisp,
    check_longreq,
    check_dblreq,
    check_semiuri,
    check_transports,
    check_mpart01,
    check_unreason,
    check_noreason,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_values_of_valid_messages(check: Callable[[], None]) -> None:
    """Each valid message says what the RFC says that it says."""
    check()


def test_bad_extension_names_what_is_not_supported() -> None:
    """A 420 lists what Require asks for, not what it asks of proxies (RFC 4475 section 3.3.5)."""
    _, answer = outcome(MESSAGES["3.3.5 bext01"])
    assert answer is not None
    assert answer.values("Unsupported") == ["nothingSupportsThis", "nothingSupportsThisEither"]


def test_unknown_body_and_method_name_what_is_known() -> None:
    """A 415 has Accept, a 501 and a 405 have Allow (RFC 4475 sections 3.3.6 and 3.1.1.2)."""
    for name, header in (("3.3.6 invut", "Accept"), ("3.1.1.2 intmeth", "Allow"), ("3.1.1.4 escnull", "Allow")):
        _, answer = outcome(MESSAGES[name])
        assert answer is not None
        assert {"application/sdp", "INVITE"} & set(answer.values(header))


def test_values_that_stand_twice_are_what_is_refused() -> None:
    """The message with two of everything is refused for that, not for its length alone (RFC 4475 section 3.3.8)."""
    data = MESSAGES["3.3.8 multi01"].replace(b"l: 154", b"l: 152")
    twice = parse_message(data)
    for read_one in (lambda: twice.cseq, lambda: twice.call_id, lambda: twice.from_, lambda: twice.to):
        with pytest.raises(BadMessage, match="twice"):
            read_one()
    assert outcome(data)[0] == 400


def test_numbers_beyond_all_bounds_do_no_harm() -> None:
    """Retry-After is capped, a Warning of four digits is left out, CSeq is refused (RFC 4475 section 3.1.2.5)."""
    message = response("3.1.2.5 scalarlg")
    waiting = retry_after(message)
    assert waiting is not None
    assert waiting.seconds == 2**31 - 1
    assert reasons(message) == ()
    with pytest.raises(BadMessage):
        _ = message.cseq


def test_parameters_of_headers_and_uris_are_told_apart() -> None:
    """Without brackets a parameter is the header's, within it is the URI's (RFC 4475 sections 3.3.12 to 3.3.14)."""
    outside, within, escaped = (request(name).contact for name in TABLE if name.split()[0] in CONTACTS)
    assert outside is not None
    assert within is not None
    assert escaped is not None
    assert outside.params == {"unknownparam": None} == Uri.parse(within.uri).params
    assert (within.params, Uri.parse(outside.uri).params) == ({}, {})
    assert Uri.parse(escaped.uri).headers == "Route=%3Csip:sip.example.com%3E"


CONTACTS = ("3.3.12", "3.3.13", "3.3.14")


def test_a_branch_that_is_a_cookie_alone_is_not_unique() -> None:
    """A branch without anything behind the cookie identifies nothing (RFC 4475 section 3.2.1)."""
    assert not request("3.2.1 badbranch").via.unique
    assert request("3.1.1.10 transports").via.unique


def test_a_request_of_rfc_2543_is_whole() -> None:
    """What RFC 2543 did without is not missed (RFC 4475 section 3.4.1)."""
    message = request("3.4.1 inv2543")
    assert (message.from_tag, message.branch, max_forwards(message)) == (None, None, None)
    assert len(message.body) == 105
