"""Campaigns over a Twilio double under thirty kills and every fault it knows: the record and the tables agree."""

import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from time import sleep
from typing import Any, Final

import pytest
from place import Place, number, people, until
from ports import free_port
from spoken import say
from twilio_audit import audit_twilio
from twilio_carrier import PUBLIC, Carrier, carrier, configure

pytestmark = [pytest.mark.system, pytest.mark.soak]

ATTEMPTS: Final = 2
KILLS: Final = 30
HOWS: Final = ("calls", "calls", "calls", "start", "recovery", "recovery", "reload", "reload", "drain")
LATE_S: Final = 1.0
UNLISTED_S: Final = 0.5
FAULTS: Final = {
    "lost_response": 0.05,
    "lost_request": 0.03,
    "late_creation": 0.03,
    "late_creation_s": LATE_S,
    "throttle": 0.01,
    "server_error": 0.02,
    "error_after_creation": 0.03,
    "slow": 0.02,
    "slow_s": 1.5,
    "reads_lost": 0.03,
    "reads_failed": 0.03,
    "unlisted_s": UNLISTED_S,
    "out_of_order": 0.1,
    "held_s": 0.5,
    "duplicated": 0.1,
    "again_s": 0.5,
    "withheld": 0.1,
}
LIVELY: Final = {"ring_s": 0.2, "talk_s": 0.4}
BUSY: Final = {"outcome": "busy", "ring_s": 0.2}
SILENT: Final = {"outcome": "no-answer"}
OPTIONS: Final = {
    "account_cps": 50,
    "poll_first": "100ms",
    "callback_patience": "500ms",
    "request_timeout": "1s",
    "late_creation": "2500ms",  # what comes late is listed later still
    "price_wait": "0s",
}
CONFIRMED: Final = "Nobody will call you again."
ASKING: Final = {"say": "Hello.", "opt_out": "9", "opt_out_say": CONFIRMED}
PAUSED_S: Final = 0.7
ON_ITS_WAY_S: Final = 0.05


def behaviours(count: int) -> dict[str, Any]:
    """Return what becomes of calls to some: busy at first, always, or nobody answers at first."""
    kinds: dict[int, Any] = {3: [BUSY, LIVELY], 7: BUSY, 11: [SILENT, LIVELY]}
    return {number(index): kinds[index % 20] for index in range(count) if index % 20 in kinds}


def settle(place: Place, far: Carrier, port: int, *, callbacks: bool) -> None:
    """Write settings; each time with a trunk that is a little different, so that a reload puts a new one to work."""
    listen = f"127.0.0.1:{port}" if callbacks else None
    slowest = {"poll_most": f"{500 + place.lives % 2 * 50}ms"}
    configure(place, far.url, lines=40, callbacks=listen, **OPTIONS, **slowest)


def end_life(place: Place, random: Random, how: str, change: Callable[[], None]) -> None:
    """Begin a life and kill it at a random instant of the given kind; `change` changes the settings."""
    place.start(wait=False)
    if how == "start":
        sleep(random.uniform(0.5, 1.2))
    elif how == "recovery":
        place.until_logged("recovery.started", every_s=0.001)
        sleep(random.uniform(0, 0.6))
    else:
        until(lambda: place.logged("daemon.started"), "it is up")
        sleep(random.uniform(0.05, 1.0))
    if how == "reload":
        change()
        place.signal(signal.SIGHUP)
        sleep(random.uniform(0.1, 1.0))
    elif how == "drain":
        place.signal(signal.SIGTERM)
        sleep(random.uniform(0, 0.4))
    place.kill()


def hold(place: Place, far: Carrier, *, kill: bool) -> None:
    """Pause everything for a while, perhaps over a kill, and see that no call begins meanwhile."""
    place.start()
    until(lambda: place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") > 5, "calls are up")
    far.change(faults={"late_creation": 0})  # those that left before the pause, and come to be after it
    sleep(LATE_S + 0.2)
    uids = [row["uid"] for row in place.rows("SELECT uid FROM campaigns WHERE state = 'running'")]
    assert uids, "all was over before the pause, so that this shows nothing"
    for uid in uids:
        assert say(place, "POST", f"/v1/campaigns/{uid}/pause").status == 200
    sleep(ON_ITS_WAY_S)
    called = len(far.record())
    if kill:
        place.kill()
        place.start()
    sleep(PAUSED_S)
    assert len(far.record()) == called, "called while everything was paused"
    for uid in uids:
        assert say(place, "POST", f"/v1/campaigns/{uid}/resume").status == 200
    far.change(faults={"late_creation": FAULTS["late_creation"]})
    place.kill()


@pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_killed_thirty_times_among_all_faults(place, seed, callbacks):
    """Two campaigns that share a third of their people, with second attempts; amid all, two pauses."""
    port = free_port()
    routes = {PUBLIC: f"http://127.0.0.1:{port}"}
    random = Random(seed)
    shares = {"a": people(0, 300), "b": people(200, 300)}
    faults = {**FAULTS, "seed": seed}
    with carrier(place, faults=faults, behaviour=LIVELY, behaviours=behaviours(500), routes=routes) as far:
        change = partial(settle, place, far, port, callbacks=callbacks)
        change()
        place.start()
        retry = {"max_attempts": ATTEMPTS, "delay": "300ms"}
        document = {"agent": "reminder", "max_duration": "10s", "ring_timeout": "6s", "retry": retry}
        for name, recipients in shares.items():
            place.drop(f"{name}.json", {**document, "name": name, "recipients": recipients})
        until(lambda: len(far.record()) > 10, "calls are up")
        place.kill()
        cut: list[int] = []
        for kill in range(KILLS):
            cut.append(place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL"))
            if kill in (KILLS // 3, KILLS // 2):
                hold(place, far, kill=kill == KILLS // 2)
            else:
                end_life(place, random, random.choice(HOWS) if cut[-1] else "calls", change)
        assert sum(calls >= 3 for calls in cut) >= KILLS // 2, f"too few calls were up: {cut}"
        assert not shares.keys() <= place.reports().keys(), "all was over before the last kill"
        place.start()
        place.until_reported(*shares, patience_s=180)
        assert place.stop() == 0
        finals = audit_twilio(place, far, max_attempts=ATTEMPTS)
        assert finals.total() == sum(map(len, shares.values()))
        always_busy = sum(index % 20 == 7 for index in [*range(300), *range(200, 500)])
        assert finals == Counter(succeeded=finals.total() - always_busy, exhausted=always_busy)


def test_who_is_told_that_nobody_calls_again_is_not_called_again(place):
    """Half of the people press the key for that, amid eight kills: whoever hears it confirmed is called no more."""
    port = free_port()
    routes = {PUBLIC: f"http://127.0.0.1:{port}"}
    count, kills, random = 200, 8, Random(5)
    stays = {"ring_s": 0.2, "talk_s": 6.0}
    keys = {number(index): {**stays, "presses": "9", "press_s": 0.3} for index in range(0, count, 2)}
    faults = {"lost_response": 0.05, "slow": 0.05, "slow_s": 1.0, "withheld": 0.1, "duplicated": 0.1}
    with carrier(place, faults=faults, behaviour=stays, behaviours=keys, routes=routes) as far:
        configure(place, far.url, lines=60, callbacks=f"127.0.0.1:{port}", agent=ASKING, **OPTIONS, poll_most="500ms")
        place.start()
        document = {"agent": "reminder", "max_duration": "10s", "ring_timeout": "6s", "recipients": people(0, count)}
        for name in ("a", "b"):
            place.drop(f"{name}.json", {**document, "name": name})
        until(lambda: len(far.record()) > 10, "calls are up")
        place.kill()
        for _ in range(kills):
            place.start()
            sleep(random.uniform(0.1, 2.5))
            place.kill()
        assert not place.reports(), "all was over before the last kill, so that this shows nothing"
        place.start()
        place.until_reported("a", "b", patience_s=180)
        assert place.stop() == 0
        told: set[str] = set()
        for line in far.record(None):
            assert line["what"] == "ended" or line["to"] not in told, f"called again: {line}"
            if CONFIRMED in line["heard"]:
                told.add(line["to"])
        assert len(told) > count // 8, f"too few were told so for this to show much: {len(told)}"
        assert not told - {row["number"] for row in place.rows("SELECT number FROM suppressions")}, "not entered"
        assert max(Counter(line["to"] for line in far.record()).values()) == 2, "once a campaign"
