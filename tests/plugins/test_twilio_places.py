"""Requests that wait for a place: of each kind so many at once, and no kind behind another."""

import pytest
import trio
import trio.testing
from dialerd_twilio.transport import CONNECTIONS, QUESTIONS, Errand, Transport, on_errand
from scripted_rest import ScriptedRest, reply


async def test_who_waits_for_a_place_too_long_was_not_sent(mock_clock):
    """No place in time: nothing has left."""
    mock_clock.autojump_threshold = 0.05

    async def never(stream):
        await trio.sleep_forever()

    transport, errand = Transport(10_000), Errand(leave=lambda: pytest.fail("it has no place"))
    async with ScriptedRest(answers=[never]).serve() as base, trio.open_nursery() as nursery:

        async def create(errand):
            with on_errand(errand):
                await transport.request("POST", f"{base}/Calls.json")

        async def lost():
            with pytest.raises(trio.TooSlowError):
                await create(Errand(leave=lambda: None))

        for _ in range(CONNECTIONS):
            nursery.start_soon(lost)
        await trio.testing.wait_all_tasks_blocked(0.01)
        transport.timeout = 5.0
        with pytest.raises(trio.TooSlowError, match="no connection in 5 s"):
            await create(errand)
    assert not errand.sent
    await transport.aclose()


@pytest.mark.parametrize("kind", ["creation", "change", "question"])
async def test_a_kind_of_requests_without_a_place_left_keeps_no_other_waiting(kind, mock_clock):
    """Questions about calls keep nobody from being called, hang-ups neither, and the other way round."""
    mock_clock.autojump_threshold = 0.05
    crowded = False

    async def answered(stream):
        if crowded:
            await trio.sleep(8)
        await stream.send_all(reply(200))

    transport = Transport(10_000)

    async def ask(one):
        with on_errand(Errand(leave=(lambda: None) if one == "creation" else None)):
            await transport.request("GET" if one == "question" else "POST", f"{base}/{one}")

    rest = ScriptedRest(answers=[answered])
    async with rest.serve() as base, trio.open_nursery() as nursery:
        crowded = True
        for _ in range(CONNECTIONS + 1):
            nursery.start_soon(ask, kind)
        await trio.testing.wait_all_tasks_blocked(0.01)
        crowded = False
        for other in {"creation", "change", "question"} - {kind}:
            await ask(other)
            assert trio.current_time() < 1
        nursery.cancel_scope.cancel()
    assert rest.most_open == (QUESTIONS if kind == "question" else CONNECTIONS) + 1
    await transport.aclose()
