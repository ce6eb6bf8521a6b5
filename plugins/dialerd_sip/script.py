"""What an agent does in a call: all of it made before the call leaves, then driven by events.

The names that the provider uses, from the files that have them: `studio` makes conversations, `conversation` is one at
work. Nothing is rendered while somebody listens. Answering machines, streams and bridging come later; the provider then
asks the studio for another kind of conversation, with more actions.
"""

from dialerd_sip.conversation import Action, Conversation, EndCall, OptOut, Play, StopPlaying, WaitFor
from dialerd_sip.speech.unfit import UnfitAgent
from dialerd_sip.studio import Studio, objection

__all__ = [
    "Action",
    "Conversation",
    "EndCall",
    "OptOut",
    "Play",
    "StopPlaying",
    "Studio",
    "UnfitAgent",
    "WaitFor",
    "objection",
]
