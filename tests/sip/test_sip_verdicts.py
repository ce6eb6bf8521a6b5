"""The table from the end of a SIP call to what it means: complete, sound, as written down, and documented."""

import contextlib
from pathlib import Path

import pytest
from dialerd_sip.core.events import Ender, Ending
from dialerd_sip.verdict_table import CAUSES, EXACT, LOCAL, STATUSES, Follows
from dialerd_sip.verdicts import document, end_of, former_end
from hypothesis import given
from hypothesis import strategies as st

from dialerd.engine.checked import checked_cause, checked_end
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled

ROOT = Path(__file__).parents[2]

INVALID = ("invalid_number", "callee")
BUSY, REJECTED = ("busy", "callee"), ("rejected", "callee")
NO_ANSWER, UNREACHABLE = ("no_answer", "callee"), ("unreachable", "callee")
OURS, TRUNKS, NETWORKS = ("refund", "us"), ("refund", "trunk"), ("refund", "provider")
REST, FULL, CROWD = ("rest", "trunk"), ("throttled", "trunk"), ("congestion", "provider")
CODEC = ("failed", "trunk")

ANSWERS = {
    300: (*NETWORKS, 127),
    302: (*NETWORKS, 127),
    305: (*TRUNKS, 127),
    380: (*NETWORKS, 127),
    400: (*NETWORKS, 41),
    401: (*REST, 21),
    402: (*REST, 21),
    403: (*TRUNKS, 21),
    404: (*INVALID, 1),
    405: (*NETWORKS, 63),
    406: ("failed", "provider", 79),
    407: (*REST, 21),
    408: (*NO_ANSWER, 18),
    410: (*INVALID, 22),
    413: (*OURS, 127),
    414: (*OURS, 127),
    415: (*CODEC, 79),
    416: (*TRUNKS, 127),
    420: (*NETWORKS, 127),
    421: (*NETWORKS, 127),
    422: (*TRUNKS, 127),
    423: (*NETWORKS, 127),
    428: (*TRUNKS, 21),
    429: (*FULL, 42),
    433: (*REJECTED, 21),
    436: (*TRUNKS, 21),
    437: (*TRUNKS, 21),
    438: (*TRUNKS, 21),
    480: (*NO_ANSWER, 18),
    481: (*NETWORKS, 127),
    482: (*NETWORKS, 25),
    483: (*NETWORKS, 25),
    484: (*INVALID, 28),
    485: (*INVALID, 1),
    486: (*BUSY, 17),
    487: (*NO_ANSWER, 19),
    488: (*CODEC, 88),
    491: (*NETWORKS, 127),
    493: (*NETWORKS, 127),
    499: (*NETWORKS, 41),
    500: (*CROWD, 41),
    501: (*NETWORKS, 79),
    502: (*CROWD, 38),
    503: (*FULL, 41),
    504: (*CROWD, 102),
    505: (*NETWORKS, 127),
    513: (*OURS, 127),
    580: (*CROWD, 47),
    599: (*CROWD, 41),
    600: (*BUSY, 17),
    603: (*REJECTED, 21),
    604: (*INVALID, 1),
    606: (*CODEC, 88),
    607: (*REJECTED, 21),
    608: (*REJECTED, 21),
    699: (*BUSY, 17),
}
Q850 = {
    1: INVALID,
    2: NETWORKS,
    3: UNREACHABLE,
    5: TRUNKS,
    17: BUSY,
    18: NO_ANSWER,
    19: NO_ANSWER,
    20: UNREACHABLE,
    21: REJECTED,
    22: INVALID,
    25: NETWORKS,
    27: UNREACHABLE,
    28: INVALID,
    29: NETWORKS,
    34: FULL,
    38: FULL,
    41: FULL,
    42: FULL,
    44: FULL,
    47: FULL,
    50: TRUNKS,
    55: TRUNKS,
    57: TRUNKS,
    58: NETWORKS,
    65: NETWORKS,
    88: ("failed", "callee"),
}
OWN_ENDS = {
    "timeout": (*TRUNKS, 38),
    "connection": (*TRUNKS, 38),
    "refused": (*TRUNKS, 38),
    "credentials": (*REST, 21),
    "ring_timeout": (*NO_ANSWER, 19),
    "hangup": ("cancelled", "us", 16),
    "former_life": ("cancelled", "us", 41),
}


def ending(status=None, *, ender=Ender.NETWORK, **facts):
    """Return an ending."""
    return Ending(ender=ender, status=status, **facts)


def told(over, **asked):
    """Return in short what is said of an ending: what follows, whose fault, which cause."""
    try:
        end = end_of(over, **asked)
    except NotPlaced as error:
        checked_cause(error.cause)
        return "rest" if error.trunk_down else "refund", error.cause.fault.value, error.cause.q850
    except Throttled as error:
        checked_cause(error.cause)
        return "throttled", error.cause.fault.value, error.cause.q850
    checked_end(end)
    return end.outcome.value, end.cause and end.cause.fault.value, end.cause and end.cause.q850


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_every_answer(status):
    """What each says where nothing rang; one that is not listed counts as the first of its hundred."""
    assert told(ending(status)) == ANSWERS[status]


def test_the_rows_are_those_of_these_lists():
    """A row that is added or taken out is a change of the lists above; each has words and a source."""
    assert set(STATUSES) == set(ANSWERS) - {302, 499, 599, 699}
    assert set(CAUSES) == set(Q850)
    assert set(LOCAL) == {*OWN_ENDS, "no_media", "media_failed", "session_expired", "max_duration"}
    for row in (*STATUSES.values(), *CAUSES.values(), *LOCAL.values()):
        assert row.means
        assert row.source
        assert row.outcome is not Outcome.UNCERTAIN
        assert row.follows is Follows.END or row.fault in (AtFault.TRUNK, AtFault.PROVIDER, AtFault.US)


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_nothing_is_refunded_after_it_rang(status):
    """A phone that rang is not rung again on the trunk's account: every answer ends the call then."""
    outcome, fault, q850 = told(ending(status, rang=True, retry_after=5))
    expected, same_fault, same_cause = ANSWERS[status]
    assert (fault, q850) == (same_fault, same_cause)
    renamed = {"rest": "failed", "refund": "failed", "throttled": "congestion"}
    assert outcome == renamed.get(expected, expected)


@pytest.mark.parametrize("cause", sorted(Q850))
def test_every_cause_of_a_reason_wins(cause):
    """Over an answer that says less, wherever the header has others beside it."""
    for status in (480, 403, 500, 603):
        if STATUSES[status].q850 == cause:
            continue
        over = ending(status, reasons=("SIP;cause=480", f'Q.850 ;cause={cause};text="said"'))
        assert told(over) == (*Q850[cause], cause)


@pytest.mark.parametrize("cause", [16, 31, 102, 127, 999])
@pytest.mark.parametrize("status", [486, 503, 603])
def test_causes_that_say_less_do_not_win(cause, status):
    """Normal clearing and interworking beside an answer say nothing."""
    assert told(ending(status, reasons=(f"Q.850;cause={cause}",))) == ANSWERS[status]


@pytest.mark.parametrize("status", sorted(EXACT))
def test_what_q850_has_no_number_for_stays(status):
    """A gateway's Reason beside it is a rounding."""
    assert told(ending(status, reasons=("Q.850;cause=34",))) == ANSWERS[status]


def test_full_trunks():
    """Retry-After is handed on, within bounds; 500 and its like throttle where they say how long."""
    for status in (503, 500, 502, 504, 580):
        with pytest.raises(Throttled) as error:
            end_of(ending(status, retry_after=300), retry_after_most=30_000)
        assert error.value.retry_after == 30_000
    with pytest.raises(Throttled) as error:
        end_of(ending(503, retry_after=300))
    assert error.value.retry_after == 300_000
    with pytest.raises(Throttled) as error:
        end_of(ending(503), retry_after_most=30_000)
    assert error.value.retry_after is None
    assert error.value.cause.code == "SIP 503"


@pytest.mark.parametrize(
    "words",
    [
        {"phrase": "CPS limit reached"},
        {"warning": '399 sbc.example.com "Flood protection"'},
        {"warning": '370 sbc.example.com "Insufficient Bandwidth"'},
        {"reasons": ('SIP;cause=486;text="Too many calls"',)},
        {"phrase": "Max channels in use"},
        {"phrase": "Rate Limited"},
    ],
)
def test_flood_protection_in_words(words):
    """It may answer busy, forbidden or anything; 6xx is the callee's word and stays."""
    for status in (403, 480, 486, 488, 500):
        assert told(ending(status, **words)) == (*FULL, 42)
    assert told(ending(603, **words)) == ANSWERS[603]
    assert told(ending(486, phrase="Busy Here")) == ANSWERS[486]


def test_a_603_that_no_person_said():
    """It is rejected all the same; the words say who did it."""
    person, machine = end_of(ending(603)), end_of(ending(603, reasons=('SIP;cause=603;text="v=analytics1;url=x"',)))
    assert person.outcome is machine.outcome is Outcome.REJECTED
    assert person.cause.detail.startswith("the call was declined")
    assert "spam" in machine.cause.detail


@pytest.mark.parametrize("why", sorted(OWN_ENDS))
def test_ends_on_our_side(why):
    """Whether or not our CANCEL was answered by 487; a real answer that crossed it says more."""
    assert told(ending(why=why, ender=Ender.US)) == OWN_ENDS[why]
    assert told(ending(487, why=why, ender=Ender.US)) == OWN_ENDS[why]
    assert told(ending(486, why=why, ender=Ender.US)) == ANSWERS[486]
    with pytest.raises(MaybePlaced) as error:
        end_of(ending(why=why, certain=False))
    assert error.value.cause.fault is AtFault.PROVIDER


def test_ring_timeout_and_hangup_after_it_rang():
    """The ordinary ends of a call that nobody answered."""
    assert told(ending(487, why="ring_timeout", rang=True)) == OWN_ENDS["ring_timeout"]
    assert told(ending(487, why="hangup", rang=True)) == OWN_ENDS["hangup"]
    assert told(ending(why="timeout", rang=True)) == ("failed", "trunk", 38)
    assert told(ending()) == ("refund", "provider", None)


def test_an_answer_that_crossed_our_cancel():
    """Somebody picked up in the instant of being given up, and heard nothing: nobody was reached."""
    crossing = {"answered": True, "rang": True, "crossed": True, "ender": Ender.US}
    assert told(ending(200, why="ring_timeout", **crossing)) == OWN_ENDS["ring_timeout"]
    assert told(ending(200, why="hangup", **crossing)) == OWN_ENDS["hangup"]
    assert told(ending(200, why="former_life", **crossing)) == OWN_ENDS["former_life"]


def test_answered_calls():
    """An ordinary one has no cause; what ended it on our side, or at once, is said."""
    assert told(ending(200, answered=True, rang=True, ender=Ender.CALLEE)) == ("answered", None, None)
    assert told(ending(200, answered=True, why="hangup")) == ("answered", None, None)
    assert told(ending(answered=True, why="former_life")) == ("answered", None, None)
    assert told(ending(200, answered=True, why="max_duration")) == ("answered", None, None)
    assert told(ending(200, answered=True, certain=False)) == ("answered", None, None)
    assert told(ending(200, answered=True, why="session_expired")) == ("answered", "provider", 102)
    assert told(ending(200, answered=True, why="no_media")) == ("failed", "provider", 88)
    assert told(ending(200, answered=True, why="media_failed")) == ("failed", "us", 41)
    brief = ending(200, answered=True, ender=Ender.CALLEE)
    assert end_of(brief, talked=999).detail["suspect"] is True
    assert end_of(brief, talked=999).outcome is Outcome.ANSWERED
    assert "suspect" not in end_of(brief, talked=1_000).detail
    assert "suspect" not in end_of(ending(200, answered=True, ender=Ender.US), talked=999).detail


def test_what_is_kept():
    """All that was told stands in the detail, on one line each, and bounded."""
    over = ending(
        480,
        phrase="Temporarily\r\n Unavailable\ud800" + "x" * 500,
        reasons=("Q.850;cause=18",),
        warning='399 a "b"',
        retry_after=7,
        rang=True,
        ender=Ender.CALLEE,
        tried=2,
        detail="more",
    )
    end = checked_end(end_of(over, digits="12", opted_out=True))
    assert (end.digits, end.opted_out) == ("12", True)
    phrase = end.detail.pop("sip_phrase")
    assert phrase.startswith("Temporarily Unavailable x")
    assert len(phrase) == 200
    assert end.detail == {
        "sip_status": 480,
        "sip_reasons": ["Q.850;cause=18"],
        "sip_warning": '399 a "b"',
        "sip_retry_after": 7,
        "ended_by": "callee",
        "targets_tried": 2,
    }
    assert end.cause.code == "SIP 480"
    assert end.cause.detail.endswith('; Q.850;cause=18; 399 a "b"; more)')


TEXT = st.text(max_size=20)


@given(
    status=st.none() | st.integers(200, 699),
    why=st.none() | st.sampled_from([*LOCAL, "odd"]),
    phrase=TEXT,
    reasons=st.lists(TEXT | st.integers(0, 130).map("Q.850;cause={}".format), max_size=3).map(tuple),
    warning=st.none() | TEXT,
    retry_after=st.none() | st.integers(0, 2**31),
    rang=st.booleans(),
    answered=st.booleans(),
    certain=st.booleans(),
)
def test_whatever_was_told_has_a_meaning(**facts):
    """What may have rung is never refunded; what is said can be stored; a former call's end never raises."""
    over = Ending(ender=Ender.NETWORK, **facts)
    checked_end(former_end(over))
    doubtful = not facts["certain"] and not facts["answered"]
    unheard = not facts["rang"] and not facts["answered"]
    with contextlib.suppress(*[MaybePlaced] * doubtful, *[NotPlaced, Throttled] * (unheard and not doubtful)):
        checked_end(end_of(over))
        assert not doubtful


def test_the_document_is_drawn_from_the_table():
    """docs/sip-verdicts.md shows the table as it stands."""
    assert (ROOT / "docs" / "sip-verdicts.md").read_text() == document(), "write document() into docs/sip-verdicts.md"
