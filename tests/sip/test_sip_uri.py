"""URIs and addresses."""

import pytest
from dialerd_sip.core.message import BadMessage
from dialerd_sip.core.uri import NameAddr, Uri
from hypothesis import given
from hypothesis import strategies as st

TOKENS = st.from_regex(r"[a-z0-9\-.!%*_+`'~]{1,8}", fullmatch=True)
PARAMS = st.dictionaries(TOKENS, st.none() | TOKENS, max_size=3)
URIS = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.none() | st.from_regex(r"[a-zA-Z0-9\-_.!~*'()&=+$,;?/%]{1,12}", fullmatch=True),
    host=st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]"]),
    port=st.none() | st.integers(0, 65535),
    params=PARAMS,
    headers=st.none() | st.just("Route=%3Csip:a%3E&b=c"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:example.com", Uri(scheme="sip", host="example.com")),
        ("SIPS:a@EXAMPLE.com:5061", Uri(scheme="sips", user="a", host="EXAMPLE.com", port=5061)),
        ("sip:[2001:db8::9]:5070;lr", Uri(scheme="sip", host="[2001:db8::9]", port=5070, params={"lr": None})),
        ("sip:+12125550100;phone-context=+1@192.0.2.1;user=phone", None),
        ("sip:alice:secret@example.com", Uri(scheme="sip", user="alice", password="secret", host="example.com")),
        ("sip:a%40b@example.com?Subject=x", Uri(scheme="sip", user="a%40b", host="example.com", headers="Subject=x")),
        ("tel:+12125550100;phone-context=example.com", None),
        ("tel:+1-212-555-0100", Uri(scheme="tel", user="+1-212-555-0100")),
        ("urn:service:sos", Uri(scheme="urn", user="service:sos")),
    ],
)
def test_uris_are_read(text: str, expected: Uri | None) -> None:
    """URIs of known and unknown schemes are taken apart."""
    uri = Uri.parse(text)
    assert uri == expected if expected is not None else str(uri) == text


def test_parameters_of_a_phone_number_are_the_users() -> None:
    """What stands before the @ is the user part, semicolons included."""
    uri = Uri.parse("sip:+12125550100;phone-context=+1@192.0.2.1;user=phone;LR")
    assert (uri.user, uri.params, uri.loose) == (
        "+12125550100;phone-context=+1",
        {"user": "phone", "lr": None},
        True,
    )
    assert Uri.parse("tel:+12125550100;phone-context=example.com").params == {"phone-context": "example.com"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":a",
        "1sip:a",
        "sip:a b@c",
        "sip:<a>",
        "sip:@a",
        "sip:a@",
        "sip:a@b:99999",
        "sip:a@[::1",
        "sip:a@b:x",
        "sip:a\n@b",
        "sip:a@b\x00",
        'sip:"a"@b',
        "sip:a@b c",
        "sip:a@b:123456789012345678901234567890",
        "sip:a@b;;c",
        "sip:a@b@c",
        "sip:example.com:;lr",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    """What cannot be a URI raises BadMessage."""
    with pytest.raises(BadMessage):
        Uri.parse(text)


@given(URIS)
def test_uris_are_written_as_they_are_read(uri: Uri) -> None:
    """Reading what was written gives the same URI."""
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@b>;tag=x", None, "sip:a@b", {"tag": "x"}),
        ("sip:a@b;tag=x;y", None, "sip:a@b", {"tag": "x", "y": None}),
        ("sip:a@b ; TAG = x", None, "sip:a@b", {"tag": "x"}),
        ('"Doe, \\"J\\" <x>" <sip:a@b;c=d>;e="f;g"', 'Doe, "J" <x>', "sip:a@b;c=d", {"e": "f;g"}),
        ('""<sip:a@b>', None, "sip:a@b", {}),
        ("Bob<sip:a@b>", "Bob", "sip:a@b", {}),
        ("T. Watson (home) < sip:a@b > ;tag=1;", "T. Watson (home)", "sip:a@b", {"tag": "1"}),
        ("<sip:a@b?Replaces=c%3Bd>", None, "sip:a@b?Replaces=c%3Bd", {}),
        ("<tel:+12125550100>;tag=1", None, "tel:+12125550100", {"tag": "1"}),
        ("*", None, "*", {}),
        ("Ünïcode <sip:a@b>", "Ünïcode", "sip:a@b", {}),
    ],
)
def test_addresses_are_read(text: str, display: str | None, uri: str, params: dict[str, str | None]) -> None:
    """Display names, brackets and parameters are told apart."""
    address = NameAddr.parse(text)
    assert (address.display, address.uri, dict(address.params)) == (display, uri, params)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@b",
        '"x" sip:a@b',
        '"x <sip:a@b>',
        "a, b <sip:a@b>",
        "<sip:a@b>x",
        "sip:a@b?c",
        "sip:a,b@c",
        "<sip:a b>",
        "<sip:a@b>;;x",
        "<sip:a@b>;=x",
        ";tag=x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """What could be read in two ways, or in none, raises BadMessage."""
    with pytest.raises(BadMessage):
        NameAddr.parse(text)


@given(st.none() | st.text(st.characters(exclude_categories=["C"]), min_size=1), URIS.map(str), PARAMS)
def test_addresses_are_written_as_they_are_read(display: str | None, uri: str, params: dict[str, str | None]) -> None:
    """Reading what was written gives the same address, whatever the display name is."""
    address = NameAddr(display=display, uri=uri, params=params)
    again = NameAddr.parse(str(address))
    assert (again.display, again.uri, dict(again.params)) == (display, uri, params)


def test_display_names_are_quoted() -> None:
    """Quotes and backslashes are escaped when they are written."""
    address = NameAddr(display='a\\b "c" \\', uri="sip:a@b")
    assert str(address) == '"a\\\\b \\"c\\" \\\\" <sip:a@b>'
    assert NameAddr.parse(str(address)) == address
