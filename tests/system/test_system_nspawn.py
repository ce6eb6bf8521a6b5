"""The daemon under systemd, in a Debian 12 of its own, installed by the very commands of docs/systemd.md.

Skipped, with the reason, where no such machine can be booted; in continuous integration that is a failure.
"""

import json
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import slow_carrier
import tomli_w
from machine import ROOT, Machine, machine
from place import CALLER_ID, people, until

pytestmark = pytest.mark.system

SITE = "opt/dialerd/lib/python3.11/site-packages"
SPOOL = "/var/spool/dialerd"
STATE = "/var/lib/dialerd"


@pytest.fixture(scope="module")
def debian() -> Iterator[Machine]:
    """A machine on which dialerd was installed as the page says, and two people, of whom ann may drop."""
    with machine() as booted:
        _install(booted)
        booted.run("useradd ann && useradd bob && usermod --append --groups dialerd ann")
        yield booted


@pytest.fixture
def debian12(debian: Machine) -> Iterator[Machine]:
    """The machine, with a spool and a state of its own for this test; the service is down."""
    yield debian
    print(debian.run("journalctl --unit dialerd --lines 80 --output short-precise | cut -c1-300"))
    debian.run("systemctl kill --signal=KILL dialerd; systemctl stop dialerd", check=False)
    debian.run(
        f"systemctl reset-failed dialerd; rm -rf {STATE}/* {STATE}/.dialerd.lock {SPOOL}/*/*"
        " /etc/systemd/system/dialerd.service.d /etc/dialerd/credentials/*; systemctl daemon-reload"
    )


def _install(booted: Machine) -> None:
    """Run the commands of the page's section, in a copy of the sources."""
    source = booted.root / "usr/src/dialerd"
    source.mkdir(parents=True)
    for name in ("dialerd", "plugins", "config", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "dialerd.toml.example"):
        shutil.copy(ROOT / name, source)
    section = (ROOT / "docs/systemd.md").read_text().split("## Install")[1]
    commands = re.search(r"(?:^    .*\n)+", section, re.MULTILINE)
    assert commands is not None
    script = commands[0].replace("    sudo ", "")
    assert script.count("\n") > 8
    trap = "trap 'systemctl status --no-pager --full --lines=50 dialerd' ERR"
    booted.run(f"{trap}; set -eEx; cd /usr/src/dialerd\n{script}", patience_s=300)
    assert booted.show("ActiveState")["ActiveState"] == "active"  # with the example as it stands
    booted.run("systemctl stop dialerd")
    plugin = booted.root / SITE
    shutil.copy(slow_carrier.__file__, plugin)
    (plugin / "slow_carrier-1.dist-info").mkdir()
    (plugin / "slow_carrier-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: slow-carrier\nVersion: 1\n")
    (plugin / "slow_carrier-1.dist-info/entry_points.txt").write_text("[dialerd]\nslow = slow_carrier\n")


def configure(debian: Machine, *, lines: int = 20, drain: str = "1m", **options: Any) -> None:
    """Write settings of a simulated trunk whose calls last a second."""
    plain = {
        "daemon": {"timezone": "Europe/London", "max_concurrent": lines, "drain": drain},
        "spool": {"settle": "50ms", "status_every": "200ms"},
        "trunks": {
            "sim": {
                "provider": "slow",
                "max_concurrent": 100,
                "countries": ["GB"],
                "options": {
                    "ledger": f"{STATE}/ledger.jsonl",
                    "ring_time": "0ms",
                    "talk_time": "1s",
                    "outcomes": {"answered": 1},
                    **options,
                },
            }
        },
        "numbers": {CALLER_ID: {"trunk": "sim"}},
        "agents": {"reminder": {"say": "Hello."}},
        "person": {"cooldown": "0ms"},
        "quiet_hours": {"enabled": False},
    }
    (debian.root / "etc/dialerd/dialerd.toml").write_text(tomli_w.dumps(plain))  # its owner and mode stay


def unit(debian: Machine, text: str) -> None:
    """Change the unit as `systemctl edit` does."""
    folder = debian.root / "etc/systemd/system/dialerd.service.d"
    folder.mkdir(exist_ok=True)
    (folder / "override.conf").write_text(f"[Service]\n{text}\n")
    debian.run("systemctl daemon-reload")


def drop(debian: Machine, name: str, count: int, user: str = "ann") -> None:
    """Let somebody copy a campaign file into the spool."""
    campaign = {"name": name, "agent": "reminder", "recipients": people(0, count)}
    staged = f"var/lib/{name}.json"
    (debian.root / staged).write_text(json.dumps(campaign))
    debian.run(f"runuser -u {user} -- cp /{staged} {SPOOL}/incoming/")


def ledger(debian: Machine) -> list[dict[str, Any]]:
    """Return what the network took."""
    path = debian.root / STATE[1:] / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def reported(debian: Machine) -> list[Path]:
    """Return the reports."""
    return list((debian.root / SPOOL[1:] / "reports").glob("*/summary.toml"))


def rows(debian: Machine, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on the daemon's database."""
    with closing(sqlite3.connect(f"file:{debian.root}{STATE}/dialerd.db?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(sql).fetchall()


def journal(debian: Machine, pattern: str) -> list[str]:
    """Return what the service's journal has of this boot that fits a pattern."""
    return debian.run(f"journalctl --unit dialerd --output cat | grep -E '{pattern}' || true").splitlines()


def is_shown(debian: Machine, **wanted: str) -> bool:
    """Tell whether properties of the service are so now; of the status a part is enough."""
    shown = debian.show(*wanted)
    return all(text == shown[name] or (name == "StatusText" and text in shown[name]) for name, text in wanted.items())


def nobody_was_rung_twice(debian: Machine) -> None:
    """Check that the network took one call for each recipient, and that each ended by it."""
    calls = Counter(line["number"] for line in ledger(debian))
    assert set(calls.values()) == {1}, calls.most_common(3)
    assert rows(debian, "SELECT count(*) FROM recipients WHERE state <> 'done' OR final <> 'succeeded'") == [(0,)]
    assert rows(debian, "SELECT count(*) FROM attempts WHERE NOT refunded") == [(len(calls),)]


def test_it_is_ready_only_when_calls_may_leave(debian12):
    """A start waits for a slow trunk, beyond the unit's timeout and says so; then it is active, and not before."""
    configure(debian12, comes_up_after="6s")
    unit(debian12, "TimeoutStartSec=3")
    started = len(journal(debian12, "daemon.started"))
    began = time.monotonic()
    debian12.run("systemctl start --no-block dialerd")
    until(lambda: is_shown(debian12, StatusText="bringing up trunk sim"), "it says what it waits for")
    assert is_shown(debian12, ActiveState="activating")
    drop(debian12, "early", 5)
    until(lambda: not is_shown(debian12, ActiveState="activating"), "the start is over", every_s=0.1)
    assert is_shown(debian12, ActiveState="active", NRestarts="0")
    assert time.monotonic() - began > 6
    assert len(journal(debian12, "daemon.started")) == started + 1
    assert is_shown(debian12, StatusText="0 of 20 lines in use")
    until(lambda: reported(debian12), "what was dropped meanwhile is dialled")
    nobody_was_rung_twice(debian12)


def test_a_member_of_the_group_drops_a_campaign(debian12):
    """It is dialled and reported; she may read what became of it and change nothing; others may do neither."""
    configure(debian12, talk_time="4s")  # the figures are told every five seconds
    debian12.run("systemctl start dialerd")
    drop(debian12, "c", 40)
    until(lambda: is_shown(debian12, StatusText="20 of 20 lines in use"), "the status shows the calls", every_s=0.2)
    until(lambda: reported(debian12), "the report")
    nobody_was_rung_twice(debian12)
    assert 'name = "c"' in debian12.run(f"runuser -u ann -- cat {SPOOL}/reports/*/summary.toml")
    debian12.run(f"runuser -u ann -- cat {SPOOL}/accepted/c.json.status.toml {SPOOL}/accepted/c.json")
    debian12.fails(f"runuser -u ann -- touch {SPOOL}/accepted/x")
    debian12.fails(f"runuser -u ann -- rm --force {SPOOL}/accepted/c.json")
    debian12.fails(f"runuser -u ann -- sh -c 'echo x >> {SPOOL}/accepted/c.json.status.toml'")
    debian12.fails(f"runuser -u bob -- ls {SPOOL}")
    debian12.fails(f"runuser -u bob -- cp /etc/hostname {SPOOL}/incoming/")
    debian12.fails("runuser -u bob -- cat /etc/dialerd/dialerd.toml")


def test_a_reload_drops_no_call(debian12):
    """New settings come into force while calls are up; the unit is reloading meanwhile; faults are refused."""
    configure(debian12, lines=10, talk_time="2s")
    debian12.run("systemctl start dialerd")
    pid = debian12.show("MainPID")
    drop(debian12, "c", 80)
    until(lambda: len(ledger(debian12)) >= 10, "calls are up")
    configure(debian12, lines=40, talk_time="2s", comes_up_after="3s")
    reloaded = len(journal(debian12, r"settings\.reloaded"))
    debian12.run("systemctl reload --no-block dialerd")
    until(lambda: is_shown(debian12, ActiveState="reloading"), "the unit is reloading", 20)
    until(lambda: is_shown(debian12, ActiveState="active"), "the reload is over", 20)
    # not before the daemon says so, which takes three seconds; the journal may be a moment late
    until(lambda: len(journal(debian12, r"settings\.reloaded")) > reloaded, "the settings were taken by then", 1)
    until(lambda: is_shown(debian12, StatusText="of 40 lines"), "the new limit is in force", 20)
    (debian12.root / "etc/dialerd/dialerd.toml").write_text("[daemon]\nmax_concurent = 3\n")
    debian12.fails("systemctl reload dialerd")
    assert journal(debian12, "max_concurent")
    assert is_shown(debian12, ActiveState="active", StatusText="of 40 lines")
    debian12.run("systemctl kill --kill-whom=main --signal=HUP dialerd")  # past the check
    until(lambda: is_shown(debian12, StatusText="refused, see the journal"), "the status says so", 20)
    assert is_shown(debian12, ActiveState="active", StatusText="of 40 lines")
    until(lambda: reported(debian12), "the report")
    assert debian12.show("MainPID") == pid
    nobody_was_rung_twice(debian12)


def test_the_watchdog_restarts_a_daemon_that_is_stuck(debian12):
    """One stopped with SIGSTOP is started again soon, asks about its calls, and rings nobody twice."""
    configure(debian12, talk_time=["5s", "16s"])  # some are up when it is back, some have ended meanwhile
    debian12.run("systemctl start dialerd")
    pid = debian12.show("MainPID")["MainPID"]
    drop(debian12, "c", 25)
    until(lambda: len(ledger(debian12)) >= 20, "20 calls are up")
    stacks = len(journal(debian12, "^Fatal Python error: Aborted"))
    debian12.run(f"kill -STOP {pid}")
    began = time.monotonic()
    until(lambda: not is_shown(debian12, MainPID=pid), "it is killed", 30, 0.2)
    until(lambda: is_shown(debian12, ActiveState="active", SubState="running"), "it runs again", 30, 0.2)
    assert time.monotonic() - began < 25  # WatchdogSec, TimeoutAbortSec, RestartSec, and the start
    assert is_shown(debian12, NRestarts="1")
    assert journal(debian12, "Failed with result .watchdog")
    assert len(journal(debian12, "^Fatal Python error: Aborted")) == stacks + 1  # it says where it stood
    assert journal(debian12, r"recovery\.started")
    until(lambda: reported(debian12), "the report")
    nobody_was_rung_twice(debian12)


def test_a_daemon_that_works_is_left_alone(debian12):
    """Signs of life come while nothing is to be done, beyond the time the watchdog allows."""
    configure(debian12)
    unit(debian12, "WatchdogSec=2")
    debian12.run("systemctl start dialerd")
    time.sleep(5)
    assert is_shown(debian12, ActiveState="active", NRestarts="0")
    pid = debian12.show("MainPID")["MainPID"]
    debian12.run(f"kill -STOP {pid}")
    until(lambda: is_shown(debian12, NRestarts="1"), "the time was that short")


def test_a_stop_drains(debian12):
    """Calls in progress end by themselves, beyond the unit's timeout; none leaves any more; the exit code is 0."""
    configure(debian12, talk_time="7s")
    unit(debian12, "TimeoutStopSec=3")
    debian12.run("systemctl start dialerd")
    drop(debian12, "c", 50)
    until(lambda: len(ledger(debian12)) == 20, "20 calls are up")
    debian12.run("systemctl stop --no-block dialerd")
    until(lambda: is_shown(debian12, StatusText="draining: 20 calls left"), "it says what it waits for", 20)
    assert is_shown(debian12, ActiveState="deactivating")
    until(lambda: is_shown(debian12, ActiveState="inactive"), "it has ended", 30)
    assert is_shown(debian12, Result="success", ExecMainStatus="0", ExecMainCode="1")  # CLD_EXITED: it was not killed
    assert len(ledger(debian12)) == 20
    assert rows(debian12, "SELECT DISTINCT outcome FROM attempts WHERE NOT refunded") == [("answered",)]
    assert rows(debian12, "SELECT count(*) FROM attempts WHERE ended_at IS NULL") == [(0,)]
    assert rows(debian12, "SELECT count(*) FROM recipients WHERE state = 'pending'") == [(30,)]


def test_a_second_daemon_is_refused(debian12):
    """Another process on the same state directory says who is there, and goes."""
    configure(debian12)
    debian12.run("systemctl start dialerd")
    told = debian12.fails("runuser -u dialerd -- dialerd run")
    assert f"another dialerd (pid {debian12.show('MainPID')['MainPID']})" in told
    assert is_shown(debian12, ActiveState="active")


def test_a_refused_start_is_tried_again(debian12):
    """As long as it takes, beyond what systemd allows by default; once the settings are mended it is up."""
    (debian12.root / "etc/dialerd/dialerd.toml").write_text("[daemon]\nmax_concurent = 3\n")
    unit(debian12, "RestartSec=10ms")
    debian12.fails("systemctl start dialerd")
    until(lambda: int(debian12.show("NRestarts")["NRestarts"]) > 12, "it is tried again and again", every_s=0.5)
    configure(debian12)
    until(lambda: is_shown(debian12, ActiveState="active"), "it is up", every_s=0.5)


def test_a_secret_is_handed_over(debian12):
    """A file that root alone can read reaches the plugin; without any such file the daemon starts all the same."""
    configure(debian12, token="carrier-token")
    credentials = debian12.root / "etc/dialerd/credentials"
    (credentials / "carrier-token").write_text(f"{slow_carrier.TOKEN}\n")
    (credentials / "carrier-token").chmod(0o600)
    debian12.run("systemctl start dialerd")
    assert "down" not in debian12.show("StatusText")["StatusText"]
    debian12.run("runuser -u dialerd -- cat /etc/dialerd/credentials/carrier-token; test $? -ne 0")
    debian12.run("systemctl stop dialerd && mv /etc/dialerd/credentials /etc/dialerd/kept")
    debian12.run("systemctl start dialerd; mv /etc/dialerd/kept /etc/dialerd/credentials")
    assert is_shown(debian12, ActiveState="active", StatusText="trunk sim down")
    assert not journal(debian12, slow_carrier.TOKEN)


def test_the_unit_is_hardened(debian12):
    """systemd rates it 2.0 or better."""
    printed = debian12.run("systemd-analyze security --no-pager dialerd.service")
    rating = re.search(r"exposure level for dialerd.service: ([\d.]+)", printed)
    assert rating is not None
    assert float(rating[1]) <= 2.0
