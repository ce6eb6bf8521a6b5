"""What a crash took away of a call's state follows from its attempt: a later life CANCELs the very INVITEs that the far
end got."""

import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
import trio
from dialerd_sip.media.inline import InlineMedia
from dialerd_sip.options import SipOptions
from dialerd_sip.provider import Sip
from dialerd_sip.state import from_bytes
from ports import free_port, own_address

from dialerd.model.call import AttemptRef, CannotTell, WasPlaced
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Outcome
from dialerd.model.structuring import structure
from dialerd.plugin.provider import CallOrder, TrunkSite

NUMBER, CALLER_ID = "+447111000101", "+12125550123"
UIDS = [f"019f0000-0000-7000-8000-00000000000{at}" for at in range(3)]
PASSWORD = "only-for-tests"  # a made-up one
CHALLENGE = 'Proxy-Authenticate: Digest realm="trunk.test", nonce="{nonce}", qop="auth", algorithm=MD5'
LONG = {"headers": {"X-Long": "l" * 600}}


class Order(CallOrder):
    """An order that may leave."""

    def leave(self) -> None:
        """Let it leave."""


class Told:
    """A report that keeps states."""

    def __init__(self) -> None:
        self.states: list[bytes] = []
        self.told = False

    def __call__(self, progress: object) -> None:
        """Take it that something was heard."""
        self.told = True

    def state(self, state: bytes) -> None:
        """Keep a state."""
        self.states.append(state)

    def notify_stored(self, told: Callable[[bool], None] | None) -> None:
        """Have stored it."""
        if told is not None:
            told(True)


def field(message: str, name: str) -> list[str]:
    """Return the values of a header, in order."""
    return re.findall(rf"^{name}: (.*?)\r?$", message, re.MULTILINE)


def essence(message: str) -> dict[str, Any]:
    """Return what a CANCEL must have in common with its INVITE: RFC 3261 section 9.1."""
    same: dict[str, Any] = {name: field(message, name) for name in ("From", "To", "Call-ID", "Route")}
    return same | {
        "uri": message.split()[1],
        "via": field(message, "Via")[:1],
        "number": field(message, "CSeq")[0].split()[0],
    }


class Far:
    """A trunk at one port for UDP and TCP: it asks for credentials, lets everybody ring, and drops CANCELs of what it
    does not know.

    Attributes:
        heard: transport and message of all that came.
        nonce: the only one that is taken.
        deaf: nothing is answered.
        word: what an INVITE that rings is answered when it is cancelled.
        ringing: the INVITEs that ring.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.nonce = "one"
        self.deaf = False
        self.word = "487 Request Terminated"
        self._contact = ""
        self.ringing: list[str] = []

    def of(self, method: str) -> list[tuple[str, str]]:
        """Return each request of a method once."""
        return list(dict.fromkeys(one for one in self.heard if one[1].startswith(method)))

    async def serve(self, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Take messages."""
        port = free_port()
        (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
        self._contact = f"Contact: <sip:callee@127.0.0.1:{port}>"
        with trio.socket.socket(type=socket.SOCK_DGRAM) as sock:
            await sock.bind(("127.0.0.1", port))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, self._stream, [listener])
                task_status.started(f"127.0.0.1:{port}")
                while True:
                    data, source = await sock.recvfrom(65_535)
                    for answer in self._answers("udp", data.decode()):
                        await sock.sendto(answer.encode(), source)

    async def _stream(self, stream: trio.SocketStream) -> None:
        data = b""
        async for chunk in stream:
            data += chunk
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                size = int((field(head.decode() + "\r\n", "Content-Length") or ["0"])[0])
                if len(rest) < size:
                    break
                data = rest[size:]
                for answer in self._answers("tcp", head.decode() + "\r\n\r\n"):
                    await stream.send_all(answer.encode())

    def _answers(self, transport: str, message: str) -> list[str]:
        if self.deaf:
            return []
        self.heard.append((transport, message))
        method = message.split(maxsplit=1)[0]
        if method == "OPTIONS":
            return [_answer(message, "200 OK")]
        if method == "CANCEL":
            invites = [invite for invite in self.ringing if essence(invite) == essence(message)]
            ended = [_answer(invite, self.word, self._contact) for invite in invites]
            return [_answer(message, "200 OK"), *ended] if ended else []
        if method != "INVITE":
            return []
        if f'nonce="{self.nonce}"' not in message:
            return [_answer(message, "407 Who Are You", CHALLENGE.format(nonce=self.nonce))]
        self.ringing.append(message)
        return [_answer(message, "180 Ringing", self._contact)]


def _answer(message: str, status: str, *headers: str) -> str:
    lines = [f"SIP/2.0 {status}", f"Via: {field(message, 'Via')[0]}"]
    lines += [f"{name}: {field(message, name)[0]}" for name in ("From", "Call-ID", "CSeq")]
    lines += [f"To: {field(message, 'To')[0]};tag=far", *headers, "Content-Length: 0", "", ""]
    return "\r\n".join(lines)


class Stage:
    """A far end, and trunks that begin lives before it."""

    def __init__(self, far: Far, folder: Path, options: Mapping[str, Any]) -> None:
        self.far = far
        self._sound = folder / "hello.wav"
        soundfile.write(self._sound, numpy.zeros(8_000, dtype="int16"), 8_000)
        secret = folder / "secret"
        secret.touch(0o600)
        secret.write_text(PASSWORD)
        plain = {"bind": f"{own_address()}:5071", "username": "dialer", "password_file": str(secret)}
        self._options = structure({**plain, "cache": str(folder / "cache"), **options}, SipOptions)

    def trunk(self) -> Sip:
        """Return the trunk of a further life."""
        return Sip(TrunkSite(name="main", caller_ids=(CALLER_ID,)), self._options, media=InlineMedia(26_000, 26_099))

    async def ring(self, *uids: str) -> list[Told]:
        """Let a life place calls, each with another nonce from the third on, and end as by a crash while they ring."""
        reports = [Told() for _ in uids]
        async with self.trunk() as trunk, trio.open_nursery() as nursery:
            for at, (uid, report) in enumerate(zip(uids, reports, strict=True)):
                if at == 2:
                    self.far.nonce = "two"
                agent = AgentSettings(play=str(self._sound))
                order = Order(
                    attempt_id=uid, trunk="main", number=NUMBER, caller_id=CALLER_ID, agent_name="none", agent=agent
                )
                nursery.start_soon(trunk.place, order, report)
                while len(self.far.ringing) <= at:  # noqa: ASYNC110  # a real socket tells nobody
                    await trio.sleep(0.01)
                while not report.told:  # noqa: ASYNC110  # as above
                    await trio.sleep(0.01)
            self.far.deaf = True  # the crash: whatever this life says from now on was never said
            nursery.cancel_scope.cancel()
        self.far.deaf = False
        return reports


def ref(uid: str, state: bytes | None = None) -> AttemptRef:
    """Return an attempt as it is asked about."""
    return AttemptRef(
        attempt_id=uid,
        number=NUMBER,
        caller_id=CALLER_ID,
        claimed_at=0,
        reference=None,
        state=state,
        ring_timeout=45_000,
        max_duration=60_000,
    )


@pytest.mark.parametrize(
    ("options", "transport"),
    [
        ({}, "udp"),
        (LONG, "tcp"),
        ({**LONG, "transport": "udp"}, "udp"),
        ({"transport": "tcp"}, "tcp"),
        ({"number_format": "international", "number_prefix": "9", "uri_parameters": "user=phone"}, "udp"),
        ({"privacy": True}, "udp"),
        ({"from_user": "desk 1", "from_display": 'Ann "B"', "from_domain": "example.com"}, "udp"),
        ({"public_address": "192.0.2.9"}, "udp"),
    ],
)
@pytest.mark.parametrize("proxied", [False, True])
async def test_what_left_is_known_from_the_attempt(clock, tmp_path, options, transport, proxied):
    """For each INVITE that the far end got there is a CANCEL that is its own, and what rings is taken back.

    The first call is challenged, the second one shows its credentials at once, and the third one does too, with a nonce
    that was given up meanwhile.
    """
    far = Far()
    async with trio.open_nursery() as nursery:
        place = await nursery.start(far.serve)
        server = {"server": "trunk.test", "outbound_proxy": place} if proxied else {"server": place}
        stage = Stage(far, tmp_path, {**server, **options})
        reports = await stage.ring(*UIDS)
        assert [len(from_bytes(report.states[-1]).sent) for report in reports] == [2, 1, 2]
        assert {way for way, _ in far.of("INVITE")} == {transport}
        async with stage.trunk() as trunk:
            for uid in UIDS:
                began = trio.current_time()
                assert isinstance(await trunk.reconcile(ref(uid)), WasPlaced)
                assert trio.current_time() - began < 10
        cancels = [(way, essence(text)) for way, text in far.of("CANCEL")]
        assert all((way, essence(invite)) in cancels for way, invite in far.of("INVITE"))
        nursery.cancel_scope.cancel()


async def test_what_was_kept_is_used_and_what_may_have_followed_is_guessed(clock, tmp_path):
    """The state of the first INVITE was kept, that of the second was not."""
    far = Far()
    async with trio.open_nursery() as nursery:
        stage = Stage(far, tmp_path, {"server": await nursery.start(far.serve)})
        (report,) = await stage.ring(UIDS[0])
        first = next(state for state in report.states if len(from_bytes(state).sent) == 1)
        async with stage.trunk() as trunk:
            assert isinstance(await trunk.reconcile(ref(UIDS[0], first)), WasPlaced)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("word", "redirects", "outcome"),
    [
        ("487 Request Terminated", "refuse", Outcome.CANCELLED),
        ("200 OK", "refuse", Outcome.CANCELLED),
        ("486 Busy Here", "refuse", Outcome.BUSY),
        ("302 Moved", "refuse", Outcome.FAILED),
        ("302 Moved", "follow", None),
    ],
)
async def test_what_the_far_end_says_of_a_call_decides(clock, tmp_path, word, redirects, outcome):
    """Whoever picks up as they are cancelled is as little reached as whoever rings; None = nobody can tell."""
    far = Far()
    async with trio.open_nursery() as nursery:
        stage = Stage(far, tmp_path, {"server": await nursery.start(far.serve), "redirects": redirects})
        (report,) = await stage.ring(UIDS[0])
        far.word = word
        async with stage.trunk() as trunk:
            answer = await trunk.reconcile(ref(UIDS[0], report.states[-1]))
            assert isinstance(answer, CannotTell if outcome is None else WasPlaced)
            assert outcome is None or answer.end.outcome is outcome
        assert far.of("BYE") or word != "200 OK"
        nursery.cancel_scope.cancel()


async def test_a_call_that_never_left_is_not_waited_for_long(clock, tmp_path):
    """The far end is there, and drops CANCELs of what it does not know: that takes seconds, and proves nothing."""
    far = Far()
    async with trio.open_nursery() as nursery:
        stage = Stage(far, tmp_path, {"server": await nursery.start(far.serve)})
        async with stage.trunk() as trunk:
            began = trio.current_time()
            assert isinstance(await trunk.reconcile(ref(UIDS[0])), CannotTell)
            assert 4 < trio.current_time() - began < 10
        nursery.cancel_scope.cancel()
