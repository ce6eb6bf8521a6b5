"""The media process in trouble: detectors that fail, a crowd that wants ports, former calls that go on speaking."""

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media import messages
from dialerd_sip.media.client import MediaProcess
from dialerd_sip.media.contract import Clip, MediaError, PlayEnded
from dialerd_sip.media.process import Process
from dialerd_sip.media.session import RemoteSession
from dialerd_sip.media.sources import Symmetric
from ports import free_ports, own_address
from rtp_packets import build

HOST = "127.0.0.1"
PATIENCE_S = 20.0
SILENCE = b"\xff" * 160
EAR = """
import pathlib

pathlib.Path({marks!r}).joinpath("imported").touch()

class Bad:
    def feed(self, samples, at_ms):
        raise ZeroDivisionError("by nothing")

def unmade():
    raise RuntimeError("no model")
"""


@pytest.fixture
def ports() -> tuple[int, int]:
    """Return a range of ports of the test's own."""
    return free_ports(400)


@pytest.fixture
def ears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which detectors leave a mark when they are imported."""
    (tmp_path / "trouble_ears.py").write_text(EAR.format(marks=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    return tmp_path


class Phone(socket.socket):
    """A far end."""

    def __init__(self, host: str = HOST) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.bind((host, 0))
        self.setblocking(False)
        self._sequence = 0

    @property
    def agreed(self) -> Negotiated:
        """What is agreed upon with it."""
        host, port = self.getsockname()
        return Negotiated(host=host, port=port, codec=Codec.PCMU, payload=0, dtmf_payload=101)

    def speaks(self, port: int, count: int = 1) -> None:
        """Send packets of sound."""
        for _ in range(count):
            self._sequence += 1
            self.sendto(build(0, self._sequence, self._sequence * 160, 7, bytes(160)), (HOST, port))

    async def is_heard_by(self, *sessions: RemoteSession) -> None:
        """Speak until sessions have heard it."""
        with trio.fail_after(PATIENCE_S):
            while any(session.deaf for session in sessions):
                for session in sessions:
                    self.speaks(session.port)
                await trio.sleep(0.01)

    def heard(self, sound: bytes) -> int:
        """Return how many packets came that hold a sound."""
        found = 0
        while True:
            try:
                found += sound in self.recv(2_048)
            except BlockingIOError:
                return found


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Return a clip of 200 ms."""
    for law in ("ulaw", "alaw"):
        (tmp_path / f"clip.{law}").write_bytes(b"\x22" * 1_600)
    return Clip(path=tmp_path / "clip.ulaw", frames=1_600)


async def until(check):
    """Wait until something holds."""
    with trio.fail_after(PATIENCE_S):
        while not check():  # noqa: ASYNC110  # what another process does wakes nobody here
            await trio.sleep(0.01)


async def test_a_detector_that_fails_ends_no_call(ports, ears, clip, logged):
    """Neither its own nor another: the process lives, and it is told once, whichever call meets it."""
    async with MediaProcess(*ports) as media:
        sessions, told = [await media.lease(HOST) for _ in range(3)], []
        pid = media.pid
        for session, name in zip(sessions, ("Bad", "Bad", "unmade"), strict=True):
            session.tell(told.append)
            session.detect(f"trouble_ears:{name}")
        with Phone() as phone:
            for session in sessions:
                session.connect(phone.agreed)
            await phone.is_heard_by(*sessions)
            await until(lambda: len(logged) == 2)
            for session in sessions:
                session.play([clip], session.number)
            await until(lambda: {event.mark for event in told if isinstance(event, PlayEnded)} == {1, 2, 3})
        assert media.pid == pid
    assert sorted(line["what"] for line in logged) == ["detector.failed", "detector.missed"]
    assert any("ZeroDivisionError" in line["reason"] for line in logged)


async def test_detectors_are_imported_when_the_process_starts(ports, ears):
    """Also when it starts again: not at the first call, whose sound would wait for that, with everybody's."""
    async with MediaProcess(*ports) as media:
        media.prepare("trouble_ears:Bad")
        await until((ears / "imported").exists)
        (ears / "imported").unlink()
        os.kill(media.pid, signal.SIGKILL)
        await until((ears / "imported").exists)


async def test_a_detector_that_is_not_there_is_told_when_the_trunk_comes_up(ports, logged):
    """The process runs, and another trunk comes with a name that leads nowhere."""
    async with MediaProcess(*ports) as media:
        await media.lease(HOST)
        media.prepare("nothing.of:this")
        await until(lambda: logged)
    assert logged[0]["what"] == "detector.missed"


async def test_a_crowd_is_served_in_order():
    """However many want a port at once, each gets one in its turn; whoever gave up meanwhile is passed by."""
    served = {}
    own = own_address()
    async with MediaProcess(20_000, 21_401) as media:

        async def one(number):
            served[number] = (await media.lease(own)).port

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as gives_up:
                    async with trio.open_nursery() as others:
                        for number in range(700):
                            (others if number % 10 == 5 else nursery).start_soon(one, number)
                            await trio.lowlevel.cancel_shielded_checkpoint()
                        gives_up.cancel()
        assert len(served) == 630
        in_order = [served[number] for number in sorted(served)]
        assert sorted(in_order) == in_order  # as they are opened
        for _ in range(71):  # none was lost to those who gave up
            await media.lease(own)


async def test_a_crowd_waits_as_long_as_ports_keep_coming(autojump_clock):
    """The last one's turn may be later than anybody alone would wait; where none come that is told."""
    media, served = MediaProcess(20_000, 29_999), []

    async def one(number):
        await media.lease(HOST)
        served.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(one, number)
            await trio.sleep(0.1)
        for number in range(3):
            await trio.sleep(4)
            media._take(messages.Stocked(HOST, [(number + 1, 20_000 + 2 * number)], None))
    assert served == [0, 1, 2]
    with pytest.raises(MediaError, match="does not answer"):
        await media.lease(HOST)


def test_ports_are_opened_a_few_at_a_time():
    """Streams have their turns meanwhile: the rest is opened when the daemon asks again."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = Process(theirs, 20_000, 59_999)
        process._stock(messages.Stock(own_address(), 9_000), time.monotonic())
        (reply,) = process._replies
        process._ports.close()
    assert reply.reason is None
    assert 1 <= len(reply.ports) < 9_000


async def test_ports_of_other_programs_are_passed_by():
    """However many they have: they are looked through a few at a time, and whoever waits is not sent away."""
    own = own_address()
    with ExitStack() as stack:
        for number in range(150):
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind((own, 23_000 + 2 * number + number % 2))
        async with MediaProcess(23_000, 23_303) as media:
            sessions = [await media.lease(own) for _ in range(2)]
            assert {session.port for session in sessions} == {23_300, 23_302}
            with pytest.raises(MediaError, match="rtp_ports"):
                await media.lease(own)


async def test_a_crowd_of_more_than_there_are_ports():
    """Those who come first get theirs; the others are told why they get none."""
    served, refused = [], []
    async with MediaProcess(*free_ports(40)) as media, trio.open_nursery() as nursery:

        async def one(number):
            try:
                await media.lease(HOST)
            except MediaError as error:
                refused.append(str(error))
            else:
                served.append(number)

        with trio.fail_after(PATIENCE_S):
            for number in range(30):
                nursery.start_soon(one, number)
                await trio.lowlevel.checkpoint()
            await until(lambda: len(served) + len(refused) == 30)
    assert sorted(served) == list(range(20))
    assert len(refused) == 10
    assert all("rtp_ports" in reason for reason in refused)


async def test_a_former_call_that_goes_on_speaking_does_not_hear_the_next_one(ports, clip):
    """Its port is handed out again too soon, since there is no other, and the new far end says nothing."""
    with Phone() as former, Phone() as silent:
        async with MediaProcess(*free_ports(2)) as media:
            one = await media.lease(HOST)
            one.connect(former.agreed)
            await until(lambda: former.heard(SILENCE))
            await former.is_heard_by(one)
            one.close()
            other = None
            with trio.fail_after(PATIENCE_S):
                while other is None:
                    former.speaks(one.port)
                    try:
                        other = await media.lease(HOST)
                    except MediaError:
                        await trio.sleep(0.05)
            assert other.port == one.port
            told = []
            other.tell(told.append)
            former.heard(b"")
            other.connect(silent.agreed)
            other.play([clip], 1)
            while PlayEnded(1, whole=True) not in told:
                former.speaks(other.port)
                await trio.sleep(0.01)
            assert silent.heard(b"\x22" * 160) == 10
            assert former.heard(b"\x22") == 0
            assert other.deaf
            assert (await media.counts())["rtp_unknown"] > 10


@pytest.mark.parametrize("symmetric", [Symmetric.ON, Symmetric.AUTO])
async def test_the_first_packet_is_enough_where_the_trunk_says_so(ports, symmetric):
    """What a trunk's option says reaches the process; sound goes to where one packet came from, or does not yet."""
    with Phone() as behind_nat, Phone("127.0.0.2") as signalled:
        async with MediaProcess(*ports) as media:
            session = await media.lease(HOST, symmetric=symmetric)
            assert not session.deaf
            session.connect(signalled.agreed)
            assert session.deaf
            await until(lambda: signalled.heard(SILENCE))
            behind_nat.speaks(session.port)
            if symmetric is Symmetric.ON:
                await until(lambda: behind_nat.heard(SILENCE))
                assert not session.deaf
            else:
                await until_counted(media, {"rtp_unknown": 1, "rtp_malformed": 0, "rtp_lost": 0})
                assert session.deaf
                assert behind_nat.heard(SILENCE) == 0


async def test_counts_are_known_of_a_process_that_died(ports):
    """They are those that it told last."""
    async with MediaProcess(*ports) as media:
        session = await media.lease(HOST)
        with Phone() as phone:
            phone.sendto(b"nothing", (HOST, session.port))
            await until_counted(media, {"rtp_unknown": 1, "rtp_malformed": 0, "rtp_lost": 0})
            session.connect(phone.agreed)
            await until(lambda: phone.heard(SILENCE))
            phone.sendto(b"nothing", (HOST, session.port))
            counts = {"rtp_unknown": 1, "rtp_malformed": 1, "rtp_lost": 0}
            await until_counted(media, counts)
        os.kill(media.pid, signal.SIGKILL)
        await until(lambda: media.pid is None)
        assert await media.counts() == counts


async def until_counted(media, wanted):
    """Wait until packets that are under way are counted."""
    with trio.fail_after(PATIENCE_S):
        while await media.counts() != wanted:  # noqa: ASYNC110  # as above
            await trio.sleep(0.01)
