"""A wall clock for a daemon that a test can step: libfaketime between the process and the system's real-time clock.

The monotonic clock stays the host's, as it does when somebody sets a host's clock.
"""

import time
from datetime import datetime, timedelta
from pathlib import Path

from attrs import define, field
from needs import cannot

_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")


def library() -> Path:
    """Return where libfaketime lies; go on only where it is installed."""
    found = next((path for pattern in _LIBRARIES for path in Path("/").glob(pattern[1:])), None)
    if found is None:
        cannot("libfaketime, which steps the wall clock, is missing: apt install faketime")
    return found


@define(eq=False)
class Wall:
    """A wall clock that begins at an instant of the test's and goes as the host's does, until it is stepped.

    Args:
        file: where it is written for libfaketime.
        start: what it shows now.
    """

    file: Path
    start: datetime
    _offset_s: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._offset_s = round(self.start.timestamp() - time.time())
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to live by it."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, by: timedelta) -> None:
        """Step it, from one instant to the next."""
        self._offset_s += round(by.total_seconds())
        self._write()

    def now(self) -> datetime:
        """Return what it shows."""
        return datetime.fromtimestamp(time.time() + self._offset_s, self.start.tzinfo)

    def _write(self) -> None:
        staged = self.file.with_suffix(".new")
        staged.write_text(f"{self._offset_s:+d}\n")
        staged.rename(self.file)
