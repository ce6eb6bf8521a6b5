"""The line that `systemctl status` shows, of an engine at work: figures from memory, in words that one can read."""

import re

import trio
from manager import Listener
from phone import ANSWERED, OUTAGE, Phone, ends, talk
from rig import START, Rig, rig, settings, trunk

from dialerd.daemon.bulletin import Bulletin
from dialerd.daemon.standing import Standing
from dialerd.daemon.systemd import Manager
from dialerd.model.call import UNFIT_AGENT, Cause
from dialerd.model.instants import DAY, HOUR
from dialerd.model.settings import DaemonSettings
from dialerd.model.states import AtFault
from dialerd.plugin.provider import NotPlaced, Throttled

IDLE = "0 of 20 lines in use; no campaign"
WANTED = settings(daemon=DaemonSettings(max_concurrent=20, timezone="Europe/London"))


def standing(bench: Rig) -> Standing:
    """Return the words of an engine."""
    return Standing(bench.engine, bench.clock.now)


async def test_lines_pace_and_campaigns_at_work(autojump_clock):
    """Who dials, who waits and until when in the daemon's zone, who is paused; the pace of the last seconds."""
    async with rig(Phone(talk(10)), WANTED) as bench:
        line = standing(bench)
        assert line.dialling() == IDLE
        later = await bench.add(1, name="later", start_at=START + DAY)
        assert line.dialling() == "0 of 20 lines in use; 1 campaign, waiting until Tue 11:00"
        await bench.add(1, name="soon", start_at=START + HOUR)
        assert line.dialling() == "0 of 20 lines in use; 2 campaigns, waiting until 12:00"
        await bench.add(200, name="now")
        await trio.sleep(6)
        shown = line.dialling()
        assert re.fullmatch(
            r"20 of 20 lines in use, 3\.\d calls/s; 3 campaigns: 1 dialling, 2 waiting until 12:00", shown
        )
        assert line.dialling() == shown  # a look right after another does not make it nought
        await bench.engine.steering.pause("now")
        await trio.sleep(20)
        assert line.dialling().startswith("0 of 20 lines in use; 3 campaigns: 2 waiting until 12:00, 1 paused")
        await bench.engine.steering.cancel("now")
        await bench.engine.steering.cancel("soon")
        await trio.sleep(5)
        assert line.dialling() == "0 of 20 lines in use; 1 campaign, waiting until Tue 11:00"
        await bench.add(1, name="far", start_at=START + 30 * DAY)
        await bench.engine.steering.cancel(later.uid)
        await trio.sleep(5)
        assert line.dialling().endswith("1 campaign, waiting until 2026-07-01 11:00")


async def test_a_trunk_that_rests_is_named(autojump_clock):
    """After faults in a row it takes no calls; that is seen without reading the log."""
    down = NotPlaced(OUTAGE, trunk_down=True)
    async with rig(Phone(ends(down, then=ANSWERED)), WANTED) as bench:
        await bench.add(3)
        await trio.sleep(1)
        assert standing(bench).dialling().endswith("; trunk t resting after faults")


async def test_a_trunk_that_is_slowed_is_named(autojump_clock):
    """The carrier throttles, and nobody is reached while the trunk is up."""
    async with rig(Phone(ends(Throttled())), WANTED) as bench:
        await bench.add(3)
        await trio.sleep(1)
        assert standing(bench).dialling().endswith("; trunk t slowed")


async def test_an_agent_that_rests_is_named(autojump_clock):
    """One that can speak in no call makes no further ones; that is seen there as well."""
    mute = NotPlaced(Cause(fault=AtFault.US, code=UNFIT_AGENT))
    async with rig(Phone(ends(mute)), WANTED) as bench:
        assert standing(bench).dialling() == IDLE
        await bench.add(5)
        await trio.sleep(1)
        assert standing(bench).dialling().endswith("1 campaign, dialling; agent a resting, cannot speak")


async def test_a_trunk_that_is_down_is_named(autojump_clock):
    """One whose provider does not come up, at the start and later."""

    class Broken(Phone):
        async def __aenter__(self):
            raise OSError("no route")

    wanted = settings(trunks={"t": trunk(), "u": trunk()}, daemon=WANTED.daemon)
    async with rig({"t": Phone(talk()), "u": Broken(talk())}, wanted) as bench:
        assert standing(bench).dialling() == IDLE + "; trunk u down"
        assert standing(bench).starting() == "starting: reading campaigns, bringing up trunk u"


async def test_a_drain_tells_what_it_waits_for(autojump_clock):
    """Calls that are left and the time they have; then the hanging up, then the rest."""
    async with rig(Phone(talk(100)), WANTED) as bench:
        await bench.add(3)
        await trio.sleep(1)
        line = standing(bench)
        now_s = trio.current_time()
        assert line.draining(now_s + 240) == "draining: 3 calls left, hung up in 4 min at most"
        assert line.draining(now_s + 30) == "draining: 3 calls left, hung up in 30 s at most"
        assert line.draining(now_s - 1) == "stopping: hanging up 3 calls"
        bench.engine.stop()
        await trio.sleep(200)
        assert line.draining(now_s + 240) == "stopping: storing what is left"


async def test_a_disk_that_keeps_everybody_waiting_is_told(autojump_clock):
    """A transaction that does not come back shows with the time it takes; one after the other does not."""
    async with rig(Phone(talk()), WANTED) as bench:
        line = standing(bench)
        dispatcher = bench.engine.dispatcher
        dispatcher.storing = True
        assert line.dialling() == IDLE
        line.dialling()
        await trio.sleep(12)  # no turn is taken meanwhile: nobody is there to be dialled
        assert re.fullmatch(re.escape(IDLE) + r"; waiting for the disk for 1[12] s", line.dialling())
        dispatcher.turns += 1
        assert line.dialling() == IDLE
        dispatcher.storing = False


async def test_a_reload_amid_a_start_or_a_stop_does_not_make_it_ready(autojump_clock, tmp_path):
    """READY ends a reload too; it is left out where the manager would take it for something else."""
    listener = Listener.below(tmp_path)
    async with rig(Phone(talk()), WANTED) as bench:
        bulletin = Bulletin(Manager(listener.address))
        bulletin.starting(standing(bench))
        bulletin.reloading()
        bulletin.reloaded(refused=True)
        assert listener.heard() == []
        bulletin.started()
        (ready,) = listener.heard()
        assert ready[0] == "READY=1"
        assert ready[1].startswith("STATUS=settings read at 11:00 refused, see the journal; 0 of 20 lines")
        bulletin.stopping(60)
        bulletin.reloading()
        bulletin.reloaded(refused=False)
        assert [message[0] for message in listener.heard()] == ["STOPPING=1"]
    listener.close()
