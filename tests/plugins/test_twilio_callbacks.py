"""Twilio's requests: only signed ones count, for the URL that was given out; late, doubled, early ones do no harm."""

from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
import trio
from dialerd_twilio.answers import CallStatus
from dialerd_twilio.board import Board
from dialerd_twilio.callbacks import Callbacks
from dialerd_twilio.script import Script
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from twilio_rig import Report

from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.provider import Accepted, AmdResult, Digits

BASE = "https://dialer.example.com/dialerd/main"
TOKEN = "a token"
SID = "CA" + "0" * 32
ATTEMPT = "0192f0c1-0000-7000-8000-000000000001"
MENU = Script(keys={"1": "<Response><Say>one</Say></Response>"}, otherwise="<Response>again</Response>", opt_out="9")


class Trunk:
    """A trunk's board and callbacks."""

    def __init__(self) -> None:
        self.board = Board()
        self.token = TOKEN
        header = "x-twilio-signature"
        self.callbacks = Callbacks(BASE, lambda: self.token, header=header, board=self.board, trunk="main")

    async def post(
        self, path: str, form: Mapping[str, str], *, query: str = "", signed_for: str | None = None, token: str = TOKEN
    ) -> CallbackAnswer:
        """Send a request as Twilio does."""
        url = signed_for or f"{BASE}{path}" + (f"?{query}" if query else "")
        signature = RequestValidator(token).compute_signature(url, form)
        return await self.callbacks.answer(
            CallbackRequest(
                method="POST",
                path=path,
                query=query,
                headers={"x-twilio-signature": signature},
                body=urlencode(form).encode(),
            )
        )

    async def tell(self, sequence: int, status: str, **fields: str) -> CallbackAnswer:
        """Send a status callback."""
        form = {"CallSid": SID, "CallStatus": status, "SequenceNumber": str(sequence), **fields}
        return await self.post(f"/status/{ATTEMPT}", form)


@pytest.fixture
def trunk() -> Trunk:
    return Trunk()


async def test_a_call_is_told_as_it_goes(trunk):
    """Each status is reported once, when it is new."""
    leg, report = trunk.board.open(ATTEMPT, Script()), Report()
    leg.known.sid = SID
    leg.follow(report)
    for sequence, status in enumerate(("initiated", "ringing", "in-progress")):
        assert (await trunk.tell(sequence, status)).status == 204
    assert report.names() == ["Accepted", "Ringing", "Answered"]
    ended = {"CallDuration": "7", "SipResponseCode": "200", "Timestamp": "Sat, 21 Nov 2026 11:00:07 +0000"}
    await trunk.tell(3, "completed", **ended, StirStatus="B", StirVerstat="TN-Validation-Passed-B")
    assert leg.known.over
    assert leg.known.duration == 7_000
    assert leg.known.ended_at == 1_795_258_807_000
    assert leg.known.attestation == {"stir_status": "B", "stir_verstat": "TN-Validation-Passed-B"}
    assert report.names() == ["Accepted", "Ringing", "Answered"]


async def test_late_and_doubled_callbacks_are_taken_and_change_nothing(trunk):
    """They get 204, or Twilio would send them again and note errors."""
    leg, report = trunk.board.open(ATTEMPT, Script()), Report()
    leg.follow(report)
    await trunk.tell(2, "in-progress")
    for sequence, status in ((1, "ringing"), (2, "in-progress"), (0, "initiated")):
        assert (await trunk.tell(sequence, status)).status == 204
    assert report.names() == ["Accepted", "Answered"]
    leg.release()
    trunk.board.close(leg)
    assert (await trunk.tell(3, "completed", CallDuration="3")).status == 204
    assert report.names() == ["Accepted", "Answered"]


@pytest.mark.parametrize("how", ["no signature", "other token", "other url", "other body", "other query"])
@pytest.mark.parametrize("path", ["status", "detection", "keys"])
async def test_what_is_not_signed_for_this_url_is_refused(trunk, logged, how, path):
    """403, nothing changed, and one line that says what may be wrong."""
    leg, report = trunk.board.open(ATTEMPT, MENU), Report()
    leg.follow(report)
    path = f"/{path}/{ATTEMPT}"
    form = {"CallSid": SID, "CallStatus": "completed", "SequenceNumber": "3", "AnsweredBy": "fax", "Digits": "9"}
    if how == "no signature":
        request = CallbackRequest(method="POST", path=path, body=urlencode(form).encode())
        answer = await trunk.callbacks.answer(request)
    elif how == "other token":
        answer = await trunk.post(path, form, token="another")
    elif how == "other url":
        answer = await trunk.post(path, form, signed_for=f"https://evil.example.com{path}")
    elif how == "other query":
        answer = await trunk.post(path, form, query="stop=1", signed_for=f"{BASE}{path}?stop=9")
    else:
        signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{path}", form)
        request = CallbackRequest(
            method="POST",
            path=path,
            headers={"x-twilio-signature": signature},
            body=urlencode({**form, "CallSid": "CA" + "1" * 32}).encode(),
        )
        answer = await trunk.callbacks.answer(request)
    assert answer.status == 403
    assert report.told == []
    assert report.opt_outs == 0
    assert not leg.known.over
    assert [log["event"] for log in logged] == ["twilio.callback_refused"]
    assert "signing_token" in logged[0]["remedy"]
    assert TOKEN not in str(logged)


@pytest.mark.parametrize(
    "path", ["", "/", "/status", "/status/", "/status/a/b", "/elsewhere/a", "/keys", "/../status/a"]
)
async def test_other_paths_are_nowhere(trunk, path):
    """Whoever asks for them gets 404."""
    assert (await trunk.post(path, {"CallSid": SID})).status == 404


@settings(max_examples=30)  # an event loop for each
@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["x-twilio-signature", "host"]), st.text(max_size=40)))
def test_whatever_is_sent_is_answered(body, headers):
    """No body and no header breaks anything."""

    async def send() -> int:
        trunk = Trunk()
        request = CallbackRequest(method="POST", path=f"/status/{ATTEMPT}", headers=headers, body=body)
        return (await trunk.callbacks.answer(request)).status

    assert trio.run(send) in (400, 403)


@pytest.mark.parametrize(
    "fields",
    [
        {"CallStatus": "confused"},
        {"CallSid": ""},
        {"SequenceNumber": "many"},
        {"CallDuration": "-1"},
        {"Timestamp": "x"},
    ],
)
async def test_odd_fields_break_nothing(trunk, fields):
    """What cannot be read is left out, or the callback is."""
    leg = trunk.board.open(ATTEMPT, Script())
    form = {"CallSid": SID, "CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "5", **fields}
    assert (await trunk.post(f"/status/{ATTEMPT}", form)).status == 204
    assert leg.known.over == (not {"CallStatus", "CallSid"} & fields.keys())


async def test_early_callbacks_wait_for_whoever_asks(trunk):
    """Before anybody knows the call, as after a restart, what is told is kept; the call's id too."""
    await trunk.tell(0, "initiated")
    await trunk.tell(1, "ringing")
    leg, report = trunk.board.open(ATTEMPT, None), Report()
    assert leg.known.sid == SID
    leg.follow(report)
    assert report.names() == ["Accepted", "Ringing"]
    assert report.find(Accepted) == Accepted(SID)


async def test_strangers_are_forgotten(autojump_clock):
    """What nobody asks about does not fill the memory."""
    trunk = Trunk()
    await trunk.tell(0, "initiated")
    await trio.sleep(700)
    trunk.board.stranger("another")
    assert trunk.board.open(ATTEMPT, None).known.sid is None


async def test_who_answered_is_told_after_the_answer(trunk):
    """The detection's request may overtake the status callback."""
    leg, report = trunk.board.open(ATTEMPT, Script()), Report()
    leg.known.sid = SID
    leg.follow(report)
    form = {"CallSid": SID, "AnsweredBy": "machine_start"}
    assert (await trunk.post(f"/detection/{ATTEMPT}", form)).status == 204
    assert report.find(AmdResult) is None
    await trunk.tell(2, "in-progress")
    assert report.names() == ["Accepted", "Answered", "AmdResult"]
    await trunk.post(f"/detection/{ATTEMPT}", {"CallSid": SID, "AnsweredBy": "human"})
    assert leg.known.answered_by == "machine_start"


async def test_a_key_is_answered_with_its_choice(trunk):
    """The menu's TwiML, or the opening again."""
    leg, report = trunk.board.open(ATTEMPT, MENU), Report()
    leg.known.sid = SID
    leg.follow(report)
    answer = await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "1"})
    assert (answer.status, answer.body) == (200, MENU.keys["1"].encode())
    assert answer.content_type.startswith("application/xml")
    answer = await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "5"})
    assert answer.body == b"<Response>again</Response>"
    assert [told.event for told in report.told if isinstance(told.event, Digits)] == [Digits("1"), Digits("5")]
    assert report.opt_outs == 0


async def test_an_opt_out_is_confirmed_when_it_is_durable(trunk, logged):
    """Not before; where it cannot be stored the opening is said again, and it goes with the call's end."""
    script = Script(
        keys={"9": "<Response><Say>done</Say></Response>"}, otherwise="<Response>again</Response>", opt_out="9"
    )
    leg, report = trunk.board.open(ATTEMPT, script), Report()
    leg.known.sid = SID
    leg.follow(report)
    report.fails = True
    answer = await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "9"})
    assert answer.body == b"<Response>again</Response>"
    assert leg.opted_out
    assert [log["event"] for log in logged] == ["twilio.opt_out_delayed"]
    report.fails = False
    answer = await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "9"})
    assert answer.body == b"<Response><Say>done</Say></Response>"
    assert not leg.opted_out
    assert report.opt_outs == 1


async def test_keys_of_a_former_life_wait_for_the_call_to_be_found(autojump_clock):
    """The key by which people opt out stands in the URL, so that it counts whatever was lost."""
    trunk = Trunk()
    report = Report()
    answers = []

    async def press() -> None:
        answers.append(await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "9"}, query="stop=9"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(press)
        await trio.sleep(3)
        trunk.board.open(ATTEMPT, None).follow(report)
    assert report.opt_outs == 1
    assert answers[0].status == 200
    assert Digits("9") in [told.event for told in report.told]


async def test_an_opt_out_of_a_call_that_nobody_follows_goes_with_its_end(autojump_clock):
    """Twilio waits 15 seconds; what nobody asks for by then is kept for whoever asks later."""
    trunk = Trunk()
    await trunk.post(f"/keys/{ATTEMPT}", {"CallSid": SID, "Digits": "9"}, query="stop=9")
    leg = trunk.board.open(ATTEMPT, None)
    assert leg.opted_out
    assert leg.digits == "9"
    assert leg.known.status is CallStatus.QUEUED
