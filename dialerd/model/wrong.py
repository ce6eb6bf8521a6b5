"""What is wrong with a piece of plain data, on its way from a leaf up to the whole document.

Leaves (`dialerd.model.scalars`) raise `Wrong` without knowing where they stand, collections put the place in front.
Whoever structures a whole document sees `InvalidInput`.
"""

from collections.abc import Iterable

from dialerd.model.wording import Place, Step, kind


class Wrong(Exception):
    """One or more things wrong with a value.

    Args:
        faults: place below the value and message, in the input's order.
    """

    def __init__(self, faults: Iterable[tuple[Place, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    @classmethod
    def because(cls, message: str) -> "Wrong":
        """Return what is wrong with the value itself."""
        return cls([((), message)])

    def below(self, step: Step) -> list[tuple[Place, str]]:
        """Return the faults as seen from the collection that holds the value under `step`."""
        return [((step, *place), message) for place, message in self.faults]


class Mismatch(Wrong):
    """A value of another kind than the one wanted.

    Args:
        wanted: the kind, as `text` or `a whole number`.
        value: what is there instead; only its kind is told, as it may be a secret.
    """

    def __init__(self, wanted: str, value: object) -> None:
        self.wanted = wanted
        super().__init__([((), f"must be {wanted}, but is {kind(value)}")])
