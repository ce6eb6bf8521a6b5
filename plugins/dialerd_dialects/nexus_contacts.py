"""Contacts of a Nexus batch as recipients of a campaign. Knows nothing of batches.

The document does not say what a contact looks like: the usual names of the number are known, `metadata` and
`variables` are tables, and whatever else a contact has is a variable.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.wording import kind

_NUMBER: Final = ("phoneNumber", "phone", "phone_number", "number")


def recipients_of(contacts: Any) -> list[dict[str, Any]]:
    """Return contacts as recipients.

    Raises:
        InvalidInput: some are none, with every fault; whether numbers are valid is judged with the campaign.
    """
    if not isinstance(contacts, Sequence) or isinstance(contacts, str) or not contacts:
        raise InvalidInput([Fault("contacts", "must be a list of contacts, and not empty")])
    faults: list[Fault] = []
    recipients = []
    for at, contact in enumerate(contacts):
        if isinstance(contact, Mapping):
            recipients.append(_recipient(contact, f"contacts[{at}]", faults))
        else:
            message = f'must be an object such as {{"phoneNumber": "+12125550100"}}, but is {kind(contact)}'
            faults.append(Fault(f"contacts[{at}]", message))
    if faults:
        raise InvalidInput(faults)
    return recipients


def _recipient(contact: Mapping[str, Any], path: str, faults: list[Fault]) -> dict[str, Any]:
    given = [name for name in _NUMBER if contact.get(name) is not None]
    if len(given) != 1:
        message = "has no phoneNumber" if not given else f"has the number more than once: {', '.join(given)}"
        faults.append(Fault(path, message))
    tables = {}
    for name in ("variables", "metadata"):
        table = contact.get(name)
        if table is not None and not isinstance(table, Mapping):
            faults.append(Fault(f"{path}.{name}", f"must be an object, but is {kind(table)}"))
        else:
            tables[name] = dict(table or {})
    others = {name: value for name, value in contact.items() if name not in (*_NUMBER, "variables", "metadata")}
    recipient = {"phone": contact[given[0]] if given else "", "variables": others | tables.get("variables", {})}
    return recipient | ({"metadata": tables["metadata"]} if tables.get("metadata") else {})
