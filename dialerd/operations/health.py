"""Whether the daemon does its work: what is amiss in words, for whoever asks whether it is well. Holds nothing up."""

from typing import Final

import trio

from dialerd.operations.ground import Ground

_ANSWER_S: Final = 1.0  # a dispatcher that lives looks round within one pass of the loop
_GLANCE_S: Final = 0.01
_DISK_S: Final = 3.0  # how long a transaction may take before it is told; a commit takes milliseconds


class Health:
    """Looks at engine and store.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def amiss(self) -> str | None:
        """Return why nobody is dialled, or may soon not be; None = all is well.

        As the watchdog does, it knocks at the dispatcher and waits for it to look round.
        """
        store, engine = self._ground.store, self._ground.engine
        if store.loss is not None:
            return f"the database is lost: {store.loss}"
        if engine.stopping:
            return "stopping: calls in progress go on to their end"
        if not engine.ready.is_set():
            return "starting"
        dispatcher = engine.dispatcher
        beats = dispatcher.beats
        dispatcher.wake()
        with trio.move_on_after(_ANSWER_S):
            while dispatcher.beats == beats and not dispatcher.storing:  # noqa: ASYNC110  # it has no event
                await trio.sleep(_GLANCE_S)
        if (waits_s := store.waits_for_s()) >= _DISK_S:
            return f"the disk of the database has been waited for for {waits_s:.0f} s"
        if dispatcher.beats == beats and not dispatcher.storing:
            return "the dispatcher does not move"
        return None
