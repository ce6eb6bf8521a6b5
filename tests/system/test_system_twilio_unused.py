"""Who does not dial over Twilio does not pay for it."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

_RUN = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
from dialerd.daemon.main import main
main()
"""


def loaded(place) -> set[str]:
    """Run the daemon until it dials, stop it, and return the modules that it had loaded."""
    run = [sys.executable, "-c", _RUN, "run", "--config", place.config]
    with subprocess.Popen(run, cwd=place.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            while line := process.stderr.readline():
                if b"daemon.started" in line:
                    break
            else:
                pytest.fail("the daemon did not start")
            process.terminate()
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    return set(json.loads(said))


def test_without_a_trunk_over_twilio_neither_its_sdk_nor_httpx_is_loaded(place):
    """They take 17 MiB and a good tenth of a second of the processor; the options, which check themselves, do not."""
    place.configure()
    modules = loaded(place)
    assert "dialerd_twilio.options" in modules
    assert not {"twilio", "httpx", "requests"} & modules
