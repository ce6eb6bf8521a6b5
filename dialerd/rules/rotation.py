"""Rotation: which caller id a call shows.

Knows nothing of limits and countries: it is told how many calls each candidate may still carry.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from random import Random

from dialerd.model.states import Rotation


class Rotor:
    """Chooses the caller ids of one campaign's calls; remembers where a round-robin stands.

    Args:
        rotation: random, sequential or round_robin.
        caller_ids: the campaign's caller ids, in configured order.
        random: what a random choice draws from; None = its own.

    Raises:
        ValueError: `rotation` is sticky: it goes by the person, not by the turn, see `sticky_choice`.
    """

    __slots__ = ("_choose", "_next", "_order", "_random")

    def __init__(self, rotation: Rotation, caller_ids: Sequence[str], random: Random | None = None) -> None:
        if rotation is Rotation.STICKY:
            raise ValueError("sticky rotation goes by the person called; use sticky_choice")
        self._order = tuple(dict.fromkeys(caller_ids))
        self._random = Random() if random is None else random
        self._next = 0
        self._choose = {
            Rotation.RANDOM: self._at_random,
            Rotation.SEQUENTIAL: self._in_sequence,
            Rotation.ROUND_ROBIN: self._in_turn,
        }[rotation]

    def choose(self, free: Mapping[str, int], k: int) -> list[str]:
        """Return the caller ids of up to `k` calls, fewer where there are not as many free slots.

        Args:
            free: calls that each usable caller id may still carry; whoever is missing, or has none, is passed over,
                and so is an id that is not among the campaign's.
            k: calls wanted.
        """
        return self._choose(free, k) if k > 0 else []

    def _in_sequence(self, free: Mapping[str, int], k: int) -> list[str]:
        """Fill the first id, then the next."""
        chosen: list[str] = []
        for caller_id in self._order:
            if (slots := free.get(caller_id, 0)) > 0:
                chosen += [caller_id] * min(slots, k - len(chosen))
                if len(chosen) == k:
                    break
        return chosen

    def _in_turn(self, free: Mapping[str, int], k: int) -> list[str]:
        """Take one after another from where the last choice ended; who is full or missing is passed over."""
        order = self._order
        chosen: list[str] = []
        lap = 1
        indices: Iterable[int] = chain(range(self._next, len(order)), range(self._next))
        while len(chosen) < k:
            able = []
            for index in indices:
                if free.get(order[index], 0) >= lap:
                    able.append(index)
                    chosen.append(order[index])
                    if len(chosen) == k:
                        break
            if not able:
                break
            self._next = (able[-1] + 1) % len(order)
            indices = able
            lap += 1
        return chosen

    def _at_random(self, free: Mapping[str, int], k: int) -> list[str]:
        """Draw evenly among the ids that still have a free slot."""
        ids = [caller_id for caller_id in self._order if free.get(caller_id, 0) > 0]
        slots = [free[caller_id] for caller_id in ids]
        draw = self._random.random
        chosen: list[str] = []
        while ids and len(chosen) < k:
            index = int(draw() * len(ids))
            chosen.append(ids[index])
            slots[index] -= 1
            if not slots[index]:
                ids[index], slots[index] = ids[-1], slots[-1]
                ids.pop()
                slots.pop()
        return chosen


def sticky_choice(recipient_number: str, candidates: Sequence[str]) -> str:
    """Return the caller id that this person always sees.

    Rendezvous hashing (Thaler and Ravishankar, 1998): each candidate draws a number from itself and the person's, the
    highest wins. So the choice needs no memory and holds over restarts, and when a caller id is taken away only the
    people who saw that one see another.

    Args:
        recipient_number: number called, E.164.
        candidates: caller ids that may be shown to this person's country, at least one, in any order. All of them, not
            those that are free just now, or else the choice would change with the load.

    Raises:
        ValueError: there is no candidate.
    """
    if not candidates:
        raise ValueError(f"no caller id may be shown to {recipient_number[:4]}…; give the campaign one")
    if len(candidates) == 1:
        return candidates[0]
    return max((_draw(caller_id, recipient_number), caller_id) for caller_id in candidates)[1]


def _draw(caller_id: str, number: str) -> bytes:
    """Return an even 64-bit draw; a checksum would not do, because two CRCs differ by the same bits for everybody."""
    return blake2b(f"{caller_id} {number}".encode(), digest_size=8).digest()
