"""What is remembered of the files in `incoming/` from one look to the next: since when each is quiet, and what it is.

Pure: clocks and the directory's entries are arguments. Knows nothing of trio, the store and what files hold.
"""

import os
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from attrs import define, field, frozen

from dialerd.intake.kinds import Kind, Sort, may_hold_recipients, sort_out
from dialerd.model.instants import Duration, Instant


@frozen
class Seen:
    """An entry of the directory, as one look found it.

    Args:
        name: its name.
        mode: `st_mode`, links not followed.
        size: in bytes.
        mtime_ns: `st_mtime_ns`.
        inode: `st_ino`.
    """

    name: str
    mode: int
    size: int
    mtime_ns: int
    inode: int


def read_folder(folder: Path) -> tuple[int, list[Seen]]:
    """Return the inode of `folder` and its entries, dotfiles left out. Blocks; call it in a thread."""
    found = []
    inode = os.stat(folder).st_ino
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # taken away between the two system calls
                continue
            found.append(Seen(entry.name, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino))
    return inode, found


@define(eq=False)
class Watched:
    """A file under watch.

    Args:
        seen: as it was last found.
        sort: what it stands for.
        since: monotonic seconds since when it has been found unchanged.
        arrived: monotonic seconds when it was first found.
        looked_into: whether `sort` and `needs` come from its content.
        needs: name of the recipients file that it asks for, or None.
        busy: somebody works on it; it is not handed out.
        retry_at: monotonic seconds before which it is not handed out.
        failures: how often it could not be dealt with in a row.
        announced: it was logged that it waits.
        noted: a note about it lies beside it.
        weight: bytes of it and its recipients file, when it was handed out.
    """

    seen: Seen
    sort: Sort
    since: float
    arrived: float
    looked_into: bool = False
    needs: str | None = None
    busy: bool = False
    retry_at: float = float("-inf")
    failures: int = 0
    announced: bool = False
    noted: bool = False
    weight: int = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.seen.name


@define(eq=False)
class Watchlist:
    """The files under watch.

    Args:
        settle: how long a file must have been quiet.
    """

    settle: Duration
    _files: dict[str, Watched] = field(factory=dict, init=False)
    _claims: dict[str, set[str]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._files)

    def get(self, name: str) -> Watched | None:
        """Return the file `name`, or None when it is not under watch."""
        return self._files.get(name)

    def see(self, seen: Seen, now_s: float) -> None:
        """Take note of a directory entry.

        Args:
            seen: the entry.
            now_s: monotonic seconds.
        """
        watched = self._files.get(seen.name)
        if watched is None:
            sort = sort_out(seen.name, seen.mode)
            if sort.kind is not Kind.LEFT_ALONE:
                self._files[seen.name] = Watched(seen, sort, since=now_s, arrived=now_s)
        elif watched.seen != seen:
            watched.seen = seen
            watched.sort = sort_out(seen.name, seen.mode)
            watched.retry_at = float("-inf")
            watched.failures = 0
            self.disturb(watched, now_s)

    def disturb(self, watched: Watched, now_s: float) -> None:
        """Let a file's quiet begin anew: it changed, or somebody still writes to it."""
        watched.since = now_s
        watched.looked_into = False
        self._claim(watched, None)

    def learn(self, watched: Watched, sort: Sort, needs: str | None) -> None:
        """Take note of what a file's content says about it."""
        watched.looked_into = True
        watched.sort = sort
        # nothing can come of waiting for itself or for what no recipients file is called: reading it tells the fault
        hopeless = needs is None or needs == watched.name or not may_hold_recipients(needs)
        self._claim(watched, None if hopeless else needs)

    def forget(self, name: str) -> None:
        """Drop a file from the watch."""
        if (watched := self._files.pop(name, None)) is not None:
            self._claim(watched, None)

    def missing(self, present: AbstractSet[str]) -> list[Watched]:
        """Return the files that nobody works on and that are no longer among `present`."""
        return [w for name, w in self._files.items() if name not in present and not w.busy]

    def claimed(self, name: str, *, besides: AbstractSet[str]) -> bool:
        """Tell whether a spec that is not among `besides` asks for the recipients file `name`."""
        return not self._claims.get(name, set()) <= besides

    def quiet_at(self, watched: Watched, now_s: float, now: Instant) -> float:
        """Return when, in monotonic seconds, a file will have been quiet long enough; at or before `now_s` = it has.

        The wall clock tells at once that an old file is quiet. Where it was stepped, and a file seems to come from
        the future, what was seen of it on the monotonic clock counts.
        """
        age = now - watched.seen.mtime_ns // 1_000_000
        if age >= self.settle:
            return now_s
        return watched.since + self.settle / 1_000

    def ripe(self, now_s: float, now: Instant) -> Iterator[Watched]:
        """Yield the files that nobody works on, that are quiet, and that are not to rest."""
        for watched in self._files.values():
            if not watched.busy and watched.retry_at <= now_s and self.quiet_at(watched, now_s, now) <= now_s:
                yield watched

    def next_at(self, now_s: float, now: Instant) -> float:
        """Return when, in monotonic seconds, the next file that nobody works on ripens; infinity when none will."""
        times = (max(self.quiet_at(w, now_s, now), w.retry_at) for w in self._files.values() if not w.busy)
        return min((time for time in times if time > now_s), default=float("inf"))

    def blocked_by(self, watched: Watched, now_s: float, now: Instant) -> str | None:
        """Return what a ripe file waits for, in words; "" = it passes by itself; None = it can be taken."""
        if self._claims.get(watched.name) and (watched.needs is None or watched.sort.kind is not Kind.SPEC):
            return ""  # whatever it is, it goes with the spec that asks for it
        if watched.sort.kind is Kind.RECIPIENTS:
            return "a campaign file (.toml or .json) with it as recipients_file"
        if watched.needs is None:
            return None
        recipients = self._files.get(watched.needs)
        if recipients is None:
            return f"its recipients_file {watched.needs}"
        unready = recipients.busy or recipients.retry_at > now_s or self.quiet_at(recipients, now_s, now) > now_s
        return "" if unready else None

    def _claim(self, watched: Watched, needs: str | None) -> None:
        if watched.needs == needs:
            return
        if watched.needs is not None:
            specs = self._claims[watched.needs]
            specs.discard(watched.name)
            if not specs:
                del self._claims[watched.needs]
        watched.needs = needs
        if needs is not None:
            self._claims.setdefault(needs, set()).add(watched.name)


def in_order(files: Iterable[Watched]) -> list[Watched]:
    """Return files in the order in which they are dealt with: the oldest first, then by name."""
    return sorted(files, key=lambda watched: (watched.seen.mtime_ns, watched.name))
