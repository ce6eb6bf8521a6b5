"""The query of a request, read as strictly as everything else: text into a record, every fault at once.

Knows nothing of routes.
"""

from datetime import datetime
from types import NoneType
from typing import Any, Final, TypeVar, cast, get_args, get_origin

from attrs import evolve, field, frozen, validators
from starlette.datastructures import QueryParams

from dialerd.api.problems import RefusedRequest
from dialerd.api.rendering import fields_of
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant, to_instant
from dialerd.model.structuring import structure

T = TypeVar("T")

_TRUTHS: Final = {"true": True, "false": False}


@frozen(kw_only=True)
class Nothing:
    """No parameters at all."""


@frozen(kw_only=True)
class Paged:
    """Which part of a list is wanted.

    Args:
        limit: items of a page, 1 to 100.
        after: the `next` of the page before.
    """

    limit: int = field(default=50, validator=[validators.ge(1), validators.le(100)])
    after: str | None = None


def read_query(params: QueryParams, cls: type[T]) -> T:
    """Return the record of `cls` that a query describes; what is a tuple there may be given several times.

    Raises:
        RefusedRequest: with every fault: unknown and repeated parameters, and values that are not allowed (400).
    """
    types = {a.name: of for a, of in fields_of(cast(Any, cls))}
    faults: list[Fault] = []
    plain: dict[str, Any] = {}
    for name in params:
        texts = params.getlist(name)
        if get_origin(types.get(name)) is tuple:
            plain[name] = texts
            continue
        plain[name] = _typed(texts[-1], types.get(name))
        if len(texts) > 1:
            faults.append(Fault(name, "is given more than once; give it once"))
    try:
        record = structure(plain, cls)
    except InvalidInput as error:
        faults += [evolve(fault, message=_of_parameters(fault.message)) for fault in error.faults]
    if faults:
        told = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:3])
        raise RefusedRequest(400, f"the query is not understood: {told}", faults=faults)
    return record


def instant_of(moment: datetime | None, name: str) -> Instant | None:
    """Return the instant of a moment in a query.

    Raises:
        RefusedRequest: it has no offset (400).
    """
    try:
        return None if moment is None else to_instant(moment)
    except ValueError as error:
        message = 'must have an offset, as in "2027-06-15T09:00:00Z"; a + in it is written %2B'
        raise RefusedRequest(400, f"{name}: {message}", faults=[Fault(name, message)]) from error


def _typed(text: str, target: Any) -> Any:
    """Return what a parameter's text stands for, if it is of its type's form; otherwise the text, to be objected to."""
    members = {member for member in get_args(target) if member is not NoneType} or {target}
    if int in members and text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20:
        return int(text)
    return _TRUTHS.get(text, text) if bool in members else text


def _of_parameters(message: str) -> str:
    return message.replace("is not a known key", "is not a known parameter")
