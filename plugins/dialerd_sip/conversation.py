"""What an agent does in a call, without loop and clock: events in, what is to be done out.

    answered [──▶ pressing] ──▶ saying ──▶ waiting ──▶ over     said twice where there is a menu, once without one
                                  ▲  └──────┬─┘
                                  │         ├─ a key without meaning, or `repeat`: said again
                                  │         ├─ a key of the menu ──▶ answering ──▶ over
                                  │         └─ the key to opt out ──▶ storing ──▶ taking leave ──▶ over
                                  └──────────── it could not be stored ──┘

It is what the same agent does over carriers that are told by TwiML (`dialerd_twilio.script`), but for one thing: the
key to opt out also counts while the answer to another key is said. Somebody who asks not to be called again is never
left unheard. What is said to have been done is said only when it is durable; where it could not be stored, the agent
says again what it said, and the end of the call tells of the wish.

Knows nothing of sound files, texts and messages; how long a call may last is the provider's to see to.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from attrs import field, frozen

from dialerd_sip.media.contract import Clip

KEY_MS: Final = 5_000
"""How long a key is waited for after what is said; as long as Twilio waits: "TwiML Voice: Gather", timeout."""

STORED_MS: Final = 10_000
"""How long somebody who opted out is kept on the line for the confirmation; the entry is made all the same."""


@frozen
class Play:
    """Play clips from now on; what was played is stopped. `PlayEnded(mark)` is told to the conversation."""

    clips: tuple[Clip, ...]
    mark: int


@frozen
class StopPlaying:
    """Stop what is played (barge-in)."""


@frozen
class PressKeys:
    """Press keys; `timed_out(mark)` is called when that is done. Any action that follows leaves the rest unpressed."""

    keys: str
    mark: int


@frozen
class WaitFor:
    """Call `timed_out(mark)` after so many milliseconds; a later WaitFor, or any action at all, replaces it."""

    ms: int
    mark: int


@frozen
class OptOut:
    """Enter the number into the do-not-call list; `opted_out(done)` is called when that is durable or has failed."""


@frozen
class EndCall:
    """Hang up: the agent has finished."""


Action = Play | StopPlaying | PressKeys | WaitFor | OptOut | EndCall


@frozen(kw_only=True)
class Script:
    """What an agent says in a call, all of it made.

    Args:
        press: keys that are pressed before that; empty = none.
        opening: what is said first.
        answers: what a key is answered with, by key; None says the opening again.
        opt_out: key by which the called person asks never to be called again, or None.
        opt_out_said: what is said when that is done; None = nothing.
    """

    press: str = ""
    opening: Clip
    answers: Mapping[str, Clip | None] = field(factory=dict)
    opt_out: str | None = None
    opt_out_said: Clip | None = None

    @property
    def takes_keys(self) -> bool:
        """Whether keys mean anything."""
        return bool(self.answers) or self.opt_out is not None


class _Stage(Enum):
    """Where a conversation is."""

    UNANSWERED = auto()
    PRESSING = auto()
    SAYING = auto()
    WAITING = auto()
    ANSWERING = auto()
    STORING = auto()
    LEAVING = auto()
    OVER = auto()


_HEARS: Final = frozenset({_Stage.PRESSING, _Stage.SAYING, _Stage.WAITING})
_HEARS_WISHES: Final = _HEARS | {_Stage.ANSWERING}


class Conversation:
    """One call's agent at work. Every method returns what is to be done, in order.

    What comes late, twice or for nothing is answered with nothing.

    Args:
        script: what it says.
    """

    __slots__ = ("_mark", "_script", "_stage", "_turns")

    def __init__(self, script: Script) -> None:
        self._script = script
        self._stage = _Stage.UNANSWERED
        self._mark = 0  # of what is played or waited for now
        self._turns = 0  # how often the opening is still to be said

    def answered(self) -> Sequence[Action]:
        """The media flow."""
        if self._stage is not _Stage.UNANSWERED:
            return ()
        press = self._script.press
        return (PressKeys(press, self._enter(_Stage.PRESSING)),) if press else self._begin()

    def pressed(self, digit: str) -> Sequence[Action]:
        """A key was pressed."""
        script = self._script
        if digit == script.opt_out and self._stage in _HEARS_WISHES:
            mark = self._enter(_Stage.STORING)
            return (StopPlaying(), OptOut(), WaitFor(STORED_MS, mark))
        if self._stage not in _HEARS or not script.takes_keys:
            return ()
        answer = script.answers.get(digit)
        if answer is not None:
            return self._play(answer, _Stage.ANSWERING)
        return () if self._stage is _Stage.PRESSING else self._begin()  # nothing was said that could be said again

    def play_ended(self, mark: int, *, whole: bool) -> Sequence[Action]:
        """What was played is over."""
        if mark != self._mark:
            return ()
        if self._stage is _Stage.SAYING and self._script.takes_keys:
            return (WaitFor(KEY_MS, self._enter(_Stage.WAITING)),)
        return self._end()

    def timed_out(self, mark: int) -> Sequence[Action]:
        """What was waited for did not come, or what was to be pressed is."""
        if mark != self._mark:
            return ()
        if self._stage is _Stage.PRESSING:
            return self._begin()
        if self._stage is _Stage.WAITING and self._turns:
            return self._say()
        return self._end()

    def opted_out(self, *, done: bool) -> Sequence[Action]:
        """The do-not-call entry is durable, or could not be made."""
        if self._stage is not _Stage.STORING:
            return ()
        if not done:
            return self._begin()
        said = self._script.opt_out_said
        return self._end() if said is None else self._play(said, _Stage.LEAVING)

    def _begin(self) -> Sequence[Action]:
        """Say the opening, with the turns of a beginning."""
        self._turns = 2 if self._script.answers else 1
        return self._say()

    def _say(self) -> Sequence[Action]:
        self._turns -= 1
        return self._play(self._script.opening, _Stage.SAYING)

    def _play(self, clip: Clip, stage: _Stage) -> Sequence[Action]:
        return (Play((clip,), self._enter(stage)),)

    def _end(self) -> Sequence[Action]:
        if self._stage is _Stage.OVER or self._stage is _Stage.UNANSWERED:
            return ()
        self._enter(_Stage.OVER)
        return (EndCall(),)

    def _enter(self, stage: _Stage) -> int:
        """Go on to a stage; return the mark of what is played or waited for there."""
        self._stage = stage
        self._mark += 1
        return self._mark
