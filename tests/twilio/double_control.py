"""How a Twilio double in another process is told what shall go wrong, and asked what has happened: `/control`."""

from collections import Counter
from typing import Any

import msgspec
from double_behaviour import Behaviour
from double_http import Answer, Asked
from twilio_double import TwilioDouble


def change(double: TwilioDouble, wanted: dict[str, Any]) -> None:
    """Change a double as JSON says.

    Args:
        double: it.
        wanted: any of `faults` and `behaviour` (fields by name), `behaviours` (by number, one or a list), `routes`
            (base URLs by public prefix), `cps` and `suspended`.

    Raises:
        ValueError: something of it is unknown.
        TypeError: a behaviour has an unknown field.
    """
    for name, value in wanted.items():
        match name:
            case "faults":
                double.faults.change(value)
            case "behaviour":
                double.behaviour = Behaviour(**value)
            case "behaviours":
                for number, one in value.items():
                    many = isinstance(one, list)
                    double.behaviours[number] = [Behaviour(**each) for each in one] if many else Behaviour(**one)
            case "routes":
                double.routes.update(value)
            case "cps":
                double.cps = value
            case "suspended":
                double.suspended = value
            case _:
                raise ValueError(f"the double knows no {name}; it takes faults, behaviour, routes, cps and suspended")


def stats(double: TwilioDouble) -> dict[str, Any]:
    """Return what has happened: calls by number and by status, and how long one was queued at most."""
    calls = double.calls.values()
    return {
        "calls": len(double.calls),
        "live": len(double.live()),
        "requests": double.requests,
        "deliveries": sum(len(call.deliveries) for call in calls),
        "max_queued_for_s": max((call.queued_for_s for call in calls), default=0.0),
        "by_number": Counter(call.to for call in calls),
        "by_status": Counter(call.status for call in calls),
    }


def control(double: TwilioDouble) -> None:
    """Open the door `/control` of a double: GET tells, POST changes."""

    async def answer(asked: Asked) -> Answer:
        if asked.method == "POST":
            try:
                change(double, msgspec.json.decode(asked.body))
            except (ValueError, TypeError, AttributeError) as error:
                return Answer(status=400, body=msgspec.json.encode({"error": str(error)}))
        return Answer(status=200, body=msgspec.json.encode(stats(double)))

    double.doors["/control"] = answer
