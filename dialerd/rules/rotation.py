"""Rotation: which caller id a call shows.

Knows nothing of limits and countries: it is told how many calls each candidate may still carry.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from random import Random

from dialerd.model.states import Rotation


class Rotor:
    """Chooses the caller ids of one campaign's calls; remembers where a round-robin stands.

    Args:
        rotation: random, sequential or round_robin; sticky takes turns too, for those who keep no caller id yet.
        caller_ids: the campaign's caller ids, in configured order.
        random: what a random choice draws from; None = its own.
    """

    __slots__ = ("_choose", "_next", "_order", "_random")

    def __init__(self, rotation: Rotation, caller_ids: Sequence[str], random: Random | None = None) -> None:
        self._order = tuple(dict.fromkeys(caller_ids))
        self._random = Random() if random is None else random
        self._next = 0
        self._choose = {
            Rotation.RANDOM: self._at_random,
            Rotation.SEQUENTIAL: self._in_sequence,
            Rotation.ROUND_ROBIN: self._in_turn,
            Rotation.STICKY: self._in_turn,
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
