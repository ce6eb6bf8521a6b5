"""The spool: watches `incoming/` and sees every file dropped there into the store or into `rejected/`.

The directory is the truth: it is read at the start, after every hint of the kernel that something changed, when a
file is due to have become quiet, and on a timer. Small files and large ones are taken in two lanes, so that a
campaign of ten does not wait behind one of a million; within a lane the order is that of the files' times and names.
"""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

import structlog
import trio

from dialerd.intake import durable
from dialerd.intake.accept import Acceptor, Candidate, discard_loading
from dialerd.intake.content import NotYet, identity, is_being_written, is_our_note, look_into, note
from dialerd.intake.departure import Departure, beside, forget_notes
from dialerd.intake.folders import Folders, SpoolError
from dialerd.intake.handful import Asked, Handful, read_handful
from dialerd.intake.kinds import ERROR, WAITING, Kind, Sort, shown, subject
from dialerd.intake.lane import HANDFUL_BYTES, Lane
from dialerd.intake.mover import Mover
from dialerd.intake.reading import HEAVY, Reader
from dialerd.intake.settlement import leftovers
from dialerd.intake.troubles import Troubles, what_to_do
from dialerd.intake.verdict import Desk
from dialerd.intake.watch import Watch
from dialerd.intake.watchlist import Seen, Watched, Watchlist, in_order, read_folder
from dialerd.model.instants import SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.rules.rests import rest_s
from dialerd.store.store import Store

_SLICE: Final = 64  # files looked into, or some hundreds of names compared, before other tasks get their turn
_NOTE_AFTER_S: Final = 60.0  # a file that waits longer than this gets a note beside it
_LOOK_SHARE: Final = 5  # a look at the directory rests this many times its own duration afterwards
_LEAST_GAP_S: Final = 0.02
_WRITING_REST_S: Final = 0.25  # a file that is open for writing is asked after this often

_IN_FLIGHT: Final = 16  # files of a lane, or handfuls, that were read and whose commit is waited for
_TRIES: Final = 2  # how often the reading process may die over a file before that counts as the file's fault

T = TypeVar("T")

_log = structlog.get_logger()


class Spool:
    """Takes campaign files from the spool directory.

    Args:
        folders: of the spool.
        store: where campaigns go.
        settings: returns the settings in force, so that a reload counts for the next file.
        published: told the key of every campaign that is ready to be dialled.
        accepted: told the id of a campaign and the name under which its file lies in `accepted/`.
        now: returns the present instant.
    """

    def __init__(
        self,
        folders: Folders,
        store: Store,
        *,
        settings: Callable[[], Settings],
        published: Callable[[int], None],
        accepted: Callable[[str, str], None],
        now: Callable[[], Instant],
    ) -> None:
        self._accepted = accepted
        self._folders = folders
        self._store = store
        self._settings = settings
        self._now = now
        self._watchlist = Watchlist(settings().spool.settle)
        self._desk = Desk(folders=folders, store=store, settings=settings, published=published, now=now)
        self._acceptor = Acceptor(self._desk)
        self._mover = Mover(folders, store, claimed=self._claimed, gone=self._left)
        self._troubles = Troubles()
        self._quick, self._slow = Lane(), Lane()
        self._hint = trio.Event()
        self._watch = Watch(folders.incoming, self._hurry, rest=lambda: settings().spool.rescan)
        self._inode: int | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled; started once the folders are ready and a former life's remains are dealt with.

        Raises:
            SpoolError: the folders cannot be used.
            StoreError: the store cannot be read at the start.
        """
        await trio.to_thread.run_sync(self._folders.prepare)
        if discarded := await discard_loading(self._store):
            _log.info("spool.unfinished_discarded", campaigns=discarded)
        await self._mover.catch_up(await leftovers(self._folders, self._store))
        async with Reader() as quick, Reader() as slow, trio.open_nursery() as nursery:
            nursery.start_soon(self._mover.run)
            nursery.start_soon(self._serve, quick, self._quick)
            nursery.start_soon(self._serve, slow, self._slow)
            nursery.start_soon(self._watch.run)
            task_status.started()
            await self._look_again_and_again()

    def _hurry(self) -> None:
        self._hint.set()

    async def _look_again_and_again(self) -> None:
        failing = False
        while True:
            self._hint = trio.Event()
            began_s, now = trio.current_time(), self._now()
            rescan = self._settings().spool.rescan / SECOND
            try:
                await self._look(began_s, now)
                failing = False
            except (OSError, SpoolError) as error:
                if not failing:
                    incoming = self._folders.incoming
                    remedy = what_to_do(error, incoming)
                    _log.warning("spool.look_failed", folder=str(incoming), error=str(error), remedy=remedy)
                failing = True
            # as of the beginning: what has ripened since is due at once
            ripens = self._watchlist.next_at(began_s, now)
            await trio.sleep(max(_LEAST_GAP_S, (trio.current_time() - began_s) * _LOOK_SHARE))
            with trio.move_on_at(min(began_s + rescan, ripens)):
                await self._hint.wait()

    async def _look(self, now_s: float, now: Instant) -> None:
        """Read the directory once and hand on what is ripe."""
        watchlist = self._watchlist
        watchlist.settle = self._settings().spool.settle
        seen = await self._read_folder()
        names = {entry.name for entry in seen}
        for index, entry in enumerate(seen, 1):
            if subject(entry.name) not in names:  # a note lies beside its subject for as long as that is there
                watchlist.see(entry, now_s)
            if index % (_SLICE * 8) == 0:
                await trio.lowlevel.checkpoint()
        for absent in watchlist.missing(names):
            watchlist.forget(absent.name)
            if absent.noted:
                await trio.to_thread.run_sync(forget_notes, self._folders.incoming, absent.name)
        ripe = in_order(watchlist.ripe(now_s, now))
        await self._look_into([watched for watched in ripe if not watched.looked_into], now_s)
        for index, watched in enumerate(ripe, 1):
            if watched.looked_into and watchlist.get(watched.name) is watched:
                await self._hand_on(watched, now_s, now)
            if index % _SLICE == 0:
                await trio.lowlevel.checkpoint()

    async def _read_folder(self) -> list[Seen]:
        try:
            inode, seen = await trio.to_thread.run_sync(read_folder, self._folders.incoming)
        except FileNotFoundError:
            await trio.to_thread.run_sync(self._folders.prepare)
            inode, seen = await trio.to_thread.run_sync(read_folder, self._folders.incoming)
        if self._inode not in (None, inode):  # another folder took its place, of which the kernel tells nothing yet
            self._watch.again()
        self._inode = inode
        return seen

    async def _look_into(self, files: list[Watched], now_s: float) -> None:
        for start in range(0, len(files), _SLICE):
            some = files[start : start + _SLICE]
            found = await trio.to_thread.run_sync(
                _glances, [(self._folders.incoming / watched.name, watched.sort) for watched in some]
            )
            for watched, glance in zip(some, found, strict=True):
                if glance is None:
                    self._not_yet(watched, now_s)
                else:
                    self._watchlist.learn(watched, *glance)
                    if glance[0].kind is Kind.LEFT_ALONE:
                        self._watchlist.forget(watched.name)

    async def _hand_on(self, watched: Watched, now_s: float, now: Instant) -> None:
        lacks = self._watchlist.blocked_by(watched, now_s, now)
        if lacks:
            await self._announce(watched, lacks, now_s)
        elif lacks is None:
            watched.busy = True
            recipients = self._watchlist.get(watched.needs) if watched.needs is not None else None
            watched.weight = watched.seen.size + (recipients.seen.size if recipients is not None else 0)
            (self._slow if watched.weight >= HEAVY else self._quick).put(watched)

    async def _announce(self, watched: Watched, lacks: str, now_s: float) -> None:
        """Say once that a file waits, and say it beside the file when it goes on."""
        if not watched.announced:
            watched.announced = True
            _log.info("spool.file_waiting", file=watched.name, waits_for=lacks)
        if not watched.noted and now_s - watched.arrived >= _NOTE_AFTER_S:
            watched.noted = True
            path = beside(self._folders.incoming, watched.name, WAITING)
            text = note(f"{watched.name} waits for {lacks}; drop that into incoming/ too, or take this file away.")
            try:
                await trio.to_thread.run_sync(durable.replace, path, [text])
            except OSError as error:
                remedy = what_to_do(error, self._folders.incoming)
                _log.warning(
                    "spool.note_failed",
                    file=shown(watched.name),
                    error=error.strerror or str(error),
                    remedy=remedy,
                )

    async def _serve(self, reader: Reader, lane: Lane) -> None:
        """Read files in their order, small ones together; while the next are read, those before are published."""
        places = trio.Semaphore(_IN_FLIGHT)
        async with trio.open_nursery() as nursery:
            while True:
                some = await lane.next()
                ready = [watched for watched in some if self._is_ready(watched)]
                for watched in [watched for watched in ready if watched.sort.kind is Kind.UNFIT]:
                    self._mover.add(await trio.to_thread.run_sync(self._turn_away, watched))
                if specs := [watched for watched in ready if watched.sort.kind is not Kind.UNFIT]:
                    await places.acquire()
                    await self._take(reader, specs, nursery, places)

    def _is_ready(self, watched: Watched) -> bool:
        if self._watchlist.get(watched.name) is watched and watched.looked_into:
            return True
        watched.busy = False  # it changed while it stood in line
        self._hint.set()
        return False

    async def _take(self, reader: Reader, some: list[Watched], nursery: trio.Nursery, places: trio.Semaphore) -> None:
        """Read files; what follows releases their place in its own time."""
        work: Awaitable[Handful | Candidate]
        if some[0].weight <= HANDFUL_BYTES:
            asked = [Asked(one.name, one.needs, last=_is_last_try(one)) for one in some]
            work = read_handful(self._desk, reader, asked)
        else:
            work = self._acceptor.read(reader, some[0].name, some[0].needs, last=_is_last_try(some[0]))
        found: Handful | Candidate | None = await self._careful(some, work)
        if found is None:
            places.release()
        else:
            nursery.start_soon(self._conclude, some, found, places)

    async def _conclude(self, some: list[Watched], found: Handful | Candidate, places: trio.Semaphore) -> None:
        results = await self._careful(some, found.conclude())
        places.release()
        failed: list[tuple[Watched, Exception]] = []
        for watched, result in zip(some, results or [], strict=False):
            if isinstance(result, Departure):
                self._mover.add(result)
            else:
                failed.append((watched, result))
        self._put_back(failed)

    async def _careful(self, some: list[Watched], work: Awaitable[T]) -> T | None:
        """Return the result of `work` on files, or None after having put all of them back for later."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001  # a file must not stop the daemon, whatever it brings to light
            self._put_back([(watched, error) for watched in some])
        return None

    def _put_back(self, failed: Iterable[tuple[Watched, Exception]]) -> None:
        """Let files be tried again later, and say why of those of which somebody might want to know."""
        now_s = trio.current_time()
        for watched, error in failed:
            if isinstance(error, NotYet):
                self._not_yet(watched, now_s)
                continue
            watched.failures += 1
            self._again(watched, now_s + rest_s(watched.failures))
            folder = self._folders.rejected  # what is written on the way is written there
            self._troubles.meet(watched.name, error, folder, failures=watched.failures, now_s=now_s)
        for fields in self._troubles.due(now_s):
            _log.warning("spool.file_deferred", **fields)

    def _turn_away(self, watched: Watched) -> Departure:
        reason = watched.sort.reason
        _log.warning("spool.file_rejected", file=shown(watched.name), reason=reason, remedy=reason.partition("; ")[2])
        return Departure(
            spec=watched.name,
            spec_identity=identity(self._folders.incoming / watched.name),
            folder=self._folders.rejected,
            ending=ERROR,
            heading=f"{shown(watched.name)} is refused: {watched.sort.reason}.",
        )

    def _not_yet(self, watched: Watched, now_s: float) -> None:
        self._watchlist.disturb(watched, now_s)
        self._again(watched, now_s + _WRITING_REST_S)

    def _again(self, watched: Watched, retry_at: float) -> None:
        watched.retry_at = retry_at
        watched.busy = False
        self._hint.set()

    def _claimed(self, name: str, *, besides: frozenset[str]) -> bool:
        return self._watchlist.claimed(name, besides=besides)

    def _left(self, departure: Departure) -> None:
        """Forget what has left."""
        if departure.campaign is not None and departure.name is not None:
            self._accepted(departure.campaign, departure.name)
        spec = self._watchlist.get(departure.spec)
        if spec is not None and not spec.looked_into:  # another file of its name came meanwhile: look at that
            self._hint.set()
        self._watchlist.forget(departure.spec)
        if departure.recipients_moved and departure.recipients is not None:
            self._watchlist.forget(departure.recipients)


def _is_last_try(watched: Watched) -> bool:
    return watched.failures >= _TRIES - 1


def _glances(files: list[tuple[Path, Sort]]) -> list[tuple[Sort, str | None] | None]:
    return [_glance(path, sort) for path, sort in files]


def _glance(path: Path, sort: Sort) -> tuple[Sort, str | None] | None:
    """Return what a quiet file turns out to be and what it needs, or None when it is not finished after all."""
    if subject(path.name) is not None and is_our_note(path):
        path.unlink(
            missing_ok=True
        )  # a former life's, or about a file that has gone; written anew where it still holds
        return Sort(Kind.LEFT_ALONE), None
    if sort.kind is Kind.UNFIT:
        return sort, None
    if is_being_written(path):
        return None
    if sort.kind is Kind.SPEC:
        return look_into(path, sort)
    return sort, None
