"""Printed curl commands, run as they stand against the daemon's socket: only the host is another one."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen
from place import Place


@frozen
class Reply:
    """What was answered.

    Args:
        status: HTTP status.
        body: the JSON in it.
    """

    status: int
    body: Any


def curled(printed: str, socket: Path, *, standard_input: bytes = b"") -> Reply:
    """Run a printed command with the shell.

    Args:
        printed: the command, as a document prints it.
        socket: where to send it.
        standard_input: what the command reads.
    """
    assert printed.startswith("curl ")
    own = ["--silent", "--show-error", "--max-time", "30", "--write-out", r"\n%{http_code}"]
    options = " ".join(f"'{option}'" for option in ["--unix-socket", str(socket), *own])
    local = re.sub(r"\{\{baseUrl\}\}|https?://[A-Za-z0-9.:-]+", "http://localhost", printed)
    ended = subprocess.run(
        ["bash", "-c", local.replace("curl ", f"curl {options} ", 1)],
        input=standard_input,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    text, _, status = ended.stdout.decode().rpartition("\n")
    return Reply(int(status), json.loads(text) if text.strip() else None)


def curl(place: Place, method: str, path: str, body: Any = None, *headers: str, file: Path | None = None) -> Reply:
    """Send a request to a place's daemon: a `body` as JSON, or a file as it is."""
    command = ["curl", "--request", method, f"http://localhost{path}"]
    for header in (*headers, *(() if body is None else ("Content-Type: application/json",))):
        command += ["--header", header]
    if body is not None or file is not None:
        command += ["--data-binary", "@-" if file is None else f"@{file}"]
    sent = b"" if body is None else json.dumps(body).encode()
    return curled(shlex.join(command), place.root / "dialerd.sock", standard_input=sent)


def ask(socket: Path, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """Send a request of one's own by curl; `headers` have _ for -."""
    more = [f"--header {name.replace('_', '-')}:{value}" for name, value in headers.items()]
    if body is not None:
        more.append("--data-binary @-")
    command = f"curl --request {method} {' '.join(more)} 'http://localhost{path}'"
    return curled(command, socket, standard_input=b"" if body is None else json.dumps(body).encode())
