"""Files in a dialect's format: JSON that another system would take, read as the campaign file that it stands for.

From here on everything is a campaign file; only what is told of it goes back to the words of the one who wrote it.
The plugins are loaded with the first file that is no campaign file itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from attrs import evolve, frozen

from dialerd.intake.duplicate import Origin
from dialerd.intake.formats import Document
from dialerd.intake.recipients import Row, Sink
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.settings import Settings
from dialerd.plugin.dialect import Dialect, Translation
from dialerd.plugin.host import PluginHost
from dialerd.plugin.raised import spare_ctrl_c, words
from dialerd.store.records import NewCampaign

_OWN: Final = frozenset({"name", "agent"})  # what every campaign file has

Offered = tuple[Sequence[Dialect], Sequence[str]]
"""Dialects, and what is wrong with plugins that may have offered further ones."""


@frozen(kw_only=True)
class Foreign:
    """A file in a dialect's format.

    Args:
        document: the campaign file that it stands for; places are found in the file itself.
        translation: what the dialect made of it.
    """

    document: Document
    translation: Translation

    @property
    def draft(self) -> bool:
        """Whether it waits until somebody schedules it; only then it may have no recipients."""
        return self.translation.draft

    def sink(self, sink: Any) -> Any:
        """Return what takes in place of `sink`: it names the dialect and tells faults in the file's own paths."""
        return _Retelling(sink, self.translation)


@cache
def installed() -> Offered:
    """Return the dialects of the installed plugins; loads the plugins."""
    host = PluginHost()
    dialects = host.dialects()
    return dialects, [f"plugin {broken.plugin} {broken.problem}" for broken in host.broken]


def translated(
    document: Document, file: str, settings: Settings, *, offered: Callable[[], Offered] | None = None
) -> tuple[Foreign | None, list[Fault]]:
    """Return what a document stands for in a dialect.

    Args:
        document: what was parsed.
        file: name of the file, for faults.
        settings: the settings in force.
        offered: returns the dialects, asked in their order; None = `installed`.

    Returns:
        what it stands for, or None where it is to be read as a campaign file; and then the faults of plugins that
        might have read it.

    Raises:
        InvalidInput: it is of a dialect, and has faults there, at their places.
    """
    if document.toml or document.data.keys() >= _OWN:
        return None, []
    dialects, broken = (offered or installed)()
    problems = list(broken)
    for dialect in dialects:
        if dialect.reads is None:
            continue
        try:
            translation = dialect.reads(document.data, settings)
            _check(translation)
        except InvalidInput as error:
            raise InvalidInput([_placed(document, file, fault) for fault in error.faults]) from error
        except BaseException as error:  # noqa: BLE001  # a third party's code may raise anything
            spare_ctrl_c(error)
            problems.append(f"the dialect {dialect.name} failed to read it: {words(error)}")
            continue
        if translation is not None:
            return _foreign(document, evolve(translation, dialect=dialect.name)), []
    doubt = "whether it is of a dialect cannot be told"
    remedy = "mend the plugin or uninstall it, and drop the file again"
    return None, [Fault("", f"{doubt}: {problem}; {remedy}", file=file) for problem in problems]


def _check(translation: Any) -> None:
    sound = isinstance(translation, Translation) and isinstance(translation.document, dict)
    if translation is not None and not sound:
        raise TypeError(f"it returned {words(translation)} in place of a Translation or None")


def _foreign(document: Document, translation: Translation) -> Foreign:
    where = _guarded(translation)
    long_list = where("recipients[0]").partition("[")[0]
    locator = document.locator.renamed(where, long_list)
    return Foreign(
        document=Document(data=translation.document, locator=locator, toml=False),
        translation=evolve(translation, where=where),
    )


def _guarded(translation: Translation) -> Callable[[str], str]:
    """Return the translation's `where`, which costs nothing but its help where it fails."""

    def where(path: str) -> str:
        try:
            found = translation.where(path)
        except BaseException as error:  # noqa: BLE001  # a third party's code may raise anything
            spare_ctrl_c(error)
            return path
        return found if isinstance(found, str) else path

    return where


def _placed(document: Document, file: str, fault: Fault) -> Fault:
    if fault.file is not None:  # it stands in another file, which the dialect has read
        return fault
    line, column = document.locator.find(fault.path)
    return evolve(fault, file=file, line=line, column=column)


class _Retelling(Sink):
    """Hands on what a file becomes; see `Foreign.sink`."""

    def __init__(self, sink: Any, translation: Translation) -> None:
        self._sink = sink
        self._translation = translation

    @property
    def wants_rows(self) -> bool:
        return bool(self._sink.wants_rows)

    def fingerprint(self, fingerprint: str) -> bool:
        return bool(self._sink.fingerprint(fingerprint))

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        made = self._translation
        extra = dict(made.extra) if isinstance(made.extra, Mapping) else {}
        self._sink.campaign(evolve(new, alias=made.alias, dialect=made.dialect, extra=extra), origin)

    def rows(self, groups: list[ZoneGroup], rows: list[Row]) -> None:
        self._sink.rows(groups, rows)

    def fault(self, fault: Fault) -> None:
        self._sink.fault(self._retold(fault))

    def warning(self, fault: Fault) -> None:
        self._sink.warning(self._retold(fault))

    def left_out(self, fault: Fault) -> None:
        self._sink.left_out(self._retold(fault))

    def _retold(self, fault: Fault) -> Fault:
        return evolve(fault, path=self._translation.where(fault.path)) if fault.path else fault
