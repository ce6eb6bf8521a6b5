"""The account's pace: starts are spaced, shared by trunks of one account, and never waited for too long."""

import itertools

import pytest
import trio
from dialerd_twilio import transport
from dialerd_twilio.pace import account_pace
from twilio_rig import Behaviour, Faults, order, rig

from dialerd.plugin.provider import Throttled


async def test_starts_are_spaced(autojump_clock):
    """At 2 a second the third call starts a second and a half after the process, the first not at once."""
    pace = account_pace("spaced", 2.0)
    began_s = trio.current_time()
    starts = []
    for _ in range(3):
        await pace.turn()
        starts.append(trio.current_time() - began_s)
    assert starts == pytest.approx([0.5, 1.0, 1.5])


async def test_calls_that_come_at_once_are_spaced_too(autojump_clock):
    """However many wait, each has a turn of its own."""
    pace = account_pace("crowd", 4.0)
    starts: list[float] = []

    async def start() -> None:
        await pace.turn()
        starts.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(start)
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps == pytest.approx([0.25] * 7)


async def test_idle_time_is_not_saved_up(autojump_clock):
    """After a pause calls do not come in a burst."""
    pace = account_pace("idle", 1.0)
    await trio.sleep(100)
    await pace.turn()
    before_s = trio.current_time()
    await pace.turn()
    assert trio.current_time() - before_s == pytest.approx(1.0)


async def test_trunks_of_one_account_share_its_pace(autojump_clock):
    """Two trunks together start no more than the account may; another account has its own."""
    assert account_pace("shared", 1.0) is account_pace("shared", 1.0)
    assert account_pace("shared", 1.0) is not account_pace("other", 1.0)


async def test_a_turn_far_away_is_refused(autojump_clock):
    """By then the gate might say something else; the call goes back, with the time to wait, and takes no turn."""
    pace = account_pace("far", 1.0)
    pace.rest(60_000)
    with pytest.raises(Throttled) as refused:
        await pace.turn()
    assert refused.value.retry_after == 60_000
    await trio.sleep(60)
    before_s = trio.current_time()
    await pace.turn()
    assert trio.current_time() == before_s


async def test_who_was_held_up_waits_for_another_turn(autojump_clock, monkeypatch):
    """Where the carrier was slow to answer, those who waited for a connection do not all leave when it is quick again.

    The first two calls have both connections for five seconds, and the turns of the ten others pass meanwhile.
    """
    monkeypatch.setattr(transport, "CONNECTIONS", 2)
    faults = Faults(slow_s=5.0, next_creates=["slow", "slow"])
    behaviour = Behaviour(ring_s=1.0, talk_s=1.0)
    async with (
        rig(behaviour=behaviour, faults=faults) as carrier,
        carrier.life(account_cps=2),
        trio.open_nursery() as nursery,
    ):
        for place in range(12):
            nursery.start_soon(carrier.place, order(f"a{place}"))
    starts = sorted(call.created_s for call in carrier.double.calls.values())
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(starts) == 12
    assert min(gaps) > 0.4


async def test_a_turn_that_was_just_had_is_good(autojump_clock):
    """Who has a connection soon waits for nothing."""
    pace = account_pace("soon", 1.0)
    turn_s = await pace.turn()
    await trio.sleep(0.9)
    before_s = trio.current_time()
    await pace.renew(turn_s)
    assert trio.current_time() == before_s


async def test_a_pace_that_was_bought_counts_from_the_reload_on(autojump_clock):
    """The rate that was asked for last is everybody's, also that of trunks that wait already."""
    pace = account_pace("bought", 1.0)
    assert account_pace("bought", 10.0) is pace
    await pace.turn()
    before_s = trio.current_time()
    for _ in range(5):
        await pace.turn()
    assert trio.current_time() - before_s == pytest.approx(0.5)


async def test_a_day_is_not_believed(autojump_clock):
    """A carrier that asks for so much may be mistaken; ten minutes are given, and a shorter wish takes none away."""
    pace = account_pace("tired", 1.0)
    pace.rest(86_400_000)
    pace.rest(1_000)
    with pytest.raises(Throttled) as refused:
        await pace.turn()
    assert refused.value.retry_after == 600_000
