"""The sockets over a daemon's life: made, refused to others, replaced, given by systemd, closed in their order."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from place import Place, command, people, until
from spoken import CHANGING, CUT, READING, following, made, say, until_listening

pytestmark = pytest.mark.system

CALLS = 30
BOTH = (CHANGING, READING)

# what systemd does: the descriptors from 3 on, and the pid of who is to have them, known only when it is there
ACTIVATED = """
import os, sys
for target, given in enumerate(map(int, sys.argv[1].split(",")), start=20):
    os.dup2(given, target)
count = len(sys.argv[1].split(","))
for index in range(count):
    os.dup2(20 + index, 3 + index)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(count)
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_the_end(place):
    """At a stop changes end at once; whoever reads is told of the last call, and then the stream ends."""
    options = {"ring_time": "0ms", "talk_time": "3s"}
    place.configure(trunks={"sim": {"options": options}})
    place.start()
    seen: list[tuple[str, str]] = []
    follower = Thread(target=follow, args=(place, seen))
    follower.start()
    made(place, {"name": "last", "agent": "reminder", "recipients": people(0, CALLS)})
    answered = "SELECT count(*) FROM attempts WHERE state = 'answered'"
    until(lambda: place.count(answered) == CALLS, "all calls are up")
    assert say(place, "GET", "/healthz", at=READING).status == 200
    begun_s = time.monotonic()
    place.signal(signal.SIGTERM)
    until(lambda: not (place.root / CHANGING).exists(), "the socket for changes is gone", 2)
    assert time.monotonic() - begun_s < 1
    with pytest.raises(CUT):
        say(place, "GET", "/v1/status")
    health = say(place, "GET", "/healthz", at=READING)
    assert health.status == 503
    assert "stopping" in health.json["amiss"]
    assert say(place, "GET", "/v1/status", at=READING).json["state"] == "draining"
    up = say(place, "GET", "/v1/calls?state=answered&limit=100", at=READING).json["items"]
    assert len(up) == CALLS
    assert place.alive()
    assert place.process is not None
    assert place.process.wait(30) == 0
    follower.join(10)
    assert not follower.is_alive(), "the stream does not end"
    assert sum(kind == "call.ended" for kind, _ in seen) == CALLS
    assert seen[-1][0] in ("call.ended", "campaign.completed")
    assert not [name for name in BOTH if (place.root / name).exists()]


def follow(place: Place, seen: list[tuple[str, str]]) -> None:
    """Keep kinds and call ids of the events until the stream ends by itself; an end in the midst of a chunk raises."""
    with following(place) as events:
        for _, kind, data in events:
            seen.append((kind, data.get("call_id", "")))


def test_permissions(place):
    """Both are for the daemon's user and group, and for nobody else."""
    place.start()
    for name in BOTH:
        found = (place.root / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())
    assert place.stop() == 0


def test_a_second_daemon(place, tmp_path):
    """One with another state directory and the same sockets is refused, and the first one's go on."""
    place.start()
    other = tmp_path / "other"
    other.mkdir()
    second = Place(other)
    second.configure(
        daemon={"socket": str(place.root / CHANGING)}, trunks={"sim": {"options": {"ledger": "other.jsonl"}}}
    )
    refused = subprocess.run(
        command("run", "--config", second.config), cwd=other, capture_output=True, check=False, timeout=30
    )
    assert refused.returncode == 1
    assert "another process listens on" in (refused.stderr + refused.stdout).decode()
    for name in BOTH:
        assert say(place, "GET", "/v1/status", at=name).status == 200
    assert place.stop() == 0


@pytest.fixture
def opened(place: Place) -> Iterator[list[socket.socket]]:
    """The two sockets, listening, as systemd opens them: they are there before the daemon is."""
    sockets = []
    for name in BOTH:
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(place.root / name))
        one.listen(16)
        sockets.append(one)
    yield sockets
    for one in sockets:
        one.close()


@pytest.mark.parametrize("names", ["api:api-ro", "", "api-ro:api"])
def test_activation(place, opened, names):
    """Who connects before the daemon is there waits for it; the sockets outlive it, and the next one has them."""
    ordered = opened[::-1] if names.startswith("api-ro") else opened
    with closing(socket.socket(socket.AF_UNIX)) as early:
        early.connect(str(place.root / READING))
        early.settimeout(30)
        early.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        activate(place, ordered, names)
        assert early.recv(65536).startswith(b"HTTP/1.1 200 ")
    until_listening(place)
    made(place, {"name": "one", "agent": "reminder", "recipients": people(0, 3)})
    assert say(place, "POST", "/v1/reload", at=READING).status == 403
    place.until_reported("one")
    assert place.stop() == 0
    assert [name for name in BOTH if (place.root / name).is_socket()] == list(BOTH)
    activate(place, ordered, names)
    until_listening(place)
    assert say(place, "GET", "/v1/campaigns").json["total"] == 1
    assert place.stop() == 0


def activate(place: Place, opened: list[socket.socket], names: str) -> None:
    """Begin a life with sockets that are open already."""
    place.lives += 1
    given = [one.fileno() for one in opened]
    line = [str(part) for part in command("run", "--config", place.config)]
    with place.log_path().open("wb") as log:
        place.process = subprocess.Popen(
            [sys.executable, "-c", ACTIVATED, ",".join(map(str, given)), names, *line],
            cwd=place.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=given,
        )


def test_what_a_daemon_that_was_killed_left(place):
    """Both are replaced; a file that is no socket is not, and the refusal names it."""
    place.start()
    place.kill()
    assert [name for name in BOTH if (place.root / name).is_socket()] == list(BOTH)
    place.start()
    for name in BOTH:
        assert say(place, "GET", "/v1/status", at=name).status == 200
    assert place.stop() == 0
    precious = Path(place.root / READING)
    precious.write_text("precious")
    place.start(wait=False)
    assert place.process is not None
    assert place.process.wait(30) == 1
    assert f"{READING} is there and is no socket" in place.log_path().read_text()
    assert precious.read_text() == "precious"
    assert not (place.root / CHANGING).exists()
