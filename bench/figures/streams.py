"""Concurrent streams of sound.

Streams of 20 ms PCMU that the media process of a SIP trunk sends, on one core; the receiver is a process on another.
Lateness is the kernel's time of arrival against each stream's own grid of 20 ms, as its earliest packet lays it. With
both directions, two media processes send to each other, and lateness is what the sender counted, in classes: the bound
below which 99 of 100 packets of 99 of 100 streams left. Memory is what the processes grew by, for each session.
"""

from bench.run import measure
from bench.table import Row

_STREAMS = (500, 1_000, 1_500)


def rows(scale: int) -> list[Row]:
    """Measure streams that are sent, then some that are received too."""
    seconds = max(2, 10 // scale)
    sent = [measure("streams", "--streams", count, "--seconds", seconds) for count in _STREAMS]
    both = measure("streams", "--streams", 1_000, "--seconds", seconds, "--both")
    return [
        *(
            Row(
                what=f"{one['streams']:,} streams sent: p99 late",
                figure=f"{one['p99_ms']:.1f} ms",
                goal="1,000 under 5 ms" if one["streams"] == 1_000 else "",
                load=one["load"],
                notes=f"{one['share']:.0%} of a core; p50 {one['p50_ms']:.1f} ms, most {one['most_ms']:.0f} ms",
            )
            for one in sent
        ),
        Row(
            what="1,000 streams sent and received: p99 late",
            figure=f"below {both['p99_ms']:.0f} ms",
            load=both["load"],
            notes=f"{both['share']:.0%} of a core; {both['lost']:,} of {both['received']:,} packets lost",
        ),
        Row(
            what="memory for each session, media process",
            figure=f"{sent[-1]['child_kib']:.1f} KiB",
            notes=f"{sent[-1]['daemon_kib']:.1f} KiB in the daemon",
        ),
    ]
