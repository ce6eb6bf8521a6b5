"""What a test needs of the machine it runs on: where that is missing the test is skipped, and says what to install.

In continuous integration (CI is set) it fails instead, also where the machine can never give it (no ptrace and no loop
devices in a container): a run that left out what it is there to prove would be green for nothing.
"""

import os
import shutil
from typing import NoReturn

import pytest


def cannot(reason: str) -> NoReturn:
    """Skip the test, or fail it in continuous integration.

    Args:
        reason: what is missing, and what to do about it.
    """
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set, so that nothing is skipped for want of it)", pytrace=False)
    pytest.skip(reason)


def superuser(what_for: str) -> None:
    """Go on only as root."""
    if os.geteuid() != 0:
        cannot(f"{what_for} needs root: run the tests as root")


def program(name: str, package: str) -> str:
    """Return where a program lies; go on only where it is installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        cannot(f"{name} is missing: apt install {package}")
    return found
