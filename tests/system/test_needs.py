"""Nothing is skipped in continuous integration for want of a program or a right."""

import re
from pathlib import Path

import needs
import pytest

HERE = Path(__file__).parent
OTHERS = {
    "test_system_bad_input.py",  # what root cannot be refused can be tried by others only
    "test_sip_hardened.py",  # needs a kernel that Debian 12 has not
    "test_sip_law.py",  # compares with a module that Python 3.13 has no more
}


def test_what_is_missing_fails_there(monkeypatch):
    """The reason, with what to install, is the failure's."""
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="nothing-like-it is missing: apt install it"):
        needs.program("nothing-like-it", "it")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(pytest.fail.Exception, match="run the tests as root"):
        needs.superuser("mounting")


def test_what_is_missing_is_skipped_elsewhere(monkeypatch):
    """With the same reason."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing-like-it is missing: apt install it"):
        needs.program("nothing-like-it", "it")


FILES = sorted([*HERE.glob("*.py"), *HERE.parent.glob("sip/*.py")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nobody_skips_by_other_means(file):
    """What a test needs is asked for in one place."""
    if file.name in {Path(__file__).name} | OTHERS:
        return
    assert not re.search(r"pytest\.(mark\.)?(skip|importorskip|xfail)", file.read_text())
