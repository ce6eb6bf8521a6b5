"""What plugins say, checked before it is believed.

What cannot be stored would stop the turn that stores everybody's ends. So it is refused here, where it costs the one
call, or, in a report (which never raises), made into something that can be. Knows nothing of the store.
"""

from collections.abc import Mapping

import msgspec
from attrs import evolve

from dialerd.model.call import CallEnd, CannotTell, Cause, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.errors import PluginError
from dialerd.model.instants import NEVER, Instant
from dialerd.model.states import AnsweredBy, AtFault, Outcome
from dialerd.plugin.raised import words


def checked_end(end: object) -> CallEnd:
    """Return how a call ended.

    Raises:
        PluginError: it is no `CallEnd`, or one of its fields is not what `CallEnd` says.
    """
    if not isinstance(end, CallEnd):
        raise PluginError(f"a call's end must be a CallEnd, but is {words(end)}")
    if (
        type(end.outcome) is not Outcome
        or not _is_instant(end.ringing_at)
        or not _is_instant(end.answered_at)
        or not _is_instant(end.ended_at)
        or not (end.answered_by is None or type(end.answered_by) is AnsweredBy)
        or not _is_text(end.digits)
        or not isinstance(end.detail, dict)
        or type(end.opted_out) is not bool
        or not (end.afterwards is None or callable(end.afterwards))
    ):
        raise PluginError(f"a field of a call's end is not what CallEnd says: {words(end)}")
    if end.cause is not None:
        checked_cause(end.cause)
    return end


def plausible(end: CallEnd, claimed_at: Instant, now: Instant) -> CallEnd:
    """Return an end whose instants lie between the claim and the present, in their order.

    A carrier's clock may be off, and a plugin may give seconds for milliseconds. The end's instant begins the person's
    cooldown: one in 1970 would have them rung again at once, one in ten years never.

    Args:
        end: how a call ended.
        claimed_at: when it was claimed.
        now: the present instant.
    """
    first, last = (claimed_at, now) if claimed_at <= now else (now, claimed_at)  # the clock may have been set back
    lower = first
    for at in (end.ringing_at, end.answered_at, end.ended_at):
        if at is not None:
            if not lower <= at <= last:
                break
            lower = at
    else:
        return end
    ended_at = None if end.ended_at is None else end.ended_at if first <= end.ended_at <= last else last
    latest = last if ended_at is None else ended_at
    answered_at = None if end.answered_at is None else min(max(end.answered_at, first), latest)
    latest = latest if answered_at is None else answered_at
    ringing_at = None if end.ringing_at is None else min(max(end.ringing_at, first), latest)
    return evolve(end, ringing_at=ringing_at, answered_at=answered_at, ended_at=ended_at)


def checked_cause(cause: object) -> Cause:
    """Return the cause behind an end or a refusal.

    Raises:
        PluginError: it is no `Cause`, or one of its fields is not what `Cause` says.
    """
    if (
        not isinstance(cause, Cause)
        or type(cause.fault) is not AtFault
        or not (cause.q850 is None or type(cause.q850) is int)
        or not (cause.code is None or _is_text(cause.code))
        or not (cause.detail is None or _is_text(cause.detail))
    ):
        raise PluginError(f"a cause must be a Cause with the fields that it says, but is {words(cause)}")
    return cause


def checked_answer(answer: object) -> Reconciliation:
    """Return what a provider answered about an attempt.

    Raises:
        PluginError: it is none of `WasPlaced`, `WasNotPlaced` and `CannotTell`, or what it holds is not sound.
    """
    if isinstance(answer, WasPlaced):
        if answer.end is not None:
            checked_end(answer.end)
        if answer.reference is not None and not _is_text(answer.reference):
            raise PluginError(f"a call's reference must be text, but is {words(answer.reference)}")
        return answer
    if isinstance(answer, WasNotPlaced):
        return answer
    if isinstance(answer, CannotTell) and _is_text(answer.reason):
        return answer
    raise PluginError(f"reconcile must return WasPlaced, WasNotPlaced or CannotTell, but returned {words(answer)}")


def checked_facts(facts: object) -> str | None:
    """Return what was found out of a call after its end, as JSON; None = nothing.

    Raises:
        PluginError: it is no mapping of plain JSON data.
    """
    if not isinstance(facts, Mapping):
        raise PluginError(f"what is known of a call after its end must be a mapping, but is {words(facts)}")
    try:
        text = msgspec.json.encode(dict(facts)).decode()
        msgspec.json.decode(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise PluginError(f"what is known of a call after its end must be plain JSON data: {words(error)}") from error
    return text if facts else None


def as_text(value: object) -> str:
    """Return `value` as text that can be stored."""
    text = value if type(value) is str else str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _is_text(value: object) -> bool:
    """Tell whether `value` is text that can be stored: bytes that are no UTF-8 may hide in it as surrogates."""
    if type(value) is not str:
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _is_instant(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value < NEVER)
