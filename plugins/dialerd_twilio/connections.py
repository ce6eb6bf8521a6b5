"""The connections to a carrier: an httpx client for each, with a pool of one.

httpcore, below httpx, goes through its whole pool with every request, and for each idle connection counts the idle ones
(`AsyncConnectionPool._assign_requests_to_connections`): with fifty connections a request takes five times the processor
that it takes with one. Here the one that was used last is taken first, and those that nobody has needed for a while
are closed. Knows nothing of requests.
"""

from collections import deque
from typing import Final

import httpx
import trio

_CLOSING_S: Final = 1.0  # what is not closed by then is left to the interpreter
_LIMITS: Final = {"max_connections": 1, "max_keepalive_connections": 1}


class Connections:
    """Clients that are kept from one request to the next.

    The environment's HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are heeded.

    Args:
        idle_s: how long an idle one is kept open.

    Raises:
        ImportError, ValueError, httpx.InvalidURL: the environment names a proxy that cannot be used.
    """

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._limits = httpx.Limits(**_LIMITS, keepalive_expiry=idle_s)
        self._tls = httpx.create_ssl_context()  # one for all: each takes 10 ms and a megabyte
        # since when each is idle, in trio's time; the one that was used last is last
        self._idle: deque[tuple[float, httpx.AsyncClient]] = deque()
        self._idle.append((0.0, self._make()))

    def take(self) -> httpx.AsyncClient:
        """Return a client that nobody else uses."""
        return self._idle.pop()[1] if self._idle else self._make()

    async def give(self, client: httpx.AsyncClient) -> None:
        """Take a client back whose request has had its whole answer."""
        now_s = trio.current_time()
        self._idle.append((now_s, client))
        while self._idle and self._idle[0][0] < now_s - self._idle_s:
            await self.drop(self._idle.popleft()[1])

    async def drop(self, client: httpx.AsyncClient) -> None:
        """Close a client, whatever has become of its request."""
        with trio.move_on_after(_CLOSING_S, shield=True):
            await client.aclose()

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self.drop(self._idle.pop()[1])

    def _make(self) -> httpx.AsyncClient:
        # time is kept by whoever asks, over a whole answer: httpx's own timeouts begin anew with each part of it
        return httpx.AsyncClient(verify=self._tls, http1=True, http2=False, limits=self._limits, timeout=None)
