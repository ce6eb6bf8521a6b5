"""The local API of a daemon: two sockets in front of the operations, opened and closed as the daemon comes and goes.

The one that only reads opens first and closes last; the one that changes things opens when calls may leave, and closes
before anything else at a stop. Knows nothing of what is asked there.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import structlog
import trio

from dialerd.api.activation import activated
from dialerd.api.app import create_app
from dialerd.api.door import Door
from dialerd.api.server import Server
from dialerd.api.sockets import Listener, listen, socket_paths
from dialerd.daemon.callback_door import listen_for_callbacks
from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND
from dialerd.model.settings import Settings
from dialerd.operations.operations import Operations
from dialerd.plugin.dialect import Dialect

_log = structlog.get_logger()

SCRATCH: Final = "api"
"""Directory below the state directory for requests' bodies on their way."""

_LAST_GRACE: Final = SECOND  # for readers, when everything is stored and nothing more will happen
_MODE: Final = 0o750  # of a socket's directory that had to be made


class Sockets:
    """The listening sockets; a context manager that closes them.

    Args:
        changing: the one for everything.
        reading: the one that changes nothing.
        callbacks: the one for carriers, which is no part of the API; None = there is none.
    """

    def __init__(self, changing: Listener, reading: Listener, callbacks: Listener | None = None) -> None:
        self.changing = changing
        self.reading = reading
        self.callbacks = callbacks

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Listen where the settings say, or where systemd has listened for this process.

        Raises:
            DialerdError: that cannot be; the message says what to do.
        """
        changing, reading = socket_paths(settings)
        given = activated(changing, reading)
        with ExitStack() as opened:
            api = given.api or _listen(changing, settings, read_only=False)
            opened.callback(api.close)
            read = given.read or _listen(reading, settings, read_only=True)
            opened.callback(read.close)
            callbacks = listen_for_callbacks(settings)
            opened.pop_all()
        return cls(api, read, callbacks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.changing.close()
        self.reading.close()
        if self.callbacks is not None:
            self.callbacks.close()


def _listen(path: Path, settings: Settings, *, read_only: bool) -> Listener:
    try:
        path.parent.mkdir(mode=_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise DialerdError(
            f"the directory of the socket {path} cannot be made: {error.strerror}; make it, or name another place in "
            "[daemon] socket or [api] read_socket"
        ) from error
    return listen(path, read_only=read_only, group=settings.api.group)


class LocalApi:
    """Answers at the two sockets, each with a door of its own.

    Args:
        operations: what may be asked.
        dialects: other systems' requests.
        sockets: where clients come in.
        settings: the settings in force at the start; limits of the server need a restart.
    """

    def __init__(
        self, operations: Operations, dialects: Sequence[Dialect], sockets: Sockets, settings: Settings
    ) -> None:
        self._operations = operations
        self._sockets = sockets
        self._server = Server(
            create_app(operations, dialects=dialects),
            max_connections=settings.api.max_connections,
            patience=settings.api.patience,
        )
        self._reading = self._server.door(sockets.reading, grace=_LAST_GRACE)
        self._over = trio.Event()
        self._changing: Door | None = None

    async def read(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer questions, until `finish`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._operations.events.run)
            await self._reading.run(task_status=task_status)
            nursery.cancel_scope.cancel()
        self._over.set()

    async def finish(self) -> None:
        """Give followers what was stored last, and see everybody off; the engine has stored everything."""
        await self._operations.events.finish()
        self._reading.close()
        await self._over.wait()

    async def change(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take requests that change something, until `close`; those in progress then have a moment."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._operations.recipients.run)
            self._changing = self._server.door(self._sockets.changing)
            await self._changing.run(task_status=task_status)
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Let nobody change anything any more, from this instant."""
        if self._changing is None:
            self._sockets.changing.close()
        else:
            self._changing.close()


def make_scratch(state_dir: Path) -> Path:
    """Return the directory for bodies on their way, empty and for this user alone; blocks.

    Raises:
        DialerdError: it cannot be made.
    """
    scratch = state_dir / SCRATCH
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DialerdError(
            f"{scratch} cannot be used: {error.strerror}; free space there and let this user write into {state_dir}"
        ) from error
    return scratch
