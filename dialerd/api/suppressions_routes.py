"""Endpoints of do-not-call entries."""

from datetime import datetime
from typing import Final

from attrs import field, frozen, validators
from starlette.responses import Response

from dialerd.api.bodies import Record, Upload
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.export import CsvAnswer, suppression_rows
from dialerd.api.queries import Paged
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant, to_instant
from dialerd.model.page import Page
from dialerd.model.suppression import Suppression
from dialerd.operations.suppressions import Imported

_MOST: Final = 10_000  # numbers of one request; they are entered in one transaction, for which due calls wait


@frozen(kw_only=True)
class Suppressing:
    """Numbers that are not to be called.

    Args:
        numbers: in any form that a recipients' file may have; 10,000 at most, more are imported.
        scope: whom the entries bind: `all`, `agent:NAME` or `campaign:ID`.
        reason, source: for people.
        expires_at: moment with an offset until which they hold; None = for ever.
    """

    numbers: tuple[str, ...] = field(validator=[validators.min_len(1), validators.max_len(_MOST)])
    scope: str = "all"
    reason: str | None = None
    source: str | None = None
    expires_at: datetime | None = None


@frozen(kw_only=True)
class Suppressed:
    """What became of new entries.

    Args:
        ended: recipients that will not be called because of them.
    """

    ended: int


@frozen(kw_only=True)
class ScopeQuery:
    """Whose entry is meant.

    Args:
        scope: `all`, `agent:NAME` or `campaign:ID`.
    """

    scope: str = "all"


@frozen(kw_only=True)
class ImportQuery(ScopeQuery):
    """What holds for lines that do not say otherwise.

    Args:
        scope: `all`, `agent:NAME` or `campaign:ID`.
        reason, source: for people.
    """

    reason: str | None = None
    source: str | None = None


@frozen(kw_only=True)
class ExportQuery:
    """Which entries are wanted.

    Args:
        scope: `all`, `agent:NAME` or `campaign:ID`; none = every entry.
    """

    scope: str | None = None


@frozen(kw_only=True)
class SuppressionQuery(Paged):
    """Which entries are wanted.

    Args:
        scope: `all`, `agent:NAME` or `campaign:ID`; none = every entry.
    """

    scope: str | None = None


async def _add(asked: Asked) -> Suppressed:
    body: Suppressing = asked.body
    ended = await asked.operations.suppressions.add(
        body.numbers,
        scope=body.scope,
        reason=body.reason,
        source=body.source,
        expires_at=_instant(body.expires_at),
        once=asked.once,
    )
    return Suppressed(ended=ended)


def _instant(moment: datetime | None) -> Instant | None:
    """Return the instant until which an entry holds.

    Raises:
        InvalidInput: the moment has no offset.
    """
    try:
        return None if moment is None else to_instant(moment)
    except ValueError as error:
        message = 'must have an offset, as in "2027-06-15T09:00:00Z"'
        raise InvalidInput([Fault("expires_at", message)]) from error


async def _list(asked: Asked) -> Page[Suppression]:
    query: SuppressionQuery = asked.query
    return await asked.operations.suppressions.list(scope=query.scope, limit=query.limit, after=query.after)


async def _import(asked: Asked) -> Imported:
    query: ImportQuery = asked.query
    return await asked.operations.suppressions.import_csv(
        asked.body, scope=query.scope, reason=query.reason, source=query.source, once=asked.once
    )


async def _export(asked: Asked) -> Response:
    query: ExportQuery = asked.query
    return CsvAnswer(suppression_rows(asked.operations, query.scope))


async def _check(asked: Asked) -> Page[Suppression]:
    return Page.whole(await asked.operations.suppressions.check(asked.params["number"]))


async def _remove(asked: Asked) -> None:
    query: ScopeQuery = asked.query
    await asked.operations.suppressions.remove(asked.params["number"], scope=query.scope)


SUPPRESSIONS = (
    Endpoint(
        method="POST",
        path="/v1/suppressions",
        name="add_suppressions",
        summary="Enter numbers as not to be called",
        handle=_add,
        body=Record(cls=Suppressing),
        answer=Suppressed,
        changes=True,
        creates=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/suppressions",
        name="list_suppressions",
        summary="List do-not-call entries",
        handle=_list,
        query=SuppressionQuery,
        answer=Page[Suppression],
    ),
    Endpoint(
        method="POST",
        path="/v1/suppressions/import",
        name="import_suppressions",
        summary="Enter the numbers of a CSV file, of any length",
        handle=_import,
        query=ImportQuery,
        body=Upload(media=("text/csv",)),
        answer=Imported,
        changes=True,
        creates=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/suppressions/export",
        name="export_suppressions",
        summary="Every do-not-call entry, as CSV that an import reads",
        handle=_export,
        query=ExportQuery,
        media="text/csv",
    ),
    Endpoint(
        method="GET",
        path="/v1/suppressions/{number}",
        name="check_suppression",
        summary="Show the entries in force of a number; none = it may be called",
        handle=_check,
        answer=Page[Suppression],
    ),
    Endpoint(
        method="DELETE",
        path="/v1/suppressions/{number}",
        name="remove_suppression",
        summary="Take a do-not-call entry away",
        handle=_remove,
        query=ScopeQuery,
        status=204,
        changes=True,
    ),
)
