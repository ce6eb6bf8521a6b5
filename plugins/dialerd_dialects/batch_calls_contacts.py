"""Contacts of the batch calls system, B, as recipients: JSON, JSON lines and CSV, sent or lying in a folder.

A contact has a `phone_number`; whatever else it has is a variable. Knows nothing of batches.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.settings import Settings
from dialerd.model.wording import kind, shown
from dialerd_dialects.fields import json_object

MAX_FILE: Final = 16 << 20
"""Bytes of a file in the contacts' folder, as of a body."""

_PHONE: Final = ("phone_number", "phone")
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_PATH: Final = "contacts"


def sent(body: bytes, media: str) -> list[dict[str, Any]]:
    """Return the recipients in a request's body.

    Args:
        body: CSV, JSON lines, a JSON list of contacts, or an object with such a list as `contacts`.
        media: media type of it; empty = it is told by its first character.

    Raises:
        InvalidInput: with every fault.
    """
    kind_of_body = media.partition(";")[0].strip().lower()
    if kind_of_body == "text/csv" or ("json" not in kind_of_body and body.lstrip()[:1] not in (b"[", b"{")):
        return _from_csv(_text(body))
    if kind_of_body in ("application/x-ndjson", "application/jsonl"):
        return _from_lines(_text(body))
    if body.lstrip().startswith(b"["):
        body = b'{"contacts":' + body + b"}"
    data = json_object(body)
    contacts = data.get("contacts")
    faults = [Fault(key, "is not a known field") for key in data if key != "contacts"]
    if not isinstance(contacts, list):
        raise InvalidInput([*faults, Fault(_PATH, "must be a list of contacts")])
    if faults:
        raise InvalidInput(faults)
    return from_list(contacts)


def of_folder(folder_id: str, settings: Settings) -> list[dict[str, Any]]:
    """Return the recipients in a file of the contacts' folder. Reads it: call it in a thread.

    Args:
        folder_id: the file's name without `.csv` or `.jsonl`.
        settings: the settings in force.

    Raises:
        InvalidInput: there is none, or with every fault in it.
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
        return read(_text(content))
    message = f"there is neither {folder_id}.csv nor {folder_id}.jsonl among the contacts"
    raise InvalidInput([Fault(where, f"{message}; put one into contacts_dir of [dialects]")])


def from_list(contacts: Iterable[Any]) -> list[dict[str, Any]]:
    """Return contacts as recipients of a campaign file.

    Raises:
        InvalidInput: with every fault.
    """
    recipients: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for at, contact in enumerate(contacts):
        place = f"{_PATH}[{at}]"
        if not isinstance(contact, Mapping):
            faults.append(
                Fault(place, f'must be an object such as {{"phone_number": "+12125550123"}}, not {kind(contact)}')
            )
            continue
        given = [key for key in _PHONE if contact.get(key) is not None]
        variables = contact.get("variables")
        if not given:
            faults.append(Fault(f"{place}.phone_number", "is required"))
        elif not isinstance(contact[given[0]], str):
            faults.append(Fault(f"{place}.{given[0]}", f"must be text, but is {kind(contact[given[0]])}"))
        if variables is not None and not isinstance(variables, Mapping):
            faults.append(Fault(f"{place}.variables", f"must be an object, but is {kind(variables)}"))
            variables = None
        others = {key: value for key, value in contact.items() if key not in (*_PHONE, "variables")}
        if given:
            recipients.append({"phone": contact[given[0]], "variables": {**others, **(variables or {})}})
    if faults:
        raise InvalidInput(faults)
    return recipients


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput([Fault(_PATH, f"are not UTF-8 at byte {error.start}")]) from error


def _from_csv(text: str) -> list[dict[str, Any]]:
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [column.strip() for column in next(rows, [])]
        found = [row for row in rows if row]
    except csv.Error as error:
        raise InvalidInput([Fault(_PATH, f"are no CSV: {error}", line=rows.line_num)]) from error
    if not any(name in columns for name in _PHONE):
        message = f"have no column phone_number; the first line names the columns, and is {shown(header.strip())}"
        raise InvalidInput([Fault(_PATH, message, line=1)])
    if len(set(columns)) < len(columns):
        raise InvalidInput([Fault(_PATH, "have a column twice", line=1)])
    if odd := [at for at, row in enumerate(found) if len(row) != len(columns)]:
        message = f"has not the {len(columns)} fields that the first line names"
        raise InvalidInput([Fault(f"{_PATH}[{at}]", message) for at in odd])
    return from_list(dict(zip(columns, row, strict=True)) for row in found)


def _from_lines(text: str) -> list[dict[str, Any]]:
    contacts: list[Any] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            contacts.append(json_object(line.encode()))
        except InvalidInput as error:
            faults += [Fault(f"{_PATH}[{len(contacts)}]", fault.message, line=number) for fault in error.faults]
            contacts.append({})
    if faults:
        raise InvalidInput(faults)
    return from_list(contacts)
