"""Recovery: attempts that a former life left without an end, brought back as live calls to be reconciled."""

from collections.abc import Callable

import trio

from dialerd.engine.clock import Clock
from dialerd.engine.limits import hold
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall, OptsOut
from dialerd.engine.registry import Registry
from dialerd.model.states import AttemptState
from dialerd.store.attempts import open_attempts
from dialerd.store.store import Store


async def open_calls(
    store: Store,
    registry: Registry,
    lines: Lines,
    clock: Clock,
    changed: Callable[[LiveCall], None],
    *,
    opts_out: OptsOut,
    stores: Callable[[LiveCall, Callable[[bool], None] | None], None],
) -> list[LiveCall]:
    """Return the attempts without an end as live calls that hold their lines.

    They come before the first claim, so that a call that is still up is counted against every limit; also against one
    that was lowered meanwhile, and has nothing free until enough of them have ended.

    Args:
        store: where they are.
        registry: their campaigns.
        lines: what they hold.
        clock: the wall clock.
        changed, opts_out, stores: as of `LiveCall`.
    """
    calls = []
    found = await store.read(open_attempts)
    await registry.learn_groups({attempt.claimed.group_id for attempt in found})
    for attempt in found:
        campaign = registry.by_key(attempt.campaign_id)
        assert campaign is not None, "a campaign with an open attempt is not over"
        trunk = lines.trunk(attempt.trunk)
        caller_id = lines.caller_ids.get(attempt.claimed.caller_id)
        agent = lines.agents.get(campaign.agent)
        held = (caller_id.limit if caller_id else None, agent.limit if agent else None)
        limits = [lines.daemon, trunk.limit, *(limit for limit in held if limit is not None), campaign.limit]
        calls.append(
            LiveCall(
                claimed=attempt.claimed,
                campaign=campaign,
                trunk=trunk,
                permit=hold(tuple(limits)),
                clock=clock,
                changed=changed,
                opts_out=opts_out,
                stores=stores,
                claimed_at=attempt.claimed_at,
                started_at=trio.current_time(),
                start_at=0.0,
                left_at=attempt.claimed_at,
                phase=AttemptState.UNCERTAIN,
                day_keys=[
                    (day, day.key_at(attempt.claimed_at))
                    for day in (campaign.day, caller_id.day if caller_id else None)
                    if day is not None
                ],
                ringing_at=attempt.ringing_at,
                answered_at=attempt.answered_at,
                reference=attempt.reference,
                provider_state=attempt.provider_state,
            )
        )
    return calls
