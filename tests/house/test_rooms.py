"""Imports go down only: a new arrow between rooms is a change of this table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ARROWS = {
    "dialerd.model": set(),
    "dialerd.rules": {"model"},
    "dialerd.plugin": {"model", "rules"},
    "dialerd.store": {"model", "rules"},
    "dialerd.intake": {"model", "rules", "plugin", "store"},
    "dialerd.engine": {"model", "rules", "plugin", "store"},
    "dialerd.operations": {"model", "rules", "plugin", "store", "intake", "engine"},
    "dialerd.api": {"model", "plugin", "operations"},
    "dialerd.cli": {"model"},
    "dialerd.daemon": {"model", "rules", "plugin", "store", "intake", "engine", "operations", "api", "cli"},
    "plugins": {"model", "rules", "plugin"},
}

# what a room knows nothing of, outside dialerd
STRANGERS = {
    "dialerd.model": {"trio", "sqlalchemy", "phonenumbers", "structlog", "click", "watchfiles"},
    "dialerd.rules": {"trio", "sqlalchemy", "structlog", "click", "watchfiles", "time"},
    "dialerd.plugin": {"sqlalchemy", "watchfiles", "click"},
    "dialerd.store": {"click", "watchfiles", "phonenumbers"},
    "dialerd.intake": {"click"},
    "dialerd.engine": {"click", "watchfiles"},
    "dialerd.operations": {"click", "starlette", "h11"},
    "dialerd.api": {"click", "sqlalchemy", "phonenumbers"},
    "dialerd.cli": {"trio", "sqlalchemy", "starlette", "phonenumbers"},
    "plugins": {"sqlalchemy", "watchfiles", "click"},
}


def room_of(file: Path) -> str:
    """Return the room a source file lies in."""
    parts = file.relative_to(ROOT).parts
    return "plugins" if parts[0] == "plugins" else ".".join(parts[:2])


def sources() -> list[Path]:
    """Return every source file that lies in a room."""
    rooms = [ROOT / "plugins", *(path for path in (ROOT / "dialerd").iterdir() if path.is_dir())]
    return sorted(file for room in rooms for file in room.rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down(file):
    """A file imports its own room and those it has an arrow to."""
    room = room_of(file)
    assert room in ARROWS, f"{room} is a new room; give it its arrows"
    for name in imports(file):
        parts = name.split(".")
        if parts[0] == "dialerd" and len(parts) > 1 and f"dialerd.{parts[1]}" in ARROWS:
            assert f"dialerd.{parts[1]}" == room or parts[1] in ARROWS[room], f"{file} may not import {name}"
        assert parts[0] not in STRANGERS.get(room, set()), f"{room} knows nothing of {parts[0]}"


def test_every_arrow_is_used():
    """An arrow that no import follows is a permission that nobody needs."""
    used: dict[str, set[str]] = {room: set() for room in ARROWS}
    for file in sources():
        for name in imports(file):
            room = ".".join(name.split(".")[:2])
            if room in ARROWS and room != room_of(file):
                used[room_of(file)].add(room.removeprefix("dialerd."))
    assert {**used, "plugins": ARROWS["plugins"]} == ARROWS  # what plugins may import is promised to everybody's


def test_the_arrows_form_no_ring():
    """Imports have an order: there is always a room that needs only those below it."""
    done: set[str] = set()
    waiting = {room.rpartition(".")[2]: arrows for room, arrows in ARROWS.items()}
    while waiting:
        ready = {room for room, arrows in waiting.items() if arrows <= done}
        assert ready, f"arrows between {sorted(waiting)} form a ring"
        done |= ready
        for room in ready:
            del waiting[room]
