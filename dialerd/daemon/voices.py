"""What the settings of one agent say about each other: how it speaks, what keys do, in which voice.

What a provider can make of an agent is the provider's to say.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from dialerd.daemon.full_numbers import number_fault
from dialerd.model.errors import Fault
from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.wording import dotted, shown
from dialerd.plugin.facts import OWN_FACTS
from dialerd.rules.keys import NoKeys, check_keys
from dialerd.rules.templates import BadTemplate, places

VOICES: Final = ("say", "play", "stream", "bridge", "twiml")
"""The keys of an agent of which it has one: the ways in which it speaks."""

_CHOICES: Final = ("say", "play", "bridge", "repeat")
_KEYS: Final = frozenset("0123456789*#")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # the form of BCP 47, not its registry

_Place = tuple[str, ...]


def voice_faults(place: _Place, agent: AgentSettings) -> Iterator[Fault]:
    """Yield every fault that shows only when the settings of an agent are seen together.

    Args:
        place: where it stands.
        agent: the agent.
    """
    given = [voice for voice in VOICES if getattr(agent, voice) is not None]
    if not given:
        yield _at(place, "must have one of say, play, stream, bridge and twiml")
    elif len(given) > 1:
        yield _at(place, f"must have only one of say, play, stream, bridge and twiml, but has {' and '.join(given)}")
    for voice in given:
        if not getattr(agent, voice).strip():
            yield _at((*place, voice), "must not be empty")
    yield from _text((*place, "say"), agent.say)
    yield from _bridge((*place, "bridge"), agent.bridge)
    if not _is_url(agent.stream, ("ws", "wss")):
        yield _at((*place, "stream"), 'must be a WebSocket URL such as "wss://agent.example.com/call"')
    if not _is_url(agent.twiml, ("http", "https")):
        yield _at((*place, "twiml"), 'must be a web address such as "https://agent.example.com/twiml"')
    yield from _press((*place, "press"), agent.press)
    yield from _keys(place, agent, speaks=not given or agent.say is not None or agent.play is not None)
    yield from _manner(place, agent)


def _press(place: _Place, press: str | None) -> Iterator[Fault]:
    """What is pressed are keys, whatever the recipient's variables are to be."""
    if press is None:
        return
    try:
        check_keys(press)
        own = sorted(places(press) & OWN_FACTS)
    except (BadTemplate, NoKeys) as error:
        yield _at(place, str(error))
    else:
        if own:
            yield _at(place, f"has a place for {shown(own[0])}, which is no keys; use a variable of the recipient's")


def _keys(place: _Place, agent: AgentSettings, *, speaks: bool) -> Iterator[Fault]:
    """Keys are for agents that say or play; no other hears them."""
    if not speaks:
        for name in ("menu", "opt_out"):
            if getattr(agent, name):
                yield _at((*place, name), "is for agents with say or play; leave it out, others take keys themselves")
    for key, choice in agent.menu.items():
        if key not in _KEYS:
            yield _at((*place, "menu", key), 'is no key of a phone, which are 0 to 9, "*" and "#"')
        yield from _choice((*place, "menu", key), choice)
    if agent.opt_out is not None:
        if agent.opt_out not in _KEYS:
            yield _at((*place, "opt_out"), 'must be one key of a phone: 0 to 9, "*" or "#"')
        elif agent.opt_out in agent.menu:
            yield _at((*place, "opt_out"), "is a key of the menu too; give each its own")
    if agent.opt_out_say is not None:
        if agent.opt_out is None:
            yield _at((*place, "opt_out_say"), "is said when opt_out is pressed, which is not given; give it a key")
        if not agent.opt_out_say.strip():
            yield _at((*place, "opt_out_say"), "must not be empty; leave it out to say nothing")
        yield from _text((*place, "opt_out_say"), agent.opt_out_say)


def _choice(place: _Place, choice: MenuChoice) -> Iterator[Fault]:
    given = [name for name in _CHOICES if getattr(choice, name) not in (None, False)]
    if not given:
        yield _at(place, "must have one of say, play, bridge and repeat = true")
    elif len(given) > 1:
        yield _at(place, f"must have only one of say, play, bridge and repeat, but has {' and '.join(given)}")
    for name in ("say", "play", "bridge"):
        text = getattr(choice, name)
        if text is not None and not text.strip():
            yield _at((*place, name), "must not be empty")
    yield from _text((*place, "say"), choice.say)
    yield from _bridge((*place, "bridge"), choice.bridge)


def _manner(place: _Place, agent: AgentSettings) -> Iterator[Fault]:
    """Only what is said has a voice and a language."""
    said = agent.say is not None or agent.opt_out_say is not None
    said = said or any(choice.say is not None for choice in agent.menu.values())
    for name in ("voice", "language"):
        value = getattr(agent, name)
        if value is None:
            continue
        if not value.strip():
            yield _at((*place, name), "must not be empty; leave it out instead")
        elif name == "language" and not _LANGUAGE.fullmatch(value):
            yield _at((*place, name), 'must be a language as BCP 47 writes it, such as "en-GB"')
        if not said:
            yield _at((*place, name), "is of what is said, and this agent says nothing; leave it out")


def _text(place: _Place, text: str | None) -> Iterator[Fault]:
    """The places of a text are as they are to be."""
    try:
        places(text or "")
    except BadTemplate as error:
        yield _at(place, str(error))


def _bridge(place: _Place, target: str | None) -> Iterator[Fault]:
    if target is None or not target.strip() or target.lower().startswith(("sip:", "sips:", "tel:")):
        return
    if number_fault(target) is not None:
        yield _at(place, 'must be a SIP URI such as "sip:desk@example.com" or a full number with +')


def _is_url(text: str | None, schemes: tuple[str, ...]) -> bool:
    """Tell whether a text is a URL; one that is not given, or is empty, is another rule's."""
    if text is None or not text.strip():
        return True
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and not re.search(r"\s", text)


def _at(place: _Place, message: str) -> Fault:
    return Fault(dotted("", place), message)
