"""Requests about one call, over real sockets: what is sent, and what is made of every kind of answer."""

from contextlib import aclosing

import pytest
import trio
from asked_carrier import CREATED_AT, NEW, ROOT, SECRET, SID, carrier_at, go, listed
from attrs import evolve
from dialerd_twilio.answers import CallStatus, CarrierCall, Lost, Refused
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.options import TwilioOptions
from scripted_rest import ACCOUNT, CALLED, SHOWN, call, reply

from dialerd.plugin.provider import Withdrawn


async def test_a_plain_call_says_no_more_than_it_must():
    """What nobody asked for is not sent."""
    async with carrier_at(reply(201, call())) as (carrier, rest):
        made = await carrier.create(NEW, go)
    (asked,) = rest.asked
    assert (asked.method, asked.path, asked.query) == ("POST", f"{ROOT}/Calls.json", {})
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form == {
        "To": [CALLED],
        "From": [SHOWN],
        "Twiml": ["<Response/>"],
        "Timeout": ["30"],
        "TimeLimit": ["600"],
    }
    assert made == CarrierCall(
        sid=SID,
        status=CallStatus.QUEUED,
        number=CALLED,
        caller_id=SHOWN,
        created_at=CREATED_AT,
        dialled=False,
        price_unit="USD",
    )


async def test_a_call_with_everything():
    """Callbacks for all four events, detection with its thresholds, the reason."""
    new = evolve(
        NEW,
        twiml=None,
        url="https://example.com/twiml?name=%C3%84",
        press="w1#",
        detect="DetectMessageEnd",
        status_callback="https://example.com/status/1",
        detection_callback="https://example.com/detection/1",
    )
    async with carrier_at(reply(201, call()), call_reason="Your order", amd_timeout=20_000) as (carrier, rest):
        await carrier.create(new, go)
    assert rest.asked[0].form == {
        "To": [CALLED],
        "From": [SHOWN],
        "Url": ["https://example.com/twiml?name=%C3%84"],
        "Method": ["POST"],
        "Timeout": ["30"],
        "TimeLimit": ["600"],
        "CallReason": ["Your order"],
        "SendDigits": ["w1#"],
        "MachineDetection": ["DetectMessageEnd"],
        "MachineDetectionTimeout": ["20"],
        "MachineDetectionSpeechThreshold": ["2400"],
        "MachineDetectionSpeechEndThreshold": ["1200"],
        "MachineDetectionSilenceTimeout": ["5000"],
        "AsyncAmd": ["true"],
        "AsyncAmdStatusCallback": ["https://example.com/detection/1"],
        "AsyncAmdStatusCallbackMethod": ["POST"],
        "StatusCallback": ["https://example.com/status/1"],
        "StatusCallbackMethod": ["POST"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
    }


async def test_a_subaccount_is_asked_for_by_its_parent():
    """The path names the subaccount, the credentials are the account's."""
    sub = "AC" + "9" * 32
    async with carrier_at(reply(201, call()), subaccount_sid=sub) as (carrier, rest):
        await carrier.create(NEW, go)
    assert rest.asked[0].path == f"/2010-04-01/Accounts/{sub}/Calls.json"


def test_edge_and_region_make_the_host(monkeypatch):
    """They are the trunk's, and the environment's are nobody's."""
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    options = TwilioOptions(account_sid=ACCOUNT, auth_token="token")
    there = evolve(options, edge="dublin", region="ie1")
    hosts = []
    for known in (options, there):
        carrier = Carrier(known, username=ACCOUNT, secret=lambda: SECRET)
        client = carrier._account._version.domain.twilio
        hosts.append(client.get_hostname("https://api.twilio.com/x"))
    assert hosts == ["https://api.twilio.com/x", "https://api.dublin.ie1.twilio.com/x"]


async def test_a_withdrawn_call_sends_nothing():
    """What `leave` raises passes as it is, whatever its kind."""
    async with carrier_at(reply(201, call())) as (carrier, rest):
        for stop in (Withdrawn("paused"), ValueError("ours"), KeyError("ours")):

            def leave(stop=stop):
                raise stop

            with pytest.raises(type(stop)) as raised:
                await carrier.create(NEW, leave)
            assert raised.value is stop
        assert rest.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "words", "after"),
    [
        (
            reply(400, {"code": 21211, "message": "Invalid 'To' +447111000001"}),
            21211,
            "Invalid 'To' ***********01",
            None,
        ),
        (reply(429, {"code": 20429, "message": "Too many"}, Retry_After="3"), 20429, "Too many", 3_000),
        (reply(401, {"code": 20003, "message": "see not-to-be-told"}), 20003, "see [left out]", None),
        (reply(422, {"type": "t", "title": "No", "status": 422, "code": 7, "detail": "Not so"}), 7, "Not so", None),
        (reply(403, "<html>"), None, "", None),
        (reply(404, "[]"), None, "", None),
        (reply(400, {"code": "many", "message": None}), None, "", None),
        (reply(400, {"code": "21212", "message": "x" * 900}), 21212, "x" * 300, None),
        (reply(500, "oh"), None, "", None),
        (reply(503, {"code": 20503, "message": "Later"}, Retry_After="9"), 20503, "Later", 9_000),
        (reply(302, "", Location="http://127.0.0.1:1/"), None, "", None),
        (reply(307, "", Location="http://127.0.0.1:1/"), None, "", None),
        (reply(400, "[" * 100_000), None, "", None),
    ],
)
async def test_refusals(answer, code, words, after):
    """The status, the carrier's code and words, how long it wants to be left alone; no secret, no number."""
    async with carrier_at(answer) as (carrier, rest):
        with pytest.raises(Refused) as raised:
            await carrier.create(NEW, go)
        with pytest.raises(Refused):
            await listed(carrier)
        assert len(rest.asked) == 2
    said = raised.value
    assert said.status == int(answer.split()[1])
    assert (said.code, said.message, said.retry_after) == (code, words, after)
    assert SECRET not in str(said)


async def cut(stream):
    """Break off an answer."""
    await stream.send_all(b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        cut,
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        reply(201),
        reply(201, "<html>"),
        reply(201, []),
        reply(201, {}),
        reply(201, "null"),
        reply(201, call(sid=None)),
        reply(201, call(sid="../../Accounts")),
        reply(201, call(duration="long")),
        reply(201, call(date_created=7)),
        reply(201, call(date_created="Sat, 99 Nov 99999 10:00:00 +0000")),
        reply(201, "\x00" * 100),
        reply(200, "[" * 100_000),
    ],
)
async def test_answers_that_nobody_can_make_anything_of(answer):
    """The request left, so that there may be a call."""
    async with carrier_at(answer) as (carrier, _):
        with pytest.raises(Lost) as raised:
            await carrier.create(NEW, go)
    assert raised.value.sent
    assert 0 < len(str(raised.value)) <= 300


async def test_a_carrier_that_cannot_be_reached():
    """Nothing has left, and the message says why."""
    async with carrier_at(reply(201)) as (_, rest):
        pass
    options = TwilioOptions(base_url="http://127.0.0.1:9", account_sid=ACCOUNT, auth_token="token")
    async with aclosing(Carrier(options, username=ACCOUNT, secret=lambda: SECRET)) as carrier:
        with pytest.raises(Lost, match="the carrier cannot be reached") as raised:
            await carrier.create(NEW, lambda: pytest.fail("it cannot leave"))
    assert not raised.value.sent
    assert rest.asked == []


async def test_a_carrier_that_does_not_answer(mock_clock):
    """It has its time, from the options."""
    mock_clock.autojump_threshold = 0.05

    async def silent(stream):
        await trio.sleep_forever()

    async with carrier_at(silent, request_timeout=7_000) as (carrier, _):
        with pytest.raises(Lost, match="no answer within 7 s") as raised:
            await carrier.create(NEW, go)
    assert raised.value.sent
    assert trio.current_time() == pytest.approx(7, abs=0.1)


async def test_a_call_is_fetched():
    """Everything that is told of an ended call."""
    ended = call(
        start_time="Sat, 21 Nov 2026 10:00:10 +0000",
        status="completed",
        end_time="Sat, 21 Nov 2026 10:01:00 +0000",
        duration="42",
        price="-0.01300",
        answered_by="human",
    )
    async with carrier_at(reply(200, ended), reply(404, {"code": 20404}), reply(403), reply(302, ended)) as (
        carrier,
        rest,
    ):
        assert await carrier.fetch(SID) == CarrierCall(
            sid=SID,
            status=CallStatus.COMPLETED,
            number=CALLED,
            caller_id=SHOWN,
            created_at=CREATED_AT,
            ended_at=CREATED_AT + 60_000,
            duration=42_000,
            answered_by="human",
            price="-0.01300",
            price_unit="USD",
        )
        assert await carrier.fetch(SID) is None
        for _ in range(2):  # the SDK takes a redirect for an answer
            with pytest.raises(Refused):
                await carrier.fetch(SID)
    assert (rest.asked[0].method, rest.asked[0].path) == ("GET", f"{ROOT}/Calls/{SID}.json")


async def test_a_call_is_ended():
    """By an update; a call that is over already is none."""
    over = reply(400, {"code": 21220, "message": "Call is not in-progress"})
    answers = (reply(200, call(status="canceled")), over, reply(404), reply(400, {"code": 21211}))
    async with carrier_at(*answers) as (carrier, rest):
        ended = await carrier.end(SID, CallStatus.CANCELED)
        assert ended is not None
        assert ended.status is CallStatus.CANCELED
        assert await carrier.end(SID, CallStatus.COMPLETED) is None
        assert await carrier.end(SID, CallStatus.COMPLETED) is None
        with pytest.raises(Refused):
            await carrier.end(SID, CallStatus.COMPLETED)
    assert {(asked.method, asked.path) for asked in rest.asked} == {("POST", f"{ROOT}/Calls/{SID}.json")}
    assert [asked.form for asked in rest.asked[:2]] == [{"Status": ["canceled"]}, {"Status": ["completed"]}]


async def test_the_last_error_of_a_call():
    """The latest note counts; a carrier that keeps none says nothing."""
    notes = [
        {"error_code": "12100", "message_date": "Sat, 21 Nov 2026 10:00:05 +0000"},
        {"error_code": "10004", "message_date": "Sat, 21 Nov 2026 10:00:09 +0000"},
        {"error_code": None, "message_date": "Sat, 21 Nov 2026 10:00:11 +0000"},
        {"error_code": "11200", "message_date": None},
    ]
    answers = reply(200, {"notifications": notes}), reply(200, {"notifications": []}), reply(404)
    async with carrier_at(*answers) as (carrier, rest):
        assert await carrier.error_code(SID) == 10004
        assert await carrier.error_code(SID) is None
        assert await carrier.error_code(SID) is None
    assert rest.asked[0].path == f"{ROOT}/Calls/{SID}/Notifications.json"
