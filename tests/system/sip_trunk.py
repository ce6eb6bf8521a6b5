"""A daemon's settings over a SIP trunk of the lab, for tests of the whole."""

from pathlib import Path
from typing import Any, Final

import numpy
import soundfile
import tomli_w
from kamailio_peer import PASSWORD, USERNAME
from place import CALLER_ID, Place, settings
from ports import free_port, own_address

RTP: Final = "20000-23999"
"""Ports for sound, on an address of the test's own."""


def configure(
    place: Place,
    server: str,
    *,
    lines: int,
    sound_s: float = 1.0,
    credentials: bool = True,
    tables: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Write settings with one trunk, and an agent that plays a sound and hangs up.

    Args:
        place: whose.
        server: where the trunk is.
        lines: calls at once.
        sound_s: how long the agent speaks.
        credentials: whether the trunk asks who we are.
        tables: further tables of the settings, laid over them.
        options: further ones of the trunk.
    """
    plain = settings(daemon={"max_concurrent": lines})
    sound = place.root / "hello.wav"
    if not sound.exists():
        wave = numpy.sin(numpy.arange(int(8_000 * sound_s)) * 0.35) * 8_000
        soundfile.write(sound, wave.astype("int16"), 8_000)
    if "bind" not in options:
        options["bind"] = bind_of(place)
    if credentials:
        secret = place.root / "secret"
        secret.touch(0o600)
        secret.write_text(PASSWORD)
        options |= {"username": USERNAME, "password_file": str(secret)}
    trunk = {"provider": "sip", "max_concurrent": lines, "countries": ["GB"]}
    trunk["options"] = {"server": server, "cache": str(place.root / "cache"), "rtp_ports": RTP, **options}
    plain["trunks"] = {"trunk": trunk}
    plain["numbers"] = {CALLER_ID: {"trunk": "trunk"}}
    plain["agents"] = {"reminder": {"play": str(sound)}}
    plain |= tables or {}
    place.config.write_text(tomli_w.dumps(plain))


def bind_of(place: Place) -> str:
    """Return the address that a place's daemon is bound to, the same in all its lives."""
    noted = Path(place.root, "bind")
    if not noted.exists():
        noted.write_text(f"{own_address()}:{free_port(own_address())}")
    return noted.read_text()
