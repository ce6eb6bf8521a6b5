"""The media process over real sockets: sound and keys both ways, its death, and what the daemon sees of it."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
import trio
from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media import rtp
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.media.contract import Clip, Detected, Digit, Heard, MediaError, MediaFigures, MediaLost, PlayEnded
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.media.shared import media_at
from ports import free_ports
from rtp_packets import build

HOST = "127.0.0.1"
PATIENCE_S = 20.0
SOUND = bytes(number % 249 for number in range(800))


@pytest.fixture
def ports():
    """Return a range of ports of the test's own."""
    return free_ports(400)


@pytest.fixture(params=["process", "inline"])
async def media(request, ports):
    """Return either way of running media."""
    made = MediaProcess(*ports) if request.param == "process" else InlineMedia(*ports, fills=True)
    async with made as entered:
        yield entered


@pytest.fixture
def clip(tmp_path):
    """Return a clip of 100 ms."""
    (tmp_path / "one.ulaw").write_bytes(SOUND)
    (tmp_path / "one.alaw").write_bytes(SOUND[::-1])
    return Clip(path=tmp_path / "one.ulaw", frames=len(SOUND))


class FarEnd:
    """Another party's RTP socket."""

    def __init__(self):
        self.socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        self.port = 0
        self._sequence = 0

    async def __aenter__(self):
        await self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.socket.close()

    def agreed(self, **changed):
        """Return what is agreed upon with it."""
        fields = {"host": HOST, "port": self.port, "codec": Codec.PCMU, "payload": 0, "dtmf_payload": 101}
        return Negotiated(**{**fields, **changed})

    async def sends(self, port, payload, kind=0, count=1, marker=False):
        """Send packets to a port."""
        for _ in range(count):
            self._sequence += 1
            data = build(kind, self._sequence, self._sequence * 160, 77, payload, marker=marker)
            await self.socket.sendto(data, (HOST, port))

    async def hears(self, count):
        """Return so many packets that come, parsed."""
        with trio.fail_after(PATIENCE_S):
            return [rtp.parse((await self.socket.recvfrom(2_048))[0]) for _ in range(count)]


class Told:
    """The events of a session, to be waited for."""

    def __init__(self, session):
        self.events = []
        self._news = trio.Event()
        session.tell(self._take)

    def _take(self, event):
        self.events.append(event)
        self._news.set()

    async def until(self, event):
        """Wait for an event, or one of its kind."""
        with trio.fail_after(PATIENCE_S):
            while not any(event == one or event is type(one) for one in self.events):
                self._news = trio.Event()
                await self._news.wait()


async def figures_of(session):
    """Close a session and return what it did."""
    send, receive = trio.open_memory_channel(1)
    session.close(send.send_nowait)
    with trio.fail_after(PATIENCE_S):
        return await receive.receive()


async def test_a_call(media, clip, tmp_path):
    """Early media, the prompt, keys both ways, recording and detection: what one call needs of its media."""
    session = await media.lease(HOST)
    told = Told(session)
    assert session.port % 2 == 0
    path = tmp_path / "heard.wav"
    session.record(path)
    session.detect("loud")
    async with FarEnd() as far:
        while Heard() not in told.events:  # before it is connected, who sends has to be seen some times
            await far.sends(session.port, b"\x80\x00" * 80, count=4)
            with trio.move_on_after(0.2):
                await told.until(Heard())
        await told.until(Detected)
        session.connect(far.agreed())
        session.play([clip, clip], 5)
        packets = await far.hears(40)  # silence comes before and after, more of it on a busy machine
        assert SOUND + SOUND in b"".join(packet[-1] for packet in packets)
        await told.until(PlayEnded(5, whole=True))
        await far.sends(session.port, bytes((11, 10, 0, 160)), kind=101, count=1, marker=True)
        await told.until(Digit("#"))
        session.send_keys("8")
        keys = [packet for packet in await far.hears(40) if packet[0] & 0x7F == 101]
        assert len(keys) == 7
        session.play([clip], 6)
        session.stop()
        await told.until(PlayEnded(6, whole=False))
        figures = await figures_of(session)
    assert figures.sent >= 80
    assert figures.received >= 2
    assert figures.strangers >= 2  # those of its probation
    deadline = time.monotonic() + PATIENCE_S
    while not (path.exists() and len(soundfile.read(path)[0])):
        assert time.monotonic() < deadline
        await trio.sleep(0.01)


async def test_ports_are_not_given_out_twice(media):
    """Leases that are up have ports of their own, all even and within the range."""
    sessions = [await media.lease(HOST) for _ in range(60)]
    assert len({session.port for session in sessions}) == 60
    assert all(session.port % 2 == 0 for session in sessions)
    for session in sessions:
        session.close()
    with pytest.raises(MediaError, match="no port"):
        await media.lease("192.0.2.1")


async def test_a_port_that_was_given_back_rests(media):
    """The next call does not get the last one's port, whose far end may still send."""
    ports = []
    for _ in range(120):  # more than are opened ahead
        session = await media.lease(HOST)
        ports.append(session.port)
        session.close()
    assert len(set(ports)) == 120


async def test_a_lease_that_comes_to_nothing(media):
    """Nobody has answered, so that nothing was said of the session but its end."""
    session = await media.lease(HOST)
    assert await figures_of(session) == MediaFigures()


async def test_commands_arrive_in_order_however_they_are_said(media, clip):
    """Some at once, some a moment later: none is left behind, nor overtaken."""
    session = await media.lease(HOST)
    told = Told(session)
    async with FarEnd() as far:
        session.connect(far.agreed())
        for mark in range(40):
            session.play([clip], mark)
            if mark % 4 == 0:
                await trio.sleep(0.001 * (mark % 7))
        await told.until(PlayEnded(39, whole=True))
    assert [event.mark for event in told.events if isinstance(event, PlayEnded)] == list(range(40))


async def test_all_ports_in_use_is_an_error():
    """A range that is used up says so."""
    async with MediaProcess(*free_ports(8)) as media:
        sessions = [await media.lease(HOST) for _ in range(4)]
        assert len({session.port for session in sessions}) == 4
        with pytest.raises(MediaError, match="rtp_ports"):
            await media.lease(HOST)


async def test_the_death_of_the_process_is_told(ports, clip, logged):
    """Sessions are told that they are lost, their figures are nothing, and the next lease has a new process."""
    async with MediaProcess(*ports) as media, FarEnd() as far:
        session = await media.lease(HOST)
        told = Told(session)
        session.connect(far.agreed())
        pid = media.pid
        os.kill(pid, signal.SIGKILL)
        await told.until(MediaLost)
        session.play([clip], 1)
        assert await figures_of(session) == MediaFigures()
        again = await media.lease(HOST)
        again.connect(far.agreed())
        assert media.pid != pid
        await far.hears(5)
        (line,) = [line for line in logged if line["event"] == "media.died"]
        assert line["reason"] == "it ended with -9"


async def test_a_callback_that_raises_touches_nobody_else(ports, logged):
    """It is logged, and other sessions go on."""
    async with MediaProcess(*ports) as media, FarEnd() as far:
        bad, good = await media.lease(HOST), await media.lease(HOST)
        bad.tell(lambda event: event.nothing)
        told = Told(good)
        for session in (bad, good):
            session.connect(far.agreed())
            session.play([], 1)
        await told.until(PlayEnded(1, whole=True))
        assert [line["event"] for line in logged] == ["media.callback_failed"]


async def test_what_cannot_be_played_is_told(media, tmp_path):
    """A clip that is not there loses the session, since its call would stay without a word."""
    session = await media.lease(HOST)
    told = Told(session)
    session.play([Clip(path=tmp_path / "nothing.ulaw", frames=1)], 1)
    await told.until(MediaLost)


def test_the_process_ends_with_the_daemon(ports):
    """The daemon is killed; its media process sees the end of the socketpair and goes, though signals do not end it."""
    script = """
import sys, trio
from dialerd_sip.media.client import MediaProcess

async def main():
    async with MediaProcess(int(sys.argv[1]), int(sys.argv[2])) as media:
        await media.lease("127.0.0.1")
        print(media.pid, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "plugins")))}
    command = [sys.executable, "-c", script, *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as daemon:
        pid = int(daemon.stdout.readline())
        ends = os.pidfd_open(pid)
        ignored = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in line)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # of a service that is stopped, of a terminal
            assert int(ignored.split()[1], 16) >> number - 1 & 1
        daemon.kill()
        assert select.select([ends], [], [], PATIENCE_S)[0]
        os.close(ends)


async def test_media_is_shared_and_leaves_nothing(ports):
    """Trunks with the same ports share a process; the last to leave ends it, and no task is left."""
    before = trio.lowlevel.current_statistics().tasks_living
    async with media_at(f"{ports[0]}-{ports[1]}") as one:
        async with media_at(f"{ports[0]}-{ports[1]}") as other:
            assert one is other
            await other.lease(HOST)
        await one.lease(HOST)
        pid = one.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with media_at(f"{ports[0]}-{ports[1]}") as again:
        assert again is not one
        await again.lease(HOST)
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_packets_are_marked_and_ports_pair(media):
    """RTP leaves as expedited forwarding (DSCP 46), and RTCP's port is taken too."""
    session = await media.lease(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        far.bind((HOST, 0))
        far.setblocking(False)
        session.connect(
            Negotiated(host=HOST, port=far.getsockname()[1], codec=Codec.PCMA, payload=8, dtmf_payload=None)
        )
        with trio.fail_after(PATIENCE_S):
            await trio.lowlevel.wait_readable(far)
        data, extra, _, _ = far.recvmsg(2_048, 64)
        assert data[12:] == b"\xd5" * 160
        assert extra[0][2][0] == 184
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, pytest.raises(OSError, match="in use"):
            taken.bind((HOST, session.port + 1))


async def test_a_call_over_ipv6(media):
    """Addresses are compared as addresses, however they are written; strangers in a flood are dropped and counted."""
    session = await media.lease("::1")
    told = Told(session)
    with trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM) as far:
        await far.bind(("::1", 0))
        port = far.getsockname()[1]
        session.connect(Negotiated(host="0:0::1", port=port, codec=Codec.PCMU, payload=0, dtmf_payload=101))
        with trio.fail_after(PATIENCE_S):
            assert rtp.parse(await far.recv(2_048))[-1] == b"\xff" * 160
        with trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM) as stranger:
            for number in range(40):
                await stranger.sendto(b"nothing" * (number % 20), ("::1", session.port))
        await far.sendto(build(101, 1, 1, 1, bytes((5, 10, 0, 160)), marker=True), ("::1", session.port))
        await told.until(Digit("5"))
    assert (await figures_of(session)).strangers == 40
