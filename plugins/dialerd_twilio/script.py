"""What a call does: an agent made into TwiML, for the answer, for each key, and for a machine.

Everything is written before the call is placed, so that nothing has to be asked of this daemon while somebody listens,
but what keys they press. Knows nothing of requests. TwiML: Twilio, "TwiML for Programmable Voice".

Where keys can be pressed, what the agent says is said while one is waited for: twice where there is a menu, if that is
not too long, and once where there is only a key to opt out. Nobody pressing any, the call ends. A key that means
nothing has it all said again, for as long as the call may last.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from attrs import evolve, field, frozen

from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.states import Amd, OnVoicemail
from dialerd.plugin.facts import facts_of, places_of
from dialerd.plugin.provider import STATE_BYTES, CallOrder
from dialerd.rules.keys import NoKeys, keys_in
from dialerd.rules.templates import BadTemplate, MissingVariable, fill
from dialerd_twilio.twiml import (
    DOCUMENT_CHARACTERS,
    UnfitAgent,
    Verb,
    asking,
    bridge,
    document,
    fitting,
    gather,
    hangup,
    silence,
    sound,
    speech,
    stream,
)

__all__ = ["STOP", "Script", "UnfitAgent", "objection", "write_script"]

STOP: Final = "stop"
"""Query parameter of the URL that is told keys: which of them opts out, for a later life that knows nothing else."""

_VERSION: Final = 1
_MOST_KEYS: Final = 32  # Twilio, "Create a Call resource", SendDigits


@frozen(kw_only=True)
class Script:
    """What one call does.

    Args:
        twiml: what it does when it is answered, or None where `url` says it.
        url: where the carrier gets that, the agent's own address, or None.
        press: keys that are pressed before that, or None.
        keys: TwiML that answers a key, by key.
        otherwise: TwiML that answers a key without a choice; None where no key is asked for.
        opt_out: key by which the called person asks never to be called again, or None.
        amd: whether a machine is listened for.
        on_voicemail: what to do when a machine answers.
    """

    twiml: str | None = None
    url: str | None = None
    press: str | None = None
    keys: Mapping[str, str] = field(factory=dict)
    otherwise: str | None = None
    opt_out: str | None = None
    amd: Amd = Amd.OFF
    on_voicemail: OnVoicemail = OnVoicemail.HANG_UP

    @property
    def is_needed_later(self) -> bool:
        """Whether a later life would have to know what the call does."""
        return self.otherwise is not None or self.amd is Amd.DETECT

    def detects_beside(self, *, callbacks: bool) -> bool:
        """Tell whether a machine is listened for while the call goes on already (`AsyncAmd`).

        It needs callbacks, or nobody would hear of the result in time; and a message must not begin before the beep,
        for which the call has to wait.

        Args:
            callbacks: whether the carrier tells by itself.
        """
        waits = self.on_voicemail is OnVoicemail.LEAVE_MESSAGE
        return callbacks and self.amd is Amd.DETECT and not waits

    def to_state(self) -> bytes:
        """Return it as bytes for `report.state`.

        `twiml`, `url` and `press` are not among them: of a call that is placed, the carrier has them. What is too much
        is left out: keys, the last ones first, then what is otherwise answered. Which key opts out, and what to do with
        a machine, always stay.
        """
        kept = _Kept(
            version=_VERSION,
            keys={key: None if answer == self.otherwise else answer for key, answer in self.keys.items()},
            otherwise=self.otherwise,
            opt_out=self.opt_out,
            amd=self.amd,
            on_voicemail=self.on_voicemail,
        )
        while len(state := msgspec.json.encode(kept)) > STATE_BYTES:
            fewer = dict(list(kept.keys.items())[:-1])
            kept = evolve(kept, keys=fewer) if kept.keys else evolve(kept, otherwise=None)
        return state

    @classmethod
    def from_state(cls, state: bytes | None) -> "Script | None":
        """Return it from the bytes of a former life; None where there are none, or of another version."""
        if state is None:
            return None
        try:
            kept = msgspec.json.decode(state, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if kept.version != _VERSION:
            return None
        answers = {key: kept.otherwise if answer is None else answer for key, answer in kept.keys.items()}
        return cls(
            keys={key: answer for key, answer in answers.items() if answer is not None},
            otherwise=kept.otherwise,
            opt_out=kept.opt_out,
            amd=kept.amd,
            on_voicemail=kept.on_voicemail,
        )


@frozen(kw_only=True)
class _Kept:
    """A script as its state holds it; a key whose answer is None is answered like any other."""

    version: int
    keys: dict[str, str | None]
    otherwise: str | None
    opt_out: str | None
    amd: Amd
    on_voicemail: OnVoicemail


def write_script(order: CallOrder, keys_url: str | None, *, presses: bool = True) -> Script:
    """Write what a call does.

    Args:
        order: the call.
        keys_url: public URL that is told which keys are pressed; None where there is none.
        presses: whether the carrier presses keys itself.

    Raises:
        UnfitAgent: the agent cannot speak in this call.
    """
    agent = order.agent
    press = None if agent.press is None else _pressed(agent.press, order, presses=presses)
    bare = Script(press=press, amd=order.amd, on_voicemail=agent.on_voicemail)
    if agent.twiml is not None:
        return evolve(bare, url=asking(agent.twiml, facts_of(order)))
    if agent.stream is not None:
        connected = stream(agent.stream, facts_of(order))
        return evolve(bare, twiml=fitting(document(connected)))
    if agent.bridge is not None:
        connected = bridge(agent.bridge, order.caller_id)
        return evolve(bare, twiml=fitting(document(connected)))
    writer = _Writer(order)
    opening = writer.spoken(agent)
    if not agent.menu and agent.opt_out is None:
        beside = bare.detects_beside(callbacks=keys_url is not None)
        return evolve(bare, twiml=fitting(document(opening, *((silence(),) if beside else ()))))
    if keys_url is None:
        raise UnfitAgent(
            "it asks for keys, which only callbacks tell, and the trunk takes none; configure [callbacks], and where "
            "an API key asks, signing_token, or leave the keys out"
        )
    twiml = _waiting(opening, _with_stop(keys_url, agent.opt_out), twice=bool(agent.menu))
    return evolve(bare, twiml=twiml, keys=dict(writer.answers(twiml)), otherwise=twiml, opt_out=agent.opt_out)


def objection(agent: AgentSettings, *, callbacks: bool, presses: bool = True) -> str | None:
    """Return why an agent cannot speak in any call of a trunk, or None.

    Args:
        agent: the agent.
        callbacks: whether keys can be told to this daemon.
        presses: whether the carrier presses keys itself.
    """
    try:
        # what it would do in the call that asks least of it: whatever its texts have places for has one digit
        variables = dict.fromkeys(places_of(agent), "0")
        order = CallOrder(
            attempt_id="00000000-0000-7000-8000-000000000000",
            trunk="",
            number="+12125550123",
            caller_id="+12125550123",
            agent_name="",
            agent=agent,
            variables=variables,
        )
        write_script(order, "https://x/" if callbacks else None, presses=presses)
    except (UnfitAgent, BadTemplate) as error:
        return str(error)
    return None


def _pressed(press: str, order: CallOrder, *, presses: bool) -> str:
    """Return the keys of a call, for `SendDigits`, which has the same alphabet (Twilio, "Create a Call resource").

    Raises:
        UnfitAgent: they are none, or the carrier cannot press them.
    """
    if not presses:
        raise UnfitAgent("it presses keys, which this carrier does not do where a call is created; leave press out")
    if order.amd is Amd.DETECT:  # the same page: MachineDetection is ignored then
        raise UnfitAgent(
            'the carrier listens for no machine where it presses keys; set amd to "off", or leave out press'
        )
    try:
        keys = keys_in(press, facts_of(order))
    except (BadTemplate, MissingVariable) as error:
        raise UnfitAgent(f"what it presses cannot be filled: {error}") from error
    except NoKeys as error:
        raise UnfitAgent(f"what it presses {error}") from error
    if len(keys) > _MOST_KEYS:
        raise UnfitAgent(f"what it presses has {len(keys)} keys, of {_MOST_KEYS} that the carrier presses; shorten it")
    return keys


class _Writer:
    """Writes what one call says, with its facts in the places of the agent's texts."""

    def __init__(self, order: CallOrder) -> None:
        self._order = order
        self._agent = order.agent
        self._facts: dict[str, Any] = facts_of(order)

    def spoken(self, part: AgentSettings | MenuChoice) -> Verb:
        """Return what an agent, or the choice of a menu, says or plays."""
        if part.say is not None:
            return self._speech(part.say)
        if part.play is not None:
            return sound(part.play)
        raise UnfitAgent("it has no way to speak that a carrier of this kind understands")

    def answers(self, again: str) -> Iterator[tuple[str, str]]:
        """Yield the answer to each key of the agent, that to opt out first."""
        agent = self._agent
        if agent.opt_out is not None:
            said = () if agent.opt_out_say is None else (self._speech(agent.opt_out_say),)
            yield agent.opt_out, document(*said, hangup())
        for key, choice in agent.menu.items():
            if choice.repeat:
                yield key, again
            elif choice.bridge is not None:
                yield key, document(bridge(choice.bridge, self._order.caller_id))
            else:
                yield key, document(self.spoken(choice), hangup())

    def _speech(self, text: str) -> Verb:
        try:
            filled = fill(text, self._facts)
        except (BadTemplate, MissingVariable) as error:
            raise UnfitAgent(f"its text cannot be filled: {error}") from error
        return speech(filled, self._agent.voice, self._agent.language)


def _waiting(opening: Verb, action: str, *, twice: bool) -> str:
    """Return what says the opening while a key is waited for, and ends the call without one."""
    waiting = gather(action, opening)
    text = document(waiting, waiting, hangup()) if twice else document(waiting, hangup())
    return text if twice and len(text) <= DOCUMENT_CHARACTERS else fitting(document(waiting, hangup()))


def _with_stop(url: str, key: str | None) -> str:
    if key is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}{STOP}={quote(key, safe='')}"
