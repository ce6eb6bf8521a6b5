"""baresip as the callee: answers by itself, records what it hears, plays a file back and presses keys.

Its configuration is that of `config/lab`, so that what the README tells people to try is what the tests try.
Its RTP leaves from 127.0.0.1 whatever address its description names: a caller that does not follow where packets come
from (symmetric RTP) still hears it, one that filters by the description does not. When the file that it plays is over,
it says BYE.
"""

import json
import re
import socket
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from needs import program
from ports import free_port, free_ports
from sip_lab import Peer, until

USER: Final = "callee"
"""The only user part that baresip 1.0.0 takes calls for."""

CONFIGURATION: Final = Path(__file__).parents[2] / "config" / "lab" / "baresip.config"


class Baresip(Peer):
    """A callee with an ear.

    Args:
        folder: a folder of its own.
        voice: WAV file that it plays, 8 kHz, mono, 16 bit; when it is over the call ends. None = silence.
        voice_s: length of the silence.
        host: address to be at.

    Attributes:
        recordings: folder with what it heard (`…-dec.wav`) and said (`…-enc.wav`), a pair for each call.
    """

    def __init__(self, folder: Path, voice: Path | None = None, *, voice_s: int = 60, host: str = "127.0.0.1") -> None:
        super().__init__("baresip", folder)
        self.host = host
        self.place = f"{host}:{free_port(host)}"
        self.recordings = folder / "recordings"
        self.recordings.mkdir()
        if voice is None:
            voice = folder / "silence.wav"
            with wave.open(str(voice), "wb") as made:
                made.setparams((1, 2, 8000, 0, "NONE", ""))
                made.writeframes(bytes(2 * 8000 * voice_s))
        self.control = (host, free_port(host))
        values = {
            "PLACE": self.place,
            "VOICE": str(voice),
            "RTP": "{}-{}".format(*free_ports(400, host)),
            "HOST": host,
            "CONTROL": f"{self.control[0]}:{self.control[1]}",
            "RECORDINGS": str(self.recordings),
        }
        text = CONFIGURATION.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        (folder / "config").write_text(text)
        (folder / "accounts").write_text(f"<sip:{USER}@{host}>;regint=0;answermode=auto;audio_codecs=PCMU,PCMA\n")
        (folder / "contacts").touch()

    def command(self) -> Sequence[str]:
        """Return the command line."""
        return [program("baresip", "baresip"), "-f", str(self.folder)]

    def ask(self, command: str, parameters: str = "") -> str:
        """Let it obey a command of its menu and return what it says.

        Raises:
            LookupError: it refused; the commands of a call are there only while one is up.
        """
        said = json.dumps({"command": command, "params": parameters, "token": "lab"}).encode()
        with socket.create_connection(self.control, timeout=5) as door:
            door.sendall(b"%d:%s," % (len(said), said))
            heard = b""
            while True:
                heard += door.recv(65_536)
                size, colon, rest = heard.partition(b":")
                if not colon or len(rest) <= int(size):
                    continue
                told = json.loads(rest[: int(size)])
                if told.get("response"):
                    break
                heard = rest[int(size) + 1 :]  # an event, such as that a call is established
        if not told["ok"]:
            raise LookupError(f"baresip refused {command!r}: {told['data']}")
        return str(told["data"])

    def calls(self) -> int:
        """Return how many calls are up."""
        found = re.search(r"Active calls \((\d+)\)", self.ask("listcalls"))
        return int(found[1]) if found else 0

    def press(self, keys: str) -> None:
        """Press keys in the current call (RFC 4733)."""
        for key in keys:
            self.ask("sndcode", key)

    def heard(self) -> list[Path]:
        """Return the recordings of the calls that are over, the oldest first."""
        until(lambda: self.calls() == 0, "the end of baresip's calls")
        return sorted(self.recordings.glob("*-dec.wav"))
