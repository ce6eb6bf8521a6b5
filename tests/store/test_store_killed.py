"""Killed at any statement, a store holds what was acknowledged and every recipient in exactly one state."""

import os
import subprocess
import sys
from pathlib import Path

from stored import LONDON, PARIS, campaign, check, number, rows

from dialerd.store.database import connect
from dialerd.store.migrate import upgrade

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_killed_at_every_statement(tmp_path):
    """One child a statement dies of SIGKILL in the middle of claims, ends, suppressions and clean-ups."""
    template = tmp_path / "template.db"
    engine = connect(f"sqlite:///{template}")
    upgrade(engine)
    with engine.connect() as connection, connection.begin():
        campaign(connection, [number(i) for i in range(30)], "p", groups=(LONDON, PARIS))
        campaign(connection, [number(i) for i in range(20, 50)], "q", groups=(LONDON, PARIS))
    engine.dispose()
    copies = tmp_path / "copies"
    copies.mkdir()
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "plugins", HERE)))
    subprocess.run(
        [sys.executable, HERE / "dying.py", template, copies],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
    )
    stores = sorted(copies.glob("*.db"))
    assert len(stores) > 60
    reached = set()
    for path in stores:
        engine = connect(f"sqlite:///{path}")
        with engine.connect() as connection, connection.begin():
            check(connection)
            stored = {uid for (uid,) in rows(connection, "SELECT uid FROM attempts")}
        engine.dispose()
        told = set(path.with_suffix(".told").read_text().split())
        assert told <= stored
        reached.add(len(told))
    assert len(reached) >= 6
