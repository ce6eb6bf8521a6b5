"""An explanation of the gate as the record that doors show. Asks nobody: what it tells is what was found."""

from collections.abc import Sequence
from typing import Final

from dialerd.engine.explain import Explanation
from dialerd.model.call import UNFIT_AGENT, UNFIT_CALL
from dialerd.model.call_view import CallView
from dialerd.model.instants import NEVER, Instant
from dialerd.model.reason import RULE_WORDS, Reason, Waiting
from dialerd.model.settings import Settings
from dialerd.model.states import AtFault, Rule
from dialerd.rules.gate import Hold

_UNFIT: Final = "its last call was not placed, since its agent cannot speak"
_PUT_BACK: Final = {
    "screen": "a screen held its last call",
    "withdrawn": "its last call was put back",
    UNFIT_AGENT: _UNFIT,
    UNFIT_CALL: _UNFIT,
}
"""What the cause's code of a call that never left says of it, where the fault is ours."""

_FOLLOW: Final = (Rule.RETRY_DELAY, Rule.DONE)  # rules that follow from the last call


def reason_of(
    explanation: Explanation,
    settings: Settings,
    *,
    calls: Sequence[CallView] | None = None,
    live: tuple[Waiting, ...] | None = None,
) -> Reason:
    """Return why a recipient is not being dialled.

    Args:
        explanation: what the gate says.
        settings: those in force; their `[retry]` is that of campaigns that give none.
        calls: its calls as they stand now; None = as they are stored.
        live: what the daemon waits for; None = no daemon was asked.
    """
    campaign, found, hold = explanation.campaign, explanation.found, explanation.hold
    shown = tuple(calls) if calls is not None else tuple(stored.view for stored in found.tried)
    next_at = explanation.next_at
    return Reason(
        number=found.number,
        campaign_id=campaign.uid,
        campaign=campaign.spec.name,
        campaign_state=campaign.state,
        timezone=campaign.timezone,
        position=found.position,
        state=found.state,
        final=found.final,
        attempts=found.attempts,
        max_attempts=found.max_attempts or (campaign.spec.retry or settings.retry).max_attempts,
        calls=shown,
        rule=hold.rule if hold else None,
        words=RULE_WORDS[hold.rule] if hold else "",
        detail=_detail(hold, shown),
        since=hold.since if hold else None,
        until=_known(hold.until) if hold else None,
        next_at=_known(next_at),
        never=next_at is not None and next_at >= NEVER,
        live=live,
    )


def _detail(hold: Hold | None, calls: Sequence[CallView]) -> str:
    """Return what the gate adds, and, where the last call never left, what kept it."""
    if hold is None:
        return ""
    cause = calls[-1].cause if calls and hold.rule in _FOLLOW else None
    put_back = _PUT_BACK.get(str(cause.get("code"))) if cause and cause.get("fault") == AtFault.US else None
    if cause is None or put_back is None:
        return hold.detail
    said = f"{put_back}: {cause['detail']}" if cause.get("detail") else put_back
    return f"{hold.detail}; {said}" if hold.detail else said


def _known(at: Instant | None) -> Instant | None:
    return None if at is None or at >= NEVER else at
