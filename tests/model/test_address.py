"""Where to listen, as settings write it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.address import TcpAddress, read_address


@pytest.mark.parametrize(
    ("text", "host", "port", "local"),
    [
        ("127.0.0.1:8095", "127.0.0.1", 8095, True),
        ("127.8.8.8:1", "127.8.8.8", 1, True),
        ("[::1]:65535", "::1", 65535, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::]:80", "::", 80, False),
        ("[2001:db8::1]:080", "2001:db8::1", 80, False),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80, False),
        ("127.0.0.1:0", "127.0.0.1", 0, True),
    ],
)
def test_addresses(text, host, port, local):
    """An address and a port, IPv6 in brackets."""
    address = read_address(text)
    assert address == TcpAddress(host=host, port=port)
    assert address.local is local


@pytest.mark.parametrize("text", ["/run/dialerd/callbacks.sock", "./callbacks.sock", "run/127.0.0.1:80"])
def test_paths(text):
    """What has a slash in it."""
    assert read_address(text) == Path(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be"),
        ("8095", "must be"),
        (":8095", "must be"),
        ("callbacks.sock", "must be"),
        ("::1:8095", "brackets"),
        ("[::1]", "brackets"),
        ("[::1", "brackets"),
        ("localhost:8095", "no name"),
        ("[127.0.0.1]:8095", "no name"),
        ("127.0.0.01:8095", "no name"),
        ("127.1:8095", "no name"),
        ("127.0.0.1:", "port"),
        ("127.0.0.1:http", "port"),
        ("127.0.0.1:65536", "port"),
        ("127.0.0.1:-1", "port"),
        ("127.0.0.1:8_095", "port"),
        ("127.0.0.1: 8095", "port"),
        ("127.0.0.1:٨٠", "port"),
        ("127.0.0.1:000008095", "port"),
    ],
)
def test_what_is_neither(text, said):
    """The message says what to write."""
    with pytest.raises(ValueError, match=said):
        read_address(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_read_as_it_is_written(ip, port):
    """What an address says of itself leads back to it."""
    address = TcpAddress(host=str(ip), port=port)
    assert read_address(str(address)) == address


@given(st.text(alphabet="[]:.%0123456789abcdef٣ x", max_size=30))
def test_anything_is_read_or_refused(text):
    """Nothing else is raised, and what is read can be written."""
    try:
        address = read_address(text)
    except ValueError as error:
        said = str(error)
    else:
        said = f"must {address.local}"
        assert read_address(str(address)) == address
    assert said.startswith("must ")
