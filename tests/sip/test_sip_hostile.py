"""Hostile peers against the core: whatever comes, nothing is raised, nothing grows, nobody is rung twice.

`make soak` sends a million messages; a seed that fails there is put into `SEEDS`, and is tried each time from then on.
"""

import gc
import os
import time
from pathlib import Path
from random import Random

import pytest
from callstage import SDP
from dialerd_sip.core.digest import Authenticator, NonceCache
from dialerd_sip.core.framing import Framer
from dialerd_sip.core.message import BadMessage, parse_message
from dialerd_sip.core.sdp import BadDescription, LocalMedia, accept, answer, offer
from hostile_media import MediaSiege
from hostile_mutation import mutated
from hostile_siege import Siege
from hostile_trace import CHALLENGE, PASSWORD, traces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SEEDS = (2, 3, 11)
_A_MILLION = 1_000_000
_MIB = 1024 * 1024


def rss() -> int:
    """Return the memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_under_siege(seed):
    """No exception, no second phone, one end for each call, no word to strangers; nothing is left at the end."""
    siege = Siege(seed)
    for number in range(4_000):
        siege.step()
        if number % 50 == 0:
            siege.check()
    siege.lift()
    reached = siege.seen
    for what in ("over", "former", "Established", "Progress", "MediaChanged", "TargetChanged", "RegistrationChanged"):
        assert reached[what], (what, reached)
    for why in ("unknown_source", "no_transaction", "no_dialog", "bad", "refused"):
        assert siege.ua.counts[why], why


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=2**32))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bytes_among_messages(junk, seed):
    """Whatever bytes stand within a message of a trace, or instead of one: it is dropped, answered or taken."""
    chance = Random(seed)
    siege = Siege(seed, calls=2)
    for data in (junk, *(_with(junk, chance.choice(traces()), chance) for _ in range(6))):
        siege._receive(data, siege.registration._targets[0].flow)
        siege.pump()
        siege._for_nothing(data)
    siege.check()


def _with(junk, data, chance):
    at = chance.randrange(len(data) + 1)
    return data[:at] + junk + data[at + chance.choice((0, len(junk))) :]


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_at_random_splits(seed):
    """A stream is framed the same however it is split; what cannot be framed ends it, and its buffer is bounded."""
    chance = Random(seed)
    for _ in range(60):
        messages = [chance.choice(traces()) for _ in range(4)]
        sound = b"\r\n\r\n".join(messages)
        whole = sound if chance.random() < 0.3 else mutated(sound, chance)
        assert _framed([whole]) == _framed(_split(whole, chance))
        if whole is sound:
            assert _framed([whole]) == (messages, False)


def _split(whole, chance):
    pieces = []
    while whole:
        size = chance.choice((1, 2, 3, 17, 400))
        pieces.append(whole[:size])
        whole = whole[size:]
    return pieces


def _framed(pieces):
    framer, found = Framer(), []
    try:
        for piece in pieces:
            for message in framer.feed(piece):
                found.append(message)
                try:
                    parse_message(message)
                except BadMessage:
                    continue
            assert len(framer._buffer) <= 65_536 + 4_000
    except BadMessage:
        return found, True
    return found, False


@pytest.mark.parametrize("seed", SEEDS)
def test_descriptions(seed):
    """A description is understood, or refused by the one error that there is for it."""
    chance, local = Random(seed), LocalMedia(host="192.0.2.1", port=6000)
    ours = offer(local)
    for _ in range(800):
        theirs = mutated(SDP, chance)
        for answers in (False, True):
            try:
                agreed = answer(local, theirs, 1, before=ours) if answers else accept(local, theirs)
            except BadDescription:
                continue
            if isinstance(agreed, tuple):
                assert offer(local, before=agreed[0])
                agreed = agreed[1]
            assert 0 < agreed.port <= 65_535
            assert 10 <= agreed.ptime_ms <= 60


@pytest.mark.parametrize("seed", SEEDS)
def test_challenges(seed):
    """Whatever asks for a password: nothing is raised, few answers, and none with a line break in it."""
    chance, nonces = Random(seed), NonceCache()
    for _ in range(150):
        authenticator = Authenticator(PASSWORD, nonces)
        answers = 0
        for _ in range(12):
            value = mutated(CHALLENGE.encode(), chance).decode("utf-8", "surrogateescape")
            value = value.replace("\r", "").replace("\n", "")  # as the parser of messages leaves it
            answers += authenticator.answer(chance.choice((401, 407)), [value])
            for _, text in authenticator.headers("INVITE", "sip:x", b""):
                assert "\n" not in text
                assert PASSWORD.password not in text
                text.encode("utf-8", "surrogateescape")
        assert answers <= 6


@pytest.mark.parametrize("seed", SEEDS)
def test_media_under_siege(seed):
    """RTP, RTCP and keys of strangers and of the far end, mutated: nothing is raised, the sound stays ours."""
    siege = MediaSiege(seed)
    for _ in range(3_000):
        siege.step()
    siege.lift()


@pytest.mark.soak
def test_a_million_messages(record_property):
    """A million messages, and a quarter of that of RTP: memory stays flat, and tables are empty in the end."""
    began = time.process_time()
    siege, media = Siege(int(os.environ.get("HOSTILE_SEED", "1"))), MediaSiege(1)
    levels = [rss()]
    while siege.sent < _A_MILLION:
        siege.step()
        if siege.sent % 4 == 0:
            media.step()
        if siege.sent % 100 == 0:
            siege.check()
        if siege.sent % 100_000 == 0:
            gc.collect()
            levels.append(rss())
            print(siege.sent, "messages,", f"{levels[-1] / _MIB:.1f} MiB", dict(siege.seen))
    siege.lift()
    media.lift()
    took_s = time.process_time() - began
    record_property("messages", siege.sent)
    record_property("cpu_us_a_message", round(took_s / siege.sent * 1e6))
    record_property("rss_mib", [round(level / _MIB, 1) for level in levels])
    print(f"{siege.sent} messages, {took_s / siege.sent * 1e3:.3f} ms each", siege.ua.counts, siege.ua.sizes)
    # the first ones fill caches of bounded size
    assert levels[-1] - levels[2] < 16 * _MIB, levels
