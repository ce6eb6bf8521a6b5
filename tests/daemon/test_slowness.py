"""A disk that hangs is told while it does, and its end; a busy one is not."""

from pathlib import Path

import trio

from dialerd.daemon.slowness import tell_slow


async def test_a_disk_that_hangs(autojump_clock, logged):
    """Once after five seconds, once a minute, once when it is over; the next time anew."""
    waiting_since_s = None

    def waits_for_s():
        return 0.0 if waiting_since_s is None else trio.current_time() - waiting_since_s

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_slow, waits_for_s, Path("/x/dialerd.db"))
        waiting_since_s = trio.current_time()
        await trio.sleep(4)
        assert logged == []
        await trio.sleep(3.5)
        assert [entry["event"] for entry in logged] == ["store.slow"]
        assert "/x/dialerd.db" in logged[0]["database"]
        assert "kernel log" in logged[0]["remedy"]
        await trio.sleep(60)
        waiting_since_s = None
        await trio.sleep(2)
        waiting_since_s = trio.current_time()
        await trio.sleep(7)
        nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logged] == ["store.slow", "store.slow", "store.caught_up", "store.slow"]
    assert 66 <= logged[2]["waited_s"] <= 68
