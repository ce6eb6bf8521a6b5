"""Fixtures of the tests that start the real daemon."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import cannot, superuser
from place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place for a daemon; whatever life is left at the end is ended."""
    place = Place(tmp_path)
    place.configure()
    yield place
    place.end()
    for path in sorted(tmp_path.glob("life-*.log")):  # pytest shows it where the test has failed
        print(f"{path.name}:\n{path.read_text(errors='replace')[-8_000:]}")


@pytest.fixture
def mounts(tmp_path: Path) -> None:
    """File systems can be mounted here."""
    superuser("mounting a small file system")
    point = tmp_path / "mounts"
    point.mkdir()
    trial = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], capture_output=True, check=False)
    if trial.returncode:
        cannot(f"nothing can be mounted here: {trial.stderr.decode(errors='replace')[:200]}")
    subprocess.run(["umount", point], check=True)
    point.rmdir()
