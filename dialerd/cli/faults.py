"""Faults of what somebody wrote, for people: where each stands, and what is wrong there."""

from collections.abc import Mapping
from typing import Any

Fault = Mapping[str, Any]


def words(fault: Fault) -> str:
    """Return a fault as `people.csv:3:7: /phone: …`, or as `line 3, column 7: /phone: …` of a file without a name."""
    return ": ".join(part for part in (_place(fault), fault.get("pointer"), fault.get("detail")) if part)


def nowhere(fault: Fault) -> Fault:
    """Return a fault of a body that was made here: its lines are not those of any file that people can open."""
    return {name: value for name, value in fault.items() if name not in ("line", "column")}


def told(problem: Mapping[str, Any]) -> str:
    """Return a refusal in lines: what it says, and each fault below it; a single fault says it all."""
    said = problem.get("detail") or problem.get("title") or f"the daemon answered {problem.get('status')}"
    faults = problem.get("errors") or []
    if len(faults) == 1 and said.endswith(faults[0]["detail"]):
        return words(faults[0])
    return "\n".join([said, *(f"  {words(fault)}" for fault in faults)])


def _place(fault: Fault) -> str:
    file, line, column = fault.get("file"), fault.get("line"), fault.get("column")
    if file:
        return ":".join(str(part) for part in (file, line, column) if part is not None)
    if line is None:
        return ""
    return f"line {line}" + ("" if column is None else f", column {column}")
