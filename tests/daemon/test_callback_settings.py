"""`[callbacks]`: what is refused, with what to write instead, and what is warned of."""

from pathlib import Path

import pytest

from dialerd.daemon.crosschecks import warnings
from dialerd.daemon.settings import load_settings
from dialerd.model.errors import InvalidInput
from dialerd.model.instants import SECOND
from dialerd.model.settings import CallbackSettings
from dialerd.plugin.host import PluginHost

HOST = PluginHost([], entry_points=False)
URL = "https://dialer.example.com"


def load(tmp_path: Path, **table: str | int):
    """Return the settings of a file with this table."""
    file = tmp_path / "dialerd.toml"
    file.write_text("[callbacks]\n" + "".join(f"{key} = {value!r}\n" for key, value in table.items()))
    return load_settings(file, host=HOST)


def faults(tmp_path: Path, **table: str | int) -> dict[str, str]:
    """Return messages by path of a file with this table."""
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, **table)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_nothing_is_configured_by_default(tmp_path):
    """Then nobody listens."""
    assert load(tmp_path).callbacks == CallbackSettings(max_connections=200, patience=10 * SECOND)


def test_both_or_none(tmp_path):
    """Each is missed where the other is, and not when it is there and wrong."""
    assert set(faults(tmp_path, listen="127.0.0.1:8095")) == {"callbacks.url"}
    assert set(faults(tmp_path, url=URL)) == {"callbacks.listen"}
    assert "must be given where listen is" in faults(tmp_path, listen="127.0.0.1:8095")["callbacks.url"]
    assert "must be given where url is" in faults(tmp_path, url=URL)["callbacks.listen"]
    assert set(faults(tmp_path, listen=8095, url=URL)) == {"callbacks.listen"}
    assert "text" in faults(tmp_path, listen=8095, url=URL)["callbacks.listen"]


@pytest.mark.parametrize("listen", ["127.0.0.1:8095", "[::1]:8095", "/run/dialerd/callbacks.sock"])
@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://dialer.example.com:8443",
        "https://www.example.com/dialer",
        "https://www.example.com/a%20b",
        "https://192.0.2.1",
        "https://[2001:db8::1]:443/x",
        "http://localhost:8095",
        "http://127.0.0.1:8095",
        "http://[::1]:8095",
    ],
)
def test_what_is_taken(tmp_path, listen, url):
    """Without a word."""
    settings = load(tmp_path, listen=listen, url=url)
    assert (settings.callbacks.listen, settings.callbacks.url) == (listen, url)
    assert [fault.path for fault in warnings(settings)] == ["agents"]


@pytest.mark.parametrize(
    ("listen", "said"), [("8095", "must be"), ("localhost:80", "no name"), ("127.0.0.1:0", "other than 0")]
)
def test_where_it_cannot_listen(tmp_path, listen, said):
    """The message says what to write."""
    found = faults(tmp_path, listen=listen, url=URL)
    assert set(found) == {"callbacks.listen"}
    assert said in found["callbacks.listen"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be a public URL"),
        ("dialer.example.com", "must be a public URL"),
        ("ftp://dialer.example.com", "must be a public URL"),
        ("https://", "must be a public URL"),
        ("https:///path", "must be a public URL"),
        ("https://dialer.example.com:port", "must be a public URL"),
        ("https://[::1", "must be a public URL"),
        ("https://dialer.example.com/a b", "without spaces"),
        ("https://d\u00e9j\u00e0.example.com", "ASCII"),
        ("https://ann:secret@dialer.example.com", "must not hold a login"),
        ("https://ann@dialer.example.com", "must not hold a login"),
        ("https://dialer.example.com?a=b", "must end before"),
        ("https://dialer.example.com/?", "must end before"),
        ("https://dialer.example.com#x", "must end before"),
        ("https://dialer.example.com/", 'write "https://dialer.example.com"'),
        ("https://dialer.example.com/a//", 'write "https://dialer.example.com/a"'),
        ("http://dialer.example.com", "must begin with https://"),
        ("http://127.example.com", "must begin with https://"),
        ("http://192.0.2.1", "must begin with https://"),
    ],
)
def test_urls_under_which_no_carrier_finds_it(tmp_path, url, said):
    """The message says what is wrong, and never repeats a login."""
    found = faults(tmp_path, listen="127.0.0.1:8095", url=url)
    assert set(found) == {"callbacks.url"}
    assert said in found["callbacks.url"]
    assert "secret" not in found["callbacks.url"]


@pytest.mark.parametrize("listen", ["0.0.0.0:8095", "192.0.2.1:8095", "[::]:8095"])
def test_what_other_machines_can_reach(tmp_path, listen):
    """It is allowed, and warned of: there is no encryption."""
    found = {fault.path: fault.message for fault in warnings(load(tmp_path, listen=listen, url=URL))}
    assert "TLS" in found["callbacks.listen"]


@pytest.mark.parametrize("table", [{"max_connections": 0}, {"max_connections": 100_001}, {"patience": "50ms"}])
def test_ranges(tmp_path, table):
    """The server's limits have limits."""
    (path,) = faults(tmp_path, listen="127.0.0.1:8095", url=URL, **table)
    assert path == f"callbacks.{next(iter(table))}"
