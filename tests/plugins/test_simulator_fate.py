"""Fates: pure, spread as the weights say, and each option changes only what it is about."""

from collections import Counter
from uuid import UUID

import pytest
from attrs import evolve
from dialerd_simulator import SimulatorOptions
from dialerd_simulator.course import course
from dialerd_simulator.fate import Fate, Fates, Loss
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import InvalidInput
from dialerd.model.states import Amd, AnsweredBy, OnVoicemail, Outcome
from dialerd.model.structuring import structure

NUMBER = "+12125550123"
ATTEMPTS = [str(UUID(int=count)) for count in range(4000)]


def fate(options: SimulatorOptions, attempt_id: str, number: str, amd: Amd, nth: int = 0) -> Fate:
    """Return what becomes of one attempt."""
    return Fates(options).of(attempt_id, number, amd, nth)


@given(st.integers(0, 2**63 - 1), st.uuids(), st.sampled_from(Amd))
def test_fate_is_pure(seed: int, attempt: UUID, amd: Amd) -> None:
    """The same seed and attempt meet the same fate, whatever was asked in between."""
    options = SimulatorOptions(seed=seed, maybe_placed=0.3, not_placed=0.3)
    fates = Fates(options)
    first = fates.of(str(attempt), NUMBER, amd)
    fates.of("another", NUMBER, amd)
    assert fates.of(str(attempt), NUMBER, amd) == first == fate(options, str(attempt), NUMBER, amd)


@given(
    st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)).map(lambda pair: (min(pair), max(pair))),
    st.uuids(),
)
def test_times_lie_in_their_range(span: tuple[int, int], attempt: UUID) -> None:
    """Ring and talk time lie within their ranges, ends included."""
    options = SimulatorOptions(ring_time=span, talk_time=span, outcomes={Outcome.ANSWERED: 1})
    drawn = fate(options, str(attempt), NUMBER, Amd.OFF)
    assert drawn.ring_time is not None
    assert span[0] <= drawn.ring_time <= span[1]
    assert span[0] <= drawn.talk_time <= span[1]


def test_both_ends_of_a_range_are_reached() -> None:
    """Each duration of a range occurs."""
    fates = Fates(SimulatorOptions(talk_time=(1, 3), outcomes={Outcome.ANSWERED: 1}))
    assert {fates.of(attempt, NUMBER, Amd.OFF).talk_time for attempt in ATTEMPTS} == {1, 2, 3}


def test_outcomes_follow_their_weights() -> None:
    """Over many attempts each outcome comes as often as its weight says; one of weight 0 never."""
    weights = {Outcome.ANSWERED: 3.0, Outcome.BUSY: 1.0, Outcome.FAILED: 0.0}
    fates = Fates(SimulatorOptions(outcomes=weights))
    counts = Counter(fates.of(attempt, NUMBER, Amd.OFF).outcome for attempt in ATTEMPTS)
    assert set(counts) == {Outcome.ANSWERED, Outcome.BUSY}
    assert counts[Outcome.BUSY] == pytest.approx(1000, abs=120)


def test_seeds_differ_and_options_do_not_interfere() -> None:
    """Another seed deals anew; another talk time leaves outcomes and ring times as they were."""
    options = SimulatorOptions(seed=1)
    dealt = [fate(options, attempt, NUMBER, Amd.OFF) for attempt in ATTEMPTS[:50]]
    assert dealt != [fate(evolve(options, seed=2), attempt, NUMBER, Amd.OFF) for attempt in ATTEMPTS[:50]]
    longer = [fate(evolve(options, talk_time=9), attempt, NUMBER, Amd.OFF) for attempt in ATTEMPTS[:50]]
    assert [(one.outcome, one.ring_time) for one in dealt] == [(one.outcome, one.ring_time) for one in longer]


def test_losses_come_as_often_as_asked_and_half_were_placed() -> None:
    """`not_placed` is of all calls, `maybe_placed` of the rest, and half of those reached the network."""
    fates = Fates(SimulatorOptions(not_placed=0.2, maybe_placed=0.5))
    counts = Counter(fates.of(attempt, NUMBER, Amd.OFF).loss for attempt in ATTEMPTS)
    assert counts[Loss.REFUSED] == pytest.approx(800, abs=120)
    assert counts[Loss.BEFORE] == pytest.approx(800, abs=120)
    assert counts[Loss.AFTER] == pytest.approx(800, abs=120)


@pytest.mark.parametrize(
    ("option", "lost"), [("not_placed", {Loss.REFUSED}), ("maybe_placed", {Loss.BEFORE, Loss.AFTER})]
)
def test_certain_losses_leave_none_over(option: str, lost: set[Loss]) -> None:
    """A probability of 1 is each call."""
    fates = Fates(SimulatorOptions(**{option: 1.0}))  # type: ignore[arg-type]  # both are floats
    assert {fates.of(attempt, NUMBER, Amd.OFF).loss for attempt in ATTEMPTS} == lost


def test_scripts_follow_the_count_and_repeat_the_last() -> None:
    """A scripted number meets its outcomes in turn, never lost and answered by humans."""
    options = SimulatorOptions(
        numbers={NUMBER: (Outcome.BUSY, Outcome.ANSWERED)}, maybe_placed=1.0, amd={AnsweredBy.FAX: 1}
    )
    met = [fate(options, "a", NUMBER, Amd.DETECT, nth) for nth in range(4)]
    assert [one.outcome for one in met] == [Outcome.BUSY, *[Outcome.ANSWERED] * 3]
    assert [one.answered_by for one in met] == [None, *[AnsweredBy.HUMAN] * 3]
    assert {one.loss for one in met} == {None}
    assert fate(options, "a", "+12125550124", Amd.OFF).loss is not None


def test_detection_needs_to_be_ordered() -> None:
    """Who answered is known only where detection was ordered and somebody answered."""
    machine = SimulatorOptions(outcomes={Outcome.ANSWERED: 1}, amd={AnsweredBy.MACHINE: 1})
    assert fate(machine, "a", NUMBER, Amd.OFF).answered_by is None
    assert fate(machine, "a", NUMBER, Amd.DETECT).answered_by is AnsweredBy.MACHINE
    assert fate(SimulatorOptions(outcomes={Outcome.BUSY: 1}), "a", NUMBER, Amd.DETECT).answered_by is None


MACHINE = Fate(Outcome.ANSWERED, 1, 100, AnsweredBy.MACHINE)


@pytest.mark.parametrize(
    ("met", "on_voicemail", "talk_time", "outcome", "message_left"),
    [
        (MACHINE, OnVoicemail.HANG_UP, 0, Outcome.VOICEMAIL, False),
        (MACHINE, OnVoicemail.LEAVE_MESSAGE, 60, Outcome.VOICEMAIL, True),
        (MACHINE, OnVoicemail.CONTINUE, 60, Outcome.ANSWERED, False),
        (evolve(MACHINE, answered_by=AnsweredBy.FAX), OnVoicemail.CONTINUE, 0, Outcome.FAILED, False),
        (evolve(MACHINE, answered_by=AnsweredBy.UNKNOWN), OnVoicemail.HANG_UP, 60, Outcome.ANSWERED, False),
        (evolve(MACHINE, answered_by=None), OnVoicemail.HANG_UP, 60, Outcome.ANSWERED, False),
        (evolve(MACHINE, outcome=Outcome.VOICEMAIL), OnVoicemail.CONTINUE, 60, Outcome.VOICEMAIL, False),
    ],
)
def test_course_by_who_answers(
    met: Fate, on_voicemail: OnVoicemail, talk_time: int, outcome: Outcome, message_left: bool
) -> None:
    """What an agent does with a machine decides outcome, message and length; unknown is treated as human."""
    way = course(met, 10, 60, on_voicemail)
    assert (way.talk_time, way.end.outcome, way.end.message_left) == (talk_time, outcome, message_left)


def test_ring_timeout_cuts_every_ringing_fate() -> None:
    """Whoever would answer, or reject, after the ring timeout does not; what never rings is not touched."""
    for outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL, Outcome.REJECTED):
        way = course(Fate(outcome, 11, 5), 10, 60, OnVoicemail.HANG_UP)
        assert (way.end.outcome, way.ring_time, way.talk_time) == (Outcome.NO_ANSWER, 10, 0)
    assert course(Fate(Outcome.NO_ANSWER, None, 0), 10, 60, OnVoicemail.HANG_UP).ring_time == 10
    assert course(Fate(Outcome.BUSY, 0, 0), 10, 60, OnVoicemail.HANG_UP).end.outcome is Outcome.BUSY


@pytest.mark.parametrize(
    ("written", "path", "words"),
    [
        ({"ring_time": 5}, "o.ring_time", "duration"),
        ({"ring_time": ["1s"]}, "o.ring_time", "2 entries"),
        ({"no_answer_time": ["2s", "1s"]}, "o.no_answer_time", 'write ["1s", "2s"]'),
        ({"outcomes": {"answerd": 1}}, "o.outcomes.answerd", "answered"),
        ({"outcomes": {"uncertain": 1}}, "o.outcomes.uncertain", "is not known; known are"),
        ({"outcomes": {"busy": 0}}, "o.outcomes", "more than 0"),
        ({"outcomes": {}}, "o.outcomes", "more than 0"),
        ({"amd": {"human": -1}}, "o.amd", "0 or more"),
        ({"numbers": {NUMBER: []}}, "o.numbers", NUMBER),
        ({"numbers": {NUMBER: ["cancelled"]}}, f'o.numbers."{NUMBER}"[0]', '"cancelled" is not known'),
        ({"numbers": {"+1 212 5550123": ["busy"], "07": ["busy"]}}, "o.numbers", 'has "+1 212 5550123", "07"; write'),
        ({"capacity": 0}, "o.capacity", "more than 0"),
        ({"max_channels": 0}, "o.max_channels", "1 or more"),
        ({"maybe_placed": 1.5}, "o.maybe_placed", "between 0 and 1"),
        ({"outages": [{"every": "1m"}]}, "o.outages[0].lasts", "required"),
        ({"seed": -1}, "o.seed", "0 or more"),
    ],
)
def test_options_are_strict(written: dict[str, object], path: str, words: str) -> None:
    """Each option has a rule, and a fault names its path and the rule."""
    with pytest.raises(InvalidInput) as caught:
        structure(written, SimulatorOptions, path="o")
    (fault,) = caught.value.faults
    assert fault.path == path
    assert words in fault.message


@pytest.mark.parametrize(
    "written", [{"outcomes": {"nonsense": 1}}, {"numbers": {NUMBER: ["nonsense"]}}], ids=["outcomes", "numbers"]
)
def test_only_what_is_accepted_is_offered(written: dict[str, object]) -> None:
    """The list that follows a typo holds no outcome that is refused in turn."""
    with pytest.raises(InvalidInput) as caught:
        structure(written, SimulatorOptions)
    message = str(caught.value)
    assert "no_answer" in message
    assert "cancelled" not in message
    assert "uncertain" not in message
