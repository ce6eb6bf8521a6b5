"""What a thing lying in `incoming/` is, judged by its name and its mode: a spec, recipients, or nothing of ours."""

import os
import stat
from enum import Enum
from typing import Final

from attrs import frozen

from dialerd.intake.durable import NAME_MAX

ERROR: Final = ".error.txt"
WAITING: Final = ".waiting.txt"
WARNINGS: Final = ".warnings.txt"
STATUS: Final = ".status.toml"

_UNFINISHED: Final = (".tmp", ".part", ".filepart")  # the last is WinSCP's
_RECIPIENTS: Final = (".csv", ".jsonl")
_LONGEST: Final = NAME_MAX - len("." + "9" * 8 + max(ERROR, WAITING, WARNINGS, STATUS, key=len))


class Kind(Enum):
    """What a name in `incoming/` stands for."""

    LEFT_ALONE = "left alone"  # not finished, or not meant for us
    SPEC = "spec"  # a campaign file
    RECIPIENTS = "recipients"  # belongs to a campaign file
    UNFIT = "unfit"  # can never become a campaign


@frozen
class Sort:
    """A verdict on a name.

    Args:
        kind: what it stands for.
        reason: why it is unfit and what to do, in words; empty otherwise.
    """

    kind: Kind
    reason: str = ""


_LEFT_ALONE: Final = Sort(Kind.LEFT_ALONE)
SPEC: Final = Sort(Kind.SPEC)
RECIPIENTS: Final = Sort(Kind.RECIPIENTS)


def sort_out(name: str, mode: int) -> Sort:
    """Return what the file `name` of mode `mode` (`st_mode`, links not followed) stands for.

    A `.json` counts as a spec here; whether it is a list of recipients shows only inside.
    """
    folded = name.lower()
    if name.startswith(".") or folded.endswith(_UNFINISHED) or name == "lost+found":
        return _LEFT_ALONE
    if not stat.S_ISREG(mode):
        return Sort(Kind.UNFIT, _IRREGULAR.get(stat.S_IFMT(mode), "it is not a regular file; drop a regular file"))
    if not name.isprintable():  # undecodable bytes are surrogates, which are not printable either
        return Sort(Kind.UNFIT, "its name holds control characters or is not UTF-8; rename it")
    if len(os.fsencode(name)) > _LONGEST:
        return Sort(Kind.UNFIT, f"its name is longer than {_LONGEST} bytes; rename it")
    if folded.endswith((".toml", ".json")):
        return SPEC
    if folded.endswith(_RECIPIENTS):
        return RECIPIENTS
    return Sort(
        Kind.UNFIT,
        "its ending is none that is read here; name a campaign file .toml or .json, and its recipients .csv, .jsonl"
        " or .json",
    )


def may_hold_recipients(name: str) -> bool:
    """Tell whether a recipients file may be called `name`; of another name it is no use to wait for it."""
    return name.lower().endswith((*_RECIPIENTS, ".json"))


def subject(name: str) -> str | None:
    """Return the name of the file that a note called `name` would be about; None = no note is called so."""
    for ending in (ERROR, WAITING):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return None


def shown(name: str) -> str:
    """Return a file name as it can be logged and written: what is not UTF-8 is escaped."""
    return name.encode(errors="backslashreplace").decode()


_IRREGULAR: Final = {
    stat.S_IFDIR: "it is a directory; drop the campaign file itself, and its recipients file beside it",
    stat.S_IFLNK: "it is a symbolic link, which is not followed; drop the file itself",
    stat.S_IFIFO: "it is a named pipe; drop a regular file",
    stat.S_IFSOCK: "it is a socket; drop a regular file",
    stat.S_IFCHR: "it is a device; drop a regular file",
    stat.S_IFBLK: "it is a device; drop a regular file",
}
