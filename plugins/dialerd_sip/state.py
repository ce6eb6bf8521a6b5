"""What a later life needs to take a call back or to hang it up: `report.state` as bytes.

Call-ID, tag and branches follow from the attempt's id alone (`core.identifiers`), so that even an INVITE whose state a
crash took away can be cancelled; the rest is here. Knows nothing of sockets.
"""

import json
from typing import Final

import msgspec
from msgspec import Struct

from dialerd_sip.core.events import DialogState, Sent

_VERSION: Final = 1


class CallState(Struct, frozen=True, kw_only=True, gc=False):
    """A call as it was last known.

    Args:
        call_id: its Call-ID.
        from_: value of its From, with tag.
        to: value of its To, without tag.
        sent: its INVITEs, the last one last.
        dialog: its dialog, early or established, or None.
        answered: whether that dialog is established.
        version: of this form.
    """

    call_id: str
    from_: str
    to: str
    sent: tuple[Sent, ...]
    dialog: DialogState | None = None
    answered: bool = False
    version: int = _VERSION


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CallState).decode


def to_bytes(state: CallState) -> bytes:
    """Return a state as bytes; what far ends wrote in bytes that are no UTF-8 is kept as it came."""
    try:
        return _encode(state)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(state)).encode()


def from_bytes(state: bytes | None) -> CallState | None:
    """Return the state of a former life; None where there is none, or of another version."""
    if state is None:
        return None
    try:
        found = _decoded(state)
    except (msgspec.DecodeError, ValueError):
        return None
    return found if found.version == _VERSION and found.sent else None


def _decoded(state: bytes) -> CallState:
    try:
        return _decode(state)
    except msgspec.DecodeError:
        if b"\\ud" not in state:  # bytes that are no UTF-8 stand there as lone surrogates
            raise
        return msgspec.convert(json.loads(state), CallState)
