"""Work that ends when nobody waits for it any more."""

import pytest
import trio
from starlette.requests import Request

from dialerd.api.leaving import unless_gone
from dialerd.api.problems import RefusedRequest
from dialerd.model.errors import NotFound


def request(*, leaves_after_s: float) -> Request:
    """Return a request whose client leaves after some seconds of trio's clock."""

    async def receive():
        await trio.sleep(leaves_after_s)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": [], "path": "/"}, receive)


async def test_what_is_worked_out_in_time_is_returned(autojump_clock):
    """The client is still there."""

    async def work():
        await trio.sleep(1)
        return "done"

    began = trio.current_time()
    assert await unless_gone(request(leaves_after_s=5), work) == "done"
    assert trio.current_time() - began == pytest.approx(1, abs=0.1)


async def test_work_ends_when_its_client_leaves(autojump_clock):
    """What it had open is closed."""
    ended = []

    async def work():
        try:
            await trio.sleep(1_000)
        finally:
            ended.append(trio.current_time())

    began = trio.current_time()
    with pytest.raises(RefusedRequest):
        await unless_gone(request(leaves_after_s=5), work)
    assert [at - began for at in ended] == [pytest.approx(5, abs=0.1)]


async def test_what_the_work_raises_passes_as_it_is(autojump_clock):
    """No group around it, so that it is answered like any other error."""

    async def work():
        await trio.sleep(1)
        raise NotFound("there is none")

    with pytest.raises(NotFound):
        await unless_gone(request(leaves_after_s=5), work)
