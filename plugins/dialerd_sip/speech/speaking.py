"""Texts to clips, by a text-to-speech command that the operator names.

The command is a program with its arguments, started without a shell. It gets the text on its standard input, in UTF-8
on one line, and makes a WAV file (or another that libsndfile reads), on its standard output or as `{file}`:

    ["espeak-ng", "--stdin", "--stdout", "-v", "{language}", "-v", "{voice}"]
    ["piper", "--model", "{voice}", "--output_file", "{file}"]          # voice: path of a model

`{voice}` and `{language}` are the agent's. An argument with a place that an agent has nothing for is left out, and so
is an option before it, if the argument is nothing but the place: the first command above takes any agent.

Each text is spoken once: names in it make a clip a recipient, kept like all others. Texts are personal data: they stand
in no log, in no error and on no command line. Knows nothing of agents and recipients.
"""

import re
import tempfile
from collections.abc import Collection, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

import trio

from dialerd_sip.media.contract import Clip
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.command import CommandFailed, Run
from dialerd_sip.speech.flights import Flights
from dialerd_sip.speech.law import alaw, ulaw
from dialerd_sip.speech.places import PLACE
from dialerd_sip.speech.sound import BadSound, read_sound
from dialerd_sip.speech.unfit import UnfitAgent

SPOKEN_S: Final = 30.0
"""How long a command may take over a text: half of what a call may be prepared for."""

TEXT_CHARACTERS: Final = 4_000
"""Of one text: five minutes' talk; some carriers take as many."""

_MAKING: Final = "1"  # how clips are made; another number makes all of them anew
_CLIPS: Final = 4_096  # remembered
_LOOKED_S: Final = 60.0  # how long one is taken to be there without being looked at
_SHOWN: Final = 300  # characters of a command's words that are repeated
_UNSPOKEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]+")


class Speaker:
    """Makes clips of texts.

    Args:
        command: program and arguments, without a fault.
        cache: where clips are kept.
        running: how many commands may run at once.
        timeout_s: how long one may take.
    """

    def __init__(
        self, command: Sequence[str], cache: ClipCache, running: trio.CapacityLimiter, *, timeout_s: float = SPOKEN_S
    ) -> None:
        self._command = tuple(command)
        self._cache = cache
        self._running = running
        self._timeout_s = timeout_s
        self._flights: Flights[Clip] = Flights()
        self._known: dict[str, tuple[float, Clip]] = {}

    async def clip(self, text: str, *, voice: str | None, language: str | None, private: Collection[str] = ()) -> Clip:
        """Return the clip of a text.

        Args:
            text: what is said.
            voice: the agent's voice, as the command calls it, or None.
            language: the agent's language, or None.
            private: what in the text is nobody's business: it is left out of what the command says when it fails.

        Raises:
            UnfitAgent: there is nothing to say, or too much, or the command fails.
        """
        spoken = _UNSPOKEN.sub(" ", text).strip()
        if not spoken:
            raise UnfitAgent("there is nothing to say once the places of its text are filled")
        if len(spoken) > TEXT_CHARACTERS:
            raise UnfitAgent(f"its text has {len(spoken)} characters, of {TEXT_CHARACTERS} at most; shorten it")
        told = (_MAKING, self._command, voice, language, spoken)
        key = sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()
        known = self._known.get(key)
        if known is not None and trio.current_time() - known[0] < _LOOKED_S:
            return known[1]
        manner = {name: value for name, value in (("voice", voice), ("language", language)) if value is not None}
        masked = _mask(spoken, private)
        return await self._flights.share(key, lambda: self._had(key, spoken, manner, masked))

    async def _had(self, key: str, text: str, manner: dict[str, str], masked: "re.Pattern[str]") -> Clip:
        self._known.pop(key, None)
        clip = await trio.to_thread.run_sync(self._cache.find, key) or await self._spoken(key, text, manner, masked)
        if len(self._known) >= _CLIPS:
            del self._known[next(iter(self._known))]
        self._known[key] = (trio.current_time(), clip)
        return clip

    async def _spoken(self, key: str, text: str, manner: dict[str, str], masked: "re.Pattern[str]") -> Clip:
        """Have it spoken; cancelled, the command is ended."""
        program = self._command[0]
        run = Run(f"{text}\n".encode(), timeout_s=self._timeout_s)
        try:
            return await trio.to_thread.run_sync(
                self._made, run, manner, key, abandon_on_cancel=True, limiter=self._running
            )
        except CommandFailed as error:
            words = masked.sub("…", error.words)
            words = words if len(words) <= _SHOWN else f"…{words[-_SHOWN:]}"
            said = f", saying: {words}" if words else ""
            raise UnfitAgent(
                f"the text-to-speech command {program} {error}{said}; try it by hand, and see the trunk's "
                "speech_command and the agent's voice and language",
                always=error.missing,
            ) from None  # what it comes from has the text in it
        except BadSound as error:
            raise UnfitAgent(
                f"what the text-to-speech command {program} made {error}; it must write a WAV file to its standard "
                "output, or to {file} where it is told so"
            ) from None
        finally:
            run.abandon()

    def _made(self, run: Run, manner: dict[str, str], key: str) -> Clip:
        """Run the command, and make what it made a clip; in a worker thread."""
        if any("{file}" in argument for argument in self._command):
            try:
                with tempfile.TemporaryDirectory(prefix="dialerd-speech-", ignore_cleanup_errors=True) as aside:
                    file = Path(aside) / "speech.wav"
                    run.run(_filled(self._command, {**manner, "file": str(file)}))
                    with file.open("rb") as written:
                        samples = read_sound(written)
            except OSError as error:
                raise BadSound(f"cannot be read: {error.strerror or error}") from error
        else:
            samples = read_sound(BytesIO(run.run(_filled(self._command, manner))))
        return self._cache.keep(key, ulaw=ulaw(samples), alaw=alaw(samples))


def _filled(command: Sequence[str], values: dict[str, str]) -> list[str]:
    """Return a command with its places filled; arguments without a value are left out."""
    filled = [command[0]]
    for argument in command[1:]:
        names = PLACE.findall(argument)
        if all(name in values for name in names):
            filled.append(_put(argument, values))
        elif PLACE.fullmatch(argument) and len(filled) > 1 and filled[-1].startswith("-"):
            del filled[-1]
    return filled


def _put(argument: str, values: dict[str, str]) -> str:
    """Fill the places of an argument.

    Raises:
        UnfitAgent: a voice or language would be taken for an option, or for two arguments' worth.
    """

    def value_of(place: "re.Match[str]") -> str:
        value = values[place[1]]
        if value.startswith("-") or not value.isprintable():
            raise UnfitAgent(f"its {place[1]} must not begin with a hyphen or have control characters", always=True)
        return value

    return PLACE.sub(value_of, argument)


def _mask(text: str, private: Collection[str]) -> "re.Pattern[str]":
    """Return what matches a text, and what of it is private, as a whole and word by word."""
    words = {word for value in private for word in (" ".join(value.split()), *value.split())} - {""}
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile("|".join((re.escape(text), *(rf"(?<!\w){word}(?!\w)" for word in longest_first))), re.IGNORECASE)
