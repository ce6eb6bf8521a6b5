"""Calls over a SIP trunk.

Each call is INVITE, 180, 200, ACK and BYE over UDP on loopback, 100 at once, without hold: the far end says BYE as soon
as its answer is acknowledged. By the plugin a call is all of `place`: an agent that plays, media leased from the media
process, what a later life would need handed over. Plugin and media process share one core, the far end has another; it
is sipp with large buffers. In turn with it sipp itself calls the same far end, from the core that the plugin had. With
digest each call is challenged anew (401, MD5), or the far end has one nonce and challenges only whoever does not answer
it by itself, which the plugin does from its second call on and sipp never does. A call failed that did not end as
answered. T1 is two seconds, so that what is late on a busy machine is not sent twice. Memory is what the two processes
grew by while 5,000 calls were up, for each of them, half a minute after the last one was answered: the transactions of
their INVITEs are over then. The daemon dials a campaign of which every outcome is durable, its log and its store
included, on one core too.
"""

from statistics import median

from bench.figures.rates import ratio
from bench.run import Result, measure, rounds
from bench.sip_far import available, version
from bench.table import Row, spread


def rows(scale: int) -> list[Row]:
    """Measure the rates in turn, then the memory, then the daemon."""
    if not available():
        return [Row(what="sipp", figure="not installed", notes="apt install sip-tester")]
    count, daemons = 20_000 // scale, 20_000 // scale
    return [
        Row(what="sipp", figure="compared", notes=version()),
        *_beside(scale, count, "no digest", "2,000/s, none failed"),
        *_beside(scale, count, "each call challenged", "1,200/s, none failed", "--digest", "each"),
        *_beside(scale, count, "one nonce", "1,200/s, none failed", "--digest", "known"),
        *_staying(5_000 // scale),
        _daemon(daemons, "the daemon end to end"),
        _daemon(daemons, "the same, each call challenged", "--digest"),
    ]


def _beside(scale: int, count: int, how: str, goal: str, *arguments: str) -> list[Row]:
    ours: list[Result] = []
    theirs: list[Result] = []
    for _ in range(rounds(scale)):
        ours.append(measure("sip", "--count", count, *arguments))
        theirs.append(measure("sip", "--count", count, *arguments, "--sipp"))
    for one in ours:
        one["own_cpu_s"], one["cpu_s"] = one["cpu_s"], one["cpu_s"] + one["media_cpu_s"]
    return [
        _rate(f"{count:,} calls, {how}", ours, goal),
        _rate("the same, sipp", theirs),
        ratio("the plugin over sipp", ours, theirs),
    ]


def _rate(what: str, results: list[Result], goal: str = "") -> Row:
    count = results[0]["count"]
    notes = [f"{sum(int(one['failed']) for one in results)} failed"]
    if "media_cpu_s" in results[0]:
        media = median(one["media_cpu_s"] / count * 1e6 for one in results)
        notes.append(f"of the processor time the media process has {media:.0f} µs")
    notes.append(f"the far end {median(one['far_cpu_s'] / count * 1e6 for one in results):.0f} µs")
    return Row(
        what=what,
        figure=spread([one["per_s"] for one in results]) + "/s",
        goal=goal,
        cpu=spread([one["cpu_s"] / count * 1e6 for one in results]) + " µs",
        load=" ".join(one["load"] for one in results),
        notes="; ".join(notes),
    )


def _staying(calls: int) -> list[Row]:
    found = measure("sip", "--count", calls, "--stay")
    return [
        Row(
            what=f"memory for each of {calls:,} calls that are up",
            figure=f"{found['kib']:.1f} KiB",
            goal="20 KiB",
            load=found["load"],
            notes=f"{found['failed']} failed; what the engine knows of a call comes on top",
        ),
        Row(what="the same, media process", figure=f"{found['media_kib']:.1f} KiB"),
    ]


def _daemon(count: int, what: str, *arguments: str) -> Row:
    found = measure("sip_daemon", "--count", count, *arguments)
    cpu = (found["cpu_s"] + found["media_cpu_s"]) / count * 1e6
    return Row(
        what=f"{count:,} calls, {what}",
        figure=f"{found['per_s']:,.0f}/s",
        cpu=f"{cpu:.0f} µs",
        load=found["load"],
        notes=f"{found['failed']} failed; of the processor time the media process has "
        f"{found['media_cpu_s'] / count * 1e6:.0f} µs; {found['daemon_kib'] / 1024:.0f} MiB at most",
    )
