"""What operations stand on, made of a running engine with its virtual clock."""

import sys
from pathlib import Path

from dialerd.intake.reading import Reader
from dialerd.operations.ground import Ground

sys.path.append(str(Path(__file__).parents[1] / "engine"))  # its rig is wanted here too

from rig import Rig  # lies where the line above points


async def _nothing() -> None:
    """Stand for a reload that is not asked for."""


def ground(bench: Rig, scratch: Path = Path()) -> Ground:
    """Return what operations of an engine stand on."""
    return Ground(
        store=bench.store,
        engine=bench.engine,
        reader=Reader(),
        settings=lambda: bench.engine.settings,
        now=bench.clock.now,
        scratch=scratch,
        reload=_nothing,
        standing=lambda: "it stands",
    )
