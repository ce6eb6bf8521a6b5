"""Hostile clients and the real daemon: it answers the others, it dials on, and nothing of them is left in it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile import ATTACKS, attacked, normal
from place import Place, people, until

pytestmark = pytest.mark.system

TARGET = "/v1/suppressions"
STATUS = "/v1/status"
SOCKETS = ("dialerd.sock", "dialerd-ro.sock")
ROUNDS = 2
SPARE = 8  # descriptors of the process that reads files, which comes and goes, and of the database
MORE_KIB = 32 * 1024  # what allocators keep; one monstrous body kept would be three times as much


def descriptors(place: Place) -> int:
    """Return how many descriptors the daemon has open."""
    assert place.process is not None
    return len(os.listdir(f"/proc/{place.process.pid}/fd"))


def attack(path: Path, name: str) -> None:
    """Attack, and ask something normal while the attacker is still there."""
    with attacked(path, TARGET, name):
        assert normal(path, STATUS).startswith(b"HTTP/1.1 200 ")


def rage(place: Place) -> None:
    """Do everything there is to either socket, one after another."""
    for socket in SOCKETS:
        for name in ATTACKS:
            attack(place.root / socket, name)


def test_hostile_clients(place):
    """After each attack a normal request answers; descriptors and memory stay what they were; calls go on."""
    place.configure(api={"patience": "300ms"})
    place.start()
    place.drop("first.json", {"name": "first", "agent": "reminder", "recipients": people(500, 10)})
    place.until_reported("first")
    rage(place)  # so that whatever is made once has been made
    until(lambda: descriptors(place) < 100, "the first clients are gone")
    before, memory = descriptors(place), place.memory_kib()
    place.drop("meanwhile.json", {"name": "meanwhile", "agent": "reminder", "recipients": people(0, 500)})
    for _ in range(ROUNDS):
        rage(place)
    until(lambda: descriptors(place) <= before + SPARE, f"at most {before + SPARE} descriptors are open")
    assert place.memory_kib() - memory < MORE_KIB
    place.until_reported("meanwhile")
    assert len(place.report("meanwhile")[1]) == 500
    assert not place.logged("api.request_failed")
    assert not place.logged("request.failed")
    assert place.stop() == 0


def test_all_at_once(place):
    """Attacks of every kind at the same time; when the attackers have left, everything is as before."""
    place.configure(api={"patience": "300ms", "max_connections": 200})
    place.start()
    path = place.root / SOCKETS[0]
    with ThreadPoolExecutor(len(ATTACKS)) as attackers:
        tried = [attackers.submit(attempt, path, name) for name in ATTACKS]
    assert not [one.exception() for one in tried if one.exception() is not None]
    assert normal(path, STATUS).startswith(b"HTTP/1.1 200 ")
    until(lambda: descriptors(place) < 100, "the clients are gone")
    assert place.stop() == 0


def attempt(path: Path, name: str) -> None:
    """Attack where others do so too: what is heard may be that there is no room."""
    try:
        with attacked(path, TARGET, name):
            return
    except (AssertionError, OSError):
        return


def test_a_stop_while_clients_are_there(place):
    """Neither idle clients nor those in the middle of something hold it up, and the sockets' files are gone."""
    place.start()
    path = place.root / SOCKETS[0]
    with attacked(path, TARGET, "silent"), attacked(path, TARGET, "half_open"):
        assert place.stop(30) == 0
    assert not [name for name in SOCKETS if (place.root / name).exists()]


def test_a_socket_left_by_a_kill(place):
    """The next life replaces it."""
    place.start()
    place.kill()
    assert (place.root / SOCKETS[0]).is_socket()
    place.start()
    for socket in SOCKETS:
        assert normal(place.root / socket, STATUS).startswith(b"HTTP/1.1 200 ")
    assert place.stop() == 0
