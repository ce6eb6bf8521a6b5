"""Headers of a message: kept in order as text, read when they are asked for. Knows nothing of start lines and wires."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import split
from dialerd_sip.core.names import SPELLINGS, canonical
from dialerd_sip.core.uri import NameAddr
from dialerd_sip.core.via import CSeq, Via

T = TypeVar("T")


class Fields:
    """Headers: pairs of name and value; names are the long forms, values are unfolded and stripped.

    Names are compared without regard to case, compact forms are the same as long ones. Typed values are read at the
    first use and remembered until the header changes.
    """

    __slots__ = ("_read", "body", "pairs")

    body: bytes
    pairs: list[tuple[str, str]]
    _read: dict[str, Any] | None

    def __init__(self, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self.pairs = [_checked(name, value) for name, value in headers]
        self.body = body
        self._read = None

    def first(self, name: str) -> str | None:
        """Return the value of the first header of a name, unfolded and stripped, or None."""
        long = SPELLINGS.get(name)
        if long is None:
            found = self.all(name)
            return found[0] if found else None
        for known, value in self.pairs:
            if known == long:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Return the values of all headers of a name, one per header field line."""
        long = SPELLINGS.get(name) or canonical(name)
        if long in SPELLINGS:
            return [value for known, value in self.pairs if known == long]
        low = long.lower()  # names that are not known here are kept as they came, in whatever case
        return [value for known, value in self.pairs if known.lower() == low]

    def values(self, name: str) -> list[str]:
        """Return all values of a header that is a comma-separated list, split with respect to quotes and brackets.

        Raises:
            BadMessage: a quote or a bracket is never closed.
        """
        found: list[str] = []
        for line in self.all(name):
            if "," in line:
                found.extend(split(line))
            else:
                found.append(line)
        return [value for value in found if value]

    def add(self, name: str, value: str) -> None:
        """Append a header. Raises ValueError for a line break in it."""
        pair = _checked(name, value)
        self.pairs.append(pair)
        self._read = None

    def set(self, name: str, value: str) -> None:
        """Replace all headers of a name by one, where the first of them stood. Raises ValueError for a line break."""
        pair = _checked(name, value)
        low = pair[0].lower()
        kept: list[tuple[str, str]] = []
        placed = False
        for known, old in self.pairs:
            if known.lower() != low:
                kept.append((known, old))
            elif not placed:
                kept.append(pair)
                placed = True
        if not placed:
            kept.append(pair)
        self.pairs = kept
        self._read = None

    def replace(self, place: int, value: str) -> None:
        """Give the header at a place in `pairs` another value. Raises ValueError for a line break in it."""
        self.pairs[place] = _checked(self.pairs[place][0], value)
        self._read = None

    def remove(self, name: str) -> None:
        """Remove all headers of a name."""
        low = canonical(name).lower()
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != low]
        self._read = None

    @property
    def via(self) -> Via:
        """The topmost Via. Like the others below it raises BadMessage where it is missing or cannot be read."""
        return self._typed("Via", self._top_via)

    def _top_via(self) -> Via:
        text = self.first("Via")
        if text is None:
            raise BadMessage("no Via", 400)
        return Via.parse(split(text)[0] if "," in text else text)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return CSeq.parse(self.only("CSeq"))

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.only("Call-ID")

    @property
    def from_(self) -> NameAddr:
        """From."""
        return self._typed("From", lambda: NameAddr.parse(self.only("From")))

    @property
    def to(self) -> NameAddr:
        """To."""
        return self._typed("To", lambda: NameAddr.parse(self.only("To")))

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact, or None."""
        return self._typed("Contact", self._first_contact)

    def _first_contact(self) -> NameAddr | None:
        values = self.values("Contact")
        return NameAddr.parse(values[0]) if values else None

    def only(self, name: str) -> str:
        """Return the value of a header that must stand exactly once; twice the same is let pass.

        Raises:
            BadMessage: it is missing, empty, or stands there with two values (RFC 4475 section 3.3.8).
        """
        found: str | None = None
        for known, value in self.pairs:
            if known == name:
                if found is not None and value != found:
                    raise BadMessage(f"{name} stands twice", 400)
                found = value
        if not found:
            raise BadMessage(f"no {name}", 400)
        return found

    def _typed(self, name: str, read: Callable[[], T]) -> T:
        remembered = self._read
        if remembered is None:
            remembered = self._read = {}
        elif name in remembered:
            known: T = remembered[name]
            return known
        value = remembered[name] = read()
        return value


def _checked(name: str, value: str) -> tuple[str, str]:
    if "\n" in value or "\r" in value:
        raise ValueError(f"the value of the header {name!r} has a line break: take it out")
    return (SPELLINGS.get(name) or canonical(name), value)
