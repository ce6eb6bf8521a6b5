"""An engine on a clock of its own, and the packets that it sends; no sockets."""

from random import Random

from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media import rtp
from dialerd_sip.media.engine import Engine
from rtp_packets import build

FAR = ("192.0.2.1", 4_000)


def agreed(**changed):
    """Return what is agreed upon with the far end."""
    fields = {"host": FAR[0], "port": FAR[1], "codec": Codec.PCMU, "payload": 0, "dtmf_payload": 101}
    return Negotiated(**{**fields, **changed})


class Stage:
    """An engine with one session, whose clock is moved by the test.

    Attributes:
        events: what happened, in order.
        reports: RTCP packets that left.
        failures: why detectors stopped.
    """

    def __init__(self, now=1_000.0, **options):
        self.now = now
        self.engine = Engine(now, random=Random(1), **options)
        self.stream = self.engine.open()
        self.events, self.reports, self.failures = [], [], []
        self._sequence = 500

    def connect(self, silence_ms=0, **changed):
        """Connect the session."""
        self.engine.connect(self.stream, agreed(**changed), self.now, silence_ms)

    def play(self, *files, mark=1):
        """Play files."""
        self.engine.play(self.stream, list(map(str, files)), mark, self.now)
        self._fetch()

    def _fetch(self):
        self.events += [event for _, event in self.engine.events()]

    def run(self, ms):
        """Let time pass, waking whenever the engine wants; return the packets, parsed, with their instants."""
        ends, out = self.now + ms / 1_000, []
        while True:
            due = self.engine.next_due(self.now)
            if due is None or due > ends:
                break
            self.now = max(self.now, due)
            out += [(self.now, *rtp.parse(data)) for stream, data in self.engine.due(self.now) if stream is self.stream]
            self.reports += [data for _, data, _ in self.engine.reports(self.now)]
            self._fetch()
        self.now = ends
        return out

    def hears(self, payload=bytes(160), *, kind=0, timestamp=None, address=FAR, ssrc=9, marker=False):
        """Let a packet of the far end come in."""
        self._sequence += 1
        stamp = int(self.now * 8_000) if timestamp is None else timestamp
        self.raw(build(kind, self._sequence, stamp, ssrc, payload, marker=marker), address)

    def raw(self, data, address=FAR):
        """Let bytes come in."""
        self.engine.received(self.stream, data, address, self.now)
        self._fetch()
