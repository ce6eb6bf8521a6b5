"""Why somebody is not dialled, in lines for people, from the plain data of a `Reason`."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

from dialerd.cli.local import moment, zone

_UNKNOWN: Final = "nothing that the store knows: it is dialled as soon as its trunk takes it and a line is free"


def lines(reason: Mapping[str, Any]) -> list[str]:
    """Return a reason in lines; times are in the campaign's zone.

    Args:
        reason: as `/v1/why` answers it.
    """
    local = zone(reason["timezone"])
    return [
        f"{reason['number']} in '{reason['campaign']}' ({reason['campaign_id']}, {reason['campaign_state']})",
        f"  recipient  {reason['state']}" + (f", {reason['final']}" if reason["final"] else ""),
        f"  attempts   {reason['attempts']} of {reason['max_attempts']}",
        *(_call(call, local) for call in reason["calls"]),
        *(_held(reason, local) if reason["rule"] else _free(reason["live"], local)),
    ]


def _call(call: Mapping[str, Any], local: tzinfo) -> str:
    what = call["outcome"] or call["state"]
    cause = call["cause"] or {}
    why = " ".join(str(cause[key]) for key in ("code", "detail") if cause.get(key))
    counted = "" if call["counted"] else f", did not count{f': {why}' if why else ''}"
    return f"    {moment(call['claimed_at'], local)}  {what} over {call['trunk']}{counted}  {call['id']}"


def _held(reason: Mapping[str, Any], local: tzinfo) -> Iterator[str]:
    since = f", since {moment(reason['since'], local)}" if reason["since"] else ""
    yield f"  held by    {reason['rule']}: {reason['words']}{since}"
    if reason["detail"]:
        yield f"             {reason['detail']}"
    if reason["never"]:
        yield "  next       never by itself"
    elif reason["next_at"] is None:
        yield "  next       when that ends"
    else:
        yield f"  next       {moment(reason['next_at'], local)}"


def _free(live: list[Any] | None, local: tzinfo) -> Iterator[str]:
    """Yield what is said of somebody whom no rule holds."""
    if live is None:
        yield f"  held by    {_UNKNOWN}"
    elif not live:
        yield "  held by    nothing: it is dialled within moments"
    else:
        yield "  held by    nothing: it is dialled as soon as the daemon can"
        for nth, one in enumerate(live):
            until = f", until {moment(one['until'], local)}" if one["until"] else ""
            yield f"  {'' if nth else 'waits for':<9}  {one['words']}{until}"
