"""The fingerprint of a campaign file: what tells a file that was dropped again from a new one."""

import hashlib
from collections.abc import Iterable


def fingerprint(name: str, spec: Iterable[bytes], recipients: Iterable[bytes] = ()) -> str:
    """Return the fingerprint of a campaign file: SHA-256 over its name, its bytes and its recipients' bytes.

    Each part is hashed by itself first, so that bytes cannot wander from one part to the next.

    Args:
        name: the campaign file's name, without its directory.
        spec: the campaign file's bytes, in pieces.
        recipients: the recipients file's bytes, in pieces; empty where there is none.

    Returns:
        64 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for part in ((name.encode(errors="surrogateescape"),), spec, recipients):
        whole.update(_digest(part))
    return whole.hexdigest()


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
