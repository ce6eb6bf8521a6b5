"""What comes in unlucky orders, and what is refused: forks and the store, a key and a BYE in one breath, keys of ours.

The far end is a real socket, which a test scripts.
"""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from callstage import SDP
from dialerd_sip.core.message import Request, Response, parse_message
from trunk_rig import ordered, trunk

from dialerd.model.call import CallEnd
from dialerd.plugin.conformance.recorder import Recorder

OURS = SDP.replace(b"192.0.2.2", b"127.0.0.1")


class Store(Recorder):
    """A report that is durable when a test says so."""

    def __init__(self) -> None:
        super().__init__(lambda: True, lambda _: None)
        self.waits: Callable[[bool], None] | None = None
        self.wishes = 0

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Keep whom to tell."""
        self.waits = told

    def store(self) -> None:
        """Have all that was handed over durable."""
        told, self.waits = self.waits, None
        if told is not None:
            told(True)

    async def opt_out(self) -> None:
        """Take note of an opt-out."""
        self.wishes += 1
        await super().opt_out()


class Far:
    """A far end that says what it is told to, and hears what comes."""

    def __init__(self, sock: socket.socket) -> None:
        self.place = f"127.0.0.1:{sock.getsockname()[1]}"
        self.heard: list[tuple[str, str]] = []  # method and To tag
        self.invited = trio.Event()
        self.description = OURS
        self._sock = sock

    async def listen(self) -> None:
        """Take all that comes."""
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            data, self._back = self._sock.recvfrom(65_535)
            message = parse_message(data)
            if isinstance(message, Request):
                self.heard.append((message.method, message.to_tag or ""))
                if message.method == "INVITE" and not self.invited.is_set():
                    self._invite = message
                    self.invited.set()
                elif message.method == "BYE":
                    self._send(Response.to_request(message, 200, "OK").to_bytes())
                elif message.method == "INFO":
                    self._send(Response.to_request(message, 415, "Unsupported Media Type").to_bytes())

    def answer(self, status: int, tag: str, *, contact: str = "far") -> None:
        """Answer the INVITE from a fork."""
        body = self.description if status == 200 else b""
        response = Response.to_request(self._invite, status, "Fine", to_tag=tag, body=body)
        response.add("Contact", f"<sip:{contact}@{self.place}>")
        if body:
            response.add("Content-Type", "application/sdp")
        self._send(response.to_bytes())

    def ask(self, *requests: tuple[str, str], tag: str) -> None:
        """Send requests of a fork within its dialog, one straight after the other."""
        for number, (method, body) in enumerate(requests, 1):
            headers = [("Via", f"SIP/2.0/UDP {self.place};rport;branch=z9hG4bK{method}"), ("Max-Forwards", "70")]
            headers += [("From", f"{self._invite.first('To')};tag={tag}"), ("To", self._invite.first("From") or "")]
            headers += [("Call-ID", self._invite.call_id), ("CSeq", f"{number} {method}")]
            headers += [("Content-Type", "application/dtmf-relay")] if body else []
            self._send(Request(method, "sip:dialerd@127.0.0.1", headers, body.encode()).to_bytes())

    def _send(self, data: bytes) -> None:
        self._sock.sendto(data, self._back)  # without a checkpoint: what is sent together is read together


@asynccontextmanager
async def calling(folder: Path, report: Recorder, ends: list[CallEnd], **agent: str) -> AsyncIterator[Far]:
    """Place a call, and yield its far end once it is invited; the end comes into `ends`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    far = Far(sock)
    order = ordered(folder, hello_s=50, opt_out="9", **agent)
    with sock:
        async with trio.open_nursery() as listening:
            listening.start_soon(far.listen)
            async with trunk(folder, far.place, options_interval=0) as sip, trio.open_nursery() as nursery:

                async def place() -> None:
                    ends.append(await sip.place(order, report))

                nursery.start_soon(place)
                await far.invited.wait()
                yield far
            listening.cancel_scope.cancel()


FORKS = {
    "another fork rang last": (["one", "stored", "two", "stored"], "one", "far"),
    "another fork rang while it was being stored": (["one", "two at once", "stored"], "one", "far"),
    "a fork that never rang": (["one", "stored"], "two", "far"),
    "its address has changed": (["one", "stored"], "one", "elsewhere"),
}


@pytest.mark.parametrize(("steps", "tag", "contact"), [pytest.param(*row, id=name) for name, row in FORKS.items()])
async def test_only_what_is_durable_is_acknowledged(clock, tmp_path, steps, tag, contact):
    """The state on the disk is of the last dialog: any other one would stay up after a crash."""
    report, ends = Store(), []
    async with calling(tmp_path, report, ends) as far:
        for step in steps:
            if step == "stored":
                report.store()
            else:
                tag_rings, _, soon = step.partition(" ")
                far.answer(180, tag_rings)
                await trio.sleep(0.2 if soon else 1)
        far.answer(200, tag, contact=contact)
        await trio.sleep(0.2)
        assert "ACK" not in [method for method, _ in far.heard]
        report.store()
        await trio.sleep(0.2)
        assert ("ACK", tag) in far.heard
        far.ask(("BYE", ""), tag=tag)
    assert len(ends) == 1


async def test_what_was_durable_while_it_rang_is_acknowledged_at_once(clock, tmp_path):
    """Nobody who answers waits for the disk then."""
    report, ends = Store(), []
    async with calling(tmp_path, report, ends) as far:
        far.answer(180, "one")
        await trio.sleep(1)
        report.store()
        far.answer(200, "one")
        await trio.sleep(0.1)
        assert ("ACK", "one") in far.heard
        far.ask(("BYE", ""), tag="one")
    assert len(ends) == 1


@pytest.mark.parametrize("pause_s", [0.0, 0.5])
async def test_who_opts_out_and_hangs_up_at_once_has_opted_out(clock, tmp_path, pause_s):
    """The key and the BYE may be read together: the wish is stored, or the end of the call tells of it."""
    report, ends = Store(), []
    async with calling(tmp_path, report, ends) as far:
        far.answer(200, "one")
        await trio.sleep(0.2)
        report.store()
        await trio.sleep(3)
        key = ("INFO", "Signal=9\r\nDuration=160\r\n")
        if pause_s:
            far.ask(key, tag="one")
            await trio.sleep(pause_s)
            far.ask(("OPTIONS", ""), ("BYE", ""), tag="one")
        else:
            far.ask(key, ("BYE", ""), tag="one")
    (end,) = ends
    assert report.wishes or end.opted_out
    assert end.digits == "9"


async def test_keys_that_the_far_end_does_not_take_are_told(clock, tmp_path):
    """The call goes on without them, and its end says so."""
    report, ends = Store(), []
    async with calling(tmp_path, report, ends, press="12") as far:
        far.description = OURS.replace(b"RTP/AVP 0 8 101", b"RTP/AVP 0 8")
        far.answer(200, "one")
        await trio.sleep(0.2)
        report.store()
        await trio.sleep(3)
        far.ask(("BYE", ""), tag="one")
    (end,) = ends
    assert [method for method, _ in far.heard] == ["INVITE", "ACK", "INFO"]
    assert end.detail["keys_refused"] == "SIP 415"
