"""Disks that fail, turn read-only or are held by somebody else: nobody is rung whom nobody can remember."""

import contextlib
import os
import sqlite3
import subprocess
import time

import pytest
from disks import finish, needs_mount, now_at, refused, remount, tampered, tmpfs, told, unmount, until_at_rest
from needs import cannot, program
from place import Place, people, until

pytestmark = pytest.mark.system

LINES = 20
ONCE = {"max_attempts": 1}
LONGER_THAN_PATIENCE_S = 11.5
"""The daemon waits 10 s for a lock."""


def configure(place: Place) -> None:
    """Write settings for calls of 150 ms."""
    trunk = {"max_concurrent": LINES, "options": {"talk_time": "150ms"}}
    place.configure(daemon={"max_concurrent": LINES}, trunks={"sim": trunk})


def begin(place: Place, count: int) -> None:
    """Have a campaign's calls up."""
    configure(place)
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients": people(0, count)})
    until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")


@pytest.mark.parametrize("error", ["EIO", pytest.param("EROFS", marks=pytest.mark.soak)])
def test_writes_that_fail(place, error):
    """Calls end, nobody new is dialled, and all of it is stored when the disk works again."""
    begin(place, 400)
    files = [place.root / "state" / name for name in ("dialerd.db", "dialerd.db-wal")]
    with tampered(place, "pwrite64,fdatasync,fsync", f"error={error}", files):
        trouble = place.until_logged("store.failed")
        assert "look at the kernel log for the disk of the database" in trouble["remedy"]
        dialled = until_at_rest(place)
        assert dialled < 400
        told(place, "store.failed", "store.turn_failed")
    since_at = now_at()
    place.until_logged("store.recovered")
    finish(place, "c", count=400, lines=LINES, since_at=since_at)


def test_syncs_that_fail_and_a_kill(place):
    """A commit whose fsync failed decides nothing: whoever it claimed was not rung, and the next life finds out."""
    begin(place, 300)
    with tampered(place, "fdatasync,fsync", "error=EIO", [place.root / "state" / "dialerd.db-wal"]):
        place.until_logged("store.failed")
        dialled = until_at_rest(place)
        place.kill()
    assert dialled < 300
    since_at = now_at()
    place.start()
    finish(place, "c", count=300, lines=LINES, since_at=since_at)


@needs_mount
def test_a_file_system_that_turned_read_only(place):
    """As ext4 does when it finds itself damaged: dialling stops; mounted anew, the next life goes on."""
    image, state = place.root / "image", place.root / "state"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run([program("mkfs.ext4", "e2fsprogs"), "-q", image], check=True)
    state.mkdir()
    mount = ["mount", "-o", "loop", image, state]
    if (mounting := subprocess.run(mount, capture_output=True, check=False)).returncode:
        cannot(f"loop devices cannot be used here: {mounting.stderr.decode(errors='replace')[:200]}")
    mounted = True
    try:
        begin(place, 300)
        remount(state, "abort")
        trouble = place.until_logged("store.failed")
        assert "mounted read-only" in trouble["remedy"]
        assert until_at_rest(place) < 300
        told(place, "store.failed")
        place.kill()
        said = refused(place)
        assert "Read-only file system" in said
        unmount(state)
        mounted = False
        subprocess.run(["e2fsck", "-fy", image], check=False, capture_output=True)
        subprocess.run(mount, check=True, capture_output=True)
        mounted = True
        since_at = now_at()
        place.start()
        finish(place, "c", count=300, lines=LINES, since_at=since_at)
    finally:
        place.end()
        if mounted:
            unmount(state)


@needs_mount
@pytest.mark.parametrize("folder", ["state", "spool"])
def test_read_only_at_the_start(place, folder):
    """It does not come up, and says which directory is at fault."""
    configure(place)
    with tmpfs(place.root / folder, 8) as disk:
        remount(disk, "ro")
        said = refused(place)
        assert f"{disk} cannot be used: Read-only file system" in said
        assert "make it writable" in said
        remount(disk, "rw")
        place.start()
        place.end()


def test_locked_by_another_process(place):
    """A foreign lock stops claims, at the start as well; calls go on and their ends are stored when it is gone."""
    other = Place(place.root / "other")
    other.root.mkdir()
    configure(other)
    other.start()
    assert other.stop() == 0
    begin(place, 400)
    with contextlib.ExitStack() as locks:
        for root in (place.root, other.root):
            holder = sqlite3.connect(root / "state" / "dialerd.db", isolation_level=None, timeout=30)
            locks.callback(holder.close)
            holder.execute("BEGIN EXCLUSIVE")
        until_s = time.monotonic() + LONGER_THAN_PATIENCE_S
        said = refused(other)
        assert "locked" in said
        assert "find it with fuser" in said
        time.sleep(max(0.0, until_s - time.monotonic()))
        trouble = place.until_logged("store.failed")
        assert "find it with fuser" in trouble["remedy"]
        assert until_at_rest(place) < 400
        told(place, "store.failed", "store.turn_failed")
    since_at = now_at()
    place.until_logged("store.recovered")
    finish(place, "c", count=400, lines=LINES, since_at=since_at)
    other.start()
    assert other.stop() == 0
    assert os.listdir(other.root / "state")
