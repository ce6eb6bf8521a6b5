"""What the daemon and its media process say to each other, over a socketpair that keeps messages apart.

A message is a list of these, in msgpack. Sessions are called by numbers that are never used again in a process's life.
A session begins with the first command for it: a lease that comes to nothing is a `Close`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media.contract import MediaEvent, MediaFigures
from dialerd_sip.media.sources import Symmetric

SIZE: Final = 1 << 17
"""Bytes of a message at most; a socketpair takes it whole or not at all."""

FRAME: Final = 3
"""Bytes that a message has before what it lists."""

_TOGETHER: Final = 64  # commands in a message: the process looks at its streams' turns after each


class _Said(msgspec.Struct, array_like=True, tag=True, frozen=True, gc=False):
    pass


class ForNone(_Said, frozen=True):
    """What is asked of the process, not of a session."""


class Stock(ForNone, frozen=True):
    """Open ports ahead on a local address, up to so many; those that take long are left for the next time."""

    host: str
    count: int


class Prepare(ForNone, frozen=True):
    """Import what a detector needs."""

    name: str


class Count(ForNone, frozen=True):
    """Tell what was counted."""


class Connect(_Said, frozen=True):
    """Send as agreed; the silence that is borne is in milliseconds."""

    id: int
    media: Negotiated
    silence_ms: int
    symmetric: Symmetric


class Play(_Said, frozen=True):
    """Play clips, by the names of their files."""

    id: int
    names: list[str]
    mark: int


class Stop(_Said, frozen=True):
    """Stop what is played."""

    id: int


class Keys(_Said, frozen=True):
    """Send keys."""

    id: int
    digits: str


class Record(_Said, frozen=True):
    """Record into a file."""

    id: int
    path: str


class Detect(_Said, frozen=True):
    """Have a detector listen."""

    id: int
    name: str


class Close(_Said, frozen=True):
    """End a session; what it did is told where it is wanted."""

    id: int
    wanted: bool


Command = Stock | Prepare | Count | Connect | Play | Stop | Keys | Record | Detect | Close


class Stocked(_Said, frozen=True):
    """Ports were opened: number and port of each; where no more can be had, why."""

    host: str
    ports: list[tuple[int, int]]
    reason: str | None


class Told(_Said, frozen=True):
    """Something happened in a session."""

    id: int
    event: MediaEvent


class Closed(_Said, frozen=True):
    """What a session did that was closed."""

    id: int
    figures: MediaFigures


class Counted(_Said, frozen=True):
    """What was counted since the process began, see `dialerd_sip.media.contract.Media.counts`."""

    counts: dict[str, int]


class Trouble(_Said, frozen=True):
    """Something that belongs into the log of the daemon: a recording that failed, a detector that does."""

    event: str
    reason: str


Reply = Stocked | Closed | Counted | Trouble | Told

encode: Final = msgspec.msgpack.Encoder().encode
decode_commands: Final = msgspec.msgpack.Decoder(list[Command]).decode
decode_replies: Final = msgspec.msgpack.Decoder(list[Reply]).decode


def together(encoded: Iterable[bytes]) -> list[bytes]:
    """Return the pieces of one message with as many commands as it takes: its frame, and the commands.

    Args:
        encoded: commands, encoded each by itself, in order.
    """
    pieces, size = [b""], FRAME
    for command in encoded:
        size += len(command)
        if size > SIZE or len(pieces) > _TOGETHER:
            break
        pieces.append(command)
    pieces[0] = b"\xdc" + (len(pieces) - 1).to_bytes(2, "big")  # an array of 16 bits, as MessagePack calls it
    return pieces
