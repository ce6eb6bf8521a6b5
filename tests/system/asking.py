"""Requests to a place's daemon by curl: what a document prints, JSON of one's own, and files as they are."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from needs import program
from place import Place

_STATUS: Final = "\\n%{http_code}"


@frozen
class Asked:
    """What curl was answered.

    Args:
        status: HTTP status.
        text: the body.
    """

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The body's plain data."""
        return json.loads(self.text)


def printed(place: Place, command: str) -> Asked:
    """Run a printed command line as it stands, but at the daemon's socket."""
    line = command.strip().removeprefix("curl ")
    return _run(["sh", "-c", f"exec {shlex.join(_options(place))} {line}"])


def curl(place: Place, method: str, path: str, body: Any = None, *headers: str, file: Path | None = None) -> Asked:
    """Send a request: a `body` as JSON, or a file as it is."""
    command = [*_options(place), "--request", method, f"http://localhost{path}"]
    for header in headers:
        command += ["--header", header]
    if body is not None:
        command += ["--header", "Content-Type: application/json", "--data-binary", json.dumps(body)]
    if file is not None:
        command += ["--data-binary", f"@{file}"]
    return _run(command)


def _options(place: Place) -> list[str]:
    where = ["--unix-socket", str(place.root / "dialerd.sock")]
    return [program("curl", "curl"), "--silent", "--show-error", *where, "--max-time", "60", "--write-out", _STATUS]


def _run(command: list[str]) -> Asked:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    text, _, status = done.stdout.rpartition("\n")
    return Asked(int(status), text)
