"""The scripted callee itself, by raw datagrams: what other tests believe of it is proven here."""

import hashlib
import math
import re
import socket

import pytest
import trio
from callee import Ask, Auth, Behaviour, Callee
from callee_sdp import describe
from callee_thread import serving
from trio.testing import MockClock

NUMBER = "+447111000101"


class Caller:
    """A socket, and requests as text."""

    def __init__(self, sock: trio.socket.SocketType, place: str) -> None:
        self.sock, self.place = sock, place
        self.here = "{}:{}".format(*sock.getsockname())
        self.to = f"<sip:{NUMBER}@{place}>"
        self.uri = f"sip:{NUMBER}@{place}"

    async def send(self, method: str, cseq: int = 1, *headers: str, branch: str = "", body: bytes = b"") -> None:
        """Send a request; the branch is made from method and CSeq."""
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.here};branch=z9hG4bK{branch or f'{method}{cseq}'};rport",
            f"From: <sip:us@{self.here}>;tag=ours",
            f"To: {self.to}",
            "Call-ID: one",
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:us@{self.here}>",
            *headers,
            f"Content-Length: {len(body)}",
        ]
        host, _, port = self.place.partition(":")
        await self.sock.sendto("\r\n".join([*lines, "", ""]).encode() + body, (host, int(port)))

    async def hear(self) -> str:
        """Return the next message that is no 100."""
        while True:
            text = (await self.sock.recvfrom(65_535))[0].decode()
            if not text.startswith("SIP/2.0 100"):
                return text

    async def until(self, start: str) -> str:
        """Return the next message that begins so; the dialog's To and Contact are kept."""
        while True:
            text = await self.hear()
            if text.startswith(start):
                break
        if start.startswith("SIP/2.0 2") and "INVITE" in text and "Contact" in text:
            self.to, self.uri = value(text, "To"), value(text, "Contact").strip("<>")
        return text


def value(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)\r$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


async def call(callee: Callee, script) -> None:
    """Run a script against a callee, within an hour of its clock."""
    with trio.fail_after(3600):
        async with callee.serve() as place:
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
                await sock.bind(("127.0.0.1", 0))
                await script(Caller(sock, place))
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_a_call_is_answered_and_ended(clock: MockClock) -> None:
    """It rings for as long as it is to, and says BYE when it is to; a repeated INVITE is no other call."""
    callee = Callee({NUMBER: Behaviour(ring_s=2, talk_s=10)})

    async def script(caller: Caller) -> None:
        began = trio.current_time()
        await caller.send("INVITE", body=describe("127.0.0.1", 9))
        await caller.until("SIP/2.0 180")
        await caller.send("INVITE", body=describe("127.0.0.1", 9))
        await caller.until("SIP/2.0 180")
        answer = await caller.until("SIP/2.0 200")
        assert trio.current_time() - began == pytest.approx(2, abs=0.1)
        assert "m=audio" in answer
        await caller.send("ACK")
        bye = await caller.until("BYE")
        assert trio.current_time() - began == pytest.approx(12, abs=0.1)
        (there,) = callee.calls.values()
        assert (there.state, there.acks, there.invites) == ("up", 1, 1)
        reply = bye.replace(bye.split("\r\n")[0], "SIP/2.0 200 OK", 1)
        await caller.sock.sendto(reply.encode(), callee.wire.address)
        await trio.sleep(0.1)
        assert there.state == "ended"
        assert callee.placed(NUMBER) == 1
        assert callee.tasks() == 1
        assert not callee.faults

    await call(callee, script)


async def test_an_unacknowledged_answer_is_repeated_and_ended(clock: MockClock) -> None:
    """For 64 T1, and then BYE comes: the caller may have vanished."""
    callee = Callee({NUMBER: Behaviour()})

    async def script(caller: Caller) -> None:
        await caller.send("INVITE")
        began = trio.current_time()
        await caller.until("SIP/2.0 200")
        answers = 1
        while not (text := await caller.hear()).startswith("BYE"):
            answers += text.startswith("SIP/2.0 200")
        assert trio.current_time() - began == pytest.approx(32, abs=0.1)
        assert answers == 11
        await trio.sleep(40)
        (there,) = callee.calls.values()
        assert (there.state, there.asked) == ("ended", [("BYE", 0)])

    await call(callee, script)


@pytest.mark.parametrize(("late", "status"), [(False, "487"), (True, "200")])
async def test_a_cancel(clock: MockClock, late: bool, status: str) -> None:
    """It is heeded, or finds the call just answered."""
    callee = Callee({NUMBER: Behaviour(ring_s=math.inf, late=late)})

    async def script(caller: Caller) -> None:
        await caller.send("INVITE")
        await caller.until("SIP/2.0 180")
        await caller.send("CANCEL", branch="INVITE1")
        said = sorted([value(text, "CSeq") + text[7:11] for text in (await caller.hear(), await caller.hear())])
        assert said == ["1 CANCEL 200", f"1 INVITE {status}"]
        (there,) = callee.calls.values()
        assert there.state == ("up" if late else "ended")
        assert there.cancelled is not late
        assert not callee.faults

    await call(callee, script)


async def test_odd_requests(clock: MockClock) -> None:
    """Merged requests, unknown dialogs and faults are told; what is lost or silent is."""
    callee = Callee({NUMBER: Behaviour(ring_s=5, drop_requests=1)})

    async def script(caller: Caller) -> None:
        await caller.send("INVITE")
        await caller.send("INVITE")
        await caller.until("SIP/2.0 180")
        await caller.send("INVITE", branch="other")
        await caller.until("SIP/2.0 482")
        await caller.send("CANCEL", 7)
        await caller.until("SIP/2.0 481")
        await caller.until("SIP/2.0 200")
        contact, caller.uri = caller.uri, "sip:elsewhere@127.0.0.1"
        await caller.send("ACK")
        caller.uri = contact
        await caller.send("BYE", 2)
        await caller.until("SIP/2.0 200")
        await caller.send("BYE", 3)
        await caller.until("SIP/2.0 481")
        (there,) = callee.calls.values()
        assert (there.state, there.byes, there.rang) == ("ended", 1, 1)
        assert [fault.split()[:3] for fault in callee.faults] == [["ACK", "went", "to"]]

    await call(callee, script)


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-512-256"])
async def test_credentials(clock: MockClock, algorithm: str) -> None:
    """The right ones are taken once a nonce count, wrong ones are challenged again."""
    callee = Callee({NUMBER: Behaviour()}, auth=Auth(username="dialer", password="word", algorithms=(algorithm,)))

    def hashed(text: str) -> str:
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm.removesuffix("-sess")]
        return hashlib.new(name, text.encode()).hexdigest()

    async def script(caller: Caller) -> None:
        nonce = ""
        for cseq, password, status in ((1, "", "407"), (2, "wrong", "407"), (3, "word", "200")):
            headers = []
            if password:
                secret = hashed(f"dialer:callee.test:{password}")
                secret = hashed(f"{secret}:{nonce}:abc") if algorithm.endswith("-sess") else secret
                proof = hashed(f"{secret}:{nonce}:00000001:abc:auth:{hashed(f'INVITE:{caller.uri}')}")
                headers = [
                    f'Proxy-Authorization: Digest username="dialer", realm="callee.test", nonce="{nonce}", '
                    f'uri="{caller.uri}", response="{proof}", algorithm={algorithm}, cnonce="abc", '
                    "qop=auth, nc=00000001"
                ]
            await caller.send("INVITE", cseq, *headers)
            answer = await caller.until(f"SIP/2.0 {status}")
            if status == "407":
                await caller.send("ACK", cseq, branch=f"INVITE{cseq}")
                nonce = value(answer, "Proxy-Authenticate").partition('nonce="')[2].partition('"')[0]
        assert (callee.guard.challenged, callee.guard.refused, callee.guard.used) == (2, 1, [algorithm])
        assert (callee.placed(NUMBER), len(callee.calls)) == (1, 1)

    await call(callee, script)


async def test_forks_and_requests_of_its_own(clock: MockClock) -> None:
    """Two 2xx have a To tag each; a re-INVITE comes, and its answer is acknowledged."""
    callee = Callee({NUMBER: Behaviour(forks=2, asks=(Ask(after_s=1, method="INVITE", sdp="hold"),))})

    async def script(caller: Caller) -> None:
        await caller.send("INVITE", body=describe("127.0.0.1", 9))
        tags = set()
        for _ in range(2):
            await caller.until("SIP/2.0 200")
            tags.add(caller.to)
            await caller.send("ACK", branch=f"ack{len(tags)}")
        assert len(tags) == 2
        again = await caller.until("INVITE")
        assert "a=sendonly" in again
        reply = again.replace(again.split("\r\n")[0], "SIP/2.0 200 OK", 1)
        await caller.sock.sendto(reply.encode(), callee.wire.address)
        await caller.until("ACK")
        (there,) = callee.calls.values()
        assert there.asked == [("INVITE", 200)]
        assert (there.acked, there.acks) == (True, 2)

    await call(callee, script)


async def test_reliable_ringing_and_session_timers(clock: MockClock) -> None:
    """Too short a session is refused; ringing is repeated until PRACK; early media are described."""
    wish = Behaviour(reliable=True, rings=183, early_sdp=True, min_se=90, session_expires=120, refresher="uas")
    callee = Callee({NUMBER: wish})

    async def script(caller: Caller) -> None:
        await caller.send("INVITE", 1, "Supported: timer, 100rel", "Session-Expires: 30")
        assert value(await caller.until("SIP/2.0 422"), "Min-SE") == "90"
        await caller.send("ACK", 1, branch="INVITE1")
        offer = describe("127.0.0.1", 9)
        await caller.send("INVITE", 2, "Supported: timer, 100rel", "Session-Expires: 90", body=offer)
        await caller.until("SIP/2.0 183")
        early = await caller.until("SIP/2.0 183")
        assert "m=audio" in early
        caller.to, caller.uri = value(early, "To"), value(early, "Contact").strip("<>")
        await caller.send("PRACK", 3, "RAck: 1 2 INVITE", branch="wrong")
        await caller.until("SIP/2.0 481")
        await caller.send("PRACK", 4, f"RAck: {value(early, 'RSeq')} 2 INVITE")
        said = [await caller.hear(), await caller.hear()]
        assert sorted(value(text, "CSeq") for text in said) == ["2 INVITE", "4 PRACK"]
        answer = next(text for text in said if "INVITE" in value(text, "CSeq"))
        assert value(answer, "Session-Expires") == "120;refresher=uas"
        await caller.send("ACK", 2)
        await caller.send("UPDATE", 5)
        await caller.until("SIP/2.0 200")
        await caller.send("INVITE", 6, body=offer)
        await caller.until("SIP/2.0 200")
        await caller.send("ACK", 6)
        await trio.sleep(60)
        (there,) = callee.calls.values()
        assert (there.state, there.refreshes, there.acks) == ("up", 2, 2)
        assert not callee.faults

    await call(callee, script)


def test_in_a_thread() -> None:
    """It serves those who have no event loop; what ends it is told."""
    callee = Callee({NUMBER: Behaviour(status=486)})
    with serving(callee) as place, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        host, _, port = place.partition(":")
        sock.connect((host, int(port)))
        head = ["Via: SIP/2.0/UDP x;branch=z9hG4bKx;rport", "From: <sip:us@x>;tag=x", f"To: <sip:{NUMBER}@x>"]
        head += ["Call-ID: x", "CSeq: 1 OPTIONS", "Max-Forwards: 70", "", ""]
        sock.send("\r\n".join([f"OPTIONS sip:{place} SIP/2.0", *head]).encode())
        assert sock.recv(9000).startswith(b"SIP/2.0 200")
        with pytest.raises(OSError, match="in use"), serving(Callee(), int(port)):
            pass
    assert callee.pinged == 1


async def test_keys_are_pressed(clock: MockClock) -> None:
    """By RFC 4733, three end packets each; what is sent to it is counted."""
    callee = Callee({NUMBER: Behaviour(hears=True, digits="5#", digits_after_s=1)})

    async def script(caller: Caller) -> None:
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sound:
            await sound.bind(("127.0.0.1", 0))
            await caller.send("INVITE", body=describe("127.0.0.1", sound.getsockname()[1]))
            await caller.until("SIP/2.0 200")
            await caller.send("ACK")
            ends = ""
            while len(ends) < 6:
                data, source = await sound.recvfrom(2048)
                ends += f"{data[12]:x}" if data[13] & 0x80 else ""
            assert ends == "555bbb"
            await sound.sendto(bytes([0x80, 0, *bytes(10)]) + b"\xff" * 160, source)
            await trio.sleep(0.1)
            (there,) = callee.calls.values()
            assert there.sound is not None
            assert (there.sound.packets[0], there.sound.octets[0]) == (1, 160)

    await call(callee, script)
