"""Concurrent streams of sound.

Streams of 20 ms PCMU that the media process of a SIP trunk sends, on one core, to a far end on another. A packet is
late by the kernel's time of its arrival against its own timestamp, which tells the turn that it had, as the stream's
earliest packet lays the two over each other; packets that the process skipped are missing. With both directions the far
end sends each stream as much as it gets. Memory is what the processes grew by, for each session.
"""

from bench.run import Result, measure
from bench.table import Row

_STREAMS = (500, 1_000, 1_500)


def rows(scale: int) -> list[Row]:
    """Measure streams that are sent, then some that are received too."""
    seconds = max(2, 10 // scale)
    sent = [measure("streams", "--streams", count, "--seconds", seconds) for count in _STREAMS]
    both = [measure("streams", "--streams", count, "--seconds", seconds, "--both") for count in _STREAMS]
    return [
        *(_row("sent", one) for one in sent),
        *(_row("sent and received", one) for one in both),
        Row(
            what="memory for each session, media process",
            figure=f"{sent[-1]['child_kib']:.1f} KiB",
            notes=f"{sent[-1]['daemon_kib']:.1f} KiB in the daemon",
        ),
    ]


def _row(how: str, one: Result) -> Row:
    missing = f"{one['missing']:,} of {one['packets'] + one['missing']:,} packets missing"
    if "lost" in one:
        missing += f", {one['lost']:,} of {one['received'] + one['lost']:,} received lost"
    return Row(
        what=f"{one['streams']:,} streams {how}: p99 late",
        figure=f"{one['p99_ms']:.1f} ms",
        goal="1,000 under 5 ms" if one["streams"] == 1_000 else "",
        load=one["load"],
        notes=f"{one['share']:.0%} of a core; p50 {one['p50_ms']:.1f} ms, most {one['most_ms']:.0f} ms; {missing}",
    )
