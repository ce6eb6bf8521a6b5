"""Texts to clips, by a command: a small program of the test's own, which is started like any other."""

import os
import re
import sys
import threading
from pathlib import Path

import pytest
import trio
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.command import CommandFailed, Run
from dialerd_sip.speech.places import fault_of
from dialerd_sip.speech.speaking import Speaker
from dialerd_sip.speech.unfit import UnfitAgent

VOICE = '''\
"""Speaks a text as a tone of as many milliseconds as it has bytes, and notes how it was started."""
import json, os, sys, wave
told = sys.stdin.buffer.read().decode()
with open(sys.argv[1] + "/runs", "a") as runs:
    runs.write(json.dumps([told, sys.argv[2:], "NOTIFY_SOCKET" in os.environ]) + "\\n")
file = next((argument[5:] for argument in sys.argv if argument.startswith("file=")), None)
with wave.open(file or sys.stdout.buffer, "wb") as out:
    out.setparams((1, 2, 8000, 0, "NONE", ""))
    out.writeframes(b"\\x00\\x10" * 8 * len(told.strip().encode()))
'''


@pytest.fixture
def voice(tmp_path):
    """Return the beginning of a command that speaks."""
    (tmp_path / "voice.py").write_text(VOICE)
    return (sys.executable, "-S", "-E", str(tmp_path / "voice.py"), str(tmp_path))


@pytest.fixture
def speaker(tmp_path):
    """Return what makes a speaker of a command."""

    def made(*command, running=2, timeout_s=20.0):
        return Speaker(command, ClipCache(tmp_path / "cache"), trio.CapacityLimiter(running), timeout_s=timeout_s)

    return made


def shell(script):
    """Return a command that is a shell's script."""
    return ("sh", "-c", script)


def runs(folder):
    """Return what was noted of the runs so far."""
    return [line for line in (folder / "runs").read_text().splitlines() if line]


async def say(speaker, text="good day", voice=None, language=None, private=()):
    """Have a text spoken."""
    return await speaker.clip(text, voice=voice, language=language, private=private)


@pytest.mark.parametrize("place", [(), ("file={file}",)])
async def test_a_text_becomes_a_clip(tmp_path, voice, speaker, place):
    """The text comes in on standard input, on one line; the WAV file is taken from standard output, or from a file."""
    clip = await say(speaker(*voice, *place), "  good\n\tday\0, {you} Zoë  ")
    assert clip.frames == 8 * len("good day , {you} Zoë".encode())
    assert clip.path.stat().st_size == clip.frames == clip.path.with_suffix(".alaw").stat().st_size
    assert runs(tmp_path)[0].startswith('["good day , {you} Zo\\u00eb\\n", [')


async def test_a_text_is_spoken_once(tmp_path, voice, speaker):
    """The same text again costs nothing, in this life or another; each voice and language speaks for itself."""
    first = speaker(*voice, "{voice}", "{language}")
    clip = await say(first)
    assert await say(first) == clip
    assert await say(speaker(*voice, "{voice}", "{language}")) == clip
    assert len(runs(tmp_path)) == 1
    others = {await say(first, text="good night"), await say(first, voice="v"), await say(first, language="v")}
    assert len(others | {clip}) == 4
    assert await say(speaker(*voice, "{language}")) != clip


async def test_a_text_that_many_want_is_spoken_once(tmp_path, voice, speaker):
    """All who want it at once have the one clip."""
    one, clips = speaker(*voice), []

    async def take():
        clips.append(await say(one))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(take)
    assert len(clips) == 8
    assert len(set(clips)) == len(runs(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "manner", "got"),
    [
        (("-v", "{voice}", "-l", "{language}", "x"), {}, ["x"]),
        (("-v", "{voice}", "x"), {"voice": "anna"}, ["-v", "anna", "x"]),
        (("-v{voice}", "x", "--l={language}"), {}, ["x"]),
        (("-v{voice}", "--l={language}"), {"voice": "a b;$(c)", "language": "en-GB"}, ["-va b;$(c)", "--l=en-GB"]),
        (("{voice}", "x"), {}, ["x"]),
        (("{voice}-{language}",), {"voice": "a", "language": "en"}, ["a-en"]),
    ],
)
async def test_voice_and_language(voice, speaker, arguments, manner, got):
    """They stand where the command has places for them; what there is nothing for is left out. There is no shell."""
    await say(speaker(*voice, *arguments), **manner)
    told = ", ".join(f'"{argument}"' for argument in got)
    assert runs(Path(voice[-1])) == [f'["good day\\n", [{told}], false]']


@pytest.mark.parametrize("value", ["-w/etc/passwd", "a\nb", "\0"])
async def test_a_voice_that_is_none(voice, speaker, value):
    """No voice is taken for an option."""
    with pytest.raises(UnfitAgent, match="voice must not begin with a hyphen") as caught:
        await say(speaker(*voice, "{voice}"), voice=value)
    assert caught.value.always


async def test_a_text_does_not_stand_on_the_command_line(tmp_path, speaker):
    """Other users of the machine can read command lines and environments; nothing of a text is in them."""
    script = (
        f"tr '\\0' ' ' < /proc/$$/cmdline > {tmp_path}/seen; cat /proc/$$/environ >> {tmp_path}/seen; cat >&2; exit 1"
    )
    with pytest.raises(UnfitAgent):
        await say(speaker(*shell(script)), "Mrs Lovelace owes 12 pounds", private=["Lovelace"])
    seen = (tmp_path / "seen").read_bytes()
    assert b"tr" in seen
    assert b"Lovelace" not in seen
    assert b"pounds" not in seen


async def test_the_service_managers_socket_is_ours_alone(tmp_path, voice, speaker, monkeypatch):
    """What the service manager told the daemon is not handed on."""
    monkeypatch.setenv("NOTIFY_SOCKET", "@nowhere")
    await say(speaker(*voice))
    assert runs(tmp_path)[0].endswith("false]")


@pytest.mark.parametrize(
    ("command", "why", "always"),
    [
        (("no-such-program-anywhere",), "no-such-program-anywhere cannot be started: No such file or directory", True),
        (("/etc/passwd",), "/etc/passwd cannot be started: Permission denied", True),
        (shell("echo no such voice >&2; exit 3"), "sh ended with status 3, saying: no such voice", False),
        (shell("kill -9 $$"), "ended with the signal SIGKILL", False),
        (shell("cat"), "sh made is no sound that can be read: .* standard output", False),
        (shell("true"), "sh made is no sound that can be read", False),
        (("sh", "-c", "true", "{file}"), "sh made cannot be read: No such file", False),
        (shell("exec yes"), "made more than 1000000 bytes", False),
    ],
)
async def test_commands_that_fail(monkeypatch, speaker, command, why, always):
    """The message says what the command said, and whether it is so with every text."""
    monkeypatch.setitem(Run.__init__.__kwdefaults__, "most_bytes", 1_000_000)
    with pytest.raises(UnfitAgent, match=why) as caught:
        await say(speaker(*command))
    assert caught.value.always is always
    assert caught.value.__cause__ is None  # the text may be in it, and it would be in a traceback


async def test_what_a_command_says_is_masked(speaker):
    """A command that repeats the text, or a part of it, does not get it into the log."""
    with pytest.raises(UnfitAgent, match="cannot speak") as caught:
        await say(
            speaker(*shell("(echo cannot speak; cat; echo about ADA at Lovelace, 7) >&2; exit 1")),
            "Hello Ada Lovelace, you owe 7 pounds",
            private=["Ada Lovelace", "7"],
        )
    assert not [word for word in ("Ada", "ADA", "Lovelace", "7", "Hello") if word in str(caught.value)]
    assert len(str(caught.value)) < 600


async def test_long_words_of_a_command(speaker):
    """Megabytes of complaints do not become a message of megabytes."""
    with pytest.raises(UnfitAgent, match="status 1, saying: ") as caught:
        await say(speaker(*shell("yes 'cannot speak' | head -c 3000000 >&2; exit 1")))
    assert len(str(caught.value)) < 600


@pytest.fixture
def family(tmp_path):
    """Return a command that starts another, and a descriptor that tells "up", and nothing when both are gone."""
    os.mkfifo(tmp_path / "family")
    heard = os.open(tmp_path / "family", os.O_RDONLY | os.O_NONBLOCK)
    yield shell(f"exec 7> {tmp_path}/family; sleep 60 & echo up >&7; sleep 60"), heard
    os.close(heard)


async def told(heard):
    """Return what a descriptor tells next."""
    with trio.fail_after(60):
        await trio.lowlevel.wait_readable(heard)
        return os.read(heard, 100)


async def test_a_command_that_takes_too_long(family, speaker):
    """It is ended with all that it started."""
    command, heard = family
    with pytest.raises(UnfitAgent, match=r"took longer than 0\.3 s"):
        await say(speaker(*command, timeout_s=0.3))
    assert await told(heard) == b"up\n"
    assert await told(heard) == b""


async def test_a_call_that_is_cancelled_ends_its_command(family, speaker):
    """Nobody waits for it: its processes end at once, and so does the wait."""
    command, heard = family
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, speaker(*command))
            assert await told(heard) == b"up\n"
            nursery.cancel_scope.cancel()
    assert await told(heard) == b""


async def test_few_commands_run_at_once(tmp_path, speaker):
    """Each text of a list may be new; the machine has other things to do."""
    script = f"cd {tmp_path}; echo + >> log; sleep 0.05; echo - >> log; exit 1"
    one = speaker(*shell(script), running=2)

    async def take(number):
        with pytest.raises(UnfitAgent):
            await say(one, f"number {number}")

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(take, number)
    now = most = 0
    for sign in (tmp_path / "log").read_text().split():
        now += 1 if sign == "+" else -1
        most = max(most, now)
    assert most == 2


@pytest.mark.parametrize(
    ("text", "why"), [(" \n\0 ", "there is nothing to say"), ("a" * 4_001, "4001 characters, of 4000 at most")]
)
async def test_texts_that_cannot_be_spoken(voice, speaker, text, why):
    """Nothing is nothing, and too much is too much; the text itself does not stand in the message."""
    with pytest.raises(UnfitAgent, match=why) as caught:
        await say(speaker(*voice), text)
    assert "aaa" not in str(caught.value)


async def test_letters_that_are_none(voice, speaker):
    """Half of a pair of surrogates, as JSON may hold it, is spoken as a pause."""
    assert (await say(speaker(*voice), "good \ud800 day")).frames == 8 * len("good day")


async def test_a_text_that_the_command_does_not_read(tmp_path, speaker, voice):
    """A command that is done before it has read all is not at fault."""
    script = "exec 0<&-; exec " + " ".join(f"'{word}'" for word in voice) + " < /dev/null"
    with pytest.raises(UnfitAgent, match="has no sound in it"):
        await say(speaker(*shell(script)), "word " * 700)


def test_a_run_that_nobody_wants():
    """Abandoned before it began, it does not begin; abandoned afterwards, nothing happens to others."""
    run = Run(b"", timeout_s=5)
    run.abandon()
    with pytest.raises(CommandFailed, match="not wanted"):
        run.run(["true"])
    done = Run(b"", timeout_s=5)
    assert done.run(["echo", "hello"]) == b"hello\n"
    done.abandon()


def test_a_file_that_grows_without_end(tmp_path):
    """A command cannot fill the disk."""
    run = Run(b"", timeout_s=20, most_bytes=100_000)
    with pytest.raises(CommandFailed):
        run.run(["sh", "-c", f"sleep 0.1; exec cat /dev/zero > {tmp_path}/big"])
    assert (tmp_path / "big").stat().st_size <= 100_000


def test_a_run_that_does_not_read_and_says_much():
    """A command may be done before it has read all; of its words the last are kept."""
    assert Run(b"x" * 3_000_000, timeout_s=20).run(["sh", "-c", "exec 0<&-; echo hello"]) == b"hello\n"
    with pytest.raises(CommandFailed, match="status 1") as caught:
        Run(b"", timeout_s=20).run(["sh", "-c", "yes much | head -c 1000000 >&2; echo last >&2; exit 1"])
    assert caught.value.words.endswith("much last")
    assert len(caught.value.words) < 10_000


def test_much_in_and_much_out():
    """Both ways at once do not block each other."""
    text = os.urandom(3_000_000)
    assert Run(text, timeout_s=20).run(["cat"]) == text
    assert threading.active_count() < 50


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (("espeak-ng", "--stdin", "--stdout", "-v", "{language}", "-v", "{voice}"), None),
        (("piper", "--model", "{voice}", "--output_file", "{file}"), None),
        ((), "must begin with a program"),
        ((" ",), "must begin with a program"),
        (("{voice}",), "without places"),
        (("espeak", "{text}"), "has the place {text}, of .* the text comes on standard input"),
        (("espeak", "-v{vioce}"), "has the place {vioce}"),
        (("espeak", "a\0"), "null"),
    ],
)
def test_faults_of_a_command(command, fault):
    """A command is looked at when the settings are read."""
    found = fault_of(command)
    assert (found is None) is (fault is None)
    assert fault is None or re.search(fault, found)
