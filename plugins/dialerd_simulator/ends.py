"""How simulated calls end: the cause behind each outcome, and the ends that say nothing else, made once.

An end holds no instants unless it is told of a former life: for a call that was reported on, the reports' instants are
the truth, on whatever clock the daemon lives.
"""

from typing import Final

from dialerd.model.call import CallEnd, Cause
from dialerd.model.states import AnsweredBy, AtFault, OnVoicemail, Outcome
from dialerd_simulator.fate import Fate

# Q.850 (05/2018), table 1, for the numbers; RFC 3398, section 7.2.4.1, for the SIP status that goes with them.
_CAUSES: Final = {
    Outcome.BUSY: Cause(fault=AtFault.CALLEE, q850=17, code="486"),
    Outcome.NO_ANSWER: Cause(fault=AtFault.CALLEE, q850=19, code="480"),
    Outcome.REJECTED: Cause(fault=AtFault.CALLEE, q850=21, code="603"),
    Outcome.INVALID_NUMBER: Cause(fault=AtFault.CALLEE, q850=1, code="404"),
    Outcome.UNREACHABLE: Cause(fault=AtFault.CALLEE, q850=20, code="480"),
    Outcome.CONGESTION: Cause(fault=AtFault.TRUNK, q850=34, code="503"),
    Outcome.FAILED: Cause(fault=AtFault.PROVIDER, q850=41, code="500"),
    Outcome.CANCELLED: Cause(fault=AtFault.US, q850=16, code="487"),
}

PLAIN: Final = {outcome: CallEnd(outcome=outcome, cause=_CAUSES.get(outcome)) for outcome in Outcome}

FAX: Final = CallEnd(
    outcome=Outcome.FAILED,
    cause=Cause(fault=AtFault.CALLEE, q850=88, detail="a fax machine answered"),  # Q.850: incompatible destination
    answered_by=AnsweredBy.FAX,
)


_PICKED_UP: Final = {
    (outcome, answered_by): CallEnd(outcome=outcome, answered_by=answered_by)
    for outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL)
    for answered_by in AnsweredBy
}

_MESSAGE_LEFT: Final = CallEnd(outcome=Outcome.VOICEMAIL, answered_by=AnsweredBy.MACHINE, message_left=True)


def picked_up_end(fate: Fate, on_voicemail: OnVoicemail) -> CallEnd:
    """Return the end of a call that was answered and not cut short.

    Args:
        fate: of the call.
        on_voicemail: what its agent does when a machine is found to have answered.
    """
    answered_by = fate.answered_by
    if answered_by is None:
        return PLAIN[fate.outcome]
    if answered_by is AnsweredBy.FAX:
        return FAX
    if answered_by is AnsweredBy.MACHINE:
        if on_voicemail is OnVoicemail.LEAVE_MESSAGE:
            return _MESSAGE_LEFT
        if on_voicemail is OnVoicemail.HANG_UP:
            return _PICKED_UP[Outcome.VOICEMAIL, answered_by]
    return _PICKED_UP[fate.outcome, answered_by]


def cut_end(end: CallEnd) -> CallEnd:
    """Return the end of an answered call that was hung up before its time: no message was left."""
    return _PICKED_UP[Outcome.VOICEMAIL, AnsweredBy.MACHINE] if end is _MESSAGE_LEFT else end
