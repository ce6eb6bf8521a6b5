"""Connections to the carrier are used again, the last one first, and closed when nobody needs them."""

import pytest
import trio
from dialerd_twilio.transport import Transport
from scripted_rest import ScriptedRest, reply
from trio.testing import MockClock


@pytest.fixture
def mock_clock():
    """Time that costs none."""
    return MockClock(autojump_threshold=0.05)


async def post(transport, base):
    """Send a request."""
    return await transport.request("POST", f"{base}/Calls.json", data={"To": "+447111000001"}, auth=("AC1", "token"))


async def test_one_request_after_the_other_needs_one_connection(mock_clock):
    """A connection is opened once."""
    rest = ScriptedRest(answers=[reply(201)])
    transport = Transport(5_000)
    async with rest.serve() as base:
        for _ in range(5):
            await post(transport, base)
            await trio.sleep(10)
        await transport.aclose()
    assert [asked.connection for asked in rest.asked] == [1] * 5


async def test_connections_that_a_rush_has_opened_are_closed_after_it(mock_clock):
    """Each request of a rush has its own; afterwards one is enough, always the same, and the others go."""
    rest = ScriptedRest(answers=[reply(201)])
    transport = Transport(5_000)
    async with rest.serve() as base:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(post, transport, base)
        assert rest.open == 20
        for _ in range(9):
            await post(transport, base)
            await trio.sleep(4)
        assert len({asked.connection for asked in rest.asked[20:]}) == 1
        assert rest.open == 1
        await transport.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert rest.open == 0


async def test_a_connection_that_the_carrier_has_closed_is_not_used(mock_clock):
    """It is noticed before the request leaves."""
    transport = Transport(5_000)
    rest = ScriptedRest(answers=[lambda stream: stream.send_all(reply(201)), reply(201)])  # after the first it closes
    async with rest.serve() as base:
        await post(transport, base)
        await trio.sleep(1)
        assert (await post(transport, base)).status_code == 201
        await transport.aclose()
    assert [asked.connection for asked in rest.asked] == [1, 2]
