"""What `[callbacks]` may say: where to listen, and the public URL that leads there. Nothing is opened."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from dialerd.model.address import TcpAddress, is_loopback, read_address
from dialerd.model.errors import Fault
from dialerd.model.settings import Settings

_LISTEN: Final = "callbacks.listen"
_URL: Final = "callbacks.url"


def callback_faults(settings: Settings) -> Iterator[Fault]:
    """Yield every fault of the table.

    Args:
        settings: what could be structured.
    """
    listen, url = settings.callbacks.listen, settings.callbacks.url
    if listen is None and url is not None:
        yield Fault(_LISTEN, 'must be given where url is: the place that the reverse proxy passes it on to, such as '
                    '"127.0.0.1:8095"')  # fmt: skip
    if listen is not None and url is None:
        yield Fault(_URL, 'must be given where listen is: the public URL that the reverse proxy passes on to it, such '
                    'as "https://dialer.example.com"')  # fmt: skip
    if listen is not None and (message := _listen_fault(listen)) is not None:
        yield Fault(_LISTEN, message)
    if url is not None and (message := _url_fault(url)) is not None:
        yield Fault(_URL, message)


def callback_warnings(settings: Settings) -> Iterator[Fault]:
    """Yield what is allowed and yet hardly meant.

    Args:
        settings: without faults.
    """
    listen = settings.callbacks.listen
    if listen is not None and isinstance(address := read_address(listen), TcpAddress) and not address.local:
        yield Fault(
            _LISTEN,
            "can be reached from other machines, without encryption; let a reverse proxy with TLS stand in front of "
            "127.0.0.1, or keep everybody but your proxy away from this port",
        )


def _listen_fault(listen: str) -> str | None:
    try:
        address = read_address(listen)
    except ValueError as error:
        return str(error)
    if isinstance(address, TcpAddress) and not address.port:
        return "must have a port other than 0: the reverse proxy has to know it"
    return None


def _url_fault(url: str) -> str | None:
    """Return why a URL is none under which a carrier finds this daemon, and whose text it can sign."""
    form = 'must be a public URL such as "https://dialer.example.com" or "https://www.example.com/dialer"'
    if not url.isascii() or not url.isprintable() or " " in url:
        return f"{form}, in ASCII and without spaces; write names and paths as they go over the wire"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return form
    if parts.scheme not in ("https", "http") or not host:
        return form
    if parts.username is not None or parts.password is not None:
        return "must not hold a login: carriers' requests are known by their signatures"
    if "?" in url or "#" in url:
        return "must end before ? and #: what follows it is the carrier's"
    if url.endswith("/"):
        return f'must end without a slash: write "{url.rstrip("/")}"'
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://, as anybody on the way could read numbers and keys; http is for loopback only"
    return None
