"""Status files: `accepted/NAME.status.toml` says where the campaign of a dropped file stands, and is kept current."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
import tomli_w
import trio
from attrs import define

from dialerd.intake import durable
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import STATUS
from dialerd.intake.tally import head, id_in
from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Instant, to_iso
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.rules.reminders import Reminder
from dialerd.store import reports
from dialerd.store.records import Brief
from dialerd.store.store import Store

_OVER: Final = (CampaignState.COMPLETED, CampaignState.CANCELLED)
_LATE: Final = 5 * SECOND  # a change may become visible this long after the instant that it bears
_AT_ONCE: Final = 64  # files written, or campaigns looked up, in one go
_VARIANTS: Final = 1_000  # numbers looked through for the name of a file that a former life accepted

_log = structlog.get_logger()


@define(eq=False)
class _Subject:
    """What is remembered of one campaign: where its status file lies, and what it says."""

    path: Path | None
    said: Brief | None = None


class StatusFiles:
    """Keeps the status files.

    Args:
        folders: of the spool; they exist.
        store: what is told.
        settings: returns the settings in force; `spool.status_every` is how often the files are brought up to date.
        now: returns the present instant.
    """

    def __init__(
        self, folders: Folders, store: Store, *, settings: Callable[[], Settings], now: Callable[[], Instant]
    ) -> None:
        self._folders = folders
        self._store = store
        self._settings = settings
        self._now = now
        self._since: Instant | None = None
        self._began_at = now()
        self._names: dict[str, str] = {}
        self._subjects: dict[int, _Subject] = {}
        self._owed: dict[int, Brief] = {}
        self._writes: int | None = None
        self._over: dict[int, Instant] = {}

    def accepted(self, campaign: str, name: str) -> None:
        """Take note of the name that the file of a campaign got in `accepted/`.

        Args:
            campaign: id of the campaign (the outside's).
            name: the file's name there.
        """
        self._names[campaign] = name

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the files current until cancelled."""
        task_status.started()
        trouble = Reminder()
        while True:
            try:
                await self.refresh()
                trouble.over()
            except (OSError, DialerdError) as error:
                if trouble.due(trio.current_time()):  # and not every two seconds
                    remedy = durable.remedy(error, self._folders.accepted)
                    _log.warning("spool.status_deferred", error=str(error), remedy=remedy)
            await trio.sleep(self._settings().spool.status_every / SECOND)

    async def refresh(self) -> None:
        """Write the status files of the campaigns that changed since the last time.

        Raises:
            StoreError: the store cannot be read.
            OSError: a file could not be written; it is owed until the next time.
        """
        now = self._now()
        self._forget_over(now)
        writes = self._store.writes
        if writes != self._writes:
            if self._since is None:
                changed = await self._store.read(reports.open_briefs)
            else:
                changed = await self._store.read(reports.changed_since, min(self._since, now) - _LATE)
            self._since, self._writes = now, writes
            self._owed.update((campaign.id, campaign) for campaign in changed)
        await self.write(list(self._owed.values()))

    async def write(self, campaigns: Sequence[Brief]) -> None:
        """Bring the status files of these campaigns up to date; what says the same already is left alone.

        Raises:
            OSError: a file could not be written.
        """
        for start in range(0, len(campaigns), _AT_ONCE):
            some = campaigns[start : start + _AT_ONCE]
            for campaign in some:
                if campaign.id not in self._subjects:
                    await self._meet(campaign)
            news = [
                (subject, campaign)
                for campaign in some
                if (subject := self._subjects.get(campaign.id)) is not None
                and subject.path is not None
                and subject.said != campaign
            ]
            if news:
                await trio.to_thread.run_sync(_write_all, news, self._now())
            for campaign in some:
                if campaign.id in self._subjects:
                    self._owed.pop(campaign.id, None)
                if campaign.state in _OVER:
                    self._over[campaign.id] = self._now()

    async def _meet(self, campaign: Brief) -> None:
        """Find out where the status file of a campaign belongs; it may be too early to know."""
        if campaign.file is None:
            self._subjects[campaign.id] = _Subject(None)
        elif (name := self._names.pop(campaign.uid, None)) is not None:
            self._subjects[campaign.id] = _Subject(self._folders.accepted / (name + STATUS))
        elif campaign.created_at < self._began_at or (
            campaign.state in _OVER  # on a slow disk it may be over before its file has left and has its name
            and not await trio.to_thread.run_sync(os.path.lexists, self._folders.incoming / campaign.file)
        ):
            path = await trio.to_thread.run_sync(_find, self._folders.accepted, campaign.file, campaign.uid)
            self._subjects[campaign.id] = _Subject(path)

    def _forget_over(self, now: Instant) -> None:
        """Forget the campaigns that are over; should one change once more, its file is found by its id."""
        for campaign_id in [key for key, over_at in self._over.items() if not 0 <= now - over_at < 4 * _LATE]:
            del self._over[campaign_id]
            self._subjects.pop(campaign_id, None)


def _status(campaign: Brief) -> dict[str, Any]:
    totals = campaign.totals
    return {
        **head(campaign),
        "recipients": {
            "total": totals.recipients,
            "pending": totals.pending,
            "dialing": totals.dialing,
            **{final.value: count for final, count in totals.finals.items()},
        },
        "attempts": {
            "total": sum(totals.outcomes.values()),
            "refunded": totals.refunded,
            **{outcome.value: count for outcome, count in totals.outcomes.items()},
        },
    }


def _write_all(news: Iterable[tuple[_Subject, Brief]], now: Instant) -> None:
    for subject, campaign in news:
        assert subject.path is not None
        text = tomli_w.dumps({"updated_at": to_iso(now), **_status(campaign)})
        durable.replace(subject.path, [text.encode()])
        subject.said = campaign


def _find(folder: Path, name: str, uid: str) -> Path:
    """Return the status file of a campaign that a former life accepted: the one that bears its id, or a free one."""
    for number in range(1, _VARIANTS):
        path = folder / (durable.numbered(name, number, room=len(STATUS)) + STATUS)
        if not os.path.lexists(path) or id_in(path) == uid:
            return path
    return folder / (durable.numbered(name, _VARIANTS, room=len(STATUS) + len(uid)) + f".{uid}{STATUS}")
