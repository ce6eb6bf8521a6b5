"""Runs a measurement in a process of its own, so that no figure feels what another has left behind."""

import json
import subprocess
import sys
from typing import Any

from bench.machine import load

_LIMIT_S = 900

Result = dict[str, Any]


def rounds(scale: int) -> int:
    """Return how often what is compared is run: three times, once where it is only to be seen to work."""
    return 3 if scale == 1 else 1


def measure(module: str, *arguments: object) -> Result:
    """Run `python -m bench.MODULE ARGUMENTS` and return its result, the last line that it prints."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    print(f"  load {load():>4}  {module} {' '.join(map(str, arguments))}", file=sys.stderr, flush=True)
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=_LIMIT_S)
    result: Result = json.loads(ended.stdout.splitlines()[-1])
    return result
