"""A campaign file with its recipients, read from beginning to end: every format, every check, every finding.

This is what the worker runs for the daemon and `read_now` runs in place. It holds one row at a time; what it finds
goes to a `FileSink`. Knows nothing of processes.
"""

import re
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from attrs import evolve, frozen

from dialerd.intake.csv_rows import read_csv
from dialerd.intake.defaults import completed
from dialerd.intake.duplicate import Origin
from dialerd.intake.fingerprint import fingerprint
from dialerd.intake.formats import ROWS_EXTENSIONS, Document, read_document
from dialerd.intake.json_rows import read_json
from dialerd.intake.jsonl_rows import read_jsonl
from dialerd.intake.object_row import add_object
from dialerd.intake.recipients import Rows, Sink
from dialerd.intake.resolve import Resolved, resolve
from dialerd.intake.source import Source
from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
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


def read_campaign(spec: Path, settings: Settings, now: Instant, sink: FileSink) -> None:
    """Read a campaign file and its recipients into `sink`.

    Args:
        spec: the campaign file.
        settings: what it is checked against.
        now: present instant.
        sink: takes the fingerprint, then the campaign if its spec is valid, rows and findings.
    """
    try:
        with Source(spec) as source:
            _File(source, settings, now, sink).read()
    except InvalidInput as error:
        _tell(error.faults, sink)


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

    def __init__(self, source: Source, settings: Settings, now: Instant, sink: FileSink) -> None:
        self._source = source
        self._settings = settings
        self._now = now
        self._sink = sink

    def read(self) -> None:
        """Read it all."""
        try:
            document = read_document(self._source)
        except InvalidInput as error:
            if self._is_new(()):
                _tell(error.faults, self._sink)
            return
        name = recipients_name(document.data, self._source.name)
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
        if self._sink.wants_rows and not rows.kept:
            told = {0: "", 1: ": the fault is listed as a warning"}
            many = told.get(rows.left_out, f": all {rows.left_out} faults are listed as warnings")
            self._sink.fault(Fault("", f"has no valid recipient{many}", file=file))
        rows.flush()

    def _resolve(self, document: Document, others: Iterable[Fault]) -> Resolved:
        """Check the spec and tell its faults, and with them those of `others`."""
        data = completed(document.data, self._settings)
        faults: list[Fault] = []
        try:
            whole = structure(data, CampaignFile)
        except InvalidInput as error:
            faults += error.faults
            spec = _remains(data, {_first_step(fault) for fault in faults}, self._settings)
        else:
            spec = _spec(whole)
        faults += _where_recipients_are(data)
        resolved, found = resolve(spec, self._settings, self._now, sound=not faults)
        wrong = {_first_step(fault) for fault in faults}
        faults += [fault for fault in found if _first_step(fault) not in wrong]
        placed = [*(self._placed(document, fault) for fault in faults), *others]
        _tell(sorted(placed, key=self._order), self._sink)
        return resolved

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


def _first_step(fault: Fault) -> str:
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
