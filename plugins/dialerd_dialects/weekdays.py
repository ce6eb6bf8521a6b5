"""Weekdays in the numberings of other systems, and as campaign files write them.

Knows nothing of windows and requests.
"""

from collections.abc import Callable, Iterable, Sequence

from dialerd.model.states import ALL_WEEKDAYS, Weekday


def from_sunday_0(numbers: Iterable[int]) -> tuple[Weekday, ...]:
    """Return the weekdays of numbers 0 = Sunday to 6 = Saturday, Monday first and each once.

    Raises:
        ValueError: a number is none of these.
    """
    return _chosen(numbers, range(7), "0 (Sunday) to 6 (Saturday)", lambda number: (number - 1) % 7)


def to_sunday_0(days: Iterable[Weekday]) -> list[int]:
    """Return the numbers of weekdays, 0 = Sunday to 6 = Saturday, ascending."""
    return sorted((ALL_WEEKDAYS.index(day) + 1) % 7 for day in set(days))


def from_monday_1(numbers: Iterable[int]) -> tuple[Weekday, ...]:
    """Return the weekdays of numbers 1 = Monday to 7 = Sunday (ISO 8601), Monday first and each once.

    Raises:
        ValueError: a number is none of these.
    """
    return _chosen(numbers, range(1, 8), "1 (Monday) to 7 (Sunday)", lambda number: number - 1)


def in_order(days: Iterable[Weekday]) -> tuple[Weekday, ...]:
    """Return weekdays Monday first and each once."""
    return tuple(sorted(set(days), key=ALL_WEEKDAYS.index))


def _chosen(
    numbers: Iterable[int], known: Sequence[int], words: str, index: Callable[[int], int]
) -> tuple[Weekday, ...]:
    numbers = list(numbers)
    if odd := [number for number in numbers if number not in known]:
        raise ValueError(f"has {', '.join(map(str, odd))}; weekdays are {words}")
    return in_order(ALL_WEEKDAYS[index(number)] for number in numbers)
