"""Numbers as trunks want them, and their URIs."""

import pytest
from dialerd_sip.numbers import escaped, host_of, request_uri, user_of, written
from dialerd_sip.options import SipOptions
from hypothesis import given
from hypothesis import strategies as st


def trunk(**options):
    """Return options of a trunk."""
    return SipOptions(server="sip.example.com", **options)


@pytest.mark.parametrize(
    ("number_format", "uk", "us"),
    [
        ("e164", "+447111000001", "+12125550100"),
        ("e164_plain", "447111000001", "12125550100"),
        ("international", "00447111000001", "0012125550100"),
        ("national", "07111000001", "2125550100"),
    ],
)
def test_formats(number_format, uk, us):
    """Each, of a country with a national prefix and of one without."""
    assert written("+447111000001", number_format) == uk
    assert written("+12125550100", number_format) == us
    assert user_of("+447111000001", trunk(number_format=number_format, number_prefix="9*")) == "9*" + uk


def test_what_has_no_national_form_stays():
    """Such as a number that phonenumbers cannot read."""
    assert written("+0", "national") == "+0"


def test_request_uris():
    """With the port and the parameters, and with what must be escaped."""
    assert request_uri("+447111000001", "192.0.2.1:5070", trunk()) == "sip:+447111000001@192.0.2.1:5070"
    uri = request_uri("9#12125550100", "[2001:db8::1]", trunk(uri_parameters=";user=phone"))
    assert uri == "sip:9%2312125550100@[2001:db8::1];user=phone"


def test_hosts_of_servers():
    """Without the port; IPv6 keeps its brackets."""
    assert host_of("sip.example.com:5070") == "sip.example.com"
    assert host_of("[2001:db8::1]:5070") == "[2001:db8::1]"


@given(st.text(max_size=20))
def test_escaped_users_end_nowhere(text):
    """Nothing in a user part begins another part of the URI or of the header."""
    assert not set('@:#<>"\\ \r\n%') & set(escaped(text).replace("%", "", escaped(text).count("%")))
