"""Kamailio as a trunk: it asks for credentials, stays in the path, keeps limits, and hands calls to a callee.

Its configuration is that of `config/lab`, so that what the README tells people to try is what the tests try.
"""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from needs import program
from ports import free_port
from sip_lab import Peer

CONFIGURATION: Final = Path(__file__).parents[2] / "config" / "lab" / "kamailio.cfg"
REALM: Final = "trunk.test"
USERNAME: Final = "dialer"
PASSWORD: Final = "only-for-the-lab"


class Kamailio(Peer):
    """A trunk.

    Args:
        folder: a folder of its own.
        callee: host:port of the callee.
        callee_user: whom calls are for there; None = the called number.
        auth: algorithm of the challenge; None = nobody is challenged.
        host: address to be at.
        cps: calls a second, None = any number.
        channels: calls at once, None = any number.
        memory_mb: shared memory; 1,000 calls a second want 1,024.
        tls: also listen for TLS, with a certificate for `REALM` and the address; see `authority`.

    Attributes:
        place: host:port of UDP and TCP.
        tls_place: host:port of TLS.
        authority: file with the certificate that signed its own.
    """

    def __init__(
        self,
        folder: Path,
        callee: str,
        *,
        callee_user: str | None = None,
        auth: Literal["MD5", "SHA-256", "SHA-512-256"] | None = "MD5",
        host: str = "127.0.0.1",
        cps: int | None = None,
        channels: int | None = None,
        tls: bool = False,
        memory_mb: int = 256,
    ) -> None:
        super().__init__("kamailio", folder)
        self.callee, self.auth, self.host, self.cps, self.channels, self.tls = callee, auth, host, cps, channels, tls
        self.memory_mb, self.callee_user = memory_mb, callee_user
        self.place = f"{host}:{free_port(host)}"
        self.tls_place = f"{host}:{free_port(host)}"
        self.authority = folder / "authority.pem"

    def command(self) -> Sequence[str]:
        """Return the command line; the certificates are made first."""
        words = [
            program("kamailio", "kamailio kamailio-tls-modules"),
            "-f",
            str(CONFIGURATION),
            "-DD",
            "-E",
            "-M",
            "16",
        ]
        words += ["-m", str(self.memory_mb), "-Y", str(self.folder), "-w", str(self.folder)]
        words += ["-l", f"udp:{self.place}", "-l", f"tcp:{self.place}"]
        defines = {"CALLEE": f'"{self.callee}"', "REALM": f'"{REALM}"'}
        defines |= {"ACCOUNT": f'"{USERNAME}"', "SECRET": f'"{PASSWORD}"'}
        defines |= {"ALGORITHM": f'"{self.auth}"'} if self.auth is not None else {"OPEN": "1"}
        defines |= {"CALLEE_USER": f'"{self.callee_user}"'} if self.callee_user is not None else {}
        defines |= {"CPS": f'"{self.cps}"'} if self.cps is not None else {}
        defines |= {"CHANNELS": str(self.channels)} if self.channels is not None else {}
        if self.tls:
            certify(self.folder, self.host)
            words += ["-l", f"tls:{self.tls_place}"]
            settings = self.folder / "tls.cfg"
            key, certificate = self.folder / "trunk.key", self.folder / "trunk.pem"
            settings.write_text(
                f"[server:default]\nmethod = TLSv1.2+\nprivate_key = {key}\ncertificate = {certificate}\n"
                "verify_certificate = no\nrequire_certificate = no\n"
            )
            defines |= {"TLS_FILE": f'"{settings}"'}
        return [*words, *(word for name, value in defines.items() for word in ("-A", f"{name}={value}"))]

    def trusting(self) -> ssl.SSLContext:
        """Return a client's context that takes the certificates of `authority` alone."""
        return ssl.create_default_context(cafile=str(self.authority))


def certify(folder: Path, host: str, name: str = REALM) -> None:
    """Make an authority and a certificate by it, for a name and an address: authority.pem, trunk.pem and trunk.key."""
    openssl = program("openssl", "openssl")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *curve, "-keyout", "authority.key", "-out", "authority.pem", "-days", "3", "-subj", "/CN=lab")
    run("req", *curve, "-keyout", "trunk.key", "-out", "trunk.csr", "-subj", "/CN=lab trunk")
    (folder / "trunk.ext").write_text(f"subjectAltName=DNS:{name},IP:{host}\n")
    signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "trunk.ext")
    run("x509", "-req", "-in", "trunk.csr", *signed, "-days", "3", "-out", "trunk.pem")
