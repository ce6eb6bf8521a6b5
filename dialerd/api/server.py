"""The server: an ASGI application on listening sockets, under trio, with h11 for the protocol.

Each socket is a door of its own, with its own end; the room for connections is shared, so that descriptors suffice
however many clients come. Knows nothing of what the application does.
"""

from typing import Final

import structlog

from dialerd.api.connection import Application
from dialerd.api.door import Door
from dialerd.api.limits import affordable
from dialerd.api.sockets import Listener
from dialerd.model.instants import SECOND, Duration

_log = structlog.get_logger()

GRACE: Final = 5 * SECOND
"""How long requests in progress may go on when their door closes."""


class Server:
    """Answers clients of any number of sockets.

    Args:
        application: who answers, an ASGI 3 application. Of a scope's `state` the server sets `peer`, `read_only` and
            `request_id`; it sends no lifespan events.
        max_connections: connections at once over all sockets; further ones are refused with 503.
        patience: how long a client may take for a request's head, for each piece of a body, to take each piece of an
            answer, and between two requests.
        table: of the settings, which both come from; for what clients and the log are told.
    """

    def __init__(
        self, application: Application, *, max_connections: int, patience: Duration, table: str = "api"
    ) -> None:
        self.application = application
        self.patience_s = patience / SECOND
        self.table = table
        self._most = affordable(max_connections)
        self._inside = 0
        if self._most < max_connections:
            remedy = f"raise LimitNOFILE= of the unit (or ulimit -n), or lower [{table}] max_connections"
            _log.warning("api.connections_limited", max_connections=max_connections, most=self._most, remedy=remedy)

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return self._inside

    def door(self, listener: Listener, *, grace: Duration = GRACE) -> Door:
        """Return the door at a socket; `run` it in a task, `close` it when nobody shall come in any more.

        Args:
            listener: the socket, which becomes the door's own.
            grace: how long requests in progress may go on when it closes.
        """
        return Door(self, listener, grace / SECOND)

    def has_room(self) -> bool:
        """Tell whether another client may come in."""
        return self._inside < self._most

    def entered(self) -> None:
        """Take note of a client that came in."""
        self._inside += 1

    def left(self) -> None:
        """Take note of a client that has left."""
        self._inside -= 1
