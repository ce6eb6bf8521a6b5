"""Reports: what a campaign leaves behind when it has ended, `summary.toml` and `calls.csv` in a folder of its own.

A report is built under a hidden name and appears whole. Only then is it marked in the store; a stop before that has it
written anew.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog
import trio

from dialerd.intake import durable
from dialerd.intake.folders import Folders
from dialerd.intake.report_folder import ReportFolder
from dialerd.intake.status_files import StatusFiles
from dialerd.intake.tally import Tally
from dialerd.intake.troubles import Troubles, what_to_do
from dialerd.model.errors import DialerdError
from dialerd.model.instants import MINUTE, SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.rules.reminders import Reminder
from dialerd.rules.rests import rest_s
from dialerd.store import report_pages, reports
from dialerd.store.records import Brief, CallRow, UndialedRow
from dialerd.store.store import Store

_PAGE: Final = 2_000  # recipients read at once: short enough for the store's snapshots, and for memory
_SMALL: Final = 200  # recipients of a campaign up to which its report is written together with others
_TOGETHER: Final = 64  # such reports that are written together
_PATIENCE: Final = 10 * MINUTE  # how long recipients may stay pending in a campaign that has ended

Rows = list[CallRow | UndialedRow]

_log = structlog.get_logger()


class Reports:
    """Writes the report of every campaign that has ended.

    Args:
        folders: of the spool; they exist.
        store: what is reported.
        status: keeps the status files; brought up to date before a campaign is done with.
        settings: returns the settings in force; `spool.status_every` is also how often ended campaigns are looked for.
        now: returns the present instant.
    """

    def __init__(
        self,
        folders: Folders,
        store: Store,
        *,
        status: StatusFiles,
        settings: Callable[[], Settings],
        now: Callable[[], Instant],
    ) -> None:
        self._folders = folders
        self._store = store
        self._status = status
        self._settings = settings
        self._now = now
        self._writes: int | None = None  # of the store, at the last look
        self._left = 0  # campaigns that could not be reported then
        self._failures: dict[int, int] = {}
        self._troubles = Troubles()
        self._retry_at: dict[int, float] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write reports as campaigns end, until cancelled."""
        task_status.started()
        trouble = Reminder()
        while True:
            try:
                await self.write_due()
            except DialerdError as error:
                if trouble.due(trio.current_time()):
                    remedy = what_to_do(error, self._folders.reports)
                    _log.warning("report.deferred", error=str(error), remedy=remedy)
            else:
                trouble.over()
            await trio.sleep(self._settings().spool.status_every / SECOND)

    async def write_due(self) -> int:
        """Write the report of every campaign that has ended and return how many were written.

        Raises:
            StoreError: the store cannot be read.
        """
        writes = self._store.writes
        if writes == self._writes and not self._left:
            return 0
        campaigns = await self._store.read(reports.unreported)
        due = [campaign for campaign in campaigns if self._is_due(campaign)]
        written = 0
        for some in _bundles(due):
            written += await self._report(some)
        self._writes, self._left = writes, len(campaigns) - written
        return written

    def _is_due(self, campaign: Brief) -> bool:
        """Tell whether a campaign that has ended can be reported: not while calls of it go on, or its recipients are
        still being ended in batches."""
        if trio.current_time() < self._retry_at.get(campaign.id, 0.0) or campaign.totals.dialing > 0:
            return False
        return campaign.totals.pending <= 0 or self._now() >= (campaign.ended_at or 0) + _PATIENCE

    async def _report(self, some: Sequence[Brief]) -> int:
        """Write the reports of campaigns and mark them; where that fails for one of several, each by itself."""
        try:
            paths = await (self._write_large(some[0]) if _is_large(some[0]) else self._write_small(some))
            await self._status.write(some)
            await self._store.write(reports.mark_reported, *(campaign.id for campaign in some), now=self._now())
        except Exception as error:  # noqa: BLE001  # one campaign's report must stop neither the others nor the daemon
            if len(some) > 1:
                return sum([await self._report([campaign]) for campaign in some])
            self._put_off(some[0], error)
            return 0
        for campaign, path in zip(some, paths, strict=True):
            self._failures.pop(campaign.id, None)
            self._retry_at.pop(campaign.id, None)
            _log.info("report.written", campaign=campaign.uid, path=str(path), recipients=campaign.totals.recipients)
        return len(some)

    def _put_off(self, campaign: Brief, error: Exception) -> None:
        self._failures[campaign.id] = failures = self._failures.get(campaign.id, 0) + 1
        self._retry_at[campaign.id] = trio.current_time() + rest_s(failures)
        now_s = trio.current_time()
        self._troubles.meet(campaign.uid, error, self._folders.reports, failures=failures, now_s=now_s)
        for fields in self._troubles.due(now_s):
            _log.warning("report.deferred", campaign=fields.pop("file"), campaigns=fields.pop("files"), **fields)

    async def _write_small(self, some: Sequence[Brief]) -> list[Path]:
        """Write small reports together: they share a look at the store and a wait for the disk."""
        pages = await self._store.read(report_pages.report_pages, [campaign.id for campaign in some], _PAGE)
        works = [(campaign, rows) for campaign, (rows, _) in zip(some, pages, strict=True)]
        written = await trio.to_thread.run_sync(_write_all, self._folders.reports, works)
        for campaign, (tally, _) in zip(some, written, strict=True):
            _compare(campaign, tally)
        return [path for _, path in written]

    async def _write_large(self, campaign: Brief) -> list[Path]:
        """Write a report page by page."""
        folder = await trio.to_thread.run_sync(ReportFolder, self._folders.reports, campaign)
        try:
            after: int | None = 0
            while after is not None:
                rows, after = await self._store.read(report_pages.report_page, campaign.id, after, _PAGE)
                await trio.to_thread.run_sync(folder.append, rows)
            _compare(campaign, folder.tally)
            path = await trio.to_thread.run_sync(folder.finish)
            await trio.to_thread.run_sync(durable.sync_folder, self._folders.reports)
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(folder.drop)
            raise
        return [path]


def _is_large(campaign: Brief) -> bool:
    return campaign.totals.recipients > _SMALL


def _bundles(due: Sequence[Brief]) -> Iterator[list[Brief]]:
    """Yield campaigns whose reports are written together: the small ones first, the large ones each by itself."""
    some: list[Brief] = []
    for campaign in due:
        if not _is_large(campaign):
            some.append(campaign)
            if len(some) >= _TOGETHER or sum(one.totals.recipients for one in some) > _PAGE - _SMALL:
                yield some
                some = []
    if some:
        yield some
    yield from ([campaign] for campaign in due if _is_large(campaign))


def _write_all(reports: Path, works: Sequence[tuple[Brief, Rows]]) -> list[tuple[Tally, Path]]:
    written = []
    for campaign, rows in works:
        folder = ReportFolder(reports, campaign)
        try:
            folder.append(rows)
            written.append((folder.tally, folder.finish()))
        except BaseException:
            folder.drop()
            raise
    durable.sync_folder(reports)
    return written


def _compare(campaign: Brief, tally: Tally) -> None:
    """Say where the rows and the store's own counters differ."""
    if differences := tally.differences(campaign.totals):
        remedy = "keep the database and report this line: it is a fault of dialerd"
        _log.warning("report.counts_differed", campaign=campaign.uid, remedy=remedy, **_named(differences))


def _named(differences: dict[str, tuple[int, int]]) -> dict[str, str]:
    return {what.replace(" ", "_"): f"{rows} in rows, {store} in store" for what, (rows, store) in differences.items()}
