"""TwiML, verb by verb, made with the SDK's builders, within the limits that Twilio sets.

A text comes out as it went in, whatever it holds: the builders escape, and characters that XML 1.0 cannot hold become
spaces. Knows nothing of agents. TwiML: Twilio, "TwiML for Programmable Voice".
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from twilio.twiml.voice_response import Connect, Dial, Gather, Hangup, Pause, Play, Say, VoiceResponse

from dialerd.model.errors import DialerdError
from dialerd.model.wording import shown
from dialerd.rules.templates import spelled

DOCUMENT_CHARACTERS: Final = 4_000
"""Characters of a document that is sent in a request: Twilio error 32018."""

KEY_SECONDS: Final = 5
"""How long a key is waited for after what is said; Twilio's default: Twilio, "TwiML Voice: Gather"."""

DETECTION_SECONDS: Final = 5
"""How long a call stays up after its text for the detection's sake: it takes some four seconds from the answer on, by
Twilio, "Answering Machine Detection"."""

_PARAMETER_CHARACTERS: Final = 500  # name and value together stay below: Twilio, "TwiML Voice: Stream"
_URI_CHARACTERS: Final = 255  # a SIP URI stays below: Twilio, "TwiML Voice: Sip"
_ENCODED_CHARACTERS: Final = 4_500  # of one Say, encoded as in a URL: Twilio error 13521
_SPOKEN_BYTES: Final = {"polly.": 3_000, "google.": 5_000}  # of one Say, by the voice's maker: Twilio error 13521
_PLAIN_SPOKEN_BYTES: Final = 4_096  # with any other voice: Twilio error 13521

# what is no Char of XML 1.0, 2.2; and the carriage return, which every parser turns into a line feed (2.11)
_UNREADABLE: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Verb = Any
"""A verb as the SDK builds it, which has no types."""


class UnfitAgent(DialerdError):
    """An agent cannot speak in a call; the message says why."""


def document(*verbs: Verb) -> str:
    """Return a document with these verbs; when they are done, the carrier ends the call."""
    response = VoiceResponse()
    for verb in verbs:
        response.append(verb)
    return str(response)


def fitting(text: str) -> str:
    """Return a document that can be sent in a request.

    Raises:
        UnfitAgent: it is too long.
    """
    if len(text) > DOCUMENT_CHARACTERS:
        raise UnfitAgent(f"what it does takes {len(text)} characters of TwiML, of {DOCUMENT_CHARACTERS}; shorten it")
    return text


def speech(text: str, voice: str | None, language: str | None) -> Verb:
    """Return `<Say>`.

    Raises:
        UnfitAgent: there is nothing to say, or too much: Twilio would leave the called person in silence.
    """
    text = readable(text)
    if not text.strip():
        raise UnfitAgent("there is nothing to say once the places of its text are filled")
    most = next(
        (most for maker, most in _SPOKEN_BYTES.items() if (voice or "").lower().startswith(maker)), _PLAIN_SPOKEN_BYTES
    )
    if len(text) * 4 > most and (size := len(text.encode())) > most:  # a character has 4 bytes at most
        raise UnfitAgent(f"its text has {size} bytes, of {most} that its voice can say at once; shorten it")
    if len(text) * 12 > _ENCODED_CHARACTERS and (size := len(quote(text))) > _ENCODED_CHARACTERS:
        raise UnfitAgent(
            f"its text has {size} characters as a URL writes them, of {_ENCODED_CHARACTERS} that can be said at once; "
            "shorten it"
        )
    return Say(text, voice=voice, language=language)


def sound(url: str) -> Verb:
    """Return `<Play>`.

    Raises:
        UnfitAgent: Twilio cannot fetch it.
    """
    if not _is_web(url):
        raise UnfitAgent("the carrier fetches sounds itself; give play as an https URL that it can reach")
    return Play(url)


def bridge(target: str, caller_id: str) -> Verb:
    """Return `<Dial>` to a SIP URI, a `tel:` URI or an E.164 number.

    Args:
        target: whom to connect the call with.
        caller_id: number to show there.

    Raises:
        UnfitAgent: Twilio cannot dial it.
    """
    dial = Dial(caller_id=caller_id)
    scheme = target.partition(":")[0].lower()
    if scheme in ("sip", "sips"):
        if len(target) >= _URI_CHARACTERS:
            raise UnfitAgent(f"its SIP URI has {len(target)} characters; it must have fewer than {_URI_CHARACTERS}")
        dial.sip(readable(target))
        return dial
    number = target
    if scheme == "tel":  # RFC 3966: parameters follow a semicolon, and -.() only group the digits
        number = re.sub(r"[-.()]", "", target[len("tel:") :].partition(";")[0])
    if not re.fullmatch(r"\+[0-9]{2,15}", number):
        raise UnfitAgent('the carrier dials full numbers only; give bridge as "+12125550123" or as a SIP URI')
    dial.number(number)
    return dial


def stream(url: str, facts: Mapping[str, Any]) -> Verb:
    """Return `<Connect><Stream>` with a parameter a fact.

    Args:
        url: WebSocket URL.
        facts: what the stream is told of the call, plain JSON data.

    Raises:
        UnfitAgent: Twilio cannot stream there, or cannot pass a fact on.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UnfitAgent("its stream is no URL") from None
    if parts.scheme != "wss":
        raise UnfitAgent("the carrier streams over TLS only; give stream as a wss URL")
    if parts.query:
        raise UnfitAgent("the carrier passes no query on to a stream; leave it out, its facts come as parameters")
    connect = Connect()
    streamed = connect.stream(url=url)
    for name, fact in facts.items():
        told = readable(spelled(fact))
        if len(name) + len(told) >= _PARAMETER_CHARACTERS:
            raise UnfitAgent(
                f"{shown(name)} has {len(told)} characters; a stream's parameter has fewer than "
                f"{_PARAMETER_CHARACTERS} with its name; shorten it, or use an agent with twiml"
            )
        streamed.parameter(name=readable(name), value=told)
    return connect


def gather(action: str, *verbs: Verb) -> Verb:
    """Return `<Gather>`: these verbs are done while one key is waited for.

    The finishing key, else `#`, is none, so that `#` is a key like the others.

    Args:
        action: public URL that is told the key, and answers with what follows.
        verbs: what is said or played.
    """
    waiting = Gather(input="dtmf", num_digits=1, timeout=KEY_SECONDS, finish_on_key="", action=action, method="POST")
    for verb in verbs:
        waiting.append(verb)
    return waiting


def hangup() -> Verb:
    """Return `<Hangup>`."""
    return Hangup()


def silence() -> Verb:
    """Return `<Pause>`: a short text would be over, and its call, before it is known who listens."""
    return Pause(length=DETECTION_SECONDS)


def asking(url: str, facts: Mapping[str, Any]) -> str:
    """Return a URL with facts in its query, behind what it has there already.

    Raises:
        UnfitAgent: it is no web address.
    """
    if not _is_web(url):
        raise UnfitAgent("the carrier asks for TwiML over the web; give twiml as an https URL that it can reach")
    told = urlencode({readable(name): readable(spelled(fact)) for name, fact in facts.items()})
    parts = urlsplit(url)
    return parts._replace(query="&".join(filter(None, (parts.query, told))), fragment="").geturl()


def readable(text: str) -> str:
    """Return a text with a space for each character that XML cannot hold."""
    return _UNREADABLE.sub(" ", text)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
