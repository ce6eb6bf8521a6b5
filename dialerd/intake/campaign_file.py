"""A campaign file with its recipients, read from beginning to end: every format, every check, every finding.

This is what the worker runs for the daemon and `read_now` runs in place. It holds one row at a time; what it finds
goes to a `FileSink`. Knows nothing of processes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from attrs import evolve, frozen

from dialerd.intake.csv_rows import read_csv
from dialerd.intake.defaults import completed
from dialerd.intake.dialect_file import translated
from dialerd.intake.duplicate import Origin
from dialerd.intake.fingerprint import fingerprint
from dialerd.intake.formats import ROWS_EXTENSIONS, Document, read_document
from dialerd.intake.json_rows import read_json
from dialerd.intake.jsonl_rows import read_jsonl
from dialerd.intake.object_row import add_object
from dialerd.intake.recipients import Rows, Sink
from dialerd.intake.resolve import Resolved, resolve
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.model.structuring import structure
from dialerd.model.wording import shown
from dialerd.store.records import NewCampaign


@frozen(kw_only=True)
class CampaignFile(CampaignSpec):
    """A campaign file's keys: a campaign's, and where its recipients are.

    Args:
        recipients: the recipients themselves; each is read on its own, as any of them may be wrong.
        recipients_file: name of the file beside it that holds them.
    """

    recipients: list[Any] | None = None
    recipients_file: str | None = None


class FileSink(Sink, Protocol):
    """Takes what a campaign file becomes."""

    def fingerprint(self, fingerprint: str) -> bool:
        """Tell whether the file is to be read on."""

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        """Take the campaign; rows follow as they are found."""


def read_campaign(
    spec: Path | Source, settings: Settings, now: Instant, sink: FileSink, terms: Terms | None = None
) -> None:
    """Read a campaign file and its recipients into `sink`.

    Args:
        spec: the campaign file, or the bytes of a document.
        settings: what it is checked against.
        now: present instant.
        sink: takes the fingerprint, then the campaign if its spec is valid, rows and findings.
        terms: it is a document that was sent, and how it is taken; None = a file that was dropped.
    """
    try:
        with spec if isinstance(spec, Source) else Source(spec) as source:
            _File(source, settings, now, sink, terms).read()
    except InvalidInput as error:
        _tell(error.faults, sink)


def check_spec(
    data: dict[str, Any],
    settings: Settings,
    now: Instant,
    *,
    before: Sequence[Fault] = (),
    after: Sequence[Fault] = (),
    draft: bool = False,
    launch: bool = False,
) -> tuple[Resolved, list[Fault]]:
    """Return what a campaign file's keys stand for, and all that is wrong with them.

    Args:
        data: plain data of the campaign file, its tables completed.
        settings: what it is checked against.
        now: present instant.
        before, after: what else is known to be wrong, told before and after what is wrong with single keys.
        draft, launch: as of `resolve`.
    """
    faults = list(before)
    try:
        whole = structure(data, CampaignFile)
    except InvalidInput as error:
        faults += error.faults
        spec = _remains(data, {first_step(fault) for fault in faults}, settings)
    else:
        spec = _spec(whole)
    faults += after
    resolved, found = resolve(spec, settings, now, sound=not faults, draft=draft, launch=launch)
    wrong = {first_step(fault) for fault in faults}
    return resolved, [*faults, *(fault for fault in found if first_step(fault) not in wrong)]


def recipients_name(data: dict[str, Any], own_name: str) -> str | Fault | None:
    """Return the recipients file's name in a campaign file's data, what is wrong with it, or None.

    Args:
        data: plain data of the campaign file.
        own_name: the campaign file's own name.
    """
    name = data.get("recipients_file")
    if not isinstance(name, str):  # what it is instead is told with the spec's other faults
        return None
    path = "recipients_file"
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return Fault(path, f"{shown(name)} is not the plain name of a file beside the campaign file")
    if name == own_name:
        return Fault(path, "is the campaign file itself; recipients are inline (recipients) or in another file")
    if Path(name).suffix.lower() not in ROWS_EXTENSIONS:
        return Fault(path, f"{shown(name)} must end in one of {', '.join(ROWS_EXTENSIONS)}")
    return name


_READERS: Final[dict[str, Callable[[Source, Rows], None]]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".json": read_json,
}

_FIRST_STEP: Final = re.compile(r"[A-Za-z0-9_-]*")


class _File:
    """One campaign file on its way."""

    def __init__(self, source: Source, settings: Settings, now: Instant, sink: FileSink, terms: Terms | None) -> None:
        self._source = source
        self._settings = settings
        self._now = now
        self._sink = sink
        self._terms = terms
        self._draft = False
        self._faults: list[Fault] = []

    def read(self) -> None:
        """Read it all."""
        try:
            document = self._translated(read_document(self._source, json=self._terms is not None))
        except InvalidInput as error:
            if self._is_new(()):
                _tell(error.faults, self._sink)
            return
        name = None if self._terms is not None else recipients_name(document.data, self._source.name)
        if self._terms is not None:
            self._faults += self._take_state(document.data, self._terms)
        if not isinstance(name, str):
            if self._is_new(()):
                self._read(document, name, None)
            return
        try:
            recipients = Source(self._source.path.with_name(name))
        except InvalidInput as error:
            # the spec's faults are told all the same
            self._resolve(document, error.faults)
            return
        with recipients:
            if self._is_new(recipients.pieces()):
                self._read(document, None, recipients)

    def _translated(self, document: Document) -> Document:
        """Return the campaign file that a dropped file in a dialect's format stands for; any other as it is."""
        if self._terms is not None:
            return document
        foreign, doubts = translated(document, self._source.name, self._settings)
        self._faults += doubts
        if foreign is None:
            return document
        self._sink = foreign.sink(self._sink)
        self._draft = foreign.draft
        return foreign.document

    def _is_new(self, recipients: Iterable[bytes]) -> bool:
        return self._sink.fingerprint(fingerprint(self._source.name, self._source.pieces(), recipients))

    def _read(self, document: Document, name_fault: Fault | None, recipients: Source | None) -> None:
        resolved = self._resolve(document, () if name_fault is None else (self._placed(document, name_fault),))
        file = (recipients or self._source).name
        if resolved.new is not None:
            by_line = recipients is not None and recipients.path.suffix.lower() != ".json"
            self._sink.campaign(resolved.new, Origin(file=file, by_line=by_line))
        rows = Rows(file, self._settings, resolved, self._now, self._sink)
        try:
            if recipients is not None:
                _READERS[recipients.path.suffix.lower()](recipients, rows)
            elif isinstance(entries := document.data.get("recipients"), list):
                for at, entry in enumerate(entries):
                    add_object(rows, at + 1, entry, document.locator.find, path=f"recipients[{at}]")
        except InvalidInput as error:
            _tell(error.faults, self._sink)
        changes = [source.changed() for source in (self._source, recipients) if source is not None]
        _tell([fault for fault in changes if fault is not None], self._sink)
        if self._sink.wants_rows and not rows.kept and not (self._draft and not rows.left_out):
            told = {0: "", 1: ": the fault is listed as a warning"}
            many = told.get(rows.left_out, f": all {rows.left_out} faults are listed as warnings")
            self._sink.fault(Fault("", f"has no valid recipient{many}", file=file))
        rows.close()

    def _resolve(self, document: Document, others: Iterable[Fault]) -> Resolved:
        """Check the spec and tell its faults, and with them those of `others`."""
        data = completed(document.data, self._settings)
        where: list[Fault] = []
        if self._terms is not None:
            where = self._inline_only(data)
        elif not self._draft:  # only a dialect's file becomes one, and what that has are inline
            where = _where_recipients_are(data)
        launch = self._terms is not None and self._terms.launch and not self._draft
        resolved, faults = check_spec(
            data, self._settings, self._now, before=self._faults, after=where, draft=self._draft, launch=launch
        )
        placed = [*(self._placed(document, fault) for fault in faults), *others]
        _tell(sorted(placed, key=self._order), self._sink)
        return resolved

    def _take_state(self, data: dict[str, Any], terms: Terms) -> list[Fault]:
        """Take the `state` out of a sent document; it says whether it is a draft unless the terms do."""
        state = data.pop("state", None)
        self._draft = state == CampaignState.DRAFT if terms.draft is None else terms.draft
        if state in (None, CampaignState.DRAFT, CampaignState.SCHEDULED):
            return []
        return [Fault("state", f'{shown(state)} is no state to begin in; write "draft" or "scheduled"')]

    def _inline_only(self, data: dict[str, Any]) -> list[Fault]:
        """Return what is wrong with where a sent document has its recipients."""
        if data.get("recipients_file") is not None:
            return [Fault("recipients_file", "is for dropped files; write recipients, or add them afterwards")]
        if not (self._draft or data.get("recipients")):
            return [Fault("recipients", 'there are none; write recipients, or create a draft (state "draft")')]
        return []

    def _order(self, fault: Fault) -> tuple[bool, float, float]:
        """Sort by place: first what stands in the campaign file, last what is missing in it."""
        elsewhere = fault.file != self._source.name
        return elsewhere, fault.line or inf, fault.column or inf

    def _placed(self, document: Document, fault: Fault) -> Fault:
        line, column = document.locator.find(fault.path)
        return evolve(fault, file=self._source.name, line=line, column=column)


def _spec(whole: CampaignFile) -> CampaignSpec:
    return CampaignSpec(**{a.name: getattr(whole, a.name) for a in attrs.fields(CampaignSpec)})


def _remains(data: dict[str, Any], wrong: set[str], settings: Settings) -> CampaignSpec:
    """Return a spec of what is sound in a faulty file, so that the rest of it can be checked, too.

    What is missing and required is made up; faults about it are not told.
    """
    known = {a.name for a in attrs.fields(CampaignSpec)}
    sound = {key: value for key, value in data.items() if key in known and key not in wrong}
    made_up = {"name": "unnamed", "agent": next(iter(settings.agents), "none")}
    return structure({**made_up, **sound}, CampaignSpec)


def first_step(fault: Fault) -> str:
    """Return the key of a campaign file in which a fault lies, or "" for the whole."""
    match = _FIRST_STEP.match(fault.path)
    return match[0] if match else ""


def _where_recipients_are(data: dict[str, Any]) -> list[Fault]:
    inline, beside = (data.get(key) is not None for key in ("recipients", "recipients_file"))
    if inline and beside:
        return [Fault("recipients_file", "stands beside recipients; leave one of them out")]
    if not inline and not beside:
        return [Fault("", "has no recipients; write recipients or recipients_file")]
    return []


def _tell(faults: Iterable[Fault], sink: Sink) -> None:
    for fault in faults:
        sink.fault(fault)
