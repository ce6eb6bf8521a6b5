"""Contacts of the batch calls system, B, as recipients: JSON, JSON lines and CSV, sent or lying in a folder.

A contact has a `phone_number`; whatever else it has is a variable. Knows nothing of batches.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.settings import Settings
from dialerd.model.wording import kind, shown
from dialerd_dialects.fields import json_object
from dialerd_dialects.numbers import bad_numbers

MAX_FILE: Final = 16 << 20
"""Bytes of a file in the contacts' folder, as of a body."""

_PHONE: Final = ("phone_number", "phone")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_PATH: Final = "contacts"
_ENTRY: Final = re.compile(r"contacts\[(\d+)\](?:\.(\w+))?")

Locate = Callable[[int, str], tuple[int, int]]
"""Tells line and column of a contact's field."""


@frozen(kw_only=True)
class Contacts:
    """Contacts as recipients of a campaign file, whatever is wrong with some of them.

    Args:
        rows: one for each contact.
        faults: what shows by itself.
        locate: where a field of one stands, where they are lines.
        file: name of the file that they stand in.
    """

    rows: list[dict[str, Any]] = field(factory=list)
    faults: list[Fault] = field(factory=list)
    locate: Locate | None = None
    file: str | None = None

    def judged(self, others: Iterable[Fault], settings: Settings) -> list[Fault]:
        """Return `others` and all that is wrong with the contacts; nothing where only the campaign can tell."""
        faults = [*others, *self.placed(self.faults)]
        if not faults:
            return []
        phones = [row["phone"] if isinstance(row["phone"], str) else None for row in self.rows]
        return [*faults, *self.placed(bad_numbers(phones, "contacts[].phone_number", settings.daemon.default_region))]

    def placed(self, faults: Iterable[Fault]) -> list[Fault]:
        """Return faults with the lines on which the contacts stand."""
        return [self._placed(fault) for fault in faults]

    def named(self, path: str) -> str:
        """Return a path with the file and line that it leads to, where that is a file of its own."""
        fault = self._placed(Fault(path, ""))
        return path if fault.file is None else f"{path} ({fault.file}:{fault.line}:{fault.column})"

    def _placed(self, fault: Fault) -> Fault:
        entry = _ENTRY.match(fault.path)
        if entry is None or self.locate is None or int(entry[1]) >= len(self.rows):
            return fault
        line, column = self.locate(int(entry[1]), entry[2] or "")
        return evolve(fault, file=self.file, line=line, column=column)


def sent(body: bytes, media: str) -> Contacts:
    """Return the contacts in a request's body.

    Args:
        body: CSV, JSON lines, a JSON list of contacts, or an object with such a list as `contacts`.
        media: media type of it; empty = it is told by its first character.

    Raises:
        InvalidInput: they cannot be read at all.
    """
    kind_of_body = media.partition(";")[0].strip().lower()
    if kind_of_body == "text/csv" or ("json" not in kind_of_body and body.lstrip()[:1] not in (b"[", b"{")):
        return _from_csv(_text(body), None)
    if kind_of_body in ("application/x-ndjson", "application/jsonl"):
        return _from_lines(_text(body), None)
    if body.lstrip().startswith(b"["):
        body = b'{"contacts":' + body + b"}"
    data = json_object(body)
    contacts = from_list(data.get("contacts"))
    unknown = [Fault(key, "is not a known field") for key in data if key != "contacts"]
    return evolve(contacts, faults=[*unknown, *contacts.faults])


def of_folder(folder_id: str, settings: Settings) -> Contacts:
    """Return the contacts in a file of the contacts' folder. Reads it: call it in a thread.

    Args:
        folder_id: the file's name without `.csv` or `.jsonl`.
        settings: the settings in force.

    Raises:
        InvalidInput: there is none, or it cannot be read at all.
    """
    where = "contact_folder_id"
    directory = settings.dialects.contacts_dir
    if directory is None:
        raise InvalidInput([Fault(where, "cannot be used: no contacts_dir is set in [dialects] of dialerd's settings")])
    if _PLAIN.fullmatch(folder_id) is None:
        raise InvalidInput([Fault(where, "must be a plain name of letters, digits, - and _")])
    for ending, read in ((".csv", _from_csv), (".jsonl", _from_lines)):
        try:
            with (directory / f"{folder_id}{ending}").open("rb") as file:
                content = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InvalidInput([Fault(where, f"cannot be read: {(error.strerror or str(error)).lower()}")]) from error
        if len(content) > MAX_FILE:
            raise InvalidInput([Fault(where, "names a file of more than 16 MiB; split it")])
        return read(_text(content, f"{folder_id}{ending}"), f"{folder_id}{ending}")
    message = f"there is neither {folder_id}.csv nor {folder_id}.jsonl among the contacts"
    raise InvalidInput([Fault(where, f"{message}; put one into contacts_dir of [dialects]")])


def from_list(contacts: Any) -> Contacts:
    """Return the contacts in plain data."""
    if not isinstance(contacts, list):
        return Contacts(faults=[Fault(_PATH, f"must be a list of contacts, but is {kind(contacts)}")])
    found = Contacts()
    for at, contact in enumerate(contacts):
        place = f"{_PATH}[{at}]"
        if not isinstance(contact, Mapping):
            message = f'must be an object such as {{"phone_number": "+12125550123"}}, not {kind(contact)}'
            found.faults.append(Fault(place, message))
            found.rows.append({"phone": None})
            continue
        key = next((key for key in _PHONE if contact.get(key) is not None), None)
        phone = None if key is None else contact[key]
        if key is None:
            found.faults.append(Fault(f"{place}.phone_number", "is required"))
        elif not isinstance(phone, str):
            found.faults.append(Fault(f"{place}.{key}", f"must be text, but is {kind(phone)}"))
        variables = contact.get("variables")
        if variables is not None and not isinstance(variables, Mapping):
            found.faults.append(Fault(f"{place}.variables", f"must be an object, but is {kind(variables)}"))
            variables = None
        others = {key: value for key, value in contact.items() if key not in (*_PHONE, "variables")}
        found.rows.append({"phone": phone, "variables": {**others, **(variables or {})}})
    return found


def _text(content: bytes, file: str | None = None) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput([Fault(_PATH, f"are not UTF-8 at byte {error.start}", file=file)]) from error


def _from_csv(text: str, file: str | None) -> Contacts:
    lines = list(io.StringIO(text, newline=""))
    header = lines[0] if lines else ""
    separator = max(",;\t", key=header.count)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    found: list[dict[str, str]] = []
    faults: list[Fault] = []
    begins: list[int] = []
    try:
        columns = [column.strip() for column in next(rows, [])]
        begun = rows.line_num + 1
        for row in rows:
            if row:
                begins.append(begun)
                found.append(dict(zip(columns, row, strict=False)))
                if len(row) != len(columns):
                    message = f"has not the {len(columns)} fields that the first line names"
                    faults.append(Fault(f"{_PATH}[{len(found) - 1}]", message))
            begun = rows.line_num + 1
    except csv.Error as error:
        raise InvalidInput([Fault(_PATH, f"are no CSV: {error}", file=file, line=rows.line_num)]) from error
    if not any(name in columns for name in _PHONE):
        message = f"have no column phone_number; the first line names the columns, and is {shown(header.strip())}"
        raise InvalidInput([Fault(_PATH, message, file=file, line=1)])
    if len(set(columns)) < len(columns):
        raise InvalidInput([Fault(_PATH, "have a column twice", file=file, line=1)])

    def locate(at: int, name: str) -> tuple[int, int]:
        wanted = next((known for known in (name, *_PHONE) if known in columns), columns[0]) if name else columns[0]
        ends = begins[at + 1] - 1 if at + 1 < len(begins) else len(lines)
        return _field_place("".join(lines[begins[at] - 1 : ends]), begins[at], separator, columns.index(wanted))

    contacts = from_list(found)
    known = {fault.path for fault in faults}
    more = [fault for fault in contacts.faults if fault.path.partition(".")[0] not in known]
    return evolve(contacts, faults=[*faults, *more], locate=locate, file=file)


def _field_place(record: str, line: int, separator: str, index: int) -> tuple[int, int]:
    """Return line and column of a CSV record's field, or of the record where it has not so many."""
    fields = re.finditer(rf'("(?:[^"]|"")*"|[^{separator}\r\n]*)(?:{separator}|[\r\n]+|$)', record)
    at = next((match.start() for count, match in enumerate(fields) if count == index), 0)
    return line + record.count("\n", 0, at), at - record.rfind("\n", 0, at)


def _from_lines(text: str, file: str | None) -> Contacts:
    values: list[Any] = []
    broken: dict[str, Fault] = {}
    begins: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(json_object(line.encode()))
        except InvalidInput as error:
            place = f"{_PATH}[{len(values)}]"
            broken[place] = evolve(error.faults[0], path=place, line=None, column=None)
            values.append(None)
        begins.append((number, line))

    def locate(at: int, name: str) -> tuple[int, int]:
        number, line = begins[at]
        places = (line.find(f'"{key}"') for key in (name, *_PHONE) if name)
        return number, 1 + next((place for place in places if place >= 0), 0)

    contacts = from_list(values)
    return evolve(
        contacts, faults=[broken.get(fault.path, fault) for fault in contacts.faults], locate=locate, file=file
    )
