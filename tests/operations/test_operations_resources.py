"""Trunks, numbers, agents and the daemon's state, of a running engine: live use of every limit, and no secrets."""

import trio
from groundwork import ground
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import CALLER_ID, OTHER_ID, START, rig, settings, trunk

from dialerd import __version__
from dialerd.model.errors import PluginError
from dialerd.model.instants import DAY, SECOND
from dialerd.model.resource_views import Activity, AgentKind, TrunkState
from dialerd.model.settings import AgentSettings, DaemonSettings, NumberSettings
from dialerd.model.states import CampaignState
from dialerd.operations.resources import Resources
from dialerd.plugin.provider import NotPlaced, Throttled
from dialerd.store import notices

WORLD = settings(
    daemon=DaemonSettings(max_concurrent=20),
    trunks={
        "t": trunk(max_concurrent=3, calls_per_second=40.0, options={"password": "hunter2"}),
        "spare": trunk(countries=("DE",)),
    },
    numbers={
        OTHER_ID: NumberSettings(trunk="spare", id="desk"),
        CALLER_ID: NumberSettings(trunk="t", max_concurrent=7, calls_per_day=50),
    },
    agents={
        "bridge": AgentSettings(bridge="sip:desk", id="b", timezone="Asia/Tokyo", numbers=(OTHER_ID,)),
        "a": AgentSettings(say="hello", max_concurrent=9),
    },
)


async def test_use_and_limits_of_everything(autojump_clock):
    """In the order of the settings: what there may be, what there is, and what waits; nothing that may be secret."""
    async with rig(Phone(talk(1000)), WORLD) as bench:
        resources = Resources(ground(bench))
        await bench.add(5)
        await bench.add(1, name="later", start_at=START + DAY)
        await trio.sleep(2)
        trunks = resources.trunks()
        assert [(one.name, one.state, one.why, one.in_use, one.max_concurrent) for one in trunks] == [
            ("t", TrunkState.UP, None, 3, 3),
            ("spare", TrunkState.UP, None, 0, 50),
        ]
        assert (trunks[0].calls_per_second, trunks[0].calls_per_second_now) == (40.0, 40.0)
        assert (trunks[0].provider, trunks[0].countries, trunks[0].numbers) == ("phone", ("GB", "US"), (CALLER_ID,))
        assert "hunter2" not in repr(trunks)
        desk, shown = resources.numbers()
        assert (desk.number, desk.id, desk.trunk, desk.in_use, desk.calls_today) == (OTHER_ID, "desk", "spare", 0, None)
        assert (shown.max_concurrent, shown.in_use, shown.calls_per_day, shown.calls_today) == (7, 3, 50, 3)
        bridge, says = resources.agents()
        assert (bridge.kind, bridge.id, bridge.timezone, bridge.numbers) == (
            AgentKind.BRIDGE,
            "b",
            "Asia/Tokyo",
            (OTHER_ID,),
        )
        assert (bridge.campaigns, bridge.in_use) == (0, 0)
        assert (says.kind, says.campaigns, says.in_use, says.max_concurrent) == (AgentKind.SAY, 2, 3, 9)
        for name in ("x", "later"):
            await bench.engine.steering.cancel(name, now=True)
        await trio.sleep(5)
        assert [one.in_use for one in (*resources.trunks(), *resources.numbers(), *resources.agents())] == [0] * 6
        await trio.sleep(2 * DAY / SECOND)
        assert [one.calls_today for one in resources.numbers()] == [None, 0]  # the day is over


async def test_a_trunk_says_why_it_takes_no_calls(autojump_clock):
    """Resting after faults, with the reason and when it is tried; down; or slower than it might be."""

    class Broken(Phone):
        async def __aenter__(self):
            raise OSError("no route")

    down = NotPlaced(OUTAGE, trunk_down=True)
    async with rig({"t": Phone(ends(down, then=ANSWERED)), "spare": Broken(talk())}, WORLD) as bench:
        resources = Resources(ground(bench))
        await bench.add(1)
        await trio.sleep(1)
        resting, broken = resources.trunks()
        assert (resting.state, broken.state) == (TrunkState.RESTING, TrunkState.DOWN)
        assert "out of order" in (resting.why or "")
        assert bench.clock.now() < (resting.until or 0) < bench.clock.now() + 10 * SECOND
        assert broken.until is None
        assert broken.why == "trunk spare is down, its provider is not up: OSError: no route"
        assert resources.status().trunks_down == ("t", "spare")

    async def refused(phone, order, report):
        raise Throttled

    async with rig(Phone(refused), WORLD) as bench:
        await bench.add(1)
        await trio.sleep(1)
        resources = Resources(ground(bench))
        slowed = resources.trunks()[0]
        assert slowed.calls_per_second == 40.0
        assert 0 < (slowed.calls_per_second_now or 0) < 40.0
        assert (slowed.state, slowed.why) == (
            TrunkState.SLOWED,
            "calls over trunk t start slowly until more get through: throttled",
        )
        status = resources.status()
        assert (status.trunks_slowed, status.trunks_down) == (("t",), ())
        await bench.engine.steering.cancel("x")


async def test_trunks_of_one_account_show_the_pace_that_they_share(autojump_clock):
    """The least of theirs, as it is now, and with whom; one that is slowed by what the other was told says the same."""

    async def refused(phone, order, report):
        raise Throttled

    trunks = {name: trunk(account="acme", calls_per_second=pace) for name, pace in zip("tu", (40.0, 8.0), strict=True)}
    wanted = settings(trunks=trunks | {"v": trunk()}, numbers={CALLER_ID: NumberSettings(trunk="t")})
    async with rig(Phone(refused), wanted) as bench:
        resources = Resources(ground(bench))
        assert [(one.calls_per_second, one.calls_per_second_now) for one in resources.trunks()] == [(8.0, 8.0)] * 2 + [
            (None, None)
        ]
        assert [one.shares_pace_with for one in resources.trunks()] == [("u",), ("t",), ()]
        await bench.add(1)
        await trio.sleep(0.5)
        first, second, third = resources.trunks()
        assert (first.state, second.state, third.state) == (TrunkState.SLOWED, TrunkState.SLOWED, TrunkState.UP)
        assert second.why == "calls over trunk u start slowly until more get through: throttled"
        assert second.calls_per_second_now == 4.0
        assert "acme" not in repr(resources.trunks())
        await bench.engine.steering.cancel("x")


async def test_a_trunk_that_fails_in_one_place_is_shown_as_slowed(autojump_clock):
    """Its breaker stays closed there, and yet nobody is reached; once calls get through it is up again."""

    async def script(phone, order, report):
        await trio.sleep(0.01)
        phone.leave(order)
        if trio.current_time() < 30:
            raise NotPlaced(OUTAGE)
        return ANSWERED

    async with rig(Phone(script), settings(trunks={"t": trunk(max_concurrent=3, calls_per_second=2.0)})) as bench:
        resources = Resources(ground(bench))
        assert resources.trunks()[0].state is TrunkState.UP
        row = await bench.add(200)
        await trio.sleep(20)
        slowed = resources.trunks()[0]
        assert (slowed.state, slowed.why) == (
            TrunkState.SLOWED,
            "calls over trunk t start slowly until more get through: 503 out of order",
        )
        assert (slowed.calls_per_second_now or 0) < 2.0
        await bench.over(row)
        (up,) = resources.trunks()
        assert (up.state, up.why, up.calls_per_second_now) == (TrunkState.UP, None, 2.0)


class Slow(Phone):
    """A phone that takes a minute to come up."""

    async def __aenter__(self):
        """See `Provider.__aenter__`."""
        await trio.sleep(60)
        return await super().__aenter__()


class Rude(Phone):
    """A phone that cannot come up, and whose words may hold anything."""

    flaw: Exception | None = ValueError("https://user:hunter2@carrier.example")

    async def __aenter__(self):
        """See `Provider.__aenter__`."""
        if self.flaw is not None:
            raise self.flaw
        return await super().__aenter__()


async def test_why_a_provider_is_not_up_is_told_in_words_that_may_be_shown(autojump_clock):
    """Those of dialerd's own errors and of the system; of others only their kind, since they may hold a login."""
    phone = Rude(talk())
    async with rig(phone) as bench:
        resources = Resources(ground(bench))
        begin = "trunk t is down, its provider is not up"
        assert resources.trunks()[0].why == f"{begin}: ValueError, the log says more"
        phone.flaw = PluginError("the number is not the account's")
        await trio.sleep(70)
        assert resources.trunks()[0].why == f"{begin}: the number is not the account's"
        phone.flaw = None
        await trio.sleep(120)
        assert (resources.trunks()[0].why, bench.engine.lines.trunks["t"].failure) == (None, None)
    async with rig(Slow(talk())) as bench:
        assert Resources(ground(bench)).trunks()[0].why == f"{begin} yet"


async def test_how_the_daemon_stands(autojump_clock):
    """Version, activity, lines, pace and campaigns by state; a drain shows as one."""
    async with rig(Phone(talk(5)), WORLD) as bench:
        resources = Resources(ground(bench))
        idle = resources.status()
        assert (idle.version, idle.state, idle.line) == (__version__, Activity.DIALLING, "it stands")
        assert (idle.lines_in_use, idle.max_concurrent, idle.campaigns) == (0, 20, {})
        await bench.add(500)
        await bench.add(1, name="later", start_at=START + DAY)
        await trio.sleep(12)
        status = resources.status(notice_backlog=3)
        assert (status.uptime_s, status.at) == (12.0, START + 12 * SECOND)
        assert (status.lines_in_use, status.calls_started) == (3, 9)
        assert 0.4 < status.calls_per_second < 1.0
        assert status.campaigns == {CampaignState.RUNNING: 1, CampaignState.SCHEDULED: 1}
        assert (status.trunks_down, status.notice_backlog) == ((), 3)
        bench.engine.stop()
        assert resources.status().state is Activity.DRAINING
        await trio.sleep(30)
        assert resources.status().calls_per_second == 0.0


async def test_what_plugins_have_not_been_told_yet(autojump_clock):
    """How many notices wait for each; one that fails shows by its backlog."""

    async def deaf(_):
        raise OSError("nobody there")

    async with rig(Phone(talk()), WORLD, notifiers={"crm": deaf}) as bench:
        resources = Resources(ground(bench))
        assert await resources.notice_backlog() == {"crm": 0}
        for _ in range(3):
            await bench.store.write(notices.add, "call.ended", "c", {}, now=START)
        assert await resources.notice_backlog() == {"crm": 3}
