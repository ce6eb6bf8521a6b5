"""The watch: hints of the kernel that something came into a folder. They may be lost; who is hinted looks anyway."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import trio
import watchfiles

from dialerd.model.instants import SECOND, Duration

_REST_S: Final = 1.0  # between two tries to watch
_BEGINS_S: Final = 0.1  # the watch is set up by then
_STEP_MS: Final = 25  # how often its thread wakes, idle or not, and half of how late a hint may be
_ROUND_MS: Final = 30_000  # how often it comes back without news

_log = structlog.get_logger()


class Watch:
    """Watches one folder.

    Args:
        folder: which.
        hint: called when something may have come.
        rest: returns how often the folder is looked at without hints; a try to watch rests no longer than that.
    """

    def __init__(self, folder: Path, hint: Callable[[], None], *, rest: Callable[[], Duration]) -> None:
        self._folder = folder
        self._hint = hint
        self._rest = rest
        self._scope = trio.CancelScope()
        self._unwatched = False

    def again(self) -> None:
        """Begin anew: another folder came to lie under the name."""
        self._scope.cancel()

    async def run(self) -> None:
        """Pass on the kernel's hints until cancelled; where there are none, the timer alone has to do."""
        while True:
            with trio.CancelScope() as self._scope:
                await self._watch()
            if not self._scope.cancelled_caught:
                await trio.sleep(min(self._rest() / SECOND, _REST_S))

    async def _watch(self) -> None:
        watching = False
        stop = trio.Event()

        async def attend() -> None:
            nonlocal watching
            try:
                await trio.sleep(_BEGINS_S)
                watching, self._unwatched = True, False
                self._hint()  # the kernel watches now; what came shortly before it did not tell
                await trio.sleep_forever()
            finally:
                stop.set()  # the library's thread is not cancelled: it looks at this at each step

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(attend)
                async for _changes in watchfiles.awatch(
                    self._folder,
                    watch_filter=_is_news,
                    step=_STEP_MS,
                    debounce=2 * _STEP_MS,
                    rust_timeout=_ROUND_MS,
                    stop_event=stop,
                    recursive=False,
                ):
                    self._hint()
                nursery.cancel_scope.cancel()
        # no watches left, the folder went away, a name that is not UTF-8: the library raises what it likes
        except* Exception as errors:  # noqa: BLE001  # see above; looking without hints goes on
            self._hint()  # for what it did not tell
            if watching or not self._unwatched:  # once, and not with every new try
                _log.warning(
                    "spool.watch_failed",
                    folder=str(self._folder),
                    errors=[str(error) for error in errors.exceptions],
                    looks_every_s=self._rest() / SECOND,
                    remedy="files are found by looking; raise fs.inotify.max_user_watches if no watches are left",
                )
            self._unwatched = True


def _is_news(change: watchfiles.Change, path: str) -> bool:
    """Tell whether a change is worth a look: what went away, and what is being written under a dotted name, is not."""
    return change is not watchfiles.Change.deleted and not Path(path).name.startswith(".")
