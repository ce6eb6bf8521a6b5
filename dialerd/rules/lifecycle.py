"""The three lives: which state of a campaign, a recipient and an attempt may follow which.

Theory of operation
===================

dialerd keeps three kinds of things alive over restarts, and each is always in exactly one state. Who asks for another
state of a campaign goes through the engine's steering, which asks `check` first, so that a wrong order shows as an
error with words in it and never as a row that nobody can explain. An attempt's state follows `ATTEMPT` in memory, in
the engine's live call: what a provider tells out of order is passed over. What the store changes by itself, a
recipient's states above all, it changes in SQL, with the state that is left behind in the statement or known from the
row it has just read; there the tables are what the statements must agree with, and nothing asks them at run time. The
tables are data: the tests walk every pair of states, and the documentation draws its pictures from them with
`diagram`. In each table the first state is where a thing begins; a state that nothing follows is final.

A *campaign* is `loading` while its recipients are stored in batches; nothing sees it until they are all there, and a
load that fails is deleted, it has no state for it. Then it is a `draft`, which waits for somebody to release it, or
`scheduled`, which waits for its first opening and becomes `running` there. Who launches a campaign, whether it is
being stored, a draft or scheduled, makes it `running` at once: its start is no matter any more, its hours are, so that
a campaign may be running before anybody was rung. `paused` holds it without touching its
live calls; resumed, it is `scheduled` again if it was never running and `running` otherwise. It is `completed` when
each of its recipients is done. That may happen without one call: when its end passes, or when all were suppressed,
before the first opening. It also happens to a paused campaign, for two reasons. Its last live calls may have been all
that was left; and when its end passes, nobody can be rung under it any more, so that resuming it could only expire
its recipients. Waiting for somebody to do that would leave people without a final state for as long as nobody looks.
`cancelled` is possible up to the end, and `completed` and `cancelled` exclude each other: what is over stays over. To
cancel a draft is to throw it away. There is no way back to `draft`: people may have been rung.

A *recipient* waits as `pending` for its instant, is `dialing` while it has an attempt without an end, and then is
`pending` again for the next try or `done`. It stays `dialing` while its attempt is uncertain: this is what keeps a
second call from a person who may be on the phone. `done` carries one final word. Only an attempt can end
in `succeeded`, `failed`, `exhausted` or `uncertain`. `suppressed`, `expired` and `cancelled` need no call, and so can
come while a recipient waits; they come from `dialing` too, when the call was withdrawn at the last instant or ended
unanswered, and the reason that forbids the next try arose meanwhile. Nothing follows `done`: to ring a person again
is another campaign.

An *attempt* is `claimed` when it is durable and before the provider hears of it. `placed`, `ringing` and `answered` are
what the provider tells, and it may leave any of them out: a carrier that reports only answers is a good carrier, and
the store writes only the last of several states that pass between two commits. They never go backwards; early media
that rings after an answer is a provider's fault. Every state may turn `uncertain`, for the daemon can die, and a
provider can lose its line, at any instant, even amid a conversation. An uncertain attempt is asked about until it is
known to be alive (then it goes on where the provider finds it) or at an end. `ended` is final, and carries an outcome;
an attempt about which nobody can tell ends too, with the outcome `uncertain`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from dialerd.model.errors import WrongState
from dialerd.model.states import AttemptState, CampaignState, RecipientState

S = TypeVar("S", bound=StrEnum)

_C, _R, _A = CampaignState, RecipientState, AttemptState

CAMPAIGN: Final[Mapping[CampaignState, frozenset[CampaignState]]] = {
    _C.LOADING: frozenset({_C.DRAFT, _C.SCHEDULED, _C.RUNNING}),
    _C.DRAFT: frozenset({_C.SCHEDULED, _C.RUNNING, _C.CANCELLED}),
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.PAUSED, _C.COMPLETED, _C.CANCELLED}),
    _C.RUNNING: frozenset({_C.PAUSED, _C.COMPLETED, _C.CANCELLED}),
    _C.PAUSED: frozenset({_C.SCHEDULED, _C.RUNNING, _C.COMPLETED, _C.CANCELLED}),
    _C.COMPLETED: frozenset(),
    _C.CANCELLED: frozenset(),
}
"""Which state of a campaign may follow which."""

RECIPIENT: Final[Mapping[RecipientState, frozenset[RecipientState]]] = {
    _R.PENDING: frozenset({_R.DIALING, _R.DONE}),
    _R.DIALING: frozenset({_R.PENDING, _R.DONE}),
    _R.DONE: frozenset(),
}
"""Which state of a recipient may follow which."""

ATTEMPT: Final[Mapping[AttemptState, frozenset[AttemptState]]] = {
    _A.CLAIMED: frozenset({_A.PLACED, _A.RINGING, _A.ANSWERED, _A.UNCERTAIN, _A.ENDED}),
    _A.PLACED: frozenset({_A.RINGING, _A.ANSWERED, _A.UNCERTAIN, _A.ENDED}),
    _A.RINGING: frozenset({_A.ANSWERED, _A.UNCERTAIN, _A.ENDED}),
    _A.ANSWERED: frozenset({_A.UNCERTAIN, _A.ENDED}),
    _A.UNCERTAIN: frozenset({_A.PLACED, _A.RINGING, _A.ANSWERED, _A.ENDED}),
    _A.ENDED: frozenset(),
}
"""Which state of an attempt may follow which."""

_TABLES: Final[Mapping[type[StrEnum], tuple[str, Mapping[Any, frozenset[Any]]]]] = {
    CampaignState: ("a campaign", CAMPAIGN),
    RecipientState: ("a recipient", RECIPIENT),
    AttemptState: ("an attempt", ATTEMPT),
}


def check(old: S, new: S) -> None:
    """Refuse a change of state that the tables do not allow.

    Args:
        old: the present state of a campaign, a recipient or an attempt.
        new: the wanted state of the same thing. The same state again is a change like any other and is refused: who
            wants to be asked twice must ask first.

    Raises:
        WrongState: `new` may not follow `old`.
    """
    thing, table = _TABLES[type(old)]
    allowed = table[old]
    if new not in allowed:
        ways = _listed(table, allowed)
        rest = f"from {old} it can only become {ways}" if ways else f"{old} is final"
        raise WrongState(f"{thing} that is {old} cannot become {new}: {rest}")


def diagram(table: Mapping[S, frozenset[S]]) -> str:
    """Return a table as the text of a Mermaid state diagram.

    Args:
        table: one of `CAMPAIGN`, `RECIPIENT` and `ATTEMPT`; drawn in its own order, the first state as the beginning.

    Source: https://mermaid.js.org/syntax/stateDiagram.html
    """
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table))}"]
    for old, allowed in table.items():
        lines += [f"    {old} --> {new}" for new in table if new in allowed]
        if not allowed:
            lines.append(f"    {old} --> [*]")
    return "\n".join(lines) + "\n"


def _listed(order: Iterable[Any], allowed: frozenset[Any]) -> str:
    """Return the members of `allowed` in `order`, joined by commas and a last "or"."""
    words = [str(state) for state in order if state in allowed]
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
