"""The door for carriers' callbacks: opened before providers come up, closed when the last call has ended.

It has a server of its own, so that whoever besieges it takes no room from the local API. Knows nothing of carriers.
"""

from typing import Final

import trio

from dialerd.api.callbacks import CallbackApp
from dialerd.api.server import Server
from dialerd.api.sockets import Listener, listen
from dialerd.api.tcp import listen_tcp
from dialerd.model.address import TcpAddress, read_address
from dialerd.model.instants import SECOND
from dialerd.model.settings import Settings
from dialerd.operations.callbacks import CallbackOperations

_SETTING: Final = "[callbacks] listen"
_ANYBODY: Final = 0o666  # as on a port of loopback; who gets to the file is for its directory to say
_GRACE: Final = SECOND  # for requests in progress, when there are no calls any more


def listen_for_callbacks(settings: Settings) -> Listener | None:
    """Listen where `[callbacks]` says; None = it says nothing.

    Raises:
        DialerdError: that cannot be; the message says what to do.
    """
    if settings.callbacks.listen is None:
        return None
    address = read_address(settings.callbacks.listen)
    if isinstance(address, TcpAddress):
        return listen_tcp(address, setting=_SETTING)
    return listen(address, read_only=False, mode=_ANYBODY, setting=_SETTING)


class CallbackDoor:
    """Answers carriers, where the settings have a place for that.

    Args:
        callbacks: who answers.
        listener: where carriers' requests come in; None = nowhere.
        settings: the settings in force at the start; changes of the table need a restart.
    """

    def __init__(self, callbacks: CallbackOperations, listener: Listener | None, settings: Settings) -> None:
        self._over = trio.Event()
        self._door = None
        if listener is not None:
            server = Server(
                CallbackApp(callbacks.answer),
                max_connections=settings.callbacks.max_connections,
                patience=settings.callbacks.patience,
                table="callbacks",
            )
            self._door = server.door(listener, grace=_GRACE)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer, until `finish`."""
        if self._door is None:
            task_status.started()
        else:
            await self._door.run(task_status=task_status)
        self._over.set()

    async def finish(self) -> None:
        """Let nobody in any more, and see off those who are in; there are no calls any more."""
        if self._door is not None:
            self._door.close()
        await self._over.wait()
