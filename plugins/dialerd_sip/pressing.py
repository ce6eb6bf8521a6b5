"""Keys that an agent presses in one call: each as the far end takes it, and no sooner than it can be.

As telephone events where these were agreed upon (RFC 4733), else by INFO. One key is handed over at a time: so pauses
are kept whichever way keys go, and whoever hears something else to do leaves the rest. Knows nothing of who waits.
"""

from typing import Final

from dialerd.model.instants import SECOND
from dialerd.rules.keys import PAUSES
from dialerd_sip.core.call import Call
from dialerd_sip.media.contract import Session

_LOOK_S: Final = 0.1
"""When to look again where a key cannot be pressed yet."""

_INFO_S: Final = 0.2
"""From one INFO to the next at least: each says that its key is held for half of it."""


class Pressing:
    """Keys on their way.

    Args:
        call: the call.
        session: its media.
        keys: what is pressed, with pauses, see `dialerd.rules.keys`.
    """

    __slots__ = ("_call", "_left", "_session")

    def __init__(self, call: Call, session: Session, keys: str) -> None:
        self._call = call
        self._session = session
        self._left = keys

    def step(self, now: float) -> float | None:
        """Press the next key, if it can be; return the seconds until the next step, None where none is left.

        A key waits while the one before it is under way by INFO, and while the far end has us on hold and would have
        it as sound. None is pressed before the answer is acknowledged, while the call is being ended, or after one that
        was refused.

        Args:
            now: the instant, on the user agent's clock.
        """
        call, left = self._call, self._left
        agreed = call.agreed
        if agreed is None or call.is_pressing:
            return _LOOK_S
        if not left or not call.takes_keys:  # half an extension is another one's
            return None
        key = left[0]
        if key in PAUSES:
            wait_s = PAUSES[key] / SECOND
        elif agreed.dtmf_payload is None:
            call.send_keys(key, now)
            wait_s = _INFO_S
        elif not agreed.sends:
            return _LOOK_S
        else:
            self._session.send_keys(key)
            wait_s = _event_s(agreed.ptime_ms)
        self._left = left[1:]
        return wait_s


def _event_s(ptime_ms: int) -> float:
    """Return how long a key takes at most: 100 ms, its end three times over, and as long a pause, in whole packets."""
    return (200 + 4 * ptime_ms) / SECOND
