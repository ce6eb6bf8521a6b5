"""A text as a real program speaks it: espeak-ng, as the documentation has its command."""

import numpy as np
import pytest
import trio
from dialerd_sip.media.law import ULAW_SAMPLES
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.speaking import Speaker
from dialerd_sip.speech.unfit import UnfitAgent
from needs import program

COMMAND = ("--stdin", "--stdout", "-v", "{language}", "-v", "{voice}")
FILE = ("--stdin", "-w", "{file}", "-v", "{language}")


@pytest.fixture
def speaker(tmp_path):
    """Return what makes a speaker of espeak-ng and its arguments."""
    espeak = program("espeak-ng", "espeak-ng")
    return lambda *arguments: Speaker((espeak, *arguments), ClipCache(tmp_path), trio.CapacityLimiter(1))


@pytest.mark.parametrize("arguments", [COMMAND, FILE])
async def test_espeak_speaks(speaker, arguments):
    """Seconds of sound, neither silence nor noise at full scale, from standard output or a file."""
    clip = await speaker(*arguments).clip("Good day, Mrs Lovelace. Your books are due.", voice=None, language=None)
    samples = np.array(ULAW_SAMPLES)[np.frombuffer(clip.path.read_bytes(), np.uint8)]
    assert 2 < clip.frames / 8_000 < 8
    assert 1_000 < np.sqrt(np.mean(samples.astype(float) ** 2)) < 12_000


async def test_espeak_has_voices(speaker):
    """Language and voice change what is heard; one that there is not is named by the command's own words."""
    espeak = speaker(*COMMAND)
    manners = [(None, "en-GB"), (None, "de"), ("en-us+f3", "en-GB")]
    clips = [await espeak.clip("seven", voice=voice, language=language) for voice, language in manners]
    assert len({clip.path.read_bytes() for clip in clips}) == 3
    with pytest.raises(UnfitAgent, match="voice does not exist"):
        await espeak.clip("seven", voice="nobody", language=None)


async def test_espeak_does_not_take_a_text_for_options(speaker, tmp_path):
    """A text that looks like an option is spoken."""
    clip = await speaker(*COMMAND).clip("--version -w /etc/passwd", voice=None, language=None)
    assert clip.frames > 8_000
