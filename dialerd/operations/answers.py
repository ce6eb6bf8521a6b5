"""Idempotency: a request that is sent again gets what the first one made, and the same answer.

A door lets one request of a key in at a time, asks `begin` before it does anything, and hands the answer to `keep`. In
between, what creates asks `made` whether the thing is there already, and notes it by `dialerd.store.answers.claim` in
the transaction that creates it. So the promise holds where the daemon dies between the commit and the answer; and where
two come in at once, the store refuses the second.
"""

from collections.abc import Callable

from attrs import frozen

from dialerd.model.errors import KeyReused
from dialerd.model.instants import Instant
from dialerd.model.once import Once
from dialerd.store import answers
from dialerd.store.answers import AnswerRow
from dialerd.store.store import Store


@frozen(kw_only=True)
class Stored:
    """An answer that was given before.

    Args:
        status: HTTP status.
        content_type: of the body.
        body: the body.
    """

    status: int
    content_type: str
    body: str


class Answers:
    """What was answered to requests with an idempotency key, for 24 hours.

    Args:
        store: where it is durable.
        now: returns the present instant.
    """

    def __init__(self, store: Store, now: Callable[[], Instant]) -> None:
        self._store = store
        self._now = now

    async def begin(self, once: Once) -> Stored | None:
        """Return what was answered to the same request before, or None where it is to be carried out.

        It is to be carried out, too, where it was and the answer is not known: then it returns what was made.

        Raises:
            KeyReused: the key was used for another request.
        """
        row = await self._look(once)
        if row is None or row.status is None:
            return None
        return Stored(status=row.status, content_type=row.content_type or "", body=row.body or "")

    async def keep(self, once: Once, status: int, content_type: str, body: str) -> None:
        """Note the answer to what made something, unless one is noted already; a refusal may be put right."""
        await self._store.write(answers.keep, once, status, content_type, body)

    async def made(self, once: Once | None) -> str | None:
        """Tell what was made with a key before.

        Args:
            once: the request; None = it has no key.

        Returns:
            The JSON text that `dialerd.store.answers.claim` was given, or None where nothing was made yet.

        Raises:
            KeyReused: the key was used for another request.
        """
        row = None if once is None else await self._look(once)
        return None if row is None else row.result

    async def _look(self, once: Once) -> AnswerRow | None:
        row = await self._store.read(answers.result, once.key, now=self._now())
        if row is not None and row.fingerprint != once.fingerprint:
            raise KeyReused(
                f"the idempotency key {once.key!r} was used for another request; use a new key for a new request"
            )
        return row
