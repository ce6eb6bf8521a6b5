"""Reports: what a campaign leaves behind when it has ended, `summary.toml` and `calls.csv` in a folder of its own.

A report is built under a hidden name and appears whole. Only then is it marked in the store; a stop before that has it
written anew.
"""

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import tomli_w
import trio

from dialerd.intake import durable
from dialerd.intake.call_rows import HEADER, encode
from dialerd.intake.folders import Folders
from dialerd.intake.status_files import StatusFiles
from dialerd.intake.tally import Tally, id_in, summary
from dialerd.model.errors import DialerdError
from dialerd.model.instants import MINUTE, SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.rules.rests import rest_s
from dialerd.store import report_pages, reports, spool_files
from dialerd.store.records import CallRow, CampaignRow, Totals, UndialedRow
from dialerd.store.store import Store

_PAGE: Final = 2_000  # recipients read at once: short enough for the store's snapshots, and for memory
_SLUG: Final = 80  # bytes of the campaign's name in the folder's; room for the id within NAME_MAX
_FOLDER_MODE: Final = 0o750  # it holds phone numbers
_PATIENCE: Final = 10 * MINUTE  # how long recipients may stay pending in a campaign that has ended

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
        self._failures: dict[int, int] = {}
        self._retry_at: dict[int, float] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write reports as campaigns end, until cancelled."""
        task_status.started()
        while True:
            try:
                await self.write_due()
            except DialerdError as error:
                _log.warning("report.deferred", error=str(error))
            await trio.sleep(self._settings().spool.status_every / SECOND)

    async def write_due(self) -> int:
        """Write the report of every campaign that has ended and return how many were written.

        Raises:
            StoreError: the store cannot be read.
        """
        campaigns = await self._store.read(reports.unreported)
        totals = await self._store.read(reports.totals, [campaign.id for campaign in campaigns]) if campaigns else {}
        written = 0
        for campaign in campaigns:
            count = totals.get(campaign.id, Totals())
            if trio.current_time() < self._retry_at.get(campaign.id, 0.0) or self._is_unfinished(campaign, count):
                continue
            try:
                path = await self._write(campaign, count)
                await self._status.write([campaign])
                await self._store.write(reports.mark_reported, campaign.id, now=self._now())
            except Exception as error:  # noqa: BLE001  # one campaign's report must stop neither the others nor the daemon
                self._failures[campaign.id] = failures = self._failures.get(campaign.id, 0) + 1
                self._retry_at[campaign.id] = trio.current_time() + rest_s(failures)
                unexpected = not isinstance(error, OSError | DialerdError)
                _log.warning(
                    "report.deferred", campaign=campaign.uid, error=str(error), failures=failures, exc_info=unexpected
                )
                continue
            self._failures.pop(campaign.id, None)
            self._retry_at.pop(campaign.id, None)
            written += 1
            _log.info("report.written", campaign=campaign.uid, path=str(path), recipients=count.recipients)
        return written

    def _is_unfinished(self, campaign: CampaignRow, totals: Totals) -> bool:
        """Tell whether calls of an ended campaign still go on, or its recipients are still being ended in batches."""
        if totals.dialing > 0:
            return True
        return totals.pending > 0 and self._now() < (campaign.ended_at or 0) + _PATIENCE

    async def _write(self, campaign: CampaignRow, totals: Totals) -> Path:
        unfinished = durable.scratch(self._folders.reports)
        await trio.to_thread.run_sync(_make, unfinished)
        try:
            tally = Tally()
            after: int | None = 0
            while after is not None:
                rows, after = await self._store.read(report_pages.report_page, campaign.id, after, _PAGE)
                await trio.to_thread.run_sync(_append, unfinished, rows, tally)
            if differences := tally.differences(totals):
                _log.warning("report.counts_differed", campaign=campaign.uid, **_named(differences))
            taken = await self._store.read(spool_files.file_of, campaign.id)
            text = tomli_w.dumps(summary(campaign, tally, file=taken.name if taken is not None else None))
            return await trio.to_thread.run_sync(_finish, unfinished, self._folders.reports, campaign, text.encode())
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lambda: shutil.rmtree(unfinished, ignore_errors=True))
            raise


def folder_name(name: str, uid: str, *, whole_id: bool = False) -> str:
    """Return the name of a campaign's report folder: its name, tamed, and the end of its id.

    Args:
        name: of the campaign; letters and digits of every script are kept.
        uid: UUIDv7 of the campaign; its last digits are the random ones (RFC 9562, section 5.7).
        whole_id: use the whole id, for the case that two campaigns agree in the rest.
    """
    kept = (char if unicodedata.category(char)[0] in "LNM" else " " for char in unicodedata.normalize("NFC", name))
    slug = "-".join("".join(kept).lower().split())
    slug = slug.encode()[:_SLUG].decode(errors="ignore").strip("-")
    return f"{slug or 'campaign'}-{uid if whole_id else uid[-8:]}"


def _make(folder: Path) -> None:
    folder.mkdir(mode=_FOLDER_MODE)
    with durable.create(folder / "calls.csv") as file:
        file.write(HEADER)


def _append(folder: Path, rows: list[CallRow | UndialedRow], tally: Tally) -> None:
    for row in rows:
        tally.add(row)
    with (folder / "calls.csv").open("ab") as file:
        file.write(encode(rows))


def _finish(unfinished: Path, reports_folder: Path, campaign: CampaignRow, text: bytes) -> Path:
    """Make the report durable and give it its name."""
    with (unfinished / "calls.csv").open("ab") as file:
        durable.sync(file)
    durable.replace(unfinished / "summary.toml", [text])
    durable.sync_folder(unfinished)
    target = reports_folder / folder_name(campaign.spec.name, campaign.uid)
    if os.path.lexists(target) and id_in(target / "summary.toml") != campaign.uid:
        target = reports_folder / folder_name(campaign.spec.name, campaign.uid, whole_id=True)
    if os.path.lexists(target):  # ours, of a former life that did not come to mark it
        former = durable.scratch(reports_folder)
        os.rename(target, former)
        os.rename(unfinished, target)
        shutil.rmtree(former, ignore_errors=True)
    else:
        os.rename(unfinished, target)
    durable.sync_folder(reports_folder)
    return target


def _named(differences: dict[str, tuple[int, int]]) -> dict[str, str]:
    return {what.replace(" ", "_"): f"{rows} in rows, {store} in store" for what, (rows, store) in differences.items()}
