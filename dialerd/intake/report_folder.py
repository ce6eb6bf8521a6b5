"""A report's folder: built under a hidden name, made durable, and then given its name, so that it appears whole.

Everything here blocks: call it in a thread.
"""

import os
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import tomli_w

from dialerd.intake import durable
from dialerd.intake.call_rows import HEADER, encode
from dialerd.intake.tally import Tally, id_in, summary
from dialerd.store.records import Brief, CallRow, UndialedRow

_SLUG: Final = 80  # bytes of the campaign's name in the folder's; room for the id within NAME_MAX
_FOLDER_MODE: Final = 0o750  # it holds phone numbers


class ReportFolder:
    """The report of one campaign while it is written.

    Args:
        reports: the folder in which reports lie.
        campaign: whose.

    Attributes:
        tally: over the rows so far.
    """

    def __init__(self, reports: Path, campaign: Brief) -> None:
        self.tally = Tally()
        self._reports = reports
        self._campaign = campaign
        self._unfinished = durable.scratch(reports)
        self._unfinished.mkdir(mode=_FOLDER_MODE)
        with durable.create(self._unfinished / "calls.csv") as file:
            file.write(HEADER)

    def append(self, rows: Sequence[CallRow | UndialedRow]) -> None:
        """Add calls, in the order of the campaign's recipients."""
        for row in rows:
            self.tally.add(row)
        with (self._unfinished / "calls.csv").open("ab") as file:
            file.write(encode(rows))

    def finish(self) -> Path:
        """Give the report its name and return it; that is durable after `sync_folder` of the folder of reports."""
        campaign, unfinished = self._campaign, self._unfinished
        with (unfinished / "calls.csv").open("ab") as file:
            durable.sync(file)
        durable.replace(unfinished / "summary.toml", [tomli_w.dumps(summary(campaign, self.tally)).encode()])
        durable.sync_folder(unfinished)
        target = self._reports / folder_name(campaign.name, campaign.uid)
        if os.path.lexists(target) and id_in(target / "summary.toml") != campaign.uid:
            target = self._reports / folder_name(campaign.name, campaign.uid, whole_id=True)
        if os.path.lexists(target):  # ours, of a former life that did not come to mark it
            former = durable.scratch(self._reports)
            os.rename(target, former)
            os.rename(unfinished, target)
            shutil.rmtree(former, ignore_errors=True)
        else:
            os.rename(unfinished, target)
        return target

    def drop(self) -> None:
        """Delete what is unfinished, if anything is."""
        shutil.rmtree(self._unfinished, ignore_errors=True)


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
