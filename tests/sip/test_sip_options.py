"""The options of a SIP trunk: what is wrong with them is told, by name and with what to do, before anything runs."""

import pytest
from dialerd_sip.core.flow import Transport
from dialerd_sip.core.sdp import Codec
from dialerd_sip.options import SipOptions

from dialerd.model.errors import InvalidInput
from dialerd.model.structuring import structure


def read(**options):
    """Return options as settings have them."""
    return structure({"server": "sip.example.com"} | options, SipOptions, path="trunks.main.options")


def faults(**options) -> dict[str, str]:
    """Return what is told of options, by place."""
    with pytest.raises(InvalidInput) as told:
        read(**options)
    return {fault.path: fault.message for fault in told.value.faults}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("server", "sip:sip.example.com", "must be a host"),
        ("server", "sip.example.com:0", "must be a host"),
        ("server", "2001:db8::1", "must be a host"),
        ("server", "[2001:db8::g]:5060", "must be a host"),
        ("server", "[1:2]", "must be an IP address"),
        ("server", "", "must be a host"),
        ("transport", "sctp", "udp"),
        ("bind", "5060", "must be an IP address"),
        ("bind", "sip.example.com:5060", "must be an IP address"),
        ("bind", "0.0.0.0:65536", "must be an IP address"),
        ("outbound_proxy", "proxy example", "must be a host"),
        ("public_address", "sip.example.com", "must be an IP address"),
        ("public_address", "192.0.2.1:5060", "must be an IP address"),
        ("media_address", "here", "must be an IP address"),
        ("password_file", "secret", "must be an absolute path"),
        ("register_expires", "10s", "between 1m and 1d"),
        ("from_domain", "a b", "must be a host"),
        ("from_user", "", "must not be empty"),
        ("from_display", "a\nb", "control characters"),
        ("identity", "paid", "from"),
        ("diversion", "a\r\nb", "control characters"),
        ("headers", {"Via": "x"}, "dialerd's own"),
        ("headers", {"X Y": "x"}, "no name of a header"),
        ("headers", {"X-Y": ""}, "empty"),
        ("number_format", "e.164", "e164_plain"),
        ("number_prefix", "+44", "number_prefix"),
        ("rtp_ports", "20000", "must be a range of ports"),
        ("rtp_ports", "30000-20000", "must be a range of ports"),
        ("rtp_ports", "80-90", "must be a range of ports"),
        ("codecs", [], "codecs"),
        ("codecs", ["G729"], "PCMU"),
        ("codecs", ["PCMU", "PCMU"], "twice"),
        ("ptime", "25ms", "ptime"),
        ("early_media", "play", "hear"),
        ("symmetric_rtp", "yes", "auto"),
        ("redirects", "some", "refuse"),
        ("session_expires", "60s", "between 90 and"),
        ("options_interval", "11m", "must be 0"),
        ("answer_timeout", "10s", "answer_timeout"),
        ("retry_after_most", "1h", "retry_after_most"),
        ("speech_command", [], "must begin with a program"),
        ("speech_command", ["espeak-ng", "{text}"], "standard input"),
        ("cache", "cache", "must be an absolute path"),
        ("sounds", "sounds", "must be an absolute path"),
        ("record", "calls", "must be an absolute path"),
        ("silence_timeout", "2h", "silence_timeout"),
        ("tls_ca", "ca.pem", "must be an absolute path"),
        ("tls_certificate", "/a.pem", "go together"),
        ("tls_key", "/a.key", "go together"),
        ("username", "ann", "go together"),
        ("username", "a\r\nb", "control characters"),
        ("realm", "a\r\nb", "control characters"),
        ("password", "secret", "go together"),
        ("register", True, "needs username"),
        ("public_address", "2001:db8::1", "family"),
        ("media_address", "2001:db8::1", "family"),
        ("server", "[2001:db8::1]", "family"),
        ("outbound_proxy", "[2001:db8::1]", "family"),
        ("uri_parameters", "user=phone>", "uri_parameters"),
        ("uri_parameters", "a b", "uri_parameters"),
        ("rtp_ports", "20001-20002", "rtp_ports"),
    ],
)
def test_what_is_wrong_is_told(option, value, words):
    """Each names its option, or says which two do not go together."""
    found = faults(**{option: value})
    assert len(found) == 1, found
    ((path, message),) = found.items()
    assert words in f"{path} {message}"
    assert path.startswith("trunks.main.options")


def test_all_of_it_is_read():
    """The plain way of writing everything."""
    options = read(transport="tls", bind="[::]:5061", codecs=["PCMA"], server="[2001:db8::1]:5061", ptime="30ms")
    assert options.transport is Transport.TLS
    assert options.codecs == (Codec.PCMA,)
    assert options.ptime == 30
