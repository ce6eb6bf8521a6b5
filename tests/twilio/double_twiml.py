"""What a call of the Twilio double does once it is answered: enough of TwiML for agents that speak, ask and connect.

Speech takes its time, a `<Gather>` gets the keys that the behaviour presses, `<Connect>` and `<Dial>` last until
somebody hangs up (Twilio, "TwiML for Programmable Voice").
"""

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin
from xml.etree import ElementTree

import trio
from double_call import DoubleCall

if TYPE_CHECKING:
    from twilio_double import TwilioDouble

CHARACTERS_PER_S: Final = 15.0
PLAY_S: Final = 5.0
_GATHER_TIMEOUT_S: Final = "5"

Document = tuple[str, str]
"""A document's text, and the URL that it came from; empty text = it is to be fetched from there."""


class Performance:
    """Documents that a call executes.

    Args:
        double: whose call.
        call: it.
    """

    def __init__(self, double: "TwilioDouble", call: DoubleCall) -> None:
        self._double = double
        self._call = call

    async def run(self, document: Document | None) -> None:
        """Execute a document and those that it leads to; returns where the call hangs up."""
        while document is not None:
            text, url = document
            if not text:
                text = await self._fetch(url, self._call.params.get("Method", "POST"), {})
            document = await self._execute(text, url)

    async def _execute(self, text: str, url: str) -> Document | None:
        """Execute one document; return the one that takes its place."""
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError:
            self._call.errors.append(12100)  # Twilio error 12100: document parse failure
            return None
        for verb in root:
            match verb.tag:
                case "Hangup" | "Reject":
                    return None
                case "Redirect":
                    return "", urljoin(url, (verb.text or "").strip())
                case "Gather":
                    taken = await self._gather(verb, url)
                    if taken is not None:
                        return taken
                case "Say" | "Play" | "Pause":
                    await self._sound(verb)
                case "Connect" | "Dial":
                    await self._connect(verb)
                case _:
                    self._call.errors.append(12200)  # Twilio error 12200: schema validation warning
        return None

    async def _sound(self, verb: ElementTree.Element) -> None:
        text = "".join(verb.itertext()).strip()
        if verb.tag == "Pause":
            await trio.sleep(float(verb.get("length", "1")))
            return
        self._call.heard.append(text)
        seconds = PLAY_S if verb.tag == "Play" else len(text) / CHARACTERS_PER_S
        times = int(verb.get("loop", "1"))
        await trio.sleep(seconds * times if times else float("inf"))

    async def _connect(self, verb: ElementTree.Element) -> None:
        """Stay connected until the call ends; keep with whom."""
        for noun in verb:
            if noun.tag == "Stream":
                parameters = {one.get("name", ""): one.get("value", "") for one in noun.iter("Parameter")}
                self._call.streams.append((noun.get("url", ""), parameters))
            else:
                self._call.dialled.append((noun.text or "").strip())
        if verb.tag == "Dial" and (verb.text or "").strip():
            self._call.dialled.append((verb.text or "").strip())
        await trio.sleep_forever()

    async def _gather(self, verb: ElementTree.Element, url: str) -> Document | None:
        """Say what is in it and wait for keys; return what answers them, None where nobody pressed any."""
        digits = await self._digits(verb)
        if not digits and verb.get("actionOnEmptyResult") != "true":
            return None
        action = urljoin(url, verb.get("action", ""))
        if not action:
            return None
        fields = {"Digits": digits, "msg": "Gather End"} if digits else {"Digits": ""}
        return await self._fetch(action, verb.get("method", "POST"), fields, kind="gather"), action

    async def _digits(self, verb: ElementTree.Element) -> str:
        call = self._call
        with trio.move_on_after(call.behaviour.press_s if call.presses_left else float("inf")):
            for one in verb:
                await self._sound(one)
            if not call.presses_left:
                await trio.sleep(float(verb.get("timeout", _GATHER_TIMEOUT_S)))
            else:
                await trio.sleep_forever()
        if not call.presses_left:
            return ""
        finish, most = verb.get("finishOnKey", "#"), int(verb.get("numDigits", "99"))
        taken = ""
        while call.presses_left and len(taken) < most:
            key, call.presses_left = call.presses_left[0], call.presses_left[1:]
            call.pressed += key
            if key in finish:
                break
            taken += key
        return taken

    async def _fetch(self, url: str, method: str, fields: dict[str, str], kind: str = "document") -> str:
        """Return a document; where none comes, one that says so, as Twilio does, and hangs up."""
        form = self._double.webhooks.fields(self._call) | fields
        if self._call.answered_by is not None:
            form |= {"AnsweredBy": self._call.answered_by}
        delivery = await self._double.webhooks.ask(self._call, kind, url, form, method)
        if delivery.status is not None and 200 <= delivery.status < 300:
            return delivery.body or "<Response/>"
        self._call.errors.append(11200)  # Twilio error 11200: HTTP retrieval failure
        return "<Response><Say>We are sorry, an application error has occurred. Goodbye.</Say></Response>"
