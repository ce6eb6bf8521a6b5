"""A call, and a recipient with its calls, as doors show them."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from dialerd.model.instants import Instant, Plain
from dialerd.model.states import AnsweredBy, AttemptState, Final, Outcome, RecipientState


@frozen(kw_only=True)
class CallResult:
    """What an agent reports of a call that it served.

    Args:
        success: whether the call reached its purpose; None = the agent does not say.
        data: whatever the agent found out.
        opt_out: the called person wants no more calls; enters the number as not to be called.
        reported_at: when it was reported.
    """

    success: bool | None = None
    data: dict[str, Plain] = field(factory=dict)
    opt_out: bool = False
    reported_at: Instant | None = None


@frozen(kw_only=True)
class CallView:
    """One attempt to reach a recipient.

    Args:
        id: UUIDv7; the `call_id` of notices and providers.
        campaign_id: whose call it is.
        number: called number, E.164.
        caller_id: number shown, E.164.
        trunk: over which it went.
        state: where it stands.
        claimed_at, ringing_at, answered_at, ended_at: its instants; None where it did not come to that.
        outcome: how it ended, or None.
        counted: False where nothing rang, so that it takes nothing of the recipient's attempts.
        cause: what lies behind the outcome (`fault`, `q850`, `code`, `detail`), or None.
        answered_by: who was found to have answered, or None.
        digits: what the answering person pressed, or None.
        talk_s: answered time in seconds; None where it was not answered or goes on.
        reference: the provider's own id of it, or None.
        detail: what the provider keeps with it.
        result: what the agent reported, or None.
    """

    id: str
    campaign_id: str
    number: str
    caller_id: str
    trunk: str
    state: AttemptState
    claimed_at: Instant
    ringing_at: Instant | None = None
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: Outcome | None = None
    counted: bool = True
    cause: Mapping[str, Any] | None = None
    answered_by: AnsweredBy | None = None
    digits: str | None = None
    talk_s: float | None = None
    reference: str | None = None
    detail: Mapping[str, Any] = field(factory=dict)
    result: CallResult | None = None


@frozen(kw_only=True)
class RecipientView:
    """One person in one campaign.

    Args:
        number: E.164; names the recipient within its campaign.
        campaign_id: whose recipient.
        position: its place in the list it came with.
        state: where it stands.
        final: what became of it, or None.
        next_at: when its next attempt is due, or None: at once, or there will be none.
        attempts: attempts that counted.
        max_attempts: its own limit, or None.
        prompt: its own prompt, or None.
        variables: its own variables.
        metadata: echoed in the notices of its calls.
        calls: its attempts, oldest first; None where they were not asked for.
    """

    number: str
    campaign_id: str
    position: int
    state: RecipientState
    final: Final | None = None
    next_at: Instant | None = None
    attempts: int = 0
    max_attempts: int | None = None
    prompt: str | None = None
    variables: Mapping[str, Any] = field(factory=dict)
    metadata: Mapping[str, Any] = field(factory=dict)
    calls: tuple[CallView, ...] | None = None
