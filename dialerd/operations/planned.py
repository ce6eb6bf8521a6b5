"""From a campaign document to the forecast that doors show. Takes over the event loop, as forecasts do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dialerd.intake.formats import MAX_SPEC
from dialerd.intake.read_now import read_now
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import SECOND, Instant, to_iso
from dialerd.model.plan_view import PlanView
from dialerd.model.settings import Settings
from dialerd.operations.forecast import Forecast, forecast
from dialerd.operations.incoming import plain
from dialerd.store.records import NewCampaign

_WARNINGS: Final = 1_000
_TERMS: Final = Terms(draft=False)  # what has nobody to be rung has no forecast
_DOCUMENT: Final = "campaign.json"


def plan_document(document: bytes | Path, settings: Settings, start_at: Instant) -> PlanView:
    """Forecast a campaign document in JSON.

    Args:
        document: the document, or the file that holds it.
        settings: the settings in force.
        start_at: from when.

    Raises:
        InvalidInput: it has faults, all of which are told.
    """
    if isinstance(document, Path):
        with document.open("rb") as file:
            document = file.read(MAX_SPEC + 1)
    warnings: list[Fault] = []
    try:
        source = Source.of(document, _DOCUMENT)
        new, people = read_now(source, settings, start_at, warn=warnings.append, terms=_TERMS)
    except InvalidInput as error:
        raise InvalidInput(map(plain, error.faults)) from None
    return plan_view(new, forecast(new, people, settings, start_at), tuple(map(plain, warnings)))


def plan_view(new: NewCampaign, result: Forecast, warnings: Sequence[Fault]) -> PlanView:
    """Return a forecast as doors show it.

    Args:
        new: the campaign.
        result: its forecast.
        warnings: what was found in its document besides.
    """
    totals, calls = result.totals, result.calls
    return PlanView(
        name=new.spec.name,
        timezone=new.timezone,
        starts_at=result.start_at,
        ends_at=result.end_at,
        recipients=totals.recipients,
        calls=len(calls),
        first_call_at=calls[0].started_at if calls else None,
        last_call_at=calls[-1].started_at if calls else None,
        peak_lines=result.peak_lines,
        calls_per_hour={to_iso(hour): count for hour, count in result.calls_per_hour().items()},
        finals={final: count for final, count in totals.finals.items() if count},
        outcomes={outcome: count for outcome, count in totals.outcomes.items() if count},
        talk_s=totals.talk_ms / SECOND,
        held=dict(result.held),
        never_open=dict(result.never_open),
        warnings_count=len(warnings),
        warnings=tuple(warnings[:_WARNINGS]),
    )
