"""A desk for every test that gives commands."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "api"))  # its rig is wanted here too

from api_rig import api  # lies where the line above points
from cli_rig import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Return commands and an API for them."""
    async with api(tmp_path) as door:
        yield Desk(door=door, place=tmp_path)
