"""The four transactions of RFC 3261 section 17 as tables, with RFC 6026's state Accepted. Knows nothing of messages.

A table is read beside the drawings of RFC 3261 (figures 5 to 8) as RFC 6026 (section 7, figures 1 to 4) changed them:

    state → what comes in → the state after it, and what is done on the way, in order

What comes in is the same for all: an answer by its class, a request or an ACK, a timer by its letter, an answer that
the transaction user gives (SAY_…), a flow that leads nowhere. What has no entry is ignored in that state.

Three things stand nowhere in the drawings and are meant:

*   A client that has heard a provisional answer to an INVITE over UDP ignores an ICMP error: it came for something
    else, and the phone may be ringing. A lost connection ends it, since no answer comes back by it any more.
*   A 2xx answer to an INVITE is sent again until it is acknowledged. RFC 3261 section 13.3.1.4 has the user do that;
    here the state Accepted does (AGAIN).
*   TERMINATED has an empty row: such a transaction takes nothing any more.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple


class State(StrEnum):
    """States of transactions."""

    __hash__ = str.__hash__  # a dictionary is asked with each message; Enum's own hash is written in Python

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What comes in."""

    __hash__ = str.__hash__  # as above

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    REQUEST = "request"
    ACK = "ACK"
    SAY_PROVISIONAL = "user: 1xx"
    SAY_SUCCESS = "user: 2xx"
    SAY_FAILURE = "user: 300-699"
    TIMER_A = "A"  # an INVITE is sent again
    TIMER_B = "B"  # nothing was answered to it
    TIMER_D = "D"  # its refusal is not sent again any more
    TIMER_E = "E"  # another request is sent again
    TIMER_F = "F"  # nothing final was answered to it
    TIMER_G = "G"  # our refusal of an INVITE is sent again
    TIMER_H = "H"  # nobody acknowledged it
    TIMER_I = "I"  # its ACK is not sent again any more
    TIMER_J = "J"  # another request is not sent again any more
    TIMER_K = "K"  # answers to another request do not come again any more
    TIMER_L = "L"  # an INVITE that we accepted is not sent again any more
    TIMER_M = "M"  # no further 2xx comes
    AGAIN = "again"  # our 2xx is sent again
    REFUSED = "refused"  # ICMP tells that datagrams lead nowhere
    LOST = "lost"  # a connection was lost, or could not be opened


class Do(StrEnum):
    """What is done."""

    SEND = "send it"
    BACK_OFF = "wait longer before it is sent again"
    CALM = "send it no more"
    TELL = "tell the user"
    TELL_TIMEOUT = "tell the user that nothing came"
    TELL_BROKEN = "tell the user that the flow leads nowhere"
    ACK = "acknowledge"
    START_D = "start D"
    START_G_H = "start G and H"
    START_I = "start I"
    START_J = "start J"
    START_K = "start K"
    START_L = "start L"
    START_M = "start M"


class Step(NamedTuple):
    """A row's entry: the state after it, and what is done in it."""

    state: State
    does: tuple[Do, ...] = ()


Table = Mapping[State, Mapping[Input, Step]]
Compiled = dict[State, dict[Input, tuple[State, tuple[Callable[..., None], ...]]]]

CLIENT_INVITE: Final[Table] = {
    State.CALLING: {
        Input.TIMER_A: Step(State.CALLING, (Do.SEND, Do.BACK_OFF)),
        Input.TIMER_B: Step(State.TERMINATED, (Do.TELL_TIMEOUT,)),
        Input.PROVISIONAL: Step(State.PROCEEDING, (Do.CALM, Do.TELL)),
        Input.SUCCESS: Step(State.ACCEPTED, (Do.START_M, Do.TELL)),
        Input.FAILURE: Step(State.COMPLETED, (Do.ACK, Do.START_D, Do.TELL)),
        Input.REFUSED: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
        Input.LOST: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
    },
    State.PROCEEDING: {
        Input.PROVISIONAL: Step(State.PROCEEDING, (Do.TELL,)),
        Input.SUCCESS: Step(State.ACCEPTED, (Do.START_M, Do.TELL)),
        Input.FAILURE: Step(State.COMPLETED, (Do.ACK, Do.START_D, Do.TELL)),
        Input.LOST: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
    },
    State.ACCEPTED: {
        Input.SUCCESS: Step(State.ACCEPTED, (Do.TELL,)),
        Input.TIMER_M: Step(State.TERMINATED),
    },
    State.COMPLETED: {
        Input.FAILURE: Step(State.COMPLETED, (Do.SEND,)),
        Input.TIMER_D: Step(State.TERMINATED),
    },
}

CLIENT: Final[Table] = {
    State.TRYING: {
        Input.TIMER_E: Step(State.TRYING, (Do.SEND, Do.BACK_OFF)),
        Input.TIMER_F: Step(State.TERMINATED, (Do.TELL_TIMEOUT,)),
        Input.PROVISIONAL: Step(State.PROCEEDING, (Do.TELL,)),
        Input.SUCCESS: Step(State.COMPLETED, (Do.START_K, Do.TELL)),
        Input.FAILURE: Step(State.COMPLETED, (Do.START_K, Do.TELL)),
        Input.REFUSED: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
        Input.LOST: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
    },
    State.PROCEEDING: {
        Input.TIMER_E: Step(State.PROCEEDING, (Do.SEND, Do.BACK_OFF)),
        Input.TIMER_F: Step(State.TERMINATED, (Do.TELL_TIMEOUT,)),
        Input.PROVISIONAL: Step(State.PROCEEDING, (Do.TELL,)),
        Input.SUCCESS: Step(State.COMPLETED, (Do.START_K, Do.TELL)),
        Input.FAILURE: Step(State.COMPLETED, (Do.START_K, Do.TELL)),
        Input.REFUSED: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
        Input.LOST: Step(State.TERMINATED, (Do.TELL_BROKEN,)),
    },
    State.COMPLETED: {
        Input.TIMER_K: Step(State.TERMINATED),
    },
}

SERVER_INVITE: Final[Table] = {
    State.PROCEEDING: {
        Input.REQUEST: Step(State.PROCEEDING, (Do.SEND,)),
        Input.SAY_PROVISIONAL: Step(State.PROCEEDING, (Do.SEND,)),
        Input.SAY_SUCCESS: Step(State.ACCEPTED, (Do.SEND, Do.START_L)),
        Input.SAY_FAILURE: Step(State.COMPLETED, (Do.SEND, Do.START_G_H)),
    },
    State.ACCEPTED: {
        Input.REQUEST: Step(State.ACCEPTED),
        Input.SAY_SUCCESS: Step(State.ACCEPTED, (Do.SEND,)),
        Input.AGAIN: Step(State.ACCEPTED, (Do.SEND, Do.BACK_OFF)),
        Input.ACK: Step(State.ACCEPTED, (Do.CALM,)),
        Input.TIMER_L: Step(State.TERMINATED, (Do.TELL_TIMEOUT,)),
    },
    State.COMPLETED: {
        Input.REQUEST: Step(State.COMPLETED, (Do.SEND,)),
        Input.TIMER_G: Step(State.COMPLETED, (Do.SEND, Do.BACK_OFF)),
        Input.ACK: Step(State.CONFIRMED, (Do.START_I,)),
        Input.TIMER_H: Step(State.TERMINATED, (Do.TELL_TIMEOUT,)),
    },
    State.CONFIRMED: {
        Input.ACK: Step(State.CONFIRMED),
        Input.REQUEST: Step(State.CONFIRMED),
        Input.TIMER_I: Step(State.TERMINATED),
    },
}

SERVER: Final[Table] = {
    State.TRYING: {
        Input.REQUEST: Step(State.TRYING),
        Input.SAY_PROVISIONAL: Step(State.PROCEEDING, (Do.SEND,)),
        Input.SAY_SUCCESS: Step(State.COMPLETED, (Do.SEND, Do.START_J)),
        Input.SAY_FAILURE: Step(State.COMPLETED, (Do.SEND, Do.START_J)),
    },
    State.PROCEEDING: {
        Input.REQUEST: Step(State.PROCEEDING, (Do.SEND,)),
        Input.SAY_PROVISIONAL: Step(State.PROCEEDING, (Do.SEND,)),
        Input.SAY_SUCCESS: Step(State.COMPLETED, (Do.SEND, Do.START_J)),
        Input.SAY_FAILURE: Step(State.COMPLETED, (Do.SEND, Do.START_J)),
    },
    State.COMPLETED: {
        Input.REQUEST: Step(State.COMPLETED, (Do.SEND,)),
        Input.TIMER_J: Step(State.TERMINATED),
    },
}


def compiled(table: Table, actions: Mapping[Do, Callable[..., Any]]) -> Compiled:
    """Return a table whose entries hold functions, so that a step costs two look-ups and the calls.

    Args:
        table: one of the four.
        actions: what does each thing that is named in it.
    """
    rows: Compiled = {State.TERMINATED: {}}
    for state, row in table.items():
        rows[state] = {coming: (step.state, tuple(actions[do] for do in step.does)) for coming, step in row.items()}
    return rows
