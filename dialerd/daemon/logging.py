"""Logs: coloured lines on a terminal, entries with fields in the journal, lines of JSON otherwise.

structlog is the front everywhere. Where lines are many, its chain of processors is left out: a logger goes straight
from an event and its fields to bytes.
"""

import atexit
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import time_ns
from typing import Any, Final, TextIO

import structlog

from dialerd.daemon.entry import PRIORITIES, Entry, entry
from dialerd.daemon.gathering import Gathering
from dialerd.daemon.journal import SOCKET, JournalWay, is_journal
from dialerd.daemon.logline import json_line
from dialerd.daemon.masking import mask
from dialerd.daemon.outlet import FileWay, Outlet, TextWay

_LAST_PATIENCE_S: Final = 1.0  # for a reader that is slow when the process ends; one that is gone must not keep it
_LOST_REMEDY: Final = "what reads the log was too slow or its disk full; see to it, the lines are gone"

Write = Callable[[str, str, dict[str, Any]], None]


def configure(level: str = "info", *, stream: TextIO | None = None, journal: Path = SOCKET) -> None:
    """Set up logging for this process.

    Args:
        level: `debug`, `info`, `warning` or `error`; what is below costs next to nothing.
        stream: where lines go; None = stderr. Colours and columns where it is a terminal, entries of the journal where
            $JOURNAL_STREAM says that it leads there, JSON where neither.
        journal: the journal's socket.
    """
    if (stream := stream or sys.stderr) is None:  # started with stderr closed
        stream = open(os.devnull, "w")  # noqa: SIM115  # open as long as the process logs
    threshold = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Any] = []
    written: Any = None
    if stream.isatty():
        written = _Text(_lines(stream))
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            structlog.dev.ConsoleRenderer(colors=True),
        ]
        wrapper: Any = structlog.make_filtering_bound_logger(threshold)
    else:
        wrapper = _logger_class(threshold, _to_journal(stream, journal) if is_journal(stream) else _to_stream(stream))
    structlog.configure(
        processors=processors,
        wrapper_class=wrapper,
        logger_factory=structlog.WriteLoggerFactory(file=written),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    # libraries speak of their own inner life below warning
    root.setLevel(max(threshold, logging.WARNING))


class _Text:
    """What structlog takes for the terminal; one that is gone does not bring the daemon down."""

    def __init__(self, outlet: Outlet[bytes]) -> None:
        self._put = outlet.put

    def write(self, text: str) -> None:
        """Write a line."""
        self._put(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Do nothing: lines are written at once."""


def _to_stream(stream: TextIO) -> Write:
    gathering = Gathering(_lines(stream))
    _gatherings.append(gathering)
    put = gathering.put

    def write(level: str, event: str, fields: dict[str, Any]) -> None:
        put(json_line(level, event, fields, time_ns()), level in _WEIGHTY)

    return write


def _to_journal(stream: TextIO, path: Path) -> Write:
    lines = _lines(stream)

    def other(one: Entry) -> None:
        # the level in front is what the journal's own stream reads: sd-daemon(3)
        line = json_line(one.level, one.event, one.fields, one.at_ns)
        lines.put(b"<%d>%b" % (PRIORITIES[one.level], line), one.level in _WEIGHTY)

    outlet = Outlet(JournalWay(path, other), lambda count: entry(*_lost(count), time_ns()))
    _outlets.insert(0, outlet)  # what it cannot send goes to the stream
    put = outlet.put

    def write(level: str, event: str, fields: dict[str, Any]) -> None:
        put(entry(level, event, fields, time_ns()), level in _WEIGHTY)

    return write


def _lines(stream: TextIO) -> Outlet[bytes]:
    """Return the way of lines to `stream`; those of a former configuration are brought to their end."""
    flush()
    way: FileWay | TextWay
    try:
        way = FileWay(stream)
    except io.UnsupportedOperation:  # no file behind it
        way = TextWay(stream)
    outlet = Outlet[bytes](way, lambda count: json_line(*_lost(count), time_ns()))
    _outlets[:] = [outlet]
    _gatherings.clear()
    return outlet


def _lost(count: int) -> tuple[str, str, dict[str, Any]]:
    return "error", "log.lines_dropped", {"lines": count, "remedy": _LOST_REMEDY}


_outlets: Final[list[Outlet[Any]]] = []
_gatherings: Final[list[Gathering]] = []
_WEIGHTY: Final = frozenset({"warning", "error", "critical"})


@atexit.register
def flush() -> None:
    """Write what could not be written when it was logged, as far as it can be within a second."""
    for gathering in _gatherings:
        gathering.release()
    for outlet in _outlets:
        outlet.close(_LAST_PATIENCE_S)


def _logger_class(threshold: int, write: Write) -> type[structlog.BoundLoggerBase]:
    """Return the class of loggers that hand events of that level and above to `write`."""

    def method(level: str) -> Callable[..., None]:
        def log(self: structlog.BoundLoggerBase, event: str, /, *args: Any, **fields: Any) -> None:
            if args or type(event) is not str:
                event = _filled(event, args)
            write(level, event, {**self._context, **fields} if self._context else fields)

        return log

    methods = {
        level: method(level) if logging.getLevelNamesMapping()[level.upper()] >= threshold else _nothing
        for level in PRIORITIES
    }
    error = methods["error"]

    def exception(self: structlog.BoundLoggerBase, event: str, /, *args: Any, **fields: Any) -> None:
        fields.setdefault("exc_info", True)
        error(self, event, *args, **fields)

    def log(self: structlog.BoundLoggerBase, level: int, event: str, /, *args: Any, **fields: Any) -> None:
        methods[_level_name(level)](self, event, *args, **fields)

    more = {"exception": exception, "log": log, "warn": methods["warning"], "fatal": methods["critical"]}
    return type("Logger", (structlog.BoundLoggerBase,), {**methods, **more})


def _nothing(_self: structlog.BoundLoggerBase, _event: str, /, *_args: Any, **_fields: Any) -> None:
    """Log nothing: the level is below what was asked for."""


def _filled(event: str, args: tuple[Any, ...]) -> str:
    try:
        return str(event % args if args else event)
    except (TypeError, ValueError):  # a text with other gaps than there are values for
        return f"{event} {args}"


def _level_name(level: int) -> str:
    """Return the name of a level, or of the next below one that libraries made up."""
    return logging.getLevelName(min(max(level // 10 * 10, logging.DEBUG), logging.CRITICAL)).lower()


class _Bridge(logging.Handler):
    """Hands what libraries log through the standard library to structlog, in this process' one form."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  # a library's mistake in its own line must not become one of its caller
            message = str(record.msg)
        log = getattr(structlog.get_logger(), _level_name(record.levelno))
        log("library.logged", logger=record.name, message=message, exc_info=record.exc_info)
