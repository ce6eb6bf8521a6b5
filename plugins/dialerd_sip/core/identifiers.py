"""Identifiers that are fixed by the attempt: the same in every life, so that a call can be taken back after a crash.

An attempt's id has 74 random bits and is told to nobody outside before the call; what is made from it by a hash is as
hard to guess.
"""

from hashlib import blake2s


def call_id_of(seed: str, domain: str) -> str:
    """Return the Call-ID of an attempt.

    Args:
        seed: the attempt's id.
        domain: what stands behind the @.
    """
    return f"{_hash(seed, 'call')}@{domain}"


def tag_of(seed: str) -> str:
    """Return the From tag of an attempt (RFC 3261 section 19.3: at least 32 bits of randomness)."""
    return _hash(seed, "tag", 8)


def branch_of(seed: str, method: str, cseq: int, target: str) -> str:
    """Return the branch of a request of an attempt (RFC 3261 section 8.1.1.7).

    Args:
        seed: the attempt's id.
        method: its method; ACK to a final answer that is no 2xx and CANCEL have the INVITE's.
        cseq: its CSeq number.
        target: what tells where it goes from other places, such as `udp 192.0.2.1 5060`.
    """
    return f"z9hG4bK{_hash(seed, f'{method} {cseq} {target}')}"


def _hash(seed: str, what: str, size: int = 12) -> str:
    return blake2s(f"{seed} {what}".encode("utf-8", "surrogateescape"), digest_size=size).hexdigest()
