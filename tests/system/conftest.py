"""Fixtures of the tests that start the real daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place for a daemon; whatever life is left at the end is ended."""
    place = Place(tmp_path)
    place.configure()
    yield place
    place.end()
