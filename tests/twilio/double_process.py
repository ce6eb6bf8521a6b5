"""The Twilio double as a process of its own, on the machine's clock.

    python tests/twilio/double_process.py --port 0 --record calls.jsonl --faults '{"lost_response": 0.05}'

Prints its URL when it listens, and ends with SIGTERM. The record gets a line of JSON for every call that is created,
and one for its end; it is written before anybody is answered, so that it is whole whoever is killed.
"""

import argparse
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import IO, Any

import trio

sys.path.append(str(Path(__file__).parents[2]))  # the project, where it is not installed

from double_call import DoubleCall
from double_control import change, control
from twilio_double import ACCOUNT, NUMBERS, TOKEN, TwilioDouble


def line(call: DoubleCall, what: str) -> str:
    """Return the record's line of a call that was `created` or `ended`."""
    told: dict[str, Any] = {
        "what": what,
        "sid": call.sid,
        "to": call.to,
        "from": call.from_,
        "at": call.created_at if what == "created" else call.ended_at,
        "status": call.status,
        "queued_for_s": round(call.queued_for_s, 3),
        "callback": call.params.get("StatusCallback"),
        "heard": call.heard,
    }
    return json.dumps(told) + "\n"


async def main(options: argparse.Namespace, record: IO[str] | None) -> None:
    """Serve until SIGTERM."""
    double = TwilioDouble(
        account=options.account, token=options.token, numbers=options.numbers, cps=options.cps or None
    )
    wanted = {name: getattr(options, name) for name in ("faults", "behaviour", "behaviours", "routes")}
    change(double, {name: json.loads(text) for name, text in wanted.items()})
    control(double)
    if record is not None:
        double.listeners.append(lambda call, what: _write(record, call, what))
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with double.serve(options.port) as base_url:
            print(base_url, flush=True)
            async for _ in signals:
                return


def _write(record: IO[str], call: DoubleCall, what: str) -> None:
    record.write(line(call, what))
    record.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A Twilio to test against.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--account", default=ACCOUNT)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--numbers", nargs="*", default=list(NUMBERS))
    parser.add_argument("--cps", type=float, default=0.0, help="0 = any number")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--faults", default="{}", help="fields of Faults, as JSON")
    parser.add_argument("--behaviour", default="{}", help="fields of Behaviour, as JSON")
    parser.add_argument("--behaviours", default="{}", help="the same by number")
    parser.add_argument("--callback-map", dest="routes", default="{}", help="base URLs by public prefix, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _options()
    with contextlib.ExitStack() as stack:
        trio.run(main, chosen, stack.enter_context(chosen.record.open("a")) if chosen.record else None)
