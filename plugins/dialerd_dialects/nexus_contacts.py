"""Contacts of a Nexus batch as recipients of a campaign. Knows nothing of batches.

The document does not say what a contact looks like: the usual names of the number are known, `metadata` and
`variables` are tables, and whatever else a contact has is a variable.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from dialerd.model.errors import Fault
from dialerd.model.wording import kind
from dialerd_dialects.numbers import bad_numbers

FIELDS: Final = ("contacts", "skipInvalid")
"""What makes a list of contacts."""

_NUMBER: Final = ("phoneNumber", "phone", "phone_number", "number")


@frozen
class Contacts:
    """A list of contacts.

    Args:
        recipients: as a campaign takes them, each at its contact's place; one at fault has no number.
        skip: those that are invalid are left out.
        faults: what is wrong with single contacts in themselves; the rest is judged with the campaign.
    """

    recipients: list[dict[str, Any]]
    skip: bool
    faults: list[Fault]


def contacts_of(data: Mapping[str, Any], region: str | None) -> tuple[Contacts, list[Fault]]:
    """Return the contacts in a request or a file, and all that refuses them.

    Args:
        data: what has `contacts` and `skipInvalid`.
        region: country by which numbers without + are read, or None.
    """
    faults: list[Fault] = []
    skip = data.get("skipInvalid")
    if skip is not None and not isinstance(skip, bool):
        faults.append(Fault("skipInvalid", f"must be true or false, but is {kind(skip)}"))
    entries = data.get("contacts")
    if not isinstance(entries, list) or not entries:
        faults.append(Fault("contacts", "must be a list of contacts, and not empty"))
        entries = []
    recipients, phones = [], []
    odd: list[Fault] = []
    for at, entry in enumerate(entries):
        recipient, found = _recipient(entry, f"contacts[{at}]")
        odd += found
        phones.append(recipient.get("phone"))
        recipients.append({"phone": ""} if found else recipient)
    contacts = Contacts(recipients, skip is True, odd)
    if not contacts.skip and (faults or odd):
        faults += [*odd, *bad_numbers(phones, "contacts[].phoneNumber", region)]
    return contacts, faults


def _recipient(contact: Any, path: str) -> tuple[dict[str, Any], list[Fault]]:
    """Return what of a contact a recipient can have, and what is wrong with the rest."""
    if not isinstance(contact, Mapping):
        message = f'must be an object such as {{"phoneNumber": "+12125550100"}}, but is {kind(contact)}'
        return {}, [Fault(path, message)]
    faults = []
    given = [name for name in _NUMBER if contact.get(name) is not None]
    if len(given) != 1:
        message = "has no phoneNumber" if not given else f"has the number more than once: {', '.join(given)}"
        faults.append(Fault(path, message))
    tables: dict[str, dict[str, Any]] = {}
    for name in ("variables", "metadata"):
        table = contact.get(name)
        if table is None:
            continue
        if isinstance(table, Mapping):
            tables[name] = dict(table)
        else:
            faults.append(Fault(f"{path}.{name}", f"must be an object, but is {kind(table)}"))
    others = {name: value for name, value in contact.items() if name not in (*_NUMBER, "variables", "metadata")}
    recipient: dict[str, Any] = {"variables": others | tables.get("variables", {})}
    if len(given) == 1:
        recipient["phone"] = contact[given[0]]
    if tables.get("metadata"):
        recipient["metadata"] = tables["metadata"]
    return recipient, faults
