"""Campaigns over a SIP trunk, the daemon killed again and again: by the far end's own count nobody is called twice, and
in the end no phone is left ringing or up."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from time import monotonic, sleep

import pytest
from kamailio_peer import Kamailio
from needs import program
from place import Place, people, until
from sip_trunk import configure
from sipp_peer import Sipp

pytestmark = pytest.mark.system

KINDS = {"0": "busy", "1": "rings", "2": "rings", "3": "talks", "4": "talks", "5": "talks"}
"""What becomes of a call, by the last digit of its number; all others answer at once. See `sipp/mixed.xml`."""

DOUBTFUL = 4
"""How many a kill may leave of whom nothing can be proven, beside those without a durable state, whose INVITE may not
have left: those whose refusal or 487 was acknowledged, so that it never comes again, and not durable yet."""


class Patient(Sipp):
    """A callee that repeats what was not acknowledged for as long as RFC 3261 says: half a minute."""

    def command(self) -> Sequence[str]:
        """Return the command line."""
        return [*super().command(), "-max_invite_retrans", "11", "-max_non_invite_retrans", "11"]

    def abandoned(self) -> set[str]:
        """Return the calls that the callee gave up: nobody acknowledged its answer (RFC 3261 section 13.3.1.4)."""
        said = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        return set(re.findall(r"Aborting call on UDP retransmission timeout for Call-ID '([^']+)'", said))


@pytest.fixture(autouse=True)
def _installed() -> None:
    program("sipp", "sip-tester")
    program("kamailio", "kamailio")


@pytest.fixture
def callee(tmp_path: Path) -> Iterator[Patient]:
    """A far end with all kinds of phones."""
    with Patient("mixed", tmp_path / "callee", ring_ms=300, talk_ms=1_000) as callee:
        yield callee


@pytest.fixture
def trunk(tmp_path: Path, callee: Patient) -> Iterator[Kamailio]:
    """A trunk that asks for credentials and stays in the path."""
    with Kamailio(tmp_path / "trunk", callee.place, auth="MD5") as trunk:
        yield trunk


def kill_again_and_again(place: Place, random: Random, kills: int) -> list[tuple[int, int]]:
    """Kill and restart; return by kill how many calls were open, and of how many of them no state was durable."""
    cut = []
    for kill in range(kills):
        if kill:
            place.start(wait=False)
        if kill % 4 == 3:
            place.until_logged("recovery.started", every_s=0.001)
            sleep(random.uniform(0, 0.3))
        else:
            until(lambda: place.logged("daemon.started") or not place.alive(), "it is up")
            sleep(random.uniform(0.1, 2.0))
        place.kill()
        opened = "SELECT count(*) FROM attempts WHERE ended_at IS NULL"
        cut.append((place.count(opened), place.count(f"{opened} AND provider_state IS NULL")))
    return cut


def run(place: Place, callee: Patient, *, seed: int, count: int, kills: int, patience_s: float) -> None:
    """Have everybody called under kills, and check what became of all.

    Of those that end uncertain, no more are let pass than can be: a kill may fall between the claim of a hundred calls
    and their INVITEs.
    """
    random = Random(seed)
    place.start()
    document = {"name": "c", "agent": "reminder", "ring_timeout": "5s", "recipients": people(0, count)}
    place.drop("c.json", document | {"retry": {"max_attempts": 1}})
    until(lambda: len(callee.lines("called")) > 5, "calls are up")
    cut = kill_again_and_again(place, random, kills)
    shown = f"(open, without a state) at each kill: {cut}"
    assert sum(calls >= 5 for calls, _ in cut) > 0.6 * kills, f"too few calls were up; {shown}"
    assert not place.reports(), f"all was over before the last kill, so that this shows nothing; {shown}"
    began = monotonic()
    place.start()
    recovered = place.until_logged("recovery.ended")
    recovery_s = monotonic() - began
    place.until_reported("c", patience_s=patience_s)
    assert place.stop() == 0
    finals = check(place, callee, count)
    assert recovery_s < 45, f"{recovered}; {shown}"
    bare = sum(calls for _, calls in cut)
    assert finals["uncertain"] <= bare + kills * DOUBTFUL, f"{finals}; {shown}"
    print(f"{dict(finals)}; {shown}; recovered in {recovery_s:.1f} s")  # pytest -s shows it


def check(place: Place, callee: Patient, count: int) -> Counter[str]:
    """Check that the far end's count, the tables and the report tell of one call to each, which is over."""
    called = callee.placed()
    twice = {to: times for to, times in called.items() if times > 1}
    assert not twice, f"called twice: {twice}"
    until(lambda: not callee.open(), f"all phones are free: {len(callee.open())} are not", 5)
    abandoned = callee.abandoned()
    assert not abandoned, f"the far end's own patience freed them, and not the next life: {abandoned}"
    rows = place.rows("SELECT * FROM recipients")
    assert all(row["state"] == "done" and row["final"] for row in rows)
    assert len(rows) == count
    attempts = {row["number"]: row for row in place.rows("SELECT * FROM attempts WHERE refunded = 0")}
    assert place.count("SELECT count(*) FROM attempts WHERE refunded = 0") == len(attempts) == count
    assert place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0
    unheard = {to for to in attempts if to not in called and attempts[to]["outcome"] != "uncertain"}
    assert not unheard, f"the far end never saw them, and it is not said to be uncertain: {unheard}"
    strange = {to for to in called if to not in attempts}
    assert not strange, f"called, and no attempt knows of it: {strange}"
    finals = Counter(row["final"] for row in rows)
    outcomes = Counter(row["outcome"] for row in attempts.values())
    summary, calls = place.report("c")
    assert len(calls) == count
    assert {name: total for name, total in summary["recipients"].items() if total and name in finals} == finals
    assert sum(finals.values()) == count
    (totals,) = place.rows("SELECT * FROM totals")
    for name, total in finals.items():
        assert totals[f"final_{name}"] == total
    for name, total in outcomes.items():
        assert totals[f"outcome_{name}"] == total
    return finals


def test_killed_three_times(place, callee, trunk):
    """120 recipients, three kills."""
    configure(place, trunk.place, lines=40)
    run(place, callee, seed=3, count=120, kills=3, patience_s=60)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [11, 12])
def test_killed_ten_times(place, callee, trunk, seed):
    """2,000 recipients, ten kills."""
    configure(place, trunk.place, lines=120)
    run(place, callee, seed=seed, count=2_000, kills=10, patience_s=240)
