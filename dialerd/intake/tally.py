"""The tally of a report: counts over its rows, so that the summary adds up with the calls beside it."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import define, field

from dialerd.model.instants import Duration, Instant, to_iso
from dialerd.model.states import Final, Outcome, RecipientState
from dialerd.store.records import Brief, CallRow, Totals, UndialedRow


@define(eq=False)
class Tally:
    """Counts over the rows of one campaign, which come in the order of its recipients.

    Args:
        recipients: how many there are.
        undialed: how many of them never had an attempt.
        states: recipients that are not done, by state.
        finals: recipients by what became of them.
        attempts: attempts that count.
        outcomes: those by outcome.
        refunded: attempts that do not count, because nothing rang.
        talk: answered time in all.
        first_call_at: when the first attempt was claimed, or None.
        last_call_at: when the last one was claimed, or None.
    """

    recipients: int = 0
    undialed: int = 0
    states: Counter[RecipientState] = field(factory=Counter)
    finals: Counter[Final] = field(factory=Counter)
    attempts: int = 0
    outcomes: Counter[Outcome] = field(factory=Counter)
    refunded: int = 0
    talk: Duration = 0
    first_call_at: Instant | None = None
    last_call_at: Instant | None = None
    _last_id: int = 0

    def add(self, row: CallRow | UndialedRow) -> None:
        """Count one row."""
        if row.id != self._last_id:
            self._last_id = row.id
            self.recipients += 1
            if row.final is not None:
                self.finals[row.final] += 1
            else:
                self.states[row.recipient if isinstance(row, CallRow) else row.state] += 1
        if isinstance(row, UndialedRow):
            self.undialed += 1
            return
        if row.refunded:
            self.refunded += 1
        else:
            self.attempts += 1
            if row.outcome is not None:
                self.outcomes[row.outcome] += 1
        self.talk += talk(row)
        self.first_call_at = min(self.first_call_at or row.claimed_at, row.claimed_at)
        self.last_call_at = max(self.last_call_at or row.claimed_at, row.claimed_at)

    def differences(self, totals: Totals) -> dict[str, tuple[int, int]]:
        """Return what the store's own counters say otherwise, as (counted here, the store's)."""
        pairs = {
            "recipients": (self.recipients, totals.recipients),
            "refunded": (self.refunded, totals.refunded),
            **{f"final {final}": (self.finals[final], totals.finals.get(final, 0)) for final in Final},
            **{f"outcome {outcome}": (self.outcomes[outcome], totals.outcomes.get(outcome, 0)) for outcome in Outcome},
        }
        return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}


def talk(row: CallRow) -> Duration:
    """Return how long a call was answered; 0 where it was not."""
    return max(row.ended_at - row.answered_at, 0) if row.answered_at is not None and row.ended_at is not None else 0


def summary(campaign: Brief, tally: Tally) -> dict[str, Any]:
    """Return a campaign's summary as plain data for TOML; what does not apply is left out.

    Args:
        campaign: whose.
        tally: over all its rows.
    """
    instants = {
        "created_at": campaign.created_at,
        "start_at": campaign.start_at,
        "end_at": campaign.end_at,
        "ended_at": campaign.ended_at,
        "first_call_at": tally.first_call_at,
        "last_call_at": tally.last_call_at,
    }
    answered = tally.outcomes[Outcome.ANSWERED]
    return {
        **head(campaign),
        **{name: to_iso(instant) for name, instant in instants.items() if instant is not None},
        "answer_rate": round(answered / tally.attempts, 4) if tally.attempts else 0.0,
        "talk_time_s": tally.talk / 1_000,
        "recipients": {
            "total": tally.recipients,
            "undialed": tally.undialed,
            **{state.value: count for state, count in sorted(tally.states.items())},
            **{final.value: tally.finals[final] for final in Final},
        },
        "attempts": {
            "total": tally.attempts,
            "refunded": tally.refunded,
            **{outcome.value: tally.outcomes[outcome] for outcome in Outcome},
        },
    }


def head(campaign: Brief) -> dict[str, Any]:
    """Return what names a campaign, as plain data for TOML."""
    named = {
        "name": campaign.name,
        "id": campaign.uid,
        "agent": campaign.agent,
        "state": campaign.state.value,
    }
    return named if campaign.file is None else {**named, "file": campaign.file}


def id_in(path: Path) -> str | None:
    """Return the id of the campaign that the TOML file at `path` is about, or None where it says none."""
    try:
        with path.open("rb") as file:
            return str(tomllib.load(file).get("id"))
    except (OSError, ValueError):
        return None
