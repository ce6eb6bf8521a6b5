"""A session as the daemon sees it, where a media process has its media: each method says a message and returns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from dialerd.model.instants import Duration
from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media import messages
from dialerd_sip.media.contract import Clip, Heard, MediaEvent, MediaFigures, MediaLost
from dialerd_sip.media.sources import Symmetric


class Says(Protocol):
    """Where a session's commands go."""

    def say(self, command: messages.Command) -> None:
        """Hand over a command."""

    def forget(self, session: "RemoteSession") -> None:
        """Have nothing told to a session any more, but its figures where it wants them."""


_HEARS: Final = (Heard, MediaLost)  # after which nobody wonders any more why nothing was heard


class RemoteSession:
    """The media of one call, in the media process; see `dialerd_sip.media.contract.Session`.

    Args:
        number: number of the session.
        port: the leased port.
        process: the process that has it.
        silence_ms: how long silence is borne.
        symmetric: what other addresses than the signalled one are believed for.

    Attributes:
        deaf: whether it was connected to receive, and nothing has come.
    """

    __slots__ = ("_heard", "_process", "_silence_ms", "_symmetric", "_told", "deaf", "figures", "number", "port")

    def __init__(
        self, number: int, port: int, process: Says, silence_ms: Duration, symmetric: Symmetric = Symmetric.AUTO
    ) -> None:
        self.number = number
        self.port = port
        self.figures: Callable[[MediaFigures], None] | None = None
        self._process: Says | None = process
        self._silence_ms = silence_ms
        self._symmetric = symmetric
        self._heard = self.deaf = False
        self._told: Callable[[MediaEvent], None] | None = None

    def tell(self, told: Callable[[MediaEvent], None]) -> None:
        """Have `told` called at each event."""
        self._told = told

    def happened(self, event: MediaEvent) -> None:
        """Pass an event on."""
        if type(event) in _HEARS:
            self._heard, self.deaf = True, False
        if self._told is not None:
            self._told(event)

    def lost(self, reason: str) -> None:
        """The process is no more; nothing is said to it from now on."""
        self._process = None
        self.happened(MediaLost(reason))

    def connect(self, media: Negotiated) -> None:
        """Send there from now on."""
        if media.receives and not self._heard:
            self.deaf = True
        self._say(messages.Connect(self.number, media, self._silence_ms, self._symmetric))

    def play(self, clips: Sequence[Clip], mark: int) -> None:
        """Play clips one after the other."""
        self._say(messages.Play(self.number, [str(clip.path) for clip in clips], mark))

    def stop(self) -> None:
        """Stop what is played."""
        self._say(messages.Stop(self.number))

    def send_keys(self, digits: str) -> None:
        """Send keys."""
        self._say(messages.Keys(self.number, digits))

    def record(self, path: Path) -> None:
        """Record what is received."""
        self._say(messages.Record(self.number, str(path)))

    def detect(self, name: str) -> None:
        """Have a detector listen."""
        self._say(messages.Detect(self.number, name))

    def close(self, told: Callable[[MediaFigures], None] | None = None) -> None:
        """End the session."""
        process, self._process, self._told = self._process, None, None
        if process is not None:
            self.figures = told
            process.say(messages.Close(self.number, told is not None))
            process.forget(self)
        elif told is not None and self.figures is None:
            told(MediaFigures())

    def _say(self, command: messages.Command) -> None:
        if self._process is not None:
            self._process.say(command)
