"""What is wrong with the numbers of a list, told beside the faults of the request that it came with.

A list that is sound otherwise is judged with its campaign, by far more rules. Knows nothing of any one dialect.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from dialerd.model.errors import Fault
from dialerd.model.wording import kind
from dialerd.rules.numbers import BadNumber, parse_number

MOST: Final = 1_000
"""Numbers that are judged this way: some 0.1 ms each, in which the daemon does nothing else."""


def bad_numbers(phones: Iterable[Any], place: str, region: str | None) -> list[Fault]:
    """Return what is wrong with the first numbers of a list.

    Args:
        phones: as they were sent; None is passed over.
        place: path of a number in the request, with `[]` for its place in the list.
        region: country by which numbers without + are read, or None.
    """
    faults = []
    for at, phone in enumerate(islice(phones, MOST)):
        if phone is None or (message := _objection(phone, region)) is None:
            continue
        faults.append(Fault(place.replace("[]", f"[{at}]"), message))
    return faults


def _objection(phone: Any, region: str | None) -> str | None:
    if not isinstance(phone, str):
        return f"must be text, but is {kind(phone)}"
    try:
        parse_number(phone, region)
    except BadNumber as error:
        return str(error)
    return None
