"""Requests that are carried out once, however often they are sent: `Idempotency-Key`.

The same key with the same request is answered as before, byte for byte; with another request it is refused; at the
same time it waits for the first. Knows nothing of what is created.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import trio
from attrs import define, field
from starlette.responses import Response

from dialerd.api.problems import RefusedRequest
from dialerd.model.errors import Fault
from dialerd.model.once import Once
from dialerd.operations.answers import Answers

HEADERS: Final = ("idempotency-key", "x-idempotency-key")
REPLAYED: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def once_of(headers: Mapping[str, str], *, method: str, target: str, media: str, digest: bytes) -> Once | None:
    """Return what tells a request from a new one, or None where the client sent no key.

    The key may stand in quotes, as draft-ietf-httpapi-idempotency-key-header-07 writes it (a structured field's string,
    RFC 8941); without them it is the same key.

    Args:
        headers: the request's, by name in lower case.
        method: upper case.
        target: path with query, as they were sent.
        media: media type of the body.
        digest: SHA-256 of the body.

    Raises:
        RefusedRequest: there are two keys, or one that cannot be used (400).
    """
    given = {name: _unquoted(headers[name].strip()) for name in HEADERS if name in headers}
    if len(set(given.values())) > 1:
        raise RefusedRequest(400, "Idempotency-Key and X-Idempotency-Key differ; send one of them")
    for name, key in given.items():
        if _KEY.fullmatch(key) is None:
            message = "must be 1 to 255 printable ASCII characters"
            raise RefusedRequest(400, f"the header {name} {message}", faults=[Fault("", f"{name} {message}")])
        whole = "\0".join((method, target, media)).encode(errors="surrogateescape") + b"\0" + digest
        return Once(key=key, fingerprint=hashlib.sha256(whole).hexdigest())
    return None


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text


class OnceOnly:
    """Carries out requests with a key once.

    Args:
        answers: where the answers are kept.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._turns: dict[str, _Turn] = {}

    async def answered(
        self, once: Once | None, make: Callable[[], Awaitable[Response]], state: MutableMapping[str, Any]
    ) -> Response:
        """Return the answer of `make`, or the one that was given to the same request before.

        Only answers of success are kept: after a failure the request may be sent again.

        Args:
            once: what tells the request from a new one; None = it is a new one.
            make: carries it out.
            state: of the request; that nothing changes this time is noted in it.

        Raises:
            KeyReused: another request was sent with this key.
            Exception: whatever `make` raises.
        """
        if once is None:
            return await make()
        turn = self._turns.setdefault(once.key, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                stored = await self._answers.begin(once)
                if stored is not None:
                    state["changes"] = False
                    return Response(stored.body, stored.status, {REPLAYED: "true"}, stored.content_type)
                response = await make()
                if response.status_code < 300:
                    kind = response.headers.get("content-type", "")
                    await self._answers.keep(once, response.status_code, kind, bytes(response.body).decode())
                return response
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[once.key]


@define(eq=False)
class _Turn:
    """The requests with one key that are here now; one at a time."""

    lock: trio.Lock = field(factory=trio.Lock)
    wanted: int = 0
