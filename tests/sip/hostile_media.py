"""An engine of media under siege: packets of the far end and of strangers, sound and keys and reports, mutated."""

from random import Random

from dialerd_sip.core.sdp import Codec
from dialerd_sip.media import rtcp
from media_stage import FAR, Stage
from rtp_packets import build

STRANGER = ("192.0.2.66", 9_999)


class MediaSiege:
    """One session that plays silence to its far end, and is sprayed.

    Args:
        seed: of all chance.
    """

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.stage = Stage()
        self.stage.connect(silence_ms=5_000)
        self._sequence = self._steps = 0

    def step(self) -> None:
        """Let the far end speak, and somebody send something; strangers never get the sound."""
        chance, stage = self.chance, self.stage
        self._steps += 1
        self._sequence = self._sequence + 1 & 0xFFFF
        sound = build(0, self._sequence, self._sequence * 160, 7, bytes(160))
        stage.raw(sound, FAR)
        stage.raw(build(0, self._sequence, self._sequence * 160, 8, bytes(160)), STRANGER)  # as good as the far end
        data = self._packet()
        if chance.random() < 0.7:
            data = self._mutated(data)
        address = chance.choice((FAR, STRANGER, (FAR[0], 4_002), (f"192.0.2.{chance.randrange(1, 255)}", 5_004)))
        if chance.random() < 0.7:
            stage.raw(data, address)
        else:
            stage.engine.received_report(stage.stream, data, address, stage.now)
        if self._steps % 500 == 0:
            stage.connect(
                silence_ms=5_000, codec=chance.choice((Codec.PCMU, Codec.PCMA)), ptime_ms=chance.choice((10, 20, 30))
            )
        stage.run(20)
        assert stage.stream.remote == FAR, "a stranger hears the call"
        stage.events.clear()
        stage.reports.clear()

    def _packet(self) -> bytes:
        chance = self.chance
        draw = chance.random()
        if draw < 0.35:
            return build(
                chance.choice((0, 8, 13, 96, 127)),
                chance.randrange(65_536),
                chance.getrandbits(32),
                chance.choice((7, 8)),
                chance.randbytes(chance.choice((0, 1, 160, 1_400))),
            )
        if draw < 0.7:
            key = bytes(
                (chance.randrange(256), chance.choice((0x0A, 0x8A, 0x3F)), chance.randrange(256), chance.randrange(256))
            )
            return build(101, chance.randrange(65_536), chance.getrandbits(32), 7, key, marker=chance.random() < 0.5)
        if draw < 0.9:
            sent = rtcp.Sent(unix_s=1e9, timestamp=chance.getrandbits(32), packets=5, octets=800)
            return rtcp.build(chance.choice((7, 8)), b"far", sent=sent, block=None, bye=chance.random() < 0.3)
        return chance.randbytes(chance.choice((0, 1, 11, 12, 13, 60, 1_500)))

    def _mutated(self, data: bytes) -> bytes:
        chance = self.chance
        found = bytearray(data)
        for _ in range(chance.choice((1, 2, 5))):
            if found:
                found[chance.randrange(min(len(found), 20))] = chance.randrange(256)
        return bytes(found[: chance.randrange(len(found) + 1)] if chance.random() < 0.2 else found)

    def lift(self) -> None:
        """End the session; the figures account for what came."""
        self.stage.engine.close(self.stage.stream, self.stage.now)
        figures = self.stage.stream.figures()
        assert figures.received >= self._steps * 0.9
        assert figures.strangers > 0
        assert len(self.stage.engine._looks) < 50
