"""How a recipient that stands in its campaign twice is told."""

from attrs import frozen

from dialerd.model.errors import Fault
from dialerd.store.records import Duplicate


@frozen(kw_only=True)
class Origin:
    """Where a campaign's rows come from.

    Args:
        file: name of the file.
        by_line: whether a row's position is its line; otherwise it is its place in a list.
    """

    file: str
    by_line: bool

    def twice(self, duplicate: Duplicate) -> Fault:
        """Return the warning about a duplicate."""
        where = "line" if self.by_line else "recipient"
        again = "" if self.by_line else f"recipient {duplicate.position}: "
        first = "the campaign" if duplicate.known else f"{where} {duplicate.first}"
        message = f"{again}{duplicate.number} stands in {first} already; it is dialled once, as there"
        line = duplicate.position if self.by_line else None
        return Fault("phone", message, file=self.file, line=line)
