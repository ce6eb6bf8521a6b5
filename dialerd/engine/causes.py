"""Causes in words, for the log and for people. Knows nothing of calls."""

from typing import Final

import msgspec

from dialerd.model.call import Cause
from dialerd.model.states import AtFault, Outcome
from dialerd.store.ending import Ended

_TOLD: Final = frozenset({Outcome.FAILED, Outcome.CONGESTION, Outcome.UNCERTAIN})


def said(cause: Cause) -> str:
    """Return code and words of a cause, or whose doing it is where there is neither."""
    return " ".join(filter(None, (cause.code, cause.detail))) or str(cause.fault)


def telling(end: Ended) -> dict[str, str]:
    """Return the field `cause` for the log's line of an end; nothing where what became of the callee says it all.

    A call that counted as busy needs no more words; one that did not count, or failed without the callee's doing, does.

    Args:
        end: as it is stored.
    """
    if end.cause is None or not (end.refunded or end.outcome in _TOLD):
        return {}
    cause = msgspec.json.decode(end.cause)
    if cause["fault"] == AtFault.CALLEE and not end.refunded:
        return {}
    return {"cause": " ".join(filter(None, (cause.get("code"), cause.get("detail")))) or cause["fault"]}
