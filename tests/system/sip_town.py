"""A town: one daemon with many SIP trunks, each with a far end and a campaign of its own, which run beside one another.

That they share a daemon and a bind address is part of what is tested, and it takes as long as the longest of them.
"""

import json
import socket
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy
import soundfile
from place import CALLER_ID, Place, number, until
from ports import free_port, free_ports
from sip_lab import Peer
from sipp_peer import Sipp

sys.path.append(str(Path(__file__).parents[1] / "sip"))  # where the scripted callee is
from callee import Behaviour, Callee
from callee_thread import serving

__all__ = ["Behaviour", "Callee", "Town", "alike", "chirp", "ulaw"]

_Kind = TypeVar("_Kind", bound=Peer)

_PIECE: Final = 2_000
"""Samples of a quarter of a second."""

PATIENCE_S: Final = 30.0
BRIEF_S: Final = 0.4
LONG_S: Final = 4.0
BLOCK: Final = 1_000  # numbers of each campaign


class Town:
    """A daemon and its far ends.

    Args:
        root: a directory of its own.

    Attributes:
        place: where the daemon lives.
        peers: sipps, by the trunk's name; who starts them puts them there.
        far: the scripted callee, where there is one.
        registrar: host:port of the registrar, where there is one.
    """

    far: Callee
    registrar: str

    def __init__(self, root: Path) -> None:
        self.place = Place(root)
        self.peers: dict[str, Sipp] = {}
        self._stack = ExitStack()
        self._trunks: dict[str, dict[str, Any]] = {}
        self._agents: dict[str, dict[str, Any]] = {
            "reminder": {"numbers": [CALLER_ID]},  # of the plain settings; it has no voice over SIP
            "brief": {"play": str(chirp(root / "brief.wav", BRIEF_S))},
            "long": {"play": str(chirp(root / "long.wav", LONG_S))},
        }
        self._bind = f"127.0.0.1:{free_port()}"
        self._rtp = "{}-{}".format(*free_ports(2_000))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.place.end()
        self._stack.close()

    def enter(self, peer: _Kind) -> _Kind:
        """Start a far end, which ends with the town."""
        self._stack.enter_context(peer)
        return peer

    def callee(self, callee: Callee, port: int = 0) -> str:
        """Let a scripted callee be there as long as the town, and return host:port."""
        place: str = self._stack.enter_context(serving(callee, port))
        return place

    def deaf(self, place: str) -> socket.socket:
        """Return a socket at host:port that answers nothing."""
        made = self._stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        host, _, port = place.partition(":")
        made.bind((host, int(port)))
        return made

    def secret(self, secret: str) -> str:
        """Return a file with a secret."""
        path = self.place.root / f"secret-{secret}"
        path.write_text(f"{secret}\n")
        path.chmod(0o600)
        return str(path)

    def folder(self, name: str) -> Path:
        """Return a folder for a far end."""
        return self.place.root / "peers" / name

    def agent(self, name: str, **agent: Any) -> None:
        """Have a further agent."""
        self._agents[name] = agent

    def trunk(self, name: str, server: str, *, lines: int = 20, pace: float | None = None, **options: Any) -> None:
        """Have a trunk; sipp takes OPTIONS for a call, so that nobody asks by it unless that is said.

        Args:
            name: the trunk's, and its campaign's.
            server: where it is.
            lines: calls at once.
            pace: calls a second, None = any number.
            options: of the trunk.
        """
        plain = {"bind": self._bind, "options_interval": "0s", "rtp_ports": self._rtp}
        plain["cache"] = str(self.place.root / "cache")
        paced = {} if pace is None else {"calls_per_second": pace}
        self._trunks[name] = {
            "provider": "sip",
            "max_concurrent": lines,
            "countries": ["GB"],
            "options": {**plain, "server": server, **options},
            **paced,
        }

    def start(self) -> None:
        """Start the daemon with what has been said so far."""
        numbers = {self._caller_id(name): {"trunk": name} for name in self._trunks}
        daemon = {"max_concurrent": 1_000}
        self.place.configure(daemon=daemon, trunks=self._trunks, numbers=numbers, agents=self._agents)
        self.place.start()

    def drop(self, name: str, *, count: int = 1, agent: str = "brief", campaign: str = "", **wanted: Any) -> None:
        """Have a campaign over a trunk, with one attempt for each of its numbers.

        Args:
            name: the trunk's.
            count: how many are called.
            agent: what they hear.
            campaign: its name where that is not the trunk's.
            wanted: further keys of the campaign.
        """
        document = {
            "name": campaign or name,
            "agent": agent,
            "caller_ids": [self._caller_id(name)],
            "retry": {"max_attempts": 1},
            "ring_timeout": "10s",
            "recipients": [{"phone": called} for called in self.numbers(name, count)],
        }
        self.place.drop(f"{campaign or name}.json", document | wanted)

    def numbers(self, name: str, count: int = 1) -> list[str]:
        """Return the numbers that a trunk's campaign calls; a trunk that is not had yet will be the next."""
        index = [*self._trunks, name].index(name)
        return [number(index * BLOCK + each) for each in range(count)]

    def _caller_id(self, name: str) -> str:
        return f"+447111{999_100 + list(self._trunks).index(name)}"

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Wait for the report of a campaign and return its calls, with their detail as plain data."""
        self.place.until_reported(name, patience_s=PATIENCE_S)
        found: list[dict[str, Any]] = []
        for row in self.place.report(name)[1]:
            found.append({**row, "detail": json.loads(row["detail"] or "{}")})
        return found

    def finals(self, name: str) -> Counter[str]:
        """Return the final states of a campaign's recipients, by how many ended in each."""
        found = self.place.rows(
            "SELECT final FROM recipients WHERE campaign_id = (SELECT id FROM campaigns WHERE name = ?)", name
        )
        return Counter(row["final"] for row in found)

    def attempts(self, trunk: str) -> list[dict[str, Any]]:
        """Return the attempts over a trunk, whether they count or not, in order."""
        return [dict(row) for row in self.place.rows("SELECT * FROM attempts WHERE trunk = ? ORDER BY id", trunk)]

    def until_free_of(self, trunk: str) -> None:
        """Wait until no attempt over a trunk is open."""
        until(lambda: all(one["ended_at"] for one in self.attempts(trunk)), f"the lines of {trunk} are released")

    def until_free(self) -> None:
        """Wait until no attempt is open: all lines are released."""
        until(
            lambda: self.place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0,
            "all lines are released",
        )


def chirp(path: Path, seconds: float, *, first_hz: float = 300, last_hz: float = 3_000) -> Path:
    """Write a tone that rises or falls: like nothing else, and like itself at one lag alone."""
    at = numpy.arange(round(8_000 * seconds)) / 8_000
    wave = 0.5 * numpy.sin(2 * numpy.pi * (first_hz * at + (last_hz - first_hz) / (2 * seconds) * at**2))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, 8_000, subtype="PCM_16")
    return path


def ulaw(sound: Path) -> Path:
    """Write a sound beside itself as bare µ-law."""
    samples, _ = soundfile.read(sound, dtype="int16")
    raw = sound.with_suffix(".ulaw")
    soundfile.write(raw, samples, 8_000, subtype="ULAW", format="RAW")
    return raw


def alike(one: Path, other: Path) -> float:
    """Return how much of a sound is heard in another one, 0 to 1: the median over its pieces of a quarter of a second.

    Each is looked for by itself: where machines are busy, phones stutter, and what follows comes a little later.
    """
    wanted, rate = soundfile.read(one, dtype="float64")
    heard, other_rate = soundfile.read(other, dtype="float64")
    assert rate == other_rate == 8_000
    pieces = [wanted[at : at + _PIECE] for at in range(0, max(1, len(wanted) - _PIECE + 1), _PIECE)]
    loudest = max(float(numpy.sum(piece**2)) for piece in pieces)
    loud = [piece for piece in pieces if numpy.sum(piece**2) > loudest / 100]
    return float(numpy.median([_correlation(piece, heard) for piece in loud]))


def _correlation(wanted: numpy.ndarray, heard: numpy.ndarray) -> float:
    """Return the greatest normalized cross-correlation of one sound with a stretch of another, 0 to 1."""
    if len(heard) < len(wanted):
        heard = numpy.pad(heard, (0, len(wanted) - len(heard)))
    size = 1 << (len(heard) + len(wanted)).bit_length()
    product = numpy.fft.irfft(numpy.fft.rfft(heard, size) * numpy.conj(numpy.fft.rfft(wanted, size)), size)
    products = product[: len(heard) - len(wanted) + 1]
    sums = numpy.concatenate(([0.0], numpy.cumsum(heard**2)))
    energies = sums[len(wanted) :] - sums[: -len(wanted)]
    scale = numpy.sqrt(numpy.maximum(energies, 1e-3) * numpy.sum(wanted**2))
    return float(numpy.max(numpy.abs(products) / scale))
