"""What is known of a call: whatever order callbacks come in, how often, and what is asked besides."""

import pytest
from dialerd_twilio.answers import OVER, CallStatus, CarrierCall
from dialerd_twilio.known import Known
from hypothesis import given
from hypothesis import strategies as st

SID = "CA" + "0" * 32
END = 1_800_000_060_000


def told(known: Known, sequence: int, status: CallStatus, **changes: object) -> bool:
    """Let a callback tell."""
    wanted: dict[str, object] = {
        "sid": SID,
        "status": status,
        "sequence": sequence,
        "at": END,
        "duration": 10_000 if status is CallStatus.COMPLETED else None,
        "sip_code": {CallStatus.COMPLETED: 200, CallStatus.BUSY: 486}.get(status),
        "error_code": None,
        "answered_by": None,
        "attestation": {},
    }
    return known.take_callback(**wanted | changes)  # type: ignore[arg-type]  # by name


WAYS = [
    [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.COMPLETED],
    [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.NO_ANSWER],
    [CallStatus.INITIATED, CallStatus.BUSY],
    [CallStatus.INITIATED, CallStatus.FAILED],
    [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.CANCELED],
]


@given(way=st.sampled_from(WAYS), data=st.data())
def test_any_order_comes_to_the_same(way, data):
    """Late, doubled and reordered callbacks change nothing once the last one is there, and none leads back."""
    events = list(enumerate(way))
    deliveries = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=5))))
    known = Known()
    newest = -1
    for sequence, status in deliveries:
        before = known.over
        assert told(known, sequence, status) == (sequence > newest)
        newest = max(newest, sequence)
        assert known.over >= before
    assert known.status is way[-1]
    assert known.over
    assert known.complete
    assert known.ended_at == END
    assert known.duration == (10_000 if way[-1] is CallStatus.COMPLETED else None)


@given(st.lists(st.sampled_from(CallStatus), min_size=1))
def test_answers_never_lead_back(statuses):
    """Asked of several servers, the carrier may answer with what was; the call only advances."""
    known, ended = Known(), None
    for status in statuses:
        known.take_answer(CarrierCall(sid=SID, status=status, number="+447111000001", caller_id="+12125550100"))
        ended = ended or (status if status in OVER else None)
        assert known.over == (ended is not None)
        if ended is not None:
            assert known.status is ended


def test_a_callback_of_another_call_is_not_taken():
    """An attempt has one call; what another says is not its own."""
    known = Known(sid=SID)
    assert not told(known, 0, CallStatus.COMPLETED, sid="CA" + "1" * 32)
    assert known.status is CallStatus.QUEUED


def test_a_completed_call_without_duration_is_asked_about():
    """What a callback leaves out about a call that was up can still be asked for."""
    known = Known()
    told(known, 3, CallStatus.COMPLETED, duration=None)
    assert known.over
    assert not known.complete
    call = CarrierCall(
        sid=SID,
        status=CallStatus.COMPLETED,
        number="+447111000001",
        caller_id="+12125550100",
        ended_at=END,
        duration=12_000,
        price="-0.01300",
        price_unit="USD",
    )
    known.take_answer(call)
    assert known.complete
    assert known.detail() == {
        "sid": SID,
        "status": "completed",
        "duration_s": 12,
        "price": "-0.01300",
        "price_unit": "USD",
        "sip_code": 200,
    }


@pytest.mark.parametrize(
    ("status", "rang", "answered"),
    [
        (CallStatus.QUEUED, False, False),
        (CallStatus.INITIATED, False, False),
        (CallStatus.RINGING, True, False),
        (CallStatus.IN_PROGRESS, True, True),
        (CallStatus.COMPLETED, True, True),
        (CallStatus.NO_ANSWER, True, False),
        (CallStatus.BUSY, False, False),
        (CallStatus.FAILED, False, False),
        (CallStatus.CANCELED, False, False),
    ],
)
def test_what_a_status_means(status, rang, answered):
    """Nobody is said to have answered, and no phone to have rung, without a word of it."""
    known = Known(status=status)
    assert (known.rang, known.answered) == (rang, answered)


def test_what_the_network_says_of_the_caller_id_is_kept():
    """The attestation may come with any callback."""
    known = Known()
    told(known, 0, CallStatus.INITIATED, attestation={"stir_status": "A"})
    told(known, 1, CallStatus.RINGING, attestation={"stir_verstat": "TN-Validation-Passed-A"})
    detail = known.detail()
    assert detail["stir_status"] == "A"
    assert detail["stir_verstat"] == "TN-Validation-Passed-A"


def test_who_answered_is_not_forgotten():
    """A status callback may tell it; what says nothing of it later, a callback or an answer, takes nothing back."""
    known = Known()
    told(known, 2, CallStatus.IN_PROGRESS, answered_by="machine_end_beep")
    assert known.answered_by == "machine_end_beep"
    told(known, 3, CallStatus.COMPLETED)
    known.take_answer(
        CarrierCall(sid=SID, status=CallStatus.COMPLETED, number="+447111000001", caller_id="+12125550100")
    )
    assert known.answered_by == "machine_end_beep"
    assert known.duration == 10_000
    assert known.ended_at == END


def test_a_call_ended_when_its_end_was_told():
    """Other callbacks have instants too; of those that tell the end, what it says replaces what was known."""
    known = Known()
    told(known, 2, CallStatus.IN_PROGRESS, at=END - 10_000)
    assert known.ended_at is None
    call = CarrierCall(
        sid=SID, status=CallStatus.COMPLETED, number="+447111000001", caller_id="+12125550100", ended_at=END - 1_000
    )
    known.take_answer(call)
    assert known.ended_at == END - 1_000
    told(known, 3, CallStatus.COMPLETED, at=END)
    assert known.ended_at == END
