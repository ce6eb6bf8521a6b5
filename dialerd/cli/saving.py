"""Answers of any length, saved as they come."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from dialerd.cli.client import Client, Refused
from dialerd.cli.exits import Exit


def save(daemon: Client, path: str, output: Path | None) -> None:
    """Copy what a path answers into a file, put in its place when it is whole, or to the standard output."""
    with daemon.stream(path) as answer:
        if output is None or str(output) == "-":
            _copy(answer.iter_bytes(), sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            return
        unfinished = output.with_name(f".{output.name}.{uuid4().hex[:8]}")
        try:
            with unfinished.open("wb") as file:
                _copy(answer.iter_bytes(), file.write)
            unfinished.replace(output)
        except OSError as error:
            raise Refused(f"{output} cannot be written: {error.strerror}", Exit.FAILED) from error
        finally:
            unfinished.unlink(missing_ok=True)


def _copy(pieces: Iterable[bytes], write: Callable[[bytes], Any]) -> None:
    for piece in pieces:
        write(piece)
