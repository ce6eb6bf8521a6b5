"""The log of changes: who changed what through the socket. Knows nothing of what a change is made of."""

import pwd
import re
from typing import Final

import structlog
import trio
from starlette.types import Scope

_log = structlog.get_logger()

_NUMBER: Final = re.compile(r"\+?\d{7,15}")  # ITU-T E.164: at most 15 digits
_KNOWN: Final = 1_024  # users whose names are remembered


class Audit:
    """Logs changes."""

    def __init__(self) -> None:
        self._names: dict[int, str | None] = {}

    async def changed(self, scope: Scope, status: int) -> None:
        """Log that a request changed something.

        Args:
            scope: the request's; its state says who asked.
            status: of the answer.
        """
        state = scope["state"]
        peer = state.get("peer")
        uid = getattr(peer, "uid", None)
        _log.info(
            "api.changed",
            method=scope["method"],
            path=masked(scope),
            status=status,
            request_id=state.get("request_id"),
            uid=uid,
            gid=getattr(peer, "gid", None),
            pid=getattr(peer, "pid", None),
            user=await self._name(uid),
            campaign=state.get("campaign") or scope.get("path_params", {}).get("campaign"),
        )

    async def _name(self, uid: int | None) -> str | None:
        if uid is None:
            return None
        if uid not in self._names:
            if len(self._names) >= _KNOWN:
                self._names.clear()
            # a directory service may take its time
            self._names[uid] = await trio.to_thread.run_sync(_name_of, uid)
        return self._names[uid]


def masked(scope: Scope) -> str:
    """Return a request's path with the numbers in it masked, those without a + too; ids stay."""
    number = scope.get("path_params", {}).get("number")
    path: str = scope["path"]
    return path if number is None else path.replace(number, _NUMBER.sub(_shortened, number))


def _shortened(match: "re.Match[str]") -> str:
    return "*" * (len(match[0]) - 2) + match[0][-2:]


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
