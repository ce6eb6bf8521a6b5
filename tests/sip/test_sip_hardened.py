"""What the shipped unit takes from a process, sound has to do without (systemd.exec(5), MemoryDenyWriteExecute=)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

_HARDENED = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, since Linux 6.3: what systemd does by seccomp
    sys.exit(77)
from io import BytesIO
from dialerd_sip.speech.sound import read_sound
with open(sys.argv[1], "rb") as file:
    print(read_sound(file).size)
    file.seek(0)
    print(read_sound(BytesIO(file.read())).size)
"""


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_sound_is_read_where_no_memory_may_be_written_and_run(tmp_path: Path, name: str) -> None:
    """A callback of a foreign library would need such memory; files and what a command made are both read without."""
    sound = tmp_path / name
    soundfile.write(sound, np.zeros(16_000), 16_000)
    told = [sys.executable, "-c", _HARDENED, str(sound)]
    found = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    read = subprocess.run(told, check=False, capture_output=True, text=True, env=found)
    if read.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert read.returncode == 0, read.stderr
    sizes = [int(line) for line in read.stdout.split()]
    assert len(sizes) == 2
    assert all(7_900 <= size <= 8_400 for size in sizes)
