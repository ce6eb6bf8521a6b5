"""A Twilio double as a process beside the daemon: its start and end, its faults, and its own record of every call."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import tomli_w
from attrs import define
from place import CALLER_ID, Place, settings

ACCOUNT: Final = "AC" + "0123456789abcdef" * 2
TOKEN: Final = "token-of-the-double"
PUBLIC: Final = "https://dialer.example.com/dialerd"

_DOUBLE: Final = Path(__file__).parents[1] / "twilio" / "double_process.py"


@define(eq=False)
class Carrier:
    """A carrier as a process.

    Args:
        url: where its API is.
        path: its record.
    """

    url: str
    path: Path

    def record(self, what: str | None = "created") -> list[dict[str, Any]]:
        """Return the lines of its record of one kind, or of all, in order."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if what in (None, line["what"])]

    def change(self, **wanted: Any) -> None:
        """Have something else go wrong from now on."""
        body = json.dumps(wanted).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/control", body), timeout=10).close()

    def stats(self) -> dict[str, Any]:
        """Return what has happened so far."""
        with urllib.request.urlopen(f"{self.url}/control", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
            return told


@contextmanager
def carrier(place: Place, **wanted: Any) -> Iterator[Carrier]:
    """Run a carrier; `wanted` are `cps`, `faults`, `behaviour`, `behaviours` and `routes` of the double."""
    path = place.root / "carrier.jsonl"
    arguments = ["--port", "0", "--record", str(path), "--account", ACCOUNT, "--token", TOKEN, "--numbers", CALLER_ID]
    for name, value in wanted.items():
        arguments += [f"--{'callback-map' if name == 'routes' else name}", json.dumps(value)]
    with (
        (place.root / "carrier.log").open("wb") as log,
        subprocess.Popen([sys.executable, str(_DOUBLE), *arguments], stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            assert url, f"the double did not start: {(place.root / 'carrier.log').read_text()}"
            yield Carrier(url, path)
        finally:
            process.terminate()


def configure(
    place: Place,
    url: str,
    *,
    lines: int,
    callbacks: str | None = None,
    agent: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Write settings with one trunk over the carrier.

    Args:
        place: whose.
        url: where the carrier's API is.
        lines: calls at once.
        callbacks: address at which the daemon listens for it, or None.
        agent: table of the agent `reminder`; None = one that says a word.
        options: further ones of the trunk.
    """
    token = place.root / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    plain = settings(daemon={"max_concurrent": lines})
    trunk = {"provider": "twilio", "max_concurrent": lines, "countries": ["GB"]}
    trunk["options"] = {"base_url": url, "account_sid": ACCOUNT, "auth_token": str(token), **options}
    plain["trunks"] = {"carrier": trunk}
    plain["numbers"] = {CALLER_ID: {"trunk": "carrier"}}
    if agent is not None:
        plain["agents"] = {"reminder": agent}
    if callbacks is not None:
        plain["callbacks"] = {"listen": callbacks, "url": PUBLIC}
    place.config.write_text(tomli_w.dumps(plain))
