"""Bodies of requests and the disk they are kept on, which the database lies on, too."""

import gc
import os
import resource
import warnings

import pytest
import trio
import trio.testing
from api_rig import api

from dialerd.api import bodies

ADDED = "/v1/campaigns/{}/recipients"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
async def door(tmp_path):
    """An API."""
    async with api(tmp_path) as door:
        yield door


async def draft(door) -> str:
    """Create a draft and return the address of its recipients."""
    return ADDED.format((await door.create(state="draft", recipients=None))["campaign"]["id"])


def people(size: int) -> bytes:
    """Return a recipients' list in CSV of some number of bytes, at least, each line with something long in it."""
    lines = [b"phone,note\n"]
    while sum(map(len, lines)) < size:
        lines.append(b"+1212555%04d,%s\n" % (100 + len(lines) % 100, b"x" * 5_000))
    return b"".join(lines)


def disk(monkeypatch, *, size: int, free: int) -> None:
    """Let every disk be of a size, and so full."""
    block = 4_096
    told = os.statvfs_result((block, block, size // block, free // block, free // block, 9, 9, 9, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: told)


@pytest.mark.parametrize(("size", "spared"), [(1 << 30, (1 << 30) // 10), (1 << 40, 256 << 20)])
async def test_a_body_leaves_room_on_the_disk(door, monkeypatch, size, spared):
    """A tenth of it, or 256 MiB of a large one: without room the database dials nobody."""
    address = await draft(door)
    disk(monkeypatch, size=size, free=spared + 800_000)
    assert (await door.client.post(address, content=people(300_000), headers=CSV)).status_code == 200
    answer = await door.client.post(address, content=people(500_000), headers=CSV)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    assert "room" in answer.json()["detail"]
    assert list(door.scratch.iterdir()) == []


async def test_a_full_disk_refuses_nothing_small(door, monkeypatch):
    """A single do-not-call entry or recipient costs the disk no more than a call does."""
    address = await draft(door)
    disk(monkeypatch, size=1 << 30, free=0)
    assert (await door.client.post(address, content=b"phone\n+12125550101\n", headers=CSV)).status_code == 200
    entries = {"numbers": ["+12125550101"]}
    assert (await door.client.post("/v1/suppressions", json=entries)).status_code == 200


async def test_a_body_the_end_of_which_does_not_fit_is_refused(door):
    """A write that is cut short by the system says nothing of it: those at the end of a list would not be rung."""
    address = await draft(door)
    content = people(bodies.RECORD_LIMIT + 400_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bodies.RECORD_LIMIT + 200_000, hard))
    try:
        answer = await door.client.post(address, content=content, headers=CSV)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 503, answer.text
    assert list(door.scratch.iterdir()) == []
    answer = await door.client.post(address, content=content, headers=CSV)
    assert answer.json()["added"] == 100, "whoever sends it again later is told the truth"


async def test_records_need_no_disk(door):
    """What is small by its nature is read from memory, however full or slow the disk is."""
    door.scratch.rmdir()
    numbers = [f"+1415555{at:04}" for at in range(100, 200)] * 90
    answer = await door.client.post("/v1/suppressions", json={"numbers": numbers})
    assert answer.status_code == 200, answer.text
    too_long = {"numbers": ["+14155550100"], "reason": "x" * bodies.RECORD_LIMIT}
    assert (await door.client.post("/v1/suppressions", json=too_long)).status_code == 413
    door.scratch.mkdir()


@pytest.mark.parametrize("path", ["/v1/campaigns", "/v1/suppressions/import"])
async def test_a_body_that_is_not_read_to_its_end_leaves_nothing_open(door, monkeypatch, path):
    """Neither a file nor the stream of the request, of which warnings would tell; and the next request is answered."""
    disk(monkeypatch, size=1 << 30, free=0)

    async def pieces():
        for _ in range(40):
            yield b" " * 100_000

    headers = {"Content-Type": "application/json" if path == "/v1/campaigns" else "text/csv"}
    answer = await door.client.post(path, content=pieces(), headers=headers)
    assert answer.status_code == 503, answer.text
    assert list(door.scratch.iterdir()) == []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
    assert [str(warning.message) for warning in told] == []
    assert (await door.client.get("/v1/campaigns")).status_code == 200
