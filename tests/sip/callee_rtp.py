"""The callee's ear and mouth: counts what RTP brings, presses keys by RFC 4733, and sends silence where it is to.

RFC 3550 section 5.1 and RFC 4733 section 2.3, as plainly as can be. Knows nothing of SIP.
"""

import contextlib
import socket
import struct
from collections import Counter
from typing import Any, Final, Self

import trio
from attrs import define, field
from callee_behaviour import Behaviour
from callee_sdp import Offered

_KEYS: Final = "0123456789*#ABCD"
_STEP_S: Final = 0.02
_SAMPLES: Final = 160
"""20 ms of 8000 samples a second."""


def _open(host: str) -> Any:
    made = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made._sock.bind((host, 0))
    return made


@define(eq=False)
class Sound:
    """RTP of one call.

    Attributes:
        packets, octets: what came, by payload type: packets, and bytes of payload.
        payloads: the payloads themselves, in order of arrival, for those who want to listen.
        keys: keys that the caller pressed by RFC 4733.
        events: their packets: timestamp, key, and whether it tells the key's end.
        sources: where packets came from.
        sent: packets that were sent.
    """

    host: str
    packets: Counter[int] = field(factory=Counter)
    octets: Counter[int] = field(factory=Counter)
    payloads: list[bytes] = field(factory=list)
    keys: str = ""
    events: list[tuple[int, str, bool]] = field(factory=list)
    sources: set[tuple[str, int]] = field(factory=set)
    sent: int = 0
    theirs: Offered | None = None
    _sockets: list[Any] = field(factory=list)
    _event_at: int = -1
    _sequence: int = 0
    _timestamp: int = 0

    def __attrs_post_init__(self) -> None:
        if self.host:
            self._sockets.append(_open(self.host))

    @classmethod
    def counting(cls) -> Self:
        """Return one without a socket, for those who have their own and hand over what comes by `take`."""
        return cls("")

    @property
    def port(self) -> int:
        """The port that packets are wanted at."""
        return int(self._sockets[-1].getsockname()[1])

    def move(self) -> int:
        """Take another port and return it; what still comes to the former is not counted."""
        self._sockets.append(_open(self.host))
        return self.port

    def to(self, theirs: Offered | None) -> None:
        """Send to where a description says."""
        self.theirs = theirs or self.theirs

    def close(self) -> None:
        """Close the sockets."""
        for made in self._sockets:
            made.close()

    async def hear(self) -> None:
        """Count what comes until cancelled."""
        while True:
            heard = self._sockets[-1]
            with contextlib.suppress(trio.ClosedResourceError):
                data, source = await heard.recvfrom(2048)
                if heard is self._sockets[-1]:
                    self.take(data, source)

    def take(self, data: bytes, source: tuple[str, int]) -> None:
        """Count a packet."""
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        payload_type = data[1] & 0x7F
        start = 12 + 4 * (data[0] & 0x0F)
        payload = data[start:]
        self.sources.add(source)
        self.packets[payload_type] += 1
        self.octets[payload_type] += len(payload)
        if self.theirs is not None and str(payload_type) == self.theirs.events:
            (timestamp,) = struct.unpack("!I", data[4:8])
            if len(payload) < 4 or payload[0] >= len(_KEYS):
                return
            self.events.append((timestamp, _KEYS[payload[0]], bool(payload[1] & 0x80)))
            if timestamp != self._event_at:
                self._event_at = timestamp
                self.keys += _KEYS[payload[0]]
        else:
            self.payloads.append(payload)

    async def say(self, wish: Behaviour) -> None:
        """Press keys and send silence as a behaviour says."""
        if wish.digits:
            began = trio.current_time()
            if wish.speaks:
                while trio.current_time() < began + wish.digits_after_s:
                    await self._silence()
            else:
                await trio.sleep(wish.digits_after_s)
            for key in wish.digits:
                await self._press(key, wish.digit_ms)
        while wish.speaks:
            await self._silence()

    async def _silence(self) -> None:
        payload = "0" if self.theirs is None or not self.theirs.payloads else self.theirs.payloads[0]
        self._send(int(payload), (b"\xd5" if payload == "8" else b"\xff") * _SAMPLES)
        self._timestamp += _SAMPLES
        await trio.sleep(_STEP_S)

    async def _press(self, key: str, ms: int) -> None:
        """Press a key: an event that grows, its end three times over (RFC 4733 section 2.5.1.4)."""
        assert self.theirs is not None
        assert self.theirs.events, "the caller takes no telephone events"
        steps = max(1, ms // 20)
        for step in range(1, steps + 1):
            self._event(key, step * _SAMPLES, first=step == 1, end=False)
            await trio.sleep(_STEP_S)
        for _ in range(3):
            self._event(key, steps * _SAMPLES, first=False, end=True)
        self._timestamp += (steps + 5) * _SAMPLES
        await trio.sleep(5 * _STEP_S)

    def _event(self, key: str, duration: int, *, first: bool, end: bool) -> None:
        assert self.theirs is not None
        payload = struct.pack("!BBH", _KEYS.index(key), (0x80 if end else 0) | 10, duration)
        self._send(int(self.theirs.events), payload, marker=first)

    def _send(self, payload_type: int, payload: bytes, *, marker: bool = False) -> None:
        if self.theirs is None or not self.theirs.port:
            return
        head = struct.pack(
            "!BBHII", 0x80, payload_type | (0x80 if marker else 0), self._sequence & 0xFFFF, self._timestamp, 0x0CA11EE
        )
        self._sequence += 1
        self.sent += 1
        with contextlib.suppress(OSError):  # nobody at the other end is no fault of ours
            self._sockets[-1]._sock.sendto(head + payload, (self.theirs.host, self.theirs.port))
