"""Makes conversations: every clip that an agent may say or play in a call, before the call leaves.

What says the same to everybody is made once, and costs next to nothing afterwards. Knows nothing of SIP and RTP.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen

from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.plugin.facts import facts_of, places_of
from dialerd.plugin.provider import CallOrder
from dialerd.rules.keys import NoKeys, check_keys, keys_in
from dialerd.rules.templates import BadTemplate, MissingVariable, fill, places, spelled
from dialerd_sip.conversation import Conversation, Script
from dialerd_sip.media.contract import Clip
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.places import fault_of
from dialerd_sip.speech.prompts import LOOKED_S, Prompts
from dialerd_sip.speech.speaking import Speaker
from dialerd_sip.speech.unfit import UnfitAgent

_AGENTS: Final = 256  # remembered; a reload of the settings brings new ones
_SPEAKERS: Final = 2  # commands that run at once: each may take a whole processor
_READERS: Final = 2  # files read at once: they are few, and most are known


@frozen
class _Known:
    """An agent that says the same in every call.

    Args:
        agent: the agent itself, so that no other can have its identity.
        at: when its clips were looked at, on the event loop's clock.
        script: what it says.
    """

    agent: AgentSettings
    at: float
    script: Script


class Studio:
    """Makes conversations; shared by the trunks with the same settings.

    Args:
        cache: folder where clips are kept.
        sounds: folder of sound files that agents name without a path; None = absolute paths alone.
        command: text-to-speech command, see `dialerd_sip.speech.speaking`; None = nobody says anything.

    Raises:
        ValueError: the command has a fault.
    """

    def __init__(
        self,
        *,
        cache: Path,
        sounds: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        if command is not None and (fault := fault_of(command)) is not None:
            raise ValueError(f"speech_command {fault}")
        clips = ClipCache(cache)
        self._sounds = sounds
        self._prompts = Prompts(clips, trio.CapacityLimiter(_READERS))
        self._speaker: Speaker | None = None
        if command is not None:
            self._speaker = Speaker(command, clips, trio.CapacityLimiter(_SPEAKERS))
        self._known: dict[int, _Known] = {}

    async def conversation(self, order: CallOrder) -> Conversation:
        """Return the conversation of a call, with every clip made.

        Of an agent that says the same in every call it returns at once, without a checkpoint, but once a second, when
        its sound files are looked at.

        Raises:
            UnfitAgent: the agent cannot speak in this call (missing variable, unreadable sound file, failing command).
        """
        agent = order.agent
        known = self._known.get(id(agent))
        if known is not None and trio.current_time() - known.at < LOOKED_S:
            return Conversation(known.script)
        reason = objection(agent, speaks=self._speaker is not None, sounds=self._sounds is not None)
        if reason is not None:
            raise UnfitAgent(reason, always=True)
        if places_of(agent):
            return Conversation(await self._script(agent, facts_of(order)))
        at = trio.current_time()
        try:
            script = await self._script(agent, {})
        except UnfitAgent as error:  # nothing in it is one recipient's
            raise UnfitAgent(str(error), always=True) from error
        self._known.pop(id(agent), None)
        if len(self._known) >= _AGENTS:
            del self._known[next(iter(self._known))]
        self._known[id(agent)] = _Known(agent, at, script)
        return Conversation(script)

    async def _script(self, agent: AgentSettings, facts: Mapping[str, Any]) -> Script:
        """Make all that an agent may say in a call."""
        said = None
        if agent.opt_out_say is not None:
            said = await self._said(agent, agent.opt_out_say, facts)
        return Script(
            press="" if agent.press is None else _keys(agent.press, facts),
            opening=await self._clip(agent, agent, facts),
            answers={
                key: None if choice.repeat else await self._clip(agent, choice, facts)
                for key, choice in agent.menu.items()
            },
            opt_out=agent.opt_out,
            opt_out_said=said,
        )

    async def _clip(self, agent: AgentSettings, part: AgentSettings | MenuChoice, facts: Mapping[str, Any]) -> Clip:
        if part.say is not None:
            return await self._said(agent, part.say, facts)
        file = Path(part.play or "")
        return await self._prompts.clip(file if self._sounds is None else self._sounds / file)

    async def _said(self, agent: AgentSettings, text: str, facts: Mapping[str, Any]) -> Clip:
        try:
            filled = fill(text, facts)
        except (BadTemplate, MissingVariable) as error:
            raise UnfitAgent(f"its text cannot be filled: {error}") from error
        private = [spelled(facts[name]) for name in places(text)]
        speaker = self._speaker
        if speaker is None:
            raise UnfitAgent(_SPEECHLESS, always=True)
        return await speaker.clip(filled, voice=agent.voice, language=agent.language, private=private)


def objection(agent: AgentSettings, *, speaks: bool, sounds: bool = True) -> str | None:
    """Return why an agent cannot speak in any call of a trunk, or None; opens no files.

    Args:
        agent: the agent.
        speaks: whether the trunk has a text-to-speech command.
        sounds: whether it has a folder of sound files.
    """
    for later in ("stream", "bridge", "twiml"):
        if getattr(agent, later) is not None:
            return f"an agent with {later} cannot speak over a SIP trunk yet; use a Twilio trunk for it"
    parts: list[AgentSettings | MenuChoice] = [agent, *agent.menu.values()]
    for part in parts:
        reason = _objection_to(part, speaks=speaks, sounds=sounds)
        if reason is not None:
            return reason
    if agent.opt_out_say is not None and not speaks:
        return _SPEECHLESS
    try:
        places_of(agent)
        if agent.press is not None:
            check_keys(agent.press)
    except BadTemplate as error:
        return f"its text {error}"
    except NoKeys as error:
        return f"what it presses {error}"
    return None


def _keys(press: str, facts: Mapping[str, Any]) -> str:
    try:
        return keys_in(press, facts)
    except (BadTemplate, MissingVariable) as error:
        raise UnfitAgent(f"what it presses cannot be filled: {error}") from error
    except NoKeys as error:
        raise UnfitAgent(f"what it presses {error}") from error


_SPEECHLESS: Final = (
    "it says something, and the trunk has no text-to-speech command; give the trunk the option speech_command, or the "
    "agent sound files to play"
)


def _objection_to(part: AgentSettings | MenuChoice, *, speaks: bool, sounds: bool) -> str | None:
    """Return why an agent's opening, or the choice of a menu, cannot be said or played."""
    if part.bridge is not None:
        return "a key of its menu bridges the call, which a SIP trunk cannot do yet; use a Twilio trunk for it"
    if part.say is not None:
        return None if speaks else _SPEECHLESS
    if part.play is None:
        return None if isinstance(part, MenuChoice) and part.repeat else "it has nothing to say or to play"
    if "://" in part.play:
        return "what it plays over a SIP trunk is a file of this machine; give play as its path, not as a URL"
    if not sounds and not part.play.startswith("/"):
        return "it names a sound file without its path; give the whole path, or the trunk the option sounds"
    return None
