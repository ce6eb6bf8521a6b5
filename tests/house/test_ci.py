"""Continuous integration runs everything, and says what is missing where it cannot."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_it_says_that_it_is_ci():
    """By CI, which tests and installations look at."""
    script = (ROOT / ".ci" / "run").read_text()
    assert "export CI=1" in script.partition("make check")[0]


@pytest.mark.parametrize(("ci", "status"), [({"CI": "1"}, 1), ({}, 0)])
def test_packages_that_cannot_be_installed(tmp_path, ci, status):
    """They are named; in continuous integration that is the end."""
    for name, text in {"id": "echo 1000", "dpkg-query": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    ended = subprocess.run(
        [ROOT / "tests" / "install-debian-packages"],
        env={**environment, **ci, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert "strace" in ended.stdout + ended.stderr


@pytest.mark.parametrize(("ci", "status"), [({"CI": "1"}, 1), ({}, 0)])
def test_prism_that_cannot_be_installed(tmp_path, ci, status):
    """It is named where there is a description to validate by; in continuous integration that is the end."""
    (tmp_path / "npm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TWILIO_OPENAPI": str(tmp_path / "npm")}  # any file will do
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | ci | path
    install = [ROOT / "tests" / "install-prism", tmp_path / "prism"]
    ended = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
    assert "npm cannot install it" in ended.stdout + ended.stderr
    assert not (tmp_path / "prism" / "installed").exists()


def test_prism_is_not_installed_without_a_description(tmp_path):
    """Nothing is taken from a registry that no test could use."""
    environment = os.environ | {"TWILIO_OPENAPI": str(tmp_path / "nothing.json")}
    subprocess.run([ROOT / "tests" / "install-prism", tmp_path / "prism"], env=environment, check=True)
    assert not (tmp_path / "prism").exists()
