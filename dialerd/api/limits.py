"""What one client may have of the server, and how many clients there may be. Knows nothing of sockets and settings."""

import resource
from typing import Final

HEAD_BYTES: Final = 16 * 1024
"""Longest head of a request; nginx, Apache and curl stay below it."""

READ_BYTES: Final = 64 * 1024
"""What is read of a connection at once."""

TURNS: Final = 8
"""Reads, writes and pieces in a row that a client need not be waited for, before others have their turn."""

JOINED_BYTES: Final = 64 * 1024
"""Pieces of an answer up to this sum are copied into one write; longer ones go out as they are."""

DRAINED_BYTES: Final = 64 * 1024
"""What is read of a body that nobody wanted, so that the connection can go on; a longer one costs the connection."""

LINGER_S: Final = 1.0
"""How long a client that still sends is listened to after its last answer: closing at once may tear the answer away."""

PIPELINED_BYTES: Final = 64 * 1024
"""What is kept of later requests while one is being answered."""

_SHARE: Final = 2  # of the descriptors, half: calls and the database need theirs


def affordable(wanted: int) -> int:
    """Return how many connections there may be: `wanted`, or half of the descriptors that the system allows.

    The process's own limit is raised as far as it may be, getrlimit(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _SHARE * wanted
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft // _SHARE)
