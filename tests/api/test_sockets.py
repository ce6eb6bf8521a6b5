"""Sockets of the API: who may connect, whose they are, and those that systemd has opened."""

import grp
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dialerd.api.activation import activated
from dialerd.api.limits import affordable
from dialerd.api.sockets import LONGEST, listen, socket_paths
from dialerd.model.errors import DialerdError
from dialerd.model.settings import ApiSettings, DaemonSettings, Settings


def knock(path):
    """Connect to a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def left_behind(path):
    """Make a socket file on which nobody listens any more."""
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(str(path))


def test_who_may_connect(tmp_path):
    """User and group, whatever the umask; the file goes with the socket."""
    umask = os.umask(0)
    try:
        listener = listen(tmp_path / "s", read_only=True)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660
    assert listener.read_only
    knock(tmp_path / "s")
    listener.close()
    listener.close()
    assert not (tmp_path / "s").exists()


def test_the_group(tmp_path):
    """It is the one that the settings name; one that does not exist is refused, and leaves nothing behind."""
    group = grp.getgrall()[-1] if os.getuid() == 0 else grp.getgrgid(os.getgroups()[-1])
    listener = listen(tmp_path / "s", read_only=False, group=group.gr_name)
    assert (tmp_path / "s").stat().st_gid == group.gr_gid
    listener.close()
    with pytest.raises(DialerdError, match="groupadd"):
        listen(tmp_path / "s", read_only=False, group="no-such-group")
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_a_group_that_one_is_no_member_of(tmp_path):
    """It cannot be given the socket, and the message says how it could."""
    tmp_path.chmod(0o777)
    code = (
        "import os, sys, pathlib\n"
        "from dialerd.api.sockets import listen\n"
        "os.chdir(sys.argv[1])\n"  # while it may look into the directories above
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: listen(pathlib.Path('s'), read_only=False, group='root')\n"
        "except Exception as error: print(type(error).__name__, error, os.listdir('.'))"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "no member of it; make it one" in ended.stdout, ended
    assert ended.stdout.strip().endswith("[]")


def test_a_daemon_that_ended_badly(tmp_path):
    """The file that it left is replaced."""
    left_behind(tmp_path / "s")
    listener = listen(tmp_path / "s", read_only=False)
    knock(tmp_path / "s")
    listener.close()


def test_a_daemon_that_lives(tmp_path):
    """Its socket is not taken, be its queue empty or full."""
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(str(tmp_path / "s"))
        other.listen(0)
        for _ in range(2):
            with pytest.raises(DialerdError, match="another process listens"):
                listen(tmp_path / "s", read_only=False)
            waiting.setblocking(False)
            waiting.connect_ex(str(tmp_path / "s"))
        assert (tmp_path / "s").is_socket()


def test_what_is_no_socket(tmp_path):
    """It is left alone."""
    (tmp_path / "s").write_text("precious")
    with pytest.raises(DialerdError, match="is no socket"):
        listen(tmp_path / "s", read_only=False)
    assert (tmp_path / "s").read_text() == "precious"


def test_a_socket_that_was_replaced(tmp_path):
    """Whoever has put another in its place keeps it."""
    listener = listen(tmp_path / "s", read_only=False)
    (tmp_path / "s").rename(tmp_path / "old")  # so that the new one has another inode
    left_behind(tmp_path / "s")
    listener.close()
    assert (tmp_path / "s").is_socket()


def test_paths(tmp_path):
    """A path that the system cannot take and a directory that is not there are told with what to do."""
    fits = tmp_path / ("s" * (LONGEST - len(os.fsencode(tmp_path)) - 1))
    listen(fits, read_only=False).close()
    with pytest.raises(DialerdError, match="may have 107 bytes"):
        listen(fits.with_name(fits.name + "s"), read_only=False)
    with pytest.raises(DialerdError, match="RuntimeDirectory="):
        listen(tmp_path / "none" / "s", read_only=False)


def test_where_they_lie():
    """The read-only one lies beside the other unless the settings say where."""
    assert socket_paths(Settings())[1] == Path("/run/dialerd/dialerd-ro.sock")
    settings = Settings(daemon=DaemonSettings(socket=Path("a.sock")), api=ApiSettings(read_socket=Path("b")))
    assert socket_paths(settings) == (Path("a.sock"), Path("b"))


ACTIVATED = """
import os, pathlib, sys
from dialerd.api.activation import activated
from dialerd.model.errors import DialerdError
try:
    found = activated(pathlib.Path("rw.sock"), pathlib.Path("ro.sock"))
except DialerdError as error:
    sys.exit(str(error))
for one in (found.api, found.read):
    print(one and (pathlib.Path(one.path).name, one.read_only, os.get_inheritable(one.socket.fileno())))
    if one: one.close()
print([name for name in os.environ if name.startswith("LISTEN_")], sorted(os.listdir()))
"""


def activate(folder, listens, names="", pid=None):
    """Start a process as systemd does, with a socket at each of these paths; return what it makes of them."""
    sockets = []
    for name in listens:
        sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if name == "dgram" else socket.SOCK_STREAM))
        sockets[-1].bind(str(folder / name))
        if name != "dgram":
            sockets[-1].listen()
    script = (
        "import os, sys\n"
        "held = [os.dup2(os.dup(int(one)), 100 + n) for n, one in enumerate(sys.argv[2].split())]\n"
        "for n, one in enumerate(held): os.dup2(one, 3 + n)\n"
        "os.environ['LISTEN_PID'] = sys.argv[1] or str(os.getpid())\n"
        f"exec({ACTIVATED!r})\n"
    )
    environment = {**os.environ, "LISTEN_FDS": str(len(listens))} | ({"LISTEN_FDNAMES": names} if names else {})
    descriptors = [one.fileno() for one in sockets]
    ended = subprocess.run(
        [sys.executable, "-c", script, pid or "", " ".join(map(str, descriptors))],
        cwd=folder, env=environment, pass_fds=descriptors, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for one in sockets:
        one.close()
    return ended.stdout.splitlines() or [ended.stderr]


@pytest.mark.parametrize(
    ("listens", "names", "api", "read"),
    [
        (["x", "y"], "api-ro:api", "y", "x"),
        (["ro.sock", "rw.sock"], "dialerd.socket:dialerd.socket", "rw.sock", "ro.sock"),
        (["ro.sock", "rw.sock"], "api:api", "rw.sock", "ro.sock"),
        (["x", "y"], "", "x", "y"),
        (["x", "rw.sock"], "", "rw.sock", "x"),
        (["ro.sock"], "", None, "ro.sock"),
        (["x"], "", "x", None),
    ],
)
def test_sockets_of_systemd(tmp_path, listens, names, api, read):
    """They are told apart by name, path and order; their files stay, and the variables go."""
    said = activate(tmp_path, listens, names)
    assert said == [
        str(api and (api, False, False)),
        str(read and (read, True, False)),
        str(([], sorted(listens))).strip("()").replace("], [", "] ["),
    ]


@pytest.mark.parametrize(
    ("listens", "names", "words"),
    [
        (["dgram"], "", "no listening Unix stream socket"),
        (["a", "b", "c"], "", "gave 3 sockets"),
        (["ro.sock", "b"], "x:api-ro", "for the same purpose"),
    ],
)
def test_sockets_of_systemd_that_cannot_be_served(tmp_path, listens, names, words):
    """They are refused, and the message says where to look."""
    (said,) = activate(tmp_path, listens, names)
    assert words in said
    assert "ListenStream=" in said


def test_sockets_of_somebody_else(tmp_path):
    """Those of another process are not touched, and the variables go all the same."""
    assert activate(tmp_path, ["x"], pid="1") == ["None", "None", "[] ['x']"]
    environment = {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "api"}
    assert activated(Path("a"), Path("b"), environment).api is None
    assert not environment


def test_connections_never_take_all_descriptors():
    """There is room for half of what the system allows; the process's own limit is raised for it."""
    code = (
        "import resource as r; from dialerd.api.limits import affordable\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, 300))\n"
        "print(affordable(100), r.getrlimit(r.RLIMIT_NOFILE), affordable(1000), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "100 (200, 300) 150 (300, 300)"
    assert affordable(1) == 1
