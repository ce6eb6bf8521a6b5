"""Stored calls as they stand at this instant: what their provider has reported since is in memory alone."""

from collections.abc import Mapping

from attrs import evolve

from dialerd.engine.live import LiveCall
from dialerd.model.call_view import CallView, RecipientView
from dialerd.store.call_pages import StoredCall
from dialerd.store.recipient_pages import StoredRecipient


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


def with_calls(stored: StoredRecipient, live: Mapping[int, LiveCall]) -> RecipientView:
    """Return a recipient with its calls, where they were asked for.

    Args:
        stored: the recipient and its calls as they are stored.
        live: the calls in progress, by key.
    """
    if stored.calls is None:
        return stored.view
    return evolve(stored.view, calls=tuple(freshened(call, live) for call in stored.calls))
