"""The table from the carrier's words to outcome, cause and fault: complete, sound, as written down, and documented."""

from pathlib import Path

import pytest
from dialerd_twilio.answers import OVER, CallStatus, CarrierError, Lost, Refused
from dialerd_twilio.verdict_table import CODES, ENDS, NETWORK, STATUSES, Matter
from dialerd_twilio.verdicts import document, refusal, verdict
from hypothesis import given
from hypothesis import strategies as st

from dialerd.engine.checked import checked_cause
from dialerd.model.states import AnsweredBy, AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled

ROOT = Path(__file__).parents[2]

NUMBERS = {13223, 13224, 13226, 21202, 21211, 21214, 21217}
DESTINATIONS = {13225, 13227, 21203, 21215, 21216, 32224}
ACCOUNTS = {10001, 10002, 10005, 20003, 20005, 20006, 20008, 20010, 20403, 20404, 20426, 21210, 21212, 21213, 21219}
ACCOUNTS |= {70051, 90010, 573005}
CROWDS = {10004, 20429, 22005, 86008}
REACH = {13224, 21214}
REQUESTS = {11100, 11750, 12100, 12200, 20001, 20413, 20422, 20423, 21201, 21205, 21208, 21209, 21218, 21234}

NETWORK_SAYS = {
    Outcome.INVALID_NUMBER: (AtFault.CALLEE, {404: 1, 410: 22, 484: 28, 485: 1, 604: 1}),
    Outcome.BUSY: (AtFault.CALLEE, {486: 17, 600: 17, 699: 17}),
    Outcome.REJECTED: (AtFault.CALLEE, {603: 21, 607: 21, 608: 21}),
    Outcome.UNREACHABLE: (AtFault.CALLEE, {408: 102, 480: 18}),
    Outcome.NO_ANSWER: (AtFault.CALLEE, {487: 19}),
    Outcome.CONGESTION: (AtFault.TRUNK, {503: 34}),
}
FAILED_ON_THE_TRUNK = {401: 21, 402: 21, 403: 21, 407: 21, 428: 21}
FAILED_IN_THE_NETWORK = {300: 127, 302: 127, 400: 41, 405: 63, 406: 79, 436: 21, 437: 21, 438: 21, 482: 25, 483: 25}
FAILED_IN_THE_NETWORK |= {488: 88, 499: 41, 500: 41, 501: 79, 502: 38, 504: 102, 505: 41, 580: 47, 606: 88}


def refused(code, status=400, after=None):
    """Return what is raised of a refusal."""
    return refusal(Refused(status, code, "said", after))


def test_every_code_is_in_one_of_these_lists():
    """A row that is added, taken out or moved is a change of the lists above."""
    for matter, codes in zip(Matter, (NUMBERS - REACH, REACH, DESTINATIONS, ACCOUNTS, CROWDS, REQUESTS), strict=True):
        assert {code for code, row in CODES.items() if row.matter is matter} == codes


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_a_refusal_with_a_known_code_means(code):
    """Who is at fault, whether the trunk rests, and what the user reads."""
    said = refused(code, after=7_000)
    assert not isinstance(said, MaybePlaced)
    assert said.cause.code == str(code)
    assert said.cause.detail == f"{CODES[code].means} (HTTP 400: said)"
    if code in CROWDS:
        assert isinstance(said, Throttled)
        assert said.retry_after == 7_000
        assert said.cause.fault is AtFault.TRUNK
        return
    assert isinstance(said, NotPlaced)
    fault = AtFault.CALLEE if code in NUMBERS else AtFault.US if code in REQUESTS else AtFault.TRUNK
    assert said.cause.fault is fault
    assert said.trunk_down == (code in ACCOUNTS)


@pytest.mark.parametrize("code", sorted(ACCOUNTS | DESTINATIONS))
def test_a_trunk_s_trouble_says_what_to_do(code):
    """A trunk that rests, and a country that is closed, wait for somebody to act."""
    verbs = "look|upgrade|ask|correct|give|use|update|verify|enable|make|show"
    assert any(f" {verb} " in CODES[code].means for verb in verbs.split("|"))


@pytest.mark.parametrize(
    ("status", "kind", "fault", "down"),
    [
        (300, MaybePlaced, AtFault.PROVIDER, None),
        (301, NotPlaced, AtFault.TRUNK, True),
        (302, MaybePlaced, AtFault.PROVIDER, None),
        (303, MaybePlaced, AtFault.PROVIDER, None),
        (307, NotPlaced, AtFault.TRUNK, True),
        (308, NotPlaced, AtFault.TRUNK, True),
        (400, NotPlaced, AtFault.PROVIDER, False),
        (401, NotPlaced, AtFault.TRUNK, True),
        (402, NotPlaced, AtFault.TRUNK, True),
        (403, NotPlaced, AtFault.PROVIDER, False),
        (404, NotPlaced, AtFault.TRUNK, True),
        (405, NotPlaced, AtFault.TRUNK, True),
        (422, NotPlaced, AtFault.PROVIDER, False),
        (429, Throttled, AtFault.TRUNK, None),
        (499, NotPlaced, AtFault.PROVIDER, False),
        (500, MaybePlaced, AtFault.PROVIDER, None),
        (503, MaybePlaced, AtFault.PROVIDER, None),
        (599, MaybePlaced, AtFault.PROVIDER, None),
        (600, MaybePlaced, AtFault.PROVIDER, None),
        (0, MaybePlaced, AtFault.PROVIDER, None),
    ],
)
def test_what_a_refusal_without_a_known_code_means(status, kind, fault, down):
    """The status decides, also beside a code that nobody knows."""
    for code in (None, 4711):
        said = refused(code, status)
        assert type(said) is kind
        assert said.cause.fault is fault
        assert said.cause.code == (f"HTTP {status}" if code is None else "4711")
        if kind is NotPlaced:
            assert said.trunk_down is down


@given(
    code=st.none() | st.sampled_from(sorted(CODES)) | st.integers(),
    status=st.integers(0, 999),
    after=st.none() | st.integers(0),
)
def test_a_server_that_failed_is_never_believed(code, status, after):
    """Below 300, beyond 499, and wherever a request may have been carried out first, the call may have been placed."""
    said = refused(code, status, after)
    certain = 400 <= status <= 499 or status in (301, 307, 308)
    assert isinstance(said, MaybePlaced) != certain
    assert checked_cause(said.cause) is said.cause
    if status == 429:
        assert isinstance(said, Throttled)
        assert said.retry_after == after


def test_too_many_requests_are_that_whatever_else_is_said():
    """429 was not processed, also where a code beside it speaks of something else."""
    for code in (21211, 20003, 21205):
        said = refused(code, 429, 2_000)
        assert isinstance(said, Throttled)
        assert said.retry_after == 2_000


def test_what_a_lost_request_means():
    """Whether a byte has left decides; what is not known at all may have been placed."""
    unsent, sent = refusal(Lost("no way", sent=False)), refusal(Lost("gone", sent=True))
    assert isinstance(unsent, NotPlaced)
    assert (unsent.trunk_down, unsent.cause.fault, unsent.cause.detail) == (False, AtFault.PROVIDER, "no way")
    assert isinstance(sent, MaybePlaced)
    assert (sent.cause.fault, sent.cause.detail) == (AtFault.PROVIDER, "gone")
    assert isinstance(refusal(CarrierError("what")), MaybePlaced)


@pytest.mark.parametrize(
    ("status", "outcome", "fault", "q850"),
    [
        (CallStatus.COMPLETED, Outcome.ANSWERED, None, None),
        (CallStatus.BUSY, Outcome.BUSY, AtFault.CALLEE, 17),
        (CallStatus.NO_ANSWER, Outcome.NO_ANSWER, AtFault.CALLEE, 19),
        (CallStatus.CANCELED, Outcome.CANCELLED, AtFault.US, 16),
        (CallStatus.FAILED, Outcome.UNREACHABLE, AtFault.CALLEE, 3),
        (CallStatus.QUEUED, Outcome.FAILED, AtFault.PROVIDER, 41),
        (CallStatus.INITIATED, Outcome.FAILED, AtFault.PROVIDER, 41),
        (CallStatus.RINGING, Outcome.FAILED, AtFault.PROVIDER, 41),
        (CallStatus.IN_PROGRESS, Outcome.ANSWERED, None, None),
    ],
)
def test_ends_by_the_status_alone(status, outcome, fault, q850):
    """Every status has its row, and an ordinary answered call no cause."""
    found = verdict(status=status)
    assert (found.outcome, found.answered_by) == (outcome, None)
    assert (None if found.cause is None else (found.cause.fault, found.cause.q850, found.cause.code)) == (
        None if fault is None else (fault, q850, None)
    )
    assert set(ENDS) == set(CallStatus) >= OVER


def network_rows():
    """Yield what each answer of the network means: SIP status, outcome, fault, Q.850."""
    for outcome, (fault, causes) in NETWORK_SAYS.items():
        yield from ((sip, outcome, fault, q850) for sip, q850 in causes.items())
    yield from ((sip, Outcome.FAILED, AtFault.TRUNK, q850) for sip, q850 in FAILED_ON_THE_TRUNK.items())
    yield from ((sip, Outcome.FAILED, AtFault.PROVIDER, q850) for sip, q850 in FAILED_IN_THE_NETWORK.items())


@pytest.mark.parametrize(("sip", "outcome", "fault", "q850"), list(network_rows()))
def test_failed_calls_by_the_network_s_answer(sip, outcome, fault, q850):
    """Each row, and three that count as the first of their hundred."""
    found = verdict(status=CallStatus.FAILED, sip_code=sip)
    assert found.cause is not None
    assert (found.outcome, found.cause.fault, found.cause.q850, found.cause.code) == (outcome, fault, q850, str(sip))


def test_every_row_of_the_network_is_tested():
    """A row that is added is a change of the lists above."""
    assert set(NETWORK) <= {row[0] for row in network_rows()}


@pytest.mark.parametrize("code", sorted(CODES))
def test_failed_calls_by_the_error_code(code):
    """What the carrier notes for a call says more than the network's answer."""
    found = verdict(status=CallStatus.FAILED, sip_code=486, error_code=code)
    numbers = Outcome.UNREACHABLE if code in REACH else Outcome.INVALID_NUMBER
    outcome = numbers if code in NUMBERS else Outcome.CONGESTION if code in CROWDS else Outcome.FAILED
    fault = AtFault.CALLEE if code in NUMBERS else AtFault.US if code in REQUESTS else AtFault.TRUNK
    assert found.cause is not None
    assert (found.outcome, found.cause.fault) == (outcome, fault)
    assert (found.cause.code, found.cause.detail) == (str(code), CODES[code].means)


@pytest.mark.parametrize(
    ("status", "sip", "outcome"),
    [
        (CallStatus.BUSY, 486, Outcome.BUSY),
        (CallStatus.BUSY, 603, Outcome.REJECTED),
        (CallStatus.BUSY, 607, Outcome.REJECTED),
        (CallStatus.BUSY, 503, Outcome.BUSY),
        (CallStatus.NO_ANSWER, 480, Outcome.NO_ANSWER),
        (CallStatus.NO_ANSWER, 487, Outcome.NO_ANSWER),
        (CallStatus.NO_ANSWER, 486, Outcome.BUSY),
        (CallStatus.NO_ANSWER, 608, Outcome.REJECTED),
        (CallStatus.CANCELED, 487, Outcome.CANCELLED),
        (CallStatus.CANCELED, 603, Outcome.CANCELLED),
        (CallStatus.COMPLETED, 200, Outcome.ANSWERED),
        (CallStatus.FAILED, 200, Outcome.UNREACHABLE),
        (CallStatus.FAILED, 0, Outcome.UNREACHABLE),
        (CallStatus.FAILED, 700, Outcome.UNREACHABLE),
    ],
)
def test_the_network_s_answer_beside_a_status(status, sip, outcome):
    """A declined call that is told as busy was declined; otherwise the status counts."""
    assert verdict(status=status, sip_code=sip).outcome is outcome


@pytest.mark.parametrize(
    ("told", "left", "outcome", "answered_by", "fault"),
    [
        (None, False, Outcome.ANSWERED, None, None),
        ("", False, Outcome.ANSWERED, None, None),
        ("human", False, Outcome.ANSWERED, AnsweredBy.HUMAN, None),
        ("unknown", False, Outcome.ANSWERED, AnsweredBy.UNKNOWN, None),
        ("not-a-word-of-twilio", False, Outcome.ANSWERED, AnsweredBy.UNKNOWN, None),
        ("machine_start", False, Outcome.VOICEMAIL, AnsweredBy.MACHINE, None),
        ("machine_end_beep", True, Outcome.VOICEMAIL, AnsweredBy.MACHINE, None),
        ("machine_end_silence", False, Outcome.VOICEMAIL, AnsweredBy.MACHINE, None),
        ("machine_end_other", False, Outcome.VOICEMAIL, AnsweredBy.MACHINE, None),
        (None, True, Outcome.VOICEMAIL, AnsweredBy.MACHINE, None),
        ("fax", False, Outcome.FAILED, AnsweredBy.FAX, AtFault.CALLEE),
    ],
)
def test_answered_calls_by_who_answered(told, left, outcome, answered_by, fault):
    """A machine is voicemail, a fax nobody, and whoever is not known is treated as a person."""
    found = verdict(status=CallStatus.COMPLETED, answered_by=told, message_left=left)
    assert (found.outcome, found.answered_by) == (outcome, answered_by)
    assert (found.cause and found.cause.fault) == fault


def test_an_error_in_an_answered_call_is_ours_and_the_call_counts_as_answered():
    """The person was called and must not be called again for it; the report says what failed."""
    for code, words in ((12100, CODES[12100].means), (31920, "the carrier notes an error for this call")):
        found = verdict(status=CallStatus.COMPLETED, sip_code=200, error_code=code)
        assert found.outcome is Outcome.ANSWERED
        assert found.cause is not None
        assert (found.cause.fault, found.cause.code, found.cause.detail) == (AtFault.US, str(code), words)


@given(
    status=st.sampled_from(CallStatus),
    sip_code=st.none() | st.integers(-1, 1_000) | st.sampled_from(sorted(NETWORK)),
    error_code=st.none() | st.integers(0, 10**6) | st.sampled_from(sorted(CODES)),
    answered_by=st.none() | st.sampled_from(["human", "machine_start", "fax", "unknown", ""]) | st.text(),
    message_left=st.booleans(),
)
def test_every_end_is_sound(status, sip_code, error_code, answered_by, message_left):
    """No end is uncertain, every failed one has a cause, and an invalid number is the callee's alone."""
    found = verdict(
        status=status,
        sip_code=sip_code,
        error_code=error_code,
        answered_by=answered_by,
        message_left=message_left,
    )
    assert found.outcome is not Outcome.UNCERTAIN
    if found.outcome not in (Outcome.ANSWERED, Outcome.VOICEMAIL):
        assert found.cause is not None
        assert checked_cause(found.cause) is found.cause
        assert 1 <= (found.cause.q850 or 0) <= 127
        callee = found.outcome in (Outcome.INVALID_NUMBER, Outcome.BUSY, Outcome.REJECTED, Outcome.NO_ANSWER)
        assert not callee or found.cause.fault is AtFault.CALLEE
        assert found.outcome is not Outcome.CONGESTION or found.cause.fault is AtFault.TRUNK
    if status in (CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.CANCELED):
        assert found.outcome in (Outcome.BUSY, Outcome.NO_ANSWER, Outcome.CANCELLED, Outcome.REJECTED)


def test_rows_have_a_source():
    """Whoever doubts a row can look it up."""
    assert all(row.source and row.means for row in (*STATUSES, *ENDS.values(), *NETWORK.values()))
    assert all(row.means and 1 <= row.q850 <= 127 for row in CODES.values())


def test_the_document_is_the_table():
    """`docs/twilio-verdicts.md` is drawn from it; draw it anew with `document()`."""
    assert (ROOT / "docs/twilio-verdicts.md").read_text() == document()
