"""The course of a call: its fate within the bounds of its order. Pure."""

from attrs import frozen

from dialerd.model.call import CallEnd
from dialerd.model.instants import Duration
from dialerd.model.states import AnsweredBy, OnVoicemail, Outcome
from dialerd_simulator.ends import PLAIN, picked_up_end
from dialerd_simulator.fate import Fate


@frozen
class Course:
    """How a call goes when nobody hangs up.

    Args:
        ring_time: how long it rings; 0 = it comes to its end, or is answered, without ringing.
        talk_time: how long it lasts once answered.
        answered: whether anybody or anything picks up.
        answered_by: what the detection finds then, or None.
        end: how it ends.
    """

    ring_time: Duration
    talk_time: Duration
    answered: bool
    answered_by: AnsweredBy | None
    end: CallEnd

    @property
    def lasts(self) -> Duration:
        """How long the call is in the network."""
        return self.ring_time + self.talk_time


def course(fate: Fate, ring_timeout: Duration, max_duration: Duration, on_voicemail: OnVoicemail) -> Course:
    """Return the course of a call.

    Args:
        fate: what the network would make of it.
        ring_timeout: how long it may ring; what would take longer is not answered.
        max_duration: how long it may last once answered.
        on_voicemail: what its agent does when a machine is found to have answered.
    """
    outcome, ring_time = fate.outcome, fate.ring_time
    if ring_time is None or ring_time > ring_timeout:
        return Course(ring_timeout, 0, False, None, PLAIN[Outcome.NO_ANSWER])
    if outcome is not Outcome.ANSWERED and outcome is not Outcome.VOICEMAIL:
        return Course(ring_time, 0, False, None, PLAIN[outcome])
    answered_by = fate.answered_by
    talk_time = min(fate.talk_time, max_duration)
    if answered_by is AnsweredBy.FAX or (answered_by is AnsweredBy.MACHINE and on_voicemail is OnVoicemail.HANG_UP):
        talk_time = 0  # there is nobody to talk to
    return Course(ring_time, talk_time, True, answered_by, picked_up_end(fate, on_voicemail))
