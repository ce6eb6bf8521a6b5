"""Headers of a message: kept in order as text, read when they are asked for. Knows nothing of start lines and wires."""

from collections.abc import Iterable

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import split
from dialerd_sip.core.names import LONG, SPELLINGS, canonical
from dialerd_sip.core.uri import NameAddr
from dialerd_sip.core.via import CSeq, Via


class Fields:
    """Headers: pairs of name and value; names are the long forms, values are unfolded and stripped.

    Names are compared without regard to case, compact forms are the same as long ones. What each message must have is
    read at the first use and remembered until a header changes.

    Attributes:
        body: what stands behind the headers.
        pairs: the headers, in order; they are changed by methods alone.
    """

    __slots__ = ("_call_id", "_cseq", "_firsts", "_from", "_repeated", "_to", "_via", "body", "pairs")

    body: bytes
    pairs: list[tuple[str, str]]
    _firsts: dict[str, str] | None  # by name, of several headers the first
    _repeated: frozenset[str]  # names of those that stand there more than once
    _via: Via | None
    _cseq: CSeq | None
    _call_id: str | None
    _from: NameAddr | None
    _to: NameAddr | None

    def __init__(self, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self._hold([_checked(name, value) for name, value in headers], body)

    def _hold(self, pairs: list[tuple[str, str]], body: bytes) -> None:
        self.pairs = pairs
        self.body = body
        self._forget()

    def _forget(self) -> None:
        self._firsts = self._via = self._cseq = self._call_id = self._from = self._to = None

    def first(self, name: str) -> str | None:
        """Return the value of the first header of a name, unfolded and stripped, or None."""
        if name in LONG:
            return (self._firsts or self._look()).get(name)
        found = self.all(name)
        return found[0] if found else None

    def all(self, name: str) -> list[str]:
        """Return the values of all headers of a name, one per header field line."""
        firsts = self._firsts or self._look()
        if name in LONG and name not in self._repeated:
            value = firsts.get(name)
            return [] if value is None else [value]
        long = canonical(name)
        if long in LONG:
            return [value for known, value in self.pairs if known == long]
        low = long.lower()  # names that are not known here are kept as they came, in whatever case
        return [value for known, value in self.pairs if known.lower() == low]

    def has_more(self, name: str) -> bool:
        """Whether a list header has more values than one.

        Args:
            name: its long form.

        Raises:
            BadMessage: a quote or a bracket is never closed.
        """
        value = (self._firsts or self._look()).get(name)
        if name not in self._repeated and (value is None or "," not in value):
            return False
        return len(self.values(name)) > 1

    def values(self, name: str) -> list[str]:
        """Return all values of a header that is a comma-separated list, split with respect to quotes and brackets.

        Raises:
            BadMessage: a quote or a bracket is never closed.
        """
        firsts = self._firsts or self._look()
        if name in LONG and name not in self._repeated:
            value = firsts.get(name)
            if not value:
                return []
            if "," not in value:
                return [value]
        found: list[str] = []
        for line in self.all(name):
            if "," in line:
                found.extend(split(line))
            else:
                found.append(line)
        return [value for value in found if value]

    def add(self, name: str, value: str) -> None:
        """Append a header. Raises ValueError for a line break in it."""
        self.extend((_checked(name, value),))

    def extend(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Append headers under their long names; a line break in them is found when they are written."""
        self.pairs.extend(pairs)
        self._firsts = None

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
        self._forget()

    def replace(self, place: int, value: str) -> None:
        """Give the header at a place in `pairs` another value. Raises ValueError for a line break in it."""
        self.pairs[place] = _checked(self.pairs[place][0], value)
        self._forget()

    def remove(self, name: str) -> None:
        """Remove all headers of a name."""
        low = canonical(name).lower()
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != low]
        self._forget()

    @property
    def via(self) -> Via:
        """The topmost Via. Like the others below it raises BadMessage where it is missing or cannot be read."""
        via = self._via
        if via is None:
            text = self.first("Via")
            if text is None:
                raise BadMessage("no Via", 400)
            via = self._via = Via.parse(split(text)[0] if "," in text else text)
        return via

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        cseq = self._cseq
        if cseq is None:
            cseq = self._cseq = CSeq.parse(self.only("CSeq"))
        return cseq

    @property
    def call_id(self) -> str:
        """Call-ID."""
        call_id = self._call_id
        if call_id is None:
            call_id = self._call_id = self.only("Call-ID")
        return call_id

    @property
    def from_(self) -> NameAddr:
        """From."""
        address = self._from
        if address is None:
            address = self._from = NameAddr.parse(self.only("From"))
        return address

    @property
    def to(self) -> NameAddr:
        """To."""
        address = self._to
        if address is None:
            address = self._to = NameAddr.parse(self.only("To"))
        return address

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact, or None."""
        values = self.values("Contact")
        return NameAddr.parse(values[0]) if values else None

    def only(self, name: str) -> str:
        """Return the value of a header that must stand exactly once; twice the same is let pass.

        Args:
            name: its long form.

        Raises:
            BadMessage: it is missing, empty, or stands there with two values (RFC 4475 section 3.3.8).
        """
        found = (self._firsts or self._look()).get(name)
        if not found:
            raise BadMessage(f"no {name}", 400)
        if name in self._repeated and any(value != found for value in self.all(name)):
            raise BadMessage(f"{name} stands twice", 400)
        return found

    def _look(self) -> dict[str, str]:
        pairs = self.pairs
        firsts = self._firsts = dict(reversed(pairs))
        self._repeated = _NONE if len(firsts) == len(pairs) else _repeated(pairs)
        return firsts


_NONE: frozenset[str] = frozenset()


def _repeated(pairs: list[tuple[str, str]]) -> frozenset[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for name, _ in pairs:
        (twice if name in seen else seen).add(name)
    return frozenset(twice)


def _checked(name: str, value: str) -> tuple[str, str]:
    if "\n" in value or "\r" in value:
        raise ValueError(f"the value of the header {name!r} has a line break: take it out")
    return (SPELLINGS.get(name) or canonical(name), value)
