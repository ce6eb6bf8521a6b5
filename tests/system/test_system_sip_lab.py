"""The lab of SIP peers, without dialerd: what sipp, Kamailio and baresip do for the tests is itself tested here."""

import socket
import struct
import subprocess
import sys
import time
import tomllib
import wave
from pathlib import Path

import pytest
from baresip_peer import USER, Baresip
from kamailio_peer import CONFIGURATION, REALM, Kamailio
from needs import program
from ports import free_port
from sip_lab import LabTrouble, Peer, options, until
from sipp_peer import Sipp, call

sys.path.append(str(Path(__file__).parents[1] / "sip"))
from callee_rtp import Sound
from callee_sdp import describe, read

pytestmark = pytest.mark.system

NUMBER = "+447111000101"


@pytest.fixture(autouse=True)
def _installed() -> None:
    program("sipp", "sip-tester")


@pytest.mark.parametrize("scenario", ["answer", "talk", "challenge", "early", "late_bye", "lost", "refresh"])
def test_sipp_takes_calls_and_counts_them(tmp_path: Path, scenario: str) -> None:
    """Each scenario that ends well does so, and its own count says whose phone was called."""
    with Sipp(scenario, tmp_path / "callee", talk_ms=600) as callee:
        ended = call(callee.place, tmp_path / "caller", NUMBER, calls=3, rate=30, talk_ms=200)
        assert ended.returncode == 0, ended.stderr
        until(lambda: not callee.open(), "the end of all calls")
        assert callee.placed() == {NUMBER: 3}
        assert not callee.trouble()


@pytest.mark.parametrize("scenario", ["talk", "reinvite"])
def test_sipp_speaks_up_through_kamailio(tmp_path: Path, scenario: str) -> None:
    """The callee's own requests find the caller, over the route set of the call."""
    callee = Sipp(scenario, tmp_path / "callee", talk_ms=300, direction="sendonly")
    with callee, Kamailio(tmp_path / "trunk", callee.place, auth=None) as trunk:
        ended = call(trunk.place, tmp_path / "caller", NUMBER, scenario="listener", calls=2)
        assert ended.returncode == 0, ended.stderr + callee.tail()
        until(lambda: not callee.open(), "the end of all calls")
        assert len(callee.lines("changed")) == (2 if scenario == "reinvite" else 0)
        assert not callee.trouble()


@pytest.mark.parametrize(("scenario", "up"), [("ring_on", 0), ("answer", 0), ("cancel_race", 2)])
@pytest.mark.parametrize("relayed", [False, True])
def test_sipp_heeds_a_cancel(tmp_path: Path, scenario: str, up: int, relayed: bool) -> None:
    """A call is taken back while it rings, and answered nevertheless by the scenario that races."""
    callee = Sipp(scenario, tmp_path / "callee", ring_ms=5000)
    with callee, Kamailio(tmp_path / "trunk", callee.place, auth=None) as trunk:
        place = trunk.place if relayed else callee.place
        ended = call(place, tmp_path / "caller", NUMBER, scenario="canceller", calls=2)
        assert ended.returncode == 0, ended.stderr + callee.tail()
        until(lambda: not callee.open(), "the end of all calls")
        assert len(callee.lines("up")) == up
        assert callee.placed() == {NUMBER: 2}
        assert not callee.trouble()


@pytest.mark.parametrize("scenario", ["answer", "talk"])
def test_sipp_bears_a_caller_with_a_former_life(tmp_path: Path, scenario: str) -> None:
    """A CANCEL after the answer, a second ACK and a BYE without any are no trouble: that is how a crash looks."""
    with Sipp(scenario, tmp_path / "callee", talk_ms=60_000) as callee:
        for acked in (False, True):
            with socket.socket(type=socket.SOCK_DGRAM) as caller:
                host, _, port = callee.place.partition(":")
                caller.settimeout(5)
                caller.connect((host, int(port)))
                us = caller.getsockname()
                invite = request("INVITE", callee.place, NUMBER, us, 1)
                caller.send(invite)
                to = next(line for line in until_said(caller, "200", "INVITE").split("\r\n") if line.startswith("To:"))
                for branch in ("a", "b") if acked else ():
                    caller.send(request("ACK", callee.place, NUMBER, us, 1, to=to, branch=branch))
                    until(lambda: len(callee.lines("up")) == 1, "the ACK")
                caller.send(invite.replace(b"INVITE sip", b"CANCEL sip").replace(b"1 INVITE", b"1 CANCEL"))
                until_said(caller, "200", "CANCEL")
                if not acked:
                    until_said(caller, "200", "INVITE")  # once more, for those who did not hear it
                caller.send(request("BYE", callee.place, NUMBER, us, 2, to=to))
                until_said(caller, "200", "BYE")
        until(lambda: not callee.open(), "the end of all calls")
        assert callee.placed() == {NUMBER: 2}
        assert not callee.trouble()


def test_sipp_is_silent(tmp_path: Path) -> None:
    """Nothing is answered, but the call is counted."""
    with Sipp("silence", tmp_path / "callee") as callee:
        with pytest.raises(TimeoutError):
            asked(callee.place, NUMBER, patience_s=0.5)
        until(callee.placed, "the call")
        assert callee.placed() == {NUMBER: 1}


@pytest.mark.parametrize(
    ("scenario", "values", "status"),
    [
        ("refuse", {}, "486"),
        ("reject", {"status": "302 Moved Temporarily", "headers": "Contact: <sip:1@127.0.0.9>"}, "302"),
        ("reject", {"status": "503 Service Unavailable", "headers": "Retry-After: 7"}, "503"),
        ("challenge", {"password": "another"}, "403"),
    ],
)
def test_sipp_refuses(tmp_path: Path, scenario: str, values: dict[str, str], status: str) -> None:
    """A refusal arrives as it was written."""
    with Sipp(scenario, tmp_path / "callee", **values) as callee:
        ended = call(callee.place, tmp_path / "caller", NUMBER)
        assert ended.returncode == 1
        said = (tmp_path / "caller" / "errors").read_text()
        assert f"SIP/2.0 {status}" in said
        assert "headers" not in values or values["headers"] in said


@pytest.mark.parametrize("algorithm", ["MD5", None])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_kamailio_carries_calls(tmp_path: Path, algorithm: str | None, transport: str) -> None:
    """The trunk asks for credentials, stays in the path, and hands calls to the callee."""
    callee = Sipp("answer", tmp_path / "callee")
    with callee, Kamailio(tmp_path / "trunk", callee.place, auth=algorithm) as trunk:
        ended = call(trunk.place, tmp_path / "caller", NUMBER, calls=3, rate=30, transport=transport)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        until(lambda: not callee.open(), "the end of all calls")
        assert callee.placed() == {NUMBER: 3}


def test_kamailio_keeps_its_limits(tmp_path: Path) -> None:
    """What is more than the channels is answered 503 with Retry-After."""
    callee = Sipp("answer", tmp_path / "callee")
    with callee, Kamailio(tmp_path / "trunk", callee.place, channels=1) as trunk:
        ended = call(trunk.place, tmp_path / "caller", NUMBER, calls=3, rate=100, talk_ms=1000)
        assert ended.returncode == 1
        said = (tmp_path / "caller" / "errors").read_text()
        assert "SIP/2.0 503 All Channels Busy" in said
        assert "Retry-After: 5" in said
        until(lambda: not callee.open(), "the end of all calls")
        assert callee.placed() == {NUMBER: 1}


def test_kamailio_limits_calls_a_second(tmp_path: Path) -> None:
    """What is more than the calls a second is answered 503 with Retry-After."""
    callee = Sipp("answer", tmp_path / "callee")
    with callee, Kamailio(tmp_path / "trunk", callee.place, cps=2) as trunk:
        call(trunk.place, tmp_path / "caller", NUMBER, calls=20, rate=100)
        said = (tmp_path / "caller" / "errors").read_text()
        assert "SIP/2.0 503 Too Many Calls A Second" in said
        assert "Retry-After: 2" in said
        assert 0 < callee.placed()[NUMBER] < 20


def test_kamailio_challenges_with_sha_256(tmp_path: Path) -> None:
    """The algorithm that was asked for stands in the challenge; sipp knows MD5 alone."""
    with Kamailio(tmp_path / "trunk", "127.0.0.1:9", auth="SHA-256") as trunk:
        assert b"407" in asked(trunk.place, NUMBER)
        assert b"algorithm=SHA-256" in asked(trunk.place, NUMBER)


def test_kamailio_speaks_tls(tmp_path: Path) -> None:
    """Its certificate is good for the realm's name and for its address, and for nothing else."""
    with Kamailio(tmp_path / "trunk", "127.0.0.1:9", tls=True) as trunk:
        host, _, port = trunk.tls_place.partition(":")
        for name in (REALM, host):
            with socket.create_connection((host, int(port))) as plain:
                trunk.trusting().wrap_socket(plain, server_hostname=name).close()
        with socket.create_connection((host, int(port))) as plain, pytest.raises(OSError, match="certificate"):
            trunk.trusting().wrap_socket(plain, server_hostname="other.test")


def test_baresip_hears_speaks_and_presses_keys(tmp_path: Path) -> None:
    """What it is sent is in its recording, what it plays comes, and so do its keys."""
    with Baresip(tmp_path / "phone") as phone, Talk(phone.place) as talk:
        until(lambda: phone.calls() == 1, "a call at baresip")
        tone = b"".join(bytes([0x80 if n % 8 < 4 else 0x00]) for n in range(160))  # 1 kHz, as loud as µ-law goes
        for count in range(50):
            talk.send(count, tone)
            time.sleep(0.02)
        phone.press("12#")
        until(lambda: talk.keys() == "12#", "baresip's keys")
        assert len(talk.heard.payloads) > 30
        talk.bye()
        (recording,) = phone.heard()
        with wave.open(str(recording)) as made:
            samples = struct.unpack(f"<{made.getnframes()}h", made.readframes(made.getnframes()))
        assert sum(abs(sample) > 10_000 for sample in samples) > 4000  # half a second and more of it


def test_a_peer_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    """The end of the log is in the error."""

    class Broken(Peer):
        place = "127.0.0.1:9"

        def command(self) -> list[str]:
            return ["/bin/sh", "-c", "echo out of paper; exit 3"]

    with pytest.raises(LabTrouble, match=r"(?s)ended with 3.*out of paper"), Broken("broken", tmp_path):
        pass


def test_a_peer_is_gone_afterwards(tmp_path: Path) -> None:
    """Its port is free again, its children included."""
    with Kamailio(tmp_path / "trunk", "127.0.0.1:9") as trunk:
        assert options(trunk.place)
    assert options(trunk.place) is None


def test_the_lab_of_the_readme(tmp_path: Path) -> None:
    """`config/lab/lab` starts a trunk and a phone that take calls, and leaves nothing running."""
    lab, folder = CONFIGURATION.parent / "lab", str(tmp_path / "lab")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([lab, *words], capture_output=True, text=True, check=False, timeout=30)

    started = run("start", folder)
    try:
        assert started.returncode == 0, started.stderr
        assert run("start", folder).returncode == 1
        ended = call("127.0.0.10:5060", tmp_path / "caller", NUMBER, talk_ms=300)
        assert ended.returncode == 0, ended.stderr
        written = tomllib.loads(Path(folder, "dialerd.toml").read_text())
        assert written["trunks"]["lab"]["options"]["password_file"] == f"{folder}/password"
        assert Path(folder, "password").stat().st_mode & 0o777 == 0o600
    finally:
        stopped = run("stop", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert options("127.0.0.10:5060") is None
    assert options("127.0.0.31:5060") is None


def asked(place: str, number: str, *, patience_s: float = 5) -> bytes:
    """Send an INVITE without credentials and return the first answer that is no 100."""
    host, _, port = place.partition(":")
    with socket.socket(type=socket.SOCK_DGRAM) as asker:
        asker.settimeout(patience_s)
        asker.connect((host, int(port)))
        asker.send(request("INVITE", place, number, asker.getsockname(), 1))
        while True:
            heard = asker.recv(65_535)
            if b" 100 " not in heard[:20]:
                return heard


def until_said(caller: socket.socket, status: str, method: str) -> str:
    """Return the next answer with a status to a method."""
    while True:
        text = caller.recv(65_535).decode()
        if text.startswith(f"SIP/2.0 {status}") and f" {method}\r\n" in text:
            return text


def request(
    method: str,
    place: str,
    number: str,
    us: tuple[str, int],
    cseq: int,
    *,
    to: str = "",
    branch: str = "",
    body: bytes = b"",
) -> bytes:
    """Write a request."""
    here = f"{us[0]}:{us[1]}"
    lines = [
        f"{method} sip:{number}@{place} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}{us[1]}{branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:lab@{here}>;tag=lab",
        to or f"To: <sip:{number}@{place}>",
        f"Call-ID: lab-{us[1]}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:lab@{here}>",
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Talk:
    """A call to a phone, by hand: sipp does not tell what RTP it hears."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.heard = Sound.counting()
        self.signals = socket.socket(type=socket.SOCK_DGRAM)
        self.sound = socket.socket(type=socket.SOCK_DGRAM)

    def __enter__(self) -> "Talk":
        host, _, port = self.place.partition(":")
        self.signals.settimeout(5)
        self.signals.connect((host, int(port)))
        self.sound.bind(("127.0.0.1", free_port()))
        self.sound.setblocking(False)
        self.us = self.signals.getsockname()
        body = describe("127.0.0.1", self.sound.getsockname()[1], codec="PCMU")
        self.signals.send(request("INVITE", self.place, USER, self.us, 1, body=body))
        answer = b""
        while not answer.startswith(b"SIP/2.0 200"):
            answer = self.signals.recv(65_535)
        self.to = next(line for line in answer.decode().split("\r\n") if line.startswith("To:"))
        theirs = read(answer.partition(b"\r\n\r\n")[2])
        assert theirs is not None
        self.theirs = self.heard.theirs = theirs
        self.signals.send(request("ACK", self.place, USER, self.us, 1, to=self.to))
        return self

    def __exit__(self, *_: object) -> None:
        self.signals.close()
        self.sound.close()

    def send(self, count: int, payload: bytes) -> None:
        """Send a packet of sound."""
        head = struct.pack("!BBHII", 0x80, 0, count, count * 160, 7)
        self.sound.sendto(head + payload, (self.theirs.host, self.theirs.port))

    def keys(self) -> str:
        """Take what has come and return the keys in it."""
        while True:
            try:
                self.heard.take(*self.sound.recvfrom(2048))
            except BlockingIOError:
                return self.heard.keys

    def bye(self) -> None:
        """Say BYE and wait for its answer."""
        self.signals.send(request("BYE", self.place, USER, self.us, 2, to=self.to))
        while b"BYE" not in self.signals.recv(65_535):
            pass
