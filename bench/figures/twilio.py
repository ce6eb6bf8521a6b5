"""Calls created through Twilio's API.

Through the plugin, with the official SDK, and by bare httpx, which sends the same forms and reads the answers as JSON:
5 and 50 requests at once over connections that are kept, on one core; the carrier is the double of the tests, a process
on the other core. They run in turn, three times; ratios are of runs of the same round. One client of httpx looks
through all its connections with every request, and is dearer the more there are; the plugin has a client for each.
Memory is what the process grew by while 2,000 calls were created, answered, and asked about, for each of them: its
task, its order, and what the plugin knows of it; what the engine knows of a call comes on top.
"""

from bench.figures.rates import rate, ratio
from bench.run import Result, measure, rounds
from bench.table import Row

_AT_ONCE = (5, 50)


def rows(scale: int) -> list[Row]:
    """Measure the rates in turn, then the memory."""
    count, calls = 3_000 // scale, 2_000 // scale
    return [*(row for at_once in _AT_ONCE for row in _side_by_side(scale, count, at_once)), _staying(calls)]


def _side_by_side(scale: int, count: int, at_once: int) -> list[Row]:
    ours: list[Result] = []
    bare: list[Result] = []
    for _ in range(rounds(scale)):
        ours.append(measure("twilio", "--count", count, "--at-once", at_once))
        bare.append(measure("twilio", "--count", count, "--at-once", at_once, "--bare"))
    return [
        rate(f"{count:,} calls created, {at_once} requests at once", ours),
        rate("the same, bare httpx", bare),
        ratio("the plugin over bare httpx", ours, bare, "0.60"),
    ]


def _staying(calls: int) -> Row:
    found = measure("twilio", "--count", calls, "--stay")
    kib = (found["rss_kib"] - found["rss_before_kib"]) / calls
    return Row(what=f"memory for each of {calls:,} calls in progress", figure=f"{kib:.1f} KiB", load=found["load"])
