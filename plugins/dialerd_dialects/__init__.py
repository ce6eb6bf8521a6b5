"""Dialects of four other systems, so that scripts and files written for them work as they stand.

Each translates requests into campaigns and campaigns into answers, through `dialerd.plugin.dialect` alone. What they
share: `fields` (bodies, faults), `numbers` (whom), `instants` and `weekdays` (when), `ids`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from dialerd.plugin.dialect import Dialect
from dialerd.plugin.hookspecs import hookimpl
from dialerd_dialects import batch_calls, nexus, nixflex, tasks

_DIALECTS: Final[Sequence[Dialect]] = (
    nixflex.DIALECT,
    nexus.DIALECT,
    batch_calls.DIALECT,
    tasks.DIALECT,
)


@hookimpl
def dialerd_dialects() -> Iterable[Dialect]:
    """Return the dialects."""
    return _DIALECTS
