"""A Debian 12 of its own, booted beside the host: built by debootstrap once, kept, copied and booted by systemd-nspawn.

Knows nothing of dialerd but the wheels that its installation needs; everything else is done by commands inside.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from attrs import define
from needs import cannot, program, superuser
from place import until

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "debian"
SUITE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv")
PYTHON = (3, 11)  # Debian 12's; wheels are fetched by the interpreter that runs the tests
WHEELS = "var/wheels"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _need() -> None:
    """Go on only where a machine can be booted."""
    superuser("booting a machine of its own")
    program("debootstrap", "debootstrap")
    program("systemd-nspawn", "systemd-container")
    if sys.version_info[:2] != PYTHON:
        cannot("needs Python 3.11, whose packages fit Debian 12: run the tests with it")


@contextlib.contextmanager
def machine() -> Iterator["Machine"]:
    """Boot a machine; it and its files are gone afterwards, whatever happened."""
    _need()
    directory = Path(tempfile.mkdtemp(prefix="dialerd-machine-"))
    try:
        try:
            _copy(directory / "root")
        except subprocess.CalledProcessError as error:
            cannot(f"{error.cmd[0]} failed: {(error.output or b'').decode(errors='replace')[-2000:]}")
        with _booted(directory / "root") as booted:
            yield booted
        left = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]
        assert not left, f"the machine left mounts behind: {left}"
    finally:
        _remove(directory)


def _remove(directory: Path) -> None:
    """Delete a tree, but nothing of what is mounted in it."""
    subprocess.run(["rm", "--recursive", "--force", "--one-file-system", str(directory)], check=True)


@define(eq=False)
class Machine:
    """A booted machine.

    Args:
        root: where its file system lies on the host.
        leader: its first process, by the host's id.
    """

    root: Path
    leader: int

    def run(self, command: str, *, patience_s: float = 60, check: bool = True) -> str:
        """Run a shell command as root inside and return what it printed, both streams."""
        ended = subprocess.run(
            [
                *("nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--"),
                *("env", "--ignore-environment", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root"),
                *("PIP_NO_INDEX=1", f"PIP_FIND_LINKS=/{WHEELS}", "PIP_ROOT_USER_ACTION=ignore"),
                *("bash", "-c", command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience_s,
            check=False,
        )
        assert not check or ended.returncode == 0, f"{command}\nexit status {ended.returncode}\n{ended.stdout[-6000:]}"
        return ended.stdout

    def fails(self, command: str) -> str:
        """Run a command that must fail and return what it printed."""
        printed = self.run(f"if {command}; then echo 'it worked'; exit 0; fi 2>&1")
        assert "it worked" not in printed, f"{command} should have failed"
        return printed

    def show(self, *names: str) -> dict[str, str]:
        """Return properties of the service."""
        printed = self.run(f"systemctl show dialerd {' '.join(f'-p {name}' for name in names)}")
        return dict(line.split("=", 1) for line in printed.splitlines())


# the file system


def _copy(root: Path) -> None:
    """Copy the kept machine, building it first where it is not what it should be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    ingredients = repr((SUITE, PACKAGES, wanted, Path(__file__).read_text()))
    kept = CACHE / hashlib.sha256(ingredients.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once build one
        if not kept.is_dir():
            for former in CACHE.iterdir():
                if former.is_dir():
                    _remove(former)
            _build(fresh := kept.with_suffix(".part"), wanted)
            fresh.rename(kept)
        _call("cp", "--archive", "--reflink=auto", str(kept), str(root))


def _build(root: Path, wanted: list[str]) -> None:
    mirror = _mirror()
    _call(
        # it mounts /proc and /sys in there; in a namespace of its own they are gone with it, also when it is killed
        *(
            "unshare",
            "--mount",
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            str(root),
        ),
        *([mirror] if mirror else []),
    )
    shutil.rmtree(root / "var/cache/apt/archives")
    wheels = root / WHEELS
    _call(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), *wanted)


def _call(*command: str) -> None:
    proxy = {}
    if shutil.which("apt-config") and "http_proxy" not in os.environ:
        told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        if found := re.search(r'^Acquire::http::Proxy "(.+)";', told, re.MULTILINE):
            proxy = {"http_proxy": found[1]}
    subprocess.run(
        command, env={**os.environ, **proxy, "PATH": f"{os.environ['PATH']}:{PATH}"}, check=True, timeout=900,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _mirror() -> str | None:
    """Return the mirror from which this host takes the same release, or None."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(path.read_text() for path in places if path.is_file())
    one_line = re.findall(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{SUITE}\s+.*\bmain\b", text, re.MULTILINE)
    stanzas = re.split(r"\n\s*\n", text)
    several = [
        uri[1].split()[0]
        for stanza in stanzas
        if re.search(rf"^Suites:.*\b{SUITE}(?![\w-])", stanza, re.MULTILINE)
        and (uri := re.search(r"^URIs:\s*(\S.*)$", stanza, re.MULTILINE))
    ]
    return next(iter([*one_line, *several]), None)


# the life of a machine


@contextlib.contextmanager
def _booted(root: Path) -> Iterator[Machine]:
    console = root.with_name("console.log")
    with console.open("wb") as log:
        nspawn = subprocess.Popen(
            [
                *("systemd-nspawn", "--directory", str(root), "--machine", f"dialerd-{os.getpid()}", "--boot"),
                *("--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--console=pipe"),
                *("--resolv-conf=off", "--timezone=off"),
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        try:
            leader = until(lambda: _child(nspawn), "the machine's first process")
            booted = Machine(root, leader)
            until(lambda: _is_up(booted), "the machine is up", every_s=0.2)
        except AssertionError as error:
            cannot(f"no machine can be booted here ({error}): {console.read_text(errors='replace')[-2000:]}")
        yield booted
        booted.run("systemctl poweroff", check=False)
        nspawn.wait(60)
    finally:
        if nspawn.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                if (first := _child(nspawn)) is not None:
                    os.kill(first, 9)  # the end of its first process ends all others of a PID namespace
            nspawn.kill()
            nspawn.wait(30)


def _is_up(booted: Machine) -> bool:
    return booted.run("systemctl is-system-running", check=False).strip() in ("running", "degraded")


def _child(nspawn: "subprocess.Popen[bytes]") -> int | None:
    """Return the process that nspawn has started as the machine's first."""
    assert nspawn.poll() is None, f"systemd-nspawn ended with {nspawn.returncode}"
    with contextlib.suppress(FileNotFoundError):
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
        for child in map(int, children):
            if os.readlink(f"/proc/{child}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return child
    return None
