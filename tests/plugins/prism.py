"""Prism as a process: it answers each request by Twilio's own API description, and refuses one that is not valid by it.

The description is no part of this repository, and no registry has it: it is looked for at `$TWILIO_OPENAPI`, else where
`PLACE` says. Prism is what `tests/install-prism` installs. It keeps no state, and answers with the description's
examples: what it proves is that requests are well formed.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import pytest
from needs import cannot

ROOT: Final = Path(__file__).parents[2]
PLACE: Final = "../shared/twilio/twilio_api_v2010.json"
COMMAND: Final = ROOT / "build" / "prism" / "node_modules" / ".bin" / "prism"
PATIENCE_S: Final = 30.0
CALLS: Final = "/2010-04-01/Accounts/{AccountSid}/Calls.json"
SECOND_PAGE: Final = "/2010-04-01/Accounts/{AccountSid}/MoreCalls.json"
CALL: Final = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json"
_FORM: Final = "application/x-www-form-urlencoded"
_BODY: Final = "< Body: "

IN_WORDS: Final[dict[str, Any]] = {
    "To": {"pattern": r"^\+[1-9][0-9]{6,14}$"},
    "From": {"pattern": r"^\+[1-9][0-9]{6,14}$"},
    "Twiml": {"maxLength": 4_000, "pattern": "^<\\?xml .*<Response"},
    "Timeout": {"minimum": 1, "maximum": 600},
    "TimeLimit": {"minimum": 1},
    "MachineDetection": {"enum": ["Enable", "DetectMessageEnd"]},
    "MachineDetectionTimeout": {"minimum": 3, "maximum": 59},
    "MachineDetectionSpeechThreshold": {"minimum": 1_000, "maximum": 6_000},
    "MachineDetectionSpeechEndThreshold": {"minimum": 500, "maximum": 5_000},
    "MachineDetectionSilenceTimeout": {"minimum": 2_000, "maximum": 10_000},
    "AsyncAmd": {"enum": ["true", "false"]},
    "CallReason": {"maxLength": 50},
    "SendDigits": {"maxLength": 32, "pattern": "^[0-9*#A-DwW]+$"},
    "StatusCallbackEvent": {
        "items": {"type": "string", "enum": ["initiated", "ringing", "answered", "completed"]},
        "uniqueItems": True,
    },
}
"""Of the parameters of "Create a Call resource", what Twilio's documents say in words alone, and what this plugin sends
of it: numbers in E.164 and whole documents as TwiML."""


def description() -> dict[str, Any]:
    """Return Twilio's description; where it is not here the test is skipped, in continuous integration too."""
    named = os.environ.get("TWILIO_OPENAPI")
    path = ROOT / (named or PLACE)
    if path.is_file():
        read: dict[str, Any] = json.loads(path.read_text())
        return read
    if named:
        pytest.fail(f"TWILIO_OPENAPI is {named}, where no file is", pytrace=False)
    pytest.skip(
        "Twilio's API description is not here: put twilio_api_v2010.json of github.com/twilio/twilio-oai, made usable "
        "with Prism, somewhere and name it in TWILIO_OPENAPI, then run tests/install-prism"
    )


def example(described: dict[str, Any], path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    """Return what Prism answers a request with: the first example."""
    answer = described["paths"][path][method]["responses"][status]["content"]["application/json"]
    first: dict[str, Any] = next(iter(answer["examples"].values()))["value"]
    return first


def form_of(described: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of what is posted to a path."""
    schema: dict[str, Any] = described["paths"][path]["post"]["requestBody"]["content"][_FORM]["schema"]
    return schema


def sharpen(described: dict[str, Any], listing: dict[str, str]) -> None:
    """Make a description refuse more: what `IN_WORDS` says.

    Args:
        described: the description; changed.
        listing: query of a list of calls, whose parameters are all required from here on. The list gets a second page,
            at a path of its own, since Prism answers the same request the same each time.
    """
    creating = form_of(described, CALLS)
    for name, words in IN_WORDS.items():
        creating["properties"][name].update(words)
    creating["oneOf"] = [{"required": ["Url"]}, {"required": ["Twiml"]}]
    page = example(described, CALLS)
    token = {"Page": "1", "PageToken": "PA" + page["calls"][-1]["sid"]}
    described["paths"][SECOND_PAGE] = deepcopy({"get": described["paths"][CALLS]["get"]})
    where = SECOND_PAGE.format(AccountSid=page["calls"][0]["account_sid"])
    page["next_page_uri"] = f"{where}?{urlencode(listing | token)}"
    for path, required in ((CALLS, listing), (SECOND_PAGE, listing | token)):
        for parameter in described["paths"][path]["get"]["parameters"]:
            if parameter["name"] in required:
                parameter["required"] = True


class Prism:
    """A running Prism.

    Args:
        process: it.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said = threading.Condition()
        self._url: str | None = None
        self._forms: list[dict[str, list[str]]] = []
        self._lines: list[str] = []

    def read(self) -> None:
        """Read what it says until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self._lines.append(line)
                if "Prism is listening on" in line:
                    self._url = line.split()[-1]
                elif _BODY in line:
                    self._forms.append(parse_qs(line.partition(_BODY)[2].strip(), strict_parsing=True))
                self._said.notify()

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        with self._said:
            self._said.wait_for(lambda: self._url is not None or self._process.poll() is not None, PATIENCE_S)
            assert self._url is not None, f"Prism does not start: {''.join(self._lines)[-2000:]}"
            return self._url

    def form(self, number: str) -> dict[str, list[str]]:
        """Return the one form that was posted with this `To`: Prism leaves out unknown names before it validates."""

        def posted() -> list[dict[str, list[str]]]:
            return [form for form in self._forms if form.get("To") == [number]]

        with self._said:
            assert self._said.wait_for(posted, PATIENCE_S), "it has not come"  # its log may come after its answer
            (form,) = posted()
        return form


@contextmanager
def prism(folder: Path, described: dict[str, Any]) -> Iterator[Prism]:
    """Run Prism by a description, and end it.

    Args:
        folder: where the description is written.
        described: the description.
    """
    if not COMMAND.exists():
        cannot("Prism is missing: install nodejs and npm, and run tests/install-prism")
    (folder / "description.json").write_text(json.dumps(described))
    command = [COMMAND, "mock", "-h", "127.0.0.1", "-p", "0", "-v", "debug", folder / "description.json"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        running = Prism(process)
        reader = threading.Thread(target=running.read)
        reader.start()
        try:
            yield running
        finally:
            process.kill()  # it keeps nothing
            reader.join()
