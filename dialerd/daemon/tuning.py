"""The interpreter, set up for one busy event loop beside a writer's thread."""

import gc
import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0001
"""How long a thread may keep the interpreter from another that wants it. The writer's thread comes back from every
statement to a busy event loop; at Python's 5 ms it would stand still for most of a turn."""

_GARBAGE: Final = 10_000
"""New objects after which the collector looks for cycles among them. Calls in progress are hundreds of objects each
that all turn out to be alive; at Python's 700 the collector goes through them again and again."""


def tune() -> None:
    """Set the interpreter up; once everything that stays is loaded."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(_GARBAGE)
    # what was loaded so far stays: full collections would walk it again and again, 50 ms each, with the loop standing
    gc.collect()
    gc.freeze()
