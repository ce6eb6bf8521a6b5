"""Requests of carriers about their calls, given to the providers whose calls they may be about.

Anybody may send one; what is true of it the provider finds out. What a plugin does here costs the one request. Knows
nothing of HTTP beyond its statuses.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog
import trio
from attrs import evolve

from dialerd.engine.breach import meant
from dialerd.model.errors import PluginError
from dialerd.operations.ground import Ground
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest, TakesCallbacks
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.raised import words

_PATIENCE_S: Final = 20.0  # as `TakesCallbacks` says
_RETRY_S: Final = 5

_UNKNOWN: Final = CallbackAnswer(status=404)
_FAILED: Final = CallbackAnswer(status=500)
_DOWN: Final = CallbackAnswer(status=503, headers=(("retry-after", str(_RETRY_S)),))

_REMEDY: Final = (
    "report it to the author of the trunk's plugin with this line; the carrier was told 500, and a provider that also "
    "asks its carrier itself loses nothing by it"
)
_NOWHERE: Final = (
    "no trunk has this name: compare [callbacks] url with what the carrier calls; where that has a path, the reverse "
    "proxy must take it off, so that what comes in begins with the trunk; if the carrier did not ask, nothing"
)
_NAME: Final = 40  # letters of a name that are told; a path may hold anything

_log = structlog.get_logger()


class CallbackOperations:
    """Answers carriers.

    Args:
        ground: what it stands on.

    Attributes:
        counts: requests, by trunk and status of the answer; those to trunks that there are not by "".
    """

    def __init__(self, ground: Ground) -> None:
        self._lines = ground.engine.lines
        self._complaints = Complaints()
        self.counts: Counter[tuple[str, int]] = Counter()

    async def answer(self, trunk: str, request: CallbackRequest) -> CallbackAnswer:
        """Return what is answered to a carrier.

        Of a trunk that a reload has changed, the new provider is asked first, and then the former, as long as it has
        calls, until one takes the request: answers below 400. Of refusals counts the first that is no 404.

        Args:
            trunk: whose carrier it is said to be.
            request: what was sent.
        """
        providers = self._lines.providers_of(trunk)
        if providers is None:
            self._nowhere(trunk)
            return _UNKNOWN
        answer = await self._ask(trunk, providers, request) if providers else _DOWN
        self.counts[trunk, answer.status] += 1
        return answer

    def _nowhere(self, trunk: str) -> None:
        """Tell of a request to no trunk, and count it without its name: strangers would fill the memory with names."""
        self.counts["", _UNKNOWN.status] += 1
        shown = "".join("*" if letter.isdigit() else letter for letter in trunk[:_NAME])
        self._complaints.tell(_log.warning, "callback.nowhere", "", trunk=shown, remedy=_NOWHERE)

    async def _ask(self, trunk: str, providers: Sequence[object], request: CallbackRequest) -> CallbackAnswer:
        refused = _UNKNOWN
        request = evolve(request, alone=len(providers) == 1)
        for provider in providers:
            answer = await self._answer_of(trunk, provider, request)
            if answer.status < 400:
                return answer
            if refused.status == _UNKNOWN.status:
                refused = answer
        return refused

    async def _answer_of(self, trunk: str, provider: object, request: CallbackRequest) -> CallbackAnswer:
        failure: BaseException | None = None
        with trio.move_on_after(_PATIENCE_S) as patience:
            try:
                if not isinstance(provider, TakesCallbacks):
                    return _UNKNOWN
                return _sound(await provider.callback(request))
            except BaseException as error:  # noqa: BLE001  # a plugin's fault costs the request, nothing else
                failure = meant(error)
        if patience.cancelled_caught:
            failure = TimeoutError(f"it did not answer within {_PATIENCE_S:g} s")
        self._complaints.tell(
            _log.error, "callback.failed", trunk, error=failure, trace=True, trunk=trunk, remedy=_REMEDY
        )
        return _FAILED


def _sound(answer: object) -> CallbackAnswer:
    """Return what a provider gave, if it is an answer that HTTP can carry: RFC 9110, sections 5.1, 5.5 and 15.

    Raises:
        PluginError: it is none.
    """
    headers = tuple(answer.headers) if isinstance(answer, CallbackAnswer) else ()
    if (
        not isinstance(answer, CallbackAnswer)
        or type(answer.status) is not int
        or not 200 <= answer.status <= 599
        or type(answer.body) is not bytes
        or not _is_value(answer.content_type)
        or not all(_is_name(name) and _is_value(value) for name, value in headers)
    ):
        raise PluginError(f"callback must return a CallbackAnswer with the fields that it says, not {_shape(answer)}")
    return evolve(answer, headers=headers)


def _shape(answer: object) -> str:
    """Say what was given, without the body, which may hold somebody's words."""
    if isinstance(answer, CallbackAnswer):
        return words(("CallbackAnswer", answer.status, type(answer.body), answer.content_type, answer.headers))
    return type(answer).__name__


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def _is_value(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and (not value or value.isprintable()) and value == value.strip()
