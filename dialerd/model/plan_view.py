"""What a campaign is expected to do, as doors show it."""

from collections.abc import Mapping

from attrs import field, frozen

from dialerd.model.errors import Fault
from dialerd.model.instants import Instant
from dialerd.model.states import Final, Outcome, Rule


@frozen(kw_only=True)
class PlanView:
    """A forecast of a campaign that is not stored.

    Args:
        name: the campaign's.
        timezone: IANA zone of its windows.
        starts_at: from when it was forecast.
        ends_at: when it ends, or None where it does not end by itself.
        recipients: how many.
        calls: how many leave.
        first_call_at, last_call_at: when; None where there is none.
        peak_lines: most calls in progress at once.
        calls_per_hour: calls by the beginning of their hour, an instant in RFC 3339; hours without calls are left out.
        finals: recipients by what became of them; what is 0 is left out.
        outcomes: calls that counted, by outcome; what is 0 is left out.
        talk_s: answered time in all, in seconds.
        held: how many people each rule put off, each of them once a night, a holiday or a day.
        never_open: recipients to whom no hour opens, by the rule that keeps them closed.
        warnings_count: how many things of the document are not as its author may think.
        warnings: these, the first 1,000.
    """

    name: str
    timezone: str
    starts_at: Instant
    ends_at: Instant | None = None
    recipients: int = 0
    calls: int = 0
    first_call_at: Instant | None = None
    last_call_at: Instant | None = None
    peak_lines: int = 0
    calls_per_hour: Mapping[str, int] = field(factory=dict)
    finals: Mapping[Final, int] = field(factory=dict)
    outcomes: Mapping[Outcome, int] = field(factory=dict)
    talk_s: float = 0.0
    held: Mapping[Rule, int] = field(factory=dict)
    never_open: Mapping[Rule, int] = field(factory=dict)
    warnings_count: int = 0
    warnings: tuple[Fault, ...] = ()
