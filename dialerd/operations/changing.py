"""A campaign's spec, changed key by key: what may be changed in which state, and what comes out of it.

Pure: the present instant is an argument.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs import evolve

from dialerd.intake.campaign_file import check_spec, first_step
from dialerd.intake.defaults import completed
from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault, InvalidInput, WrongState
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.rules.localtime import instant_of
from dialerd.store.records import CampaignRow

LATER: Final = ("end", "pacing", "retry", "windows")
"""Keys that may be changed once a campaign is no draft any more."""

_ELSEWHERE: Final = {
    "recipients": "are not changed here; add them to the campaign's recipients",
    "recipients_file": "is for dropped files; add the recipients to the campaign's recipients",
    "state": "is not changed here; schedule, start, pause, resume or cancel the campaign",
}


def changed(
    row: CampaignRow, changes: Mapping[str, Any], settings: Settings, now: Instant, *, released: bool = False
) -> CampaignRow:
    """Return a campaign with some keys of its spec changed.

    A draft is resolved anew, with its start and its zone. Later these stay as they are: a campaign that was launched
    begins no later because its windows change.

    Args:
        row: the campaign, in the state that counts.
        changes: keys of a campaign file; None takes a key away; a table replaces the whole table.
        settings: what the outcome is checked against: of a draft as a whole, later as far as it is changed.
        now: the present instant.
        released: it is a draft that comes into this state now, so that all of it is checked.

    Raises:
        InvalidInput: with everything that is wrong with the outcome.
        WrongState: something is changed that may not be any more; every such key is named.
    """
    data = unstructure(row.spec)
    for key, value in completed(changes, settings).items():
        if value is None:
            data.pop(key, None)
        else:
            data[key] = value
    elsewhere = [Fault(key, message) for key, message in _ELSEWHERE.items() if key in changes]
    draft = row.state is CampaignState.DRAFT
    resolved, faults = check_spec(
        {key: value for key, value in (data if draft else _as_it_stands(row, data)).items() if key not in _ELSEWHERE},
        settings,
        now,
        before=elsewhere,
        draft=draft,
    )
    if not draft and not released:
        # what the settings have lost since is no reason to leave its windows as they are
        faults = [fault for fault in faults if first_step(fault) in {*changes, ""}]
    if faults:
        raise InvalidInput(faults)
    if draft:
        new = resolved.new
        assert new is not None, "what has no faults is a campaign"
        return evolve(row, spec=new.spec, timezone=new.timezone, start_at=new.start_at, end_at=new.end_at)
    spec = structure(data, CampaignSpec)
    _check_allowed(row, spec)
    return evolve(row, spec=spec, end_at=None if spec.end is None else instant_of(spec.end, row.timezone))


def _as_it_stands(row: CampaignRow, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with the zone and the start that are in force."""
    settled = {**data, "timezone": row.timezone}
    if row.start_at is None:
        settled.pop("start", None)
    return settled


def _check_allowed(row: CampaignRow, spec: CampaignSpec) -> None:
    names = [attribute.name for attribute in attrs.fields(CampaignSpec)]
    refused = [name for name in names if name not in LATER and getattr(row.spec, name) != getattr(spec, name)]
    if refused:
        raise WrongState(
            f"a campaign that is {row.state} keeps its {_listed(refused)}: "
            f"only {_listed(LATER)} can be changed once it is no draft"
        )


def _listed(words: "list[str] | tuple[str, ...]") -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
