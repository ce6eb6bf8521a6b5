"""The daemon to a domain: NAPTR and SRV by dnsmasq, with a first target that is dead.

The daemon sees a resolv.conf of its own in a mount namespace, so that nothing of this machine's is touched.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import place
import pytest
from needs import cannot, program, superuser
from place import until
from ports import free_port
from sip_lab import Peer, bound
from sip_town import Town
from sipp_peer import Sipp

pytestmark = pytest.mark.system

EACH = 4
SERVER = "127.0.0.77"


class Dnsmasq(Peer):
    """A DNS server that knows a few names and nobody else."""

    def __init__(self, folder: Path, records: Sequence[str]) -> None:
        super().__init__("dnsmasq", folder)
        self.records = records

    def command(self) -> Sequence[str]:
        """Return the command line."""
        words = [program("dnsmasq", "dnsmasq-base"), "--keep-in-foreground", "--no-resolv", "--no-hosts"]
        words += ["--conf-file=/dev/null", f"--pid-file={self.folder}/pid", "--user=root", "--bind-interfaces"]
        words += [f"--listen-address={SERVER}", "--port=53", "--local=/test/", "--local-ttl=5", "--log-facility=-"]
        return [*words, *self.records]

    def ready(self) -> bool:
        """Return whether it listens."""
        return bound(f"{SERVER}:53")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The daemon of this test is started with a resolv.conf of its own."""
    superuser("a resolv.conf for one process")
    written = tmp_path / "resolv.conf"
    written.write_text(f"nameserver {SERVER}\n")
    wrapped = tmp_path / "bin" / "dialerd"
    wrapped.parent.mkdir()
    real = " ".join(f"'{word}'" for word in place.command())
    inside = f'mount --bind {written} /etc/resolv.conf && exec "$@"'
    wrapped.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{inside}' - {real} \"$@\"\n")
    wrapped.chmod(0o755)
    if subprocess.run(["unshare", "--mount", "mount", "--bind", written, "/etc/resolv.conf"], check=False).returncode:
        cannot("no mount namespace can be made here: run the tests where unshare(2) is allowed")
    monkeypatch.setattr(place, "COMMAND", wrapped)


@pytest.mark.parametrize(
    "named", [pytest.param(True, id="by NAPTR"), pytest.param(False, id="by transport", marks=pytest.mark.soak)]
)
@pytest.mark.usefixtures("apart")
def test_a_target_that_is_dead(tmp_path: Path, named: bool) -> None:
    """SRV's first target says nothing at all, its second refuses by ICMP, its third takes every call, once."""
    silent = f"127.0.0.99:{free_port()}"
    with Town(tmp_path) as town:
        far = town.enter(Sipp("answer", town.folder("far"), host="127.0.0.11"))
        ports = [silent.rpartition(":")[2], str(free_port()), far.place.rpartition(":")[2]]
        records = [
            "--naptr-record=trunk.test,10,50,S,SIP+D2U,,_sip._udp.trunk.test",
            f"--srv-host=_sip._udp.trunk.test,silent.trunk.test,{ports[0]},10,100",
            f"--srv-host=_sip._udp.trunk.test,refusing.trunk.test,{ports[1]},20,100",
            f"--srv-host=_sip._udp.trunk.test,far.trunk.test,{ports[2]},30,100",
            "--address=/silent.trunk.test/127.0.0.99",
            "--address=/refusing.trunk.test/127.0.0.98",
            "--address=/far.trunk.test/127.0.0.11",
        ]
        town.enter(Dnsmasq(town.folder("dns"), records if named else records[1:]))
        deaf = town.deaf(silent)
        options = {} if named else {"transport": "udp"}
        town.trunk("found", "trunk.test", answer_timeout="50ms", **options)
        town.start()
        town.drop("found", count=EACH, ring_timeout="20s")
        calls = town.calls("found")
        assert [call["outcome"] for call in calls] == ["answered"] * EACH
        assert all(call["detail"]["targets_tried"] == 3 for call in calls)
        until(lambda: not far.open(), "the end of all calls at the far end")
        assert far.placed() == dict.fromkeys(town.numbers("found", EACH), 1)
        assert deaf.recv(9_000).startswith(b"INVITE")
        town.until_free()
        assert town.place.stop() == 0
