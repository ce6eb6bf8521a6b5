"""A stored call as it stands at this instant: what its provider has reported since is in memory alone."""

from collections.abc import Mapping

from attrs import evolve

from dialerd.engine.live import LiveCall
from dialerd.model.call_view import CallView
from dialerd.store.call_pages import StoredCall


def freshened(stored: StoredCall, live: Mapping[int, LiveCall]) -> CallView:
    """Return a call with what is known of it in memory.

    Args:
        stored: the call as it is stored.
        live: the calls in progress, by key.
    """
    view, call = stored.view, live.get(stored.key)
    if call is None or view.ended_at is not None:
        return view
    return evolve(
        view,
        state=call.phase,
        ringing_at=call.ringing_at or view.ringing_at,
        answered_at=call.answered_at or view.answered_at,
        answered_by=call.answered_by or view.answered_by,
        digits=call.digits or view.digits,
        reference=call.reference or view.reference,
    )
