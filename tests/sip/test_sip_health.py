"""Health of targets as ladders: unknown, alive, dead, with hysteresis; calls' answers count."""

from itertools import pairwise

import pytest
from dialerd_sip.core.events import TargetChanged
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.health import Health
from dialerd_sip.core.message import Message, Request
from dialerd_sip.core.plan import Target
from ladder import Owner, request, times
from link import OTHERS, THEM, Far, Link


def target(flow: Flow = THEM) -> Target:
    return Target(flow=flow, uri="sip:example.com", contact="<sip:us@192.0.2.1>", sent_by="192.0.2.1:5060")


def begin(*flows: Flow) -> tuple[Link, Far, Health]:
    link = Link()
    far = link.far()
    health = Health(link.ua, 30.0)
    assert health.watch({flow: target(flow) for flow in flows or (THEM,)}, link.now)
    return link, far, health


def always(far: Far, status: int | None) -> None:
    def script(message: Message) -> None:
        if isinstance(message, Request) and status is not None:
            far.answer(message, status)

    far.script = script


def told(link: Link) -> list[tuple[str, bool]]:
    return [(event.flow.host, event.alive) for event in link.events if isinstance(event, TargetChanged)]


@pytest.mark.parametrize("status", [200, 404, 405, 408, 500, 603])
def test_any_answer_says_that_it_is_alive(status: int) -> None:
    """Unknown until then; told once; asked again at intervals that differ a little."""
    link, far, health = begin()
    assert health.is_alive(THEM) is None
    assert not health.is_dead(THEM)
    always(far, status)
    link.run(300)
    assert health.is_alive(THEM) is True
    assert told(link) == [(THEM.host, True)]
    at = times(link.carried, "OPTIONS")
    pauses = [late - early for early, late in pairwise(at)]
    assert all(24 <= pause <= 30.1 for pause in pauses)
    assert len({round(pause, 1) for pause in pauses}) > 3


@pytest.mark.parametrize("status", [None, 503, 100])
def test_three_silences_make_it_dead(status: int | None) -> None:
    """Soon, not after three intervals; a 503 says that it takes nothing, a 100 says nothing."""
    link, far, health = begin()
    always(far, status)
    link.run(30)
    assert health.is_dead(THEM)
    assert told(link) == [(THEM.host, False)]
    questions = {message.cseq.number for message in far.heard if isinstance(message, Request)}
    assert len(questions) in (3, 4)


def test_two_silences_are_none() -> None:
    """Lost answers take no target away; the silences must be in a row."""
    link, far, health = begin()

    def script(message: Message) -> None:
        far.answer(message, 200 if len(far.heard) % 3 == 1 else 503)

    far.script = script
    link.run(300)
    assert len(far.heard) > 15
    assert told(link) == [(THEM.host, True)]
    assert health.is_alive(THEM)


def test_a_dead_one_must_answer_twice() -> None:
    """So that one that answers every other time stays away."""
    link, far, health = begin()
    link.run(40)
    assert health.is_dead(THEM)
    answers = 0

    def script(message: Message) -> None:
        nonlocal answers
        answers += 1
        far.answer(message, 200)

    far.script = script
    while answers < 1:
        link.run(0.5)
    assert health.is_dead(THEM)
    while answers < 2:
        link.run(0.5)
    link.run(0.5)  # the answer may be under way
    assert health.is_alive(THEM)
    assert told(link) == [(THEM.host, False), (THEM.host, True)]


def test_icmp_is_a_silence() -> None:
    """Heard at once."""
    link, _, health = begin()
    link.refuse(THEM)
    link.run(5)
    assert health.is_dead(THEM)
    reason = next(event.reason for event in link.events if isinstance(event, TargetChanged))
    assert reason == "nobody listens there (ICMP)"


def test_answers_to_calls_count() -> None:
    """A target that answers calls is not asked in between."""
    link, far, health = begin()
    always(far, 200)
    for number in range(30):
        link.ua.transactions.request(request("INFO", branch=f"z9hG4bK{number}"), THEM, Owner(), link.now)
        link.run(10)
    assert health.is_alive(THEM)
    assert len(times(link.carried, "OPTIONS")) == 1


def test_targets_come_and_go() -> None:
    """New ones are asked at once, old ones no more; those that stay are let be."""
    link, far, health = begin()
    others = link.far(OTHERS)
    always(far, 200)
    always(others, 200)
    link.run(1)
    assert not health.watch({THEM: target()}, link.now)
    assert health.watch({THEM: target(), OTHERS: target(OTHERS)}, link.now)
    link.run(1)
    assert (len(far.heard), len(others.heard)) == (1, 1)
    assert health.watched == {THEM, OTHERS}
    assert not health.watch({OTHERS: target(OTHERS)}, link.now)
    assert health.is_alive(THEM) is None
    link.run(100)
    assert len(far.heard) == 1
    health.stop()
    assert link.ua.sizes["timers"] == len(link.ua.transactions._clients)
    link.run_out()
    assert len(others.heard) < 7
