"""Who calls: the headers of an INVITE by options, that nothing breaks out of them, and signatures."""

import pytest
import trio
from dialerd_sip.core.uri import NameAddr
from dialerd_sip.identity import addresses_of, identity_of, signed
from dialerd_sip.options import Identity, SipOptions
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.call import UNFIT_CALL
from dialerd.model.settings import AgentSettings
from dialerd.model.states import AtFault
from dialerd.plugin.provider import CallOrder, NotPlaced, TrunkSite
from dialerd.plugin.signing import SigningRequest

ID = "01920000-0000-7000-8000-000000000001"


def trunk(**options):
    """Return options of a trunk."""
    return SipOptions(server="sip.example.com:5070", **options)


def order(**facts):
    """Return a call."""
    return CallOrder(
        attempt_id=ID,
        trunk="main",
        number="+447111000001",
        caller_id="+12125550100",
        agent_name="a",
        agent=AgentSettings(play="a.wav"),
        **facts,
    )


def test_an_ordinary_call():
    """The caller id in From, and nothing else said."""
    found = identity_of(trunk(), order())
    assert found.from_ == "<sip:+12125550100@sip.example.com>"
    assert found.to == "<sip:+447111000001@sip.example.com>"
    assert found.user == "+447111000001"
    assert found.headers == ()


def test_the_trunks_way_of_writing():
    """Numbers, domain, display name, parameters."""
    options = trunk(
        number_format="e164_plain", from_domain="pbx.test", from_display='Acme "Inc"\\', uri_parameters="user=phone"
    )
    found = identity_of(options, order())
    assert found.from_ == '"Acme \\"Inc\\"\\\\" <sip:12125550100@pbx.test>'
    assert NameAddr.parse(found.from_).display == 'Acme "Inc"\\'
    assert found.to == "<sip:447111000001@sip.example.com;user=phone>"


@pytest.mark.parametrize(
    ("options", "from_", "asserted"),
    [
        ({"identity": Identity.BOTH}, "<sip:+12125550100@sip.example.com>", True),
        ({"identity": Identity.BOTH, "from_user": "acct 1"}, "<sip:acct%201@sip.example.com>", True),
        ({"identity": Identity.ASSERTED}, '"Anonymous" <sip:anonymous@anonymous.invalid>', True),
        ({"identity": Identity.ASSERTED, "from_user": "acct"}, "<sip:acct@sip.example.com>", True),
        ({"from_user": "acct"}, "<sip:acct@sip.example.com>", False),
        ({"privacy": True}, '"Anonymous" <sip:anonymous@anonymous.invalid>', True),
        ({"privacy": True, "from_user": "acct"}, '"Anonymous" <sip:anonymous@anonymous.invalid>', True),
    ],
)
def test_where_the_caller_id_stands(options, from_, asserted):
    """RFC 3323 and RFC 3325: the trunk knows it, the called person need not."""
    found = identity_of(trunk(**options), order())
    assert found.from_ == from_
    headers = dict(found.headers)
    assert headers.get("P-Asserted-Identity") == ("<sip:+12125550100@sip.example.com>" if asserted else None)
    assert headers.get("Privacy") == ("id" if options.get("privacy") else None)
    assert addresses_of(trunk(**options), "+447111000001", "+12125550100").from_ == from_


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("+14155550100", "<sip:+14155550100@sip.example.com>;reason=unconditional"),
        ("sip:desk@pbx.test", "<sip:desk@pbx.test>;reason=unconditional"),
        ("x> Evil: y", "<sip:x%3E%20Evil%3A%20y@sip.example.com>;reason=unconditional"),
    ],
)
def test_diversion(target, value):
    """RFC 5806, of a number and of a URI."""
    found = dict(identity_of(trunk(diversion=target), order()).headers)["Diversion"]
    assert found == value


def test_own_headers():
    """With places for what is known of the call; in their order, after ours; an empty one is left out."""
    options = trunk(privacy=True, headers={"X-Call": "{call_id}/{campaign}", "X-Name": "{name}", "X-None": "{none}"})
    facts = {"name": "Ann\r\nRoute: <sip:evil.test>\x00\x85", "none": ""}
    headers = identity_of(options, order(variables=facts, campaign="may")).headers
    assert headers[-2:] == (("X-Call", f"{ID}/may"), ("X-Name", "Ann Route: <sip:evil.test>"))
    assert len(headers) == 4


@pytest.mark.parametrize(("value", "code"), [("{gone}", UNFIT_CALL), ("{", "headers")])
def test_headers_that_cannot_be_filled(value, code):
    """The call is ours to mend; whose variable it is, only this call waits."""
    with pytest.raises(NotPlaced) as error:
        identity_of(trunk(headers={"X-A": value}), order())
    assert error.value.cause.fault is AtFault.US
    assert error.value.cause.code == code


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30), st.text(max_size=30))
def test_no_header_ever_has_a_line_break(plain, text):
    """Whatever the settings and the recipients say."""
    options = trunk(
        from_display=plain, from_user=plain, diversion=plain, identity=Identity.BOTH, headers={"X-A": "a{name}"}
    )
    found = identity_of(options, order(variables={"name": text}))
    for value in (found.from_, found.to, *(value for _, value in found.headers)):
        assert len(value.splitlines()) == 1
        assert "\x00" not in value
    assert NameAddr.parse(found.from_).uri.endswith("@sip.example.com")


async def test_nobody_signs():
    """Neither where no plugin does, nor where it leaves this call unsigned."""

    async def unsigned(_request):
        return None

    assert await signed(TrunkSite(name="main"), order()) == ()
    assert await signed(TrunkSite(name="main", sign=unsigned), order()) == ()


async def test_a_signed_call():
    """The signer is told what it vouches for; Date is the instant of the signature (RFC 8224, section 4.1)."""
    asked = []

    async def sign(request):
        asked.append(request)
        return " eyJ.a.b;info=<https://cert.example.com/c>;alg=ES256;ppt=shaken "

    headers = await signed(TrunkSite(name="main", sign=sign), order(), now=lambda: 1_700_000_000_000)
    assert headers == (
        ("Date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("Identity", "eyJ.a.b;info=<https://cert.example.com/c>;alg=ES256;ppt=shaken"),
    )
    assert asked == [
        SigningRequest(
            attempt_id=ID,
            trunk="main",
            caller_id="+12125550100",
            number="+447111000001",
            issued_at=1_700_000_000_000,
        )
    ]


@pytest.mark.parametrize("given_", ["", "a\r\nX: y", "ä", 5, ValueError("key 123"), trio.sleep_forever])
async def test_a_signer_that_fails_holds_the_call(given_, autojump_clock):
    """Ours to mend, and the key is not told."""

    async def sign(_request):
        if isinstance(given_, Exception):
            raise given_
        return await given_() if callable(given_) else given_

    with pytest.raises(NotPlaced) as error:
        await signed(TrunkSite(name="main", sign=sign), order())
    assert error.value.cause.fault is AtFault.US
    assert error.value.cause.code == "sign"
    assert "123" not in error.value.cause.detail
