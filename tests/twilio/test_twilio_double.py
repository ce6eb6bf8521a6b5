"""The Twilio double's calls on a virtual clock: their lives, their turns, what they say, and who is on the phone."""

from typing import Any

import pytest
import trio
from attrs import evolve
from double_rig import CALLER_ID, NUMBER, PUBLIC, rig
from trio.testing import MockClock
from twilio_double import ACCOUNT, Behaviour, DoubleCall

SAY = "<Response><Say>Hello you there</Say></Response>"  # 15 characters are said in a second
LONG = (
    '<Response><Connect><Stream url="wss://agent.example.com"><Parameter name="a" value="b"/></Stream></Connect>'
    "</Response>"
)


def course(call: DoubleCall) -> list[tuple[str, float]]:
    """Return which statuses a call had, and when, from its creation on."""
    return [(event.status, round(event.at_s - call.created_s, 1)) for event in call.events]


BEGIN = [("queued", 0.0), ("initiated", 0.0)]
LIVES: dict[str, tuple[Behaviour, dict[str, Any], list[tuple[str, float]], dict[str, Any]]] = {
    "hangs up after it has talked": (
        Behaviour(ring_s=2, talk_s=10),
        {"twiml": LONG},
        [*BEGIN, ("ringing", 0.0), ("in-progress", 2.0), ("completed", 12.0)],
        {"duration": "10", "SipResponseCode": "200"},
    ),
    "document ends before": (
        Behaviour(ring_s=2, talk_s=10),
        {"twiml": SAY},
        [*BEGIN, ("ringing", 0.0), ("in-progress", 2.0), ("completed", 3.0)],
        {"duration": "1", "SipResponseCode": "200"},
    ),
    "longest duration": (
        Behaviour(ring_s=2, talk_s=None),
        {"twiml": LONG, "TimeLimit": 30},
        [*BEGIN, ("ringing", 0.0), ("in-progress", 2.0), ("completed", 32.0)],
        {"duration": "30", "SipResponseCode": "200"},
    ),
    "busy": (
        Behaviour(ring_s=2, outcome="busy"),
        {},
        [*BEGIN, ("busy", 2.0)],
        {"duration": None, "end_time": None, "SipResponseCode": "486"},
    ),
    "busy after it rang": (
        Behaviour(ring_s=2, outcome="busy", rings=True, sip_code=600),
        {},
        [*BEGIN, ("ringing", 0.0), ("busy", 2.0)],
        {"SipResponseCode": "600"},
    ),
    "failed": (
        Behaviour(ring_s=2, outcome="failed", sip_code=404, error_code=13224),
        {},
        [*BEGIN, ("failed", 2.0)],
        {"duration": None, "price": None, "SipResponseCode": "404"},
    ),
    "nobody answers": (
        Behaviour(outcome="no-answer"),
        {"Timeout": 20},
        [*BEGIN, ("ringing", 0.0), ("no-answer", 25.0)],
        {"duration": None, "SipResponseCode": "487"},
    ),
    "answers too late": (
        Behaviour(ring_s=26, talk_s=10),
        {"Timeout": 20},
        [*BEGIN, ("ringing", 0.0), ("no-answer", 25.0)],
        {"start_time": "Sat, 09 Sep 2017 00:00:00 +0000"},
    ),
    "nobody answers, by default": (
        Behaviour(outcome="no-answer"),
        {},
        [*BEGIN, ("ringing", 0.0), ("no-answer", 65.0)],
        {},
    ),
}


async def test_lives(clock: MockClock) -> None:
    """Calls go through the statuses that Twilio documents, at the times of their behaviour."""
    numbers = {f"+4471110001{count:02}": name for count, name in enumerate(LIVES)}
    behaviours = {number: LIVES[name][0] for number, name in numbers.items()}
    async with rig(behaviours=behaviours, now=lambda: 1_504_915_200_000 + int(trio.current_time() * 1000)) as at:
        for number, name in numbers.items():
            wanted = LIVES[name][1]
            await at.told(number, wanted.get("twiml", SAY), **{key: wanted[key] for key in wanted if key != "twiml"})
        await trio.sleep(100)
        for number, name in numbers.items():
            (call,) = at.double.placed(number)
            behaviour, _, statuses, shown = LIVES[name]
            assert course(call) == statuses, name
            told = [(one.form["SequenceNumber"], one.form["CallStatus"]) for one in call.deliveries]
            assert told == [(str(count), status) for count, (status, _) in enumerate(statuses[1:])], name
            assert call.errors == [behaviour.error_code] * (behaviour.error_code is not None), name
            resource = await at.fetch(call.sid) | call.deliveries[-1].form
            assert {key: resource[key] for key in shown} == shown, name
        assert not at.double.live()


async def test_four_hours_at_most(clock: MockClock) -> None:
    """A call that nobody ends and nothing limits lasts four hours."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=None)) as at:
        await at.create(twiml=LONG)
        await trio.sleep(14_403)
        assert course(at.double.placed(NUMBER)[0])[-1] == ("completed", 14_402.0)
        assert at.double.placed(NUMBER)[0].streams == [("wss://agent.example.com", {"a": "b"})]


async def test_resource_changes_with_the_call(clock: MockClock) -> None:
    """Start, end, duration and price are empty until they are known; `initiated` is not a status of the resource."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=10, price_s=5), cps=1.0) as at:
        await at.create("+447111000009")
        sid = (await at.create(twiml=LONG)).json()["sid"]
        seen = {}
        for second in (0.5, 1.5, 3.5, 14.0, 18.5):
            await trio.sleep(second - trio.current_time())
            told = await at.fetch(sid)
            seen[second] = (told["status"], told["start_time"] is not None, told["duration"], told["price"])
        assert seen == {
            0.5: ("queued", False, None, None),
            1.5: ("ringing", True, None, None),
            3.5: ("in-progress", True, None, None),
            14.0: ("completed", True, "10", None),
            18.5: ("completed", True, "10", "-0.01300"),
        }
        at.double.behaviour = Behaviour(outcome="busy", ring_s=5)
        sid = (await at.create("+447111000008")).json()["sid"]
        assert (await at.fetch(sid))["status"] == "queued"
        assert at.double.calls[sid].status == "initiated"


async def test_calls_wait_for_their_turn(clock: MockClock) -> None:
    """Calls beyond the account's calls per second are queued, and ring one after the other."""
    async with rig(cps=2.0) as at:
        sids = [(await at.create()).json()["sid"] for _ in range(4)]
        assert (await at.fetch(sids[3]))["queue_time"] == "1500"
        await trio.sleep(1.2)
        calls = at.double.placed(NUMBER)
        assert [call.queued_for_s for call in calls] == [0.0, 0.5, 1.0, 1.5]
        assert [call.status for call in calls] == ["ringing"] * 3 + ["queued"]
        await trio.sleep(10)
        assert [call.events[1].at_s - call.created_s for call in calls] == [0.0, 0.5, 1.0, 1.5]
        sid = (await at.create()).json()["sid"]
        assert at.double.calls[sid].queued_for_s == 0.0


@pytest.mark.parametrize(
    ("at_s", "asked", "status"),
    [
        (0.5, "canceled", "canceled"),
        (0.5, "completed", "canceled"),
        (1.5, "canceled", "canceled"),
        (1.5, "completed", "canceled"),
        (5.0, "canceled", "in-progress"),
        (5.0, "completed", "completed"),
    ],
)
async def test_calls_are_ended(clock: MockClock, at_s: float, asked: str, status: str) -> None:
    """A call is ended whatever it does, but `canceled` leaves one in progress alone; a call that is over stays so."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=30), cps=1.0) as at:
        await at.create("+447111000009")
        sid = await at.told(twiml=LONG)
        await trio.sleep(at_s)
        answer = await at.http.post(f"/Calls/{sid}.json", data={"Status": asked})
        assert (answer.status_code, answer.json()["status"]) == (200, status)
        await trio.sleep(1)
        call = at.double.calls[sid]
        assert call.events[-1].status == status
        assert at.forms()[-1]["CallStatus"] == status
        if status != "in-progress":
            assert call.events[-1].at_s == at_s
            again = await at.http.post(f"/Calls/{sid}.json", data={"Status": asked})
            assert (again.status_code, again.json()["code"]) == (400, 21220)


async def test_call_ended_in_the_instant_of_its_answer(clock: MockClock) -> None:
    """A call that is ended in the very turn in which it would be answered, or begin, stays ended."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=30)) as at:
        call = at.double.create(ACCOUNT, {"To": NUMBER, "From": CALLER_ID, "Twiml": LONG})
        at.double.life.end(call, "canceled")
        await trio.sleep(5)
        assert course(call) == [("queued", 0.0), ("canceled", 0.0)]
        for _ in range(8):  # of two tasks that wake up together, either may be the first
            call = at.double.calls[await at.told(twiml=LONG)]
            await trio.sleep_until(call.created_s + 2)
            if call.answered_at is None:
                at.double.life.end(call, "canceled")
            await trio.sleep(1)
            assert [event.status for event in call.events][3:] == (
                ["in-progress"] if call.answered_at else ["canceled"]
            )


async def test_live_call_is_redirected(clock: MockClock) -> None:
    """A call in progress executes the document that it is given; a call that is not in progress refuses."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=30)) as at:
        sid = await at.told(twiml=LONG)
        asked = {"Twiml": "<Response><Say>Leave it</Say><Hangup/><Say>never</Say></Response>"}
        early = await at.http.post(f"/Calls/{sid}.json", data=asked)
        assert (early.status_code, early.json()["code"]) == (400, 21220)
        await trio.sleep(5)
        assert (await at.http.post(f"/Calls/{sid}.json", data=asked)).json()["status"] == "in-progress"
        await trio.sleep(5)
        call = at.double.calls[sid]
        assert (call.heard, call.status, len(call.redirects)) == (["Leave it"], "completed", 1)
        assert (await at.http.post(f"/Calls/{sid}.json", data=asked)).json()["code"] == 21220


DETECTION = {
    "human": (Behaviour(answered_by="human"), "Enable", "human", 2_000),
    "machine": (Behaviour(answered_by="machine", detection_s=4), "Enable", "machine_start", 4_000),
    "machine's greeting": (Behaviour(answered_by="machine"), "DetectMessageEnd", "machine_end_beep", 8_000),
    "human with a message": (Behaviour(answered_by="human"), "DetectMessageEnd", "human", 2_000),
    "fax": (Behaviour(answered_by="fax"), "Enable", "fax", 2_000),
    "nobody knows": (Behaviour(answered_by="machine", detection_s=60), "Enable", "unknown", 30_000),
}


@pytest.mark.parametrize("name", list(DETECTION))
async def test_detection(clock: MockClock, name: str) -> None:
    """A call waits for the detection, or goes on while it listens and is told of it."""
    behaviour, mode, word, took_ms = DETECTION[name]
    async with rig(behaviour=evolve(behaviour, ring_s=0, talk_s=100)) as at:
        sid = await at.told(twiml=SAY, MachineDetection=mode)
        later = await at.told(
            "+447111000002",
            LONG,
            MachineDetection=mode,
            AsyncAmd="true",
            AsyncAmdStatusCallback=f"{PUBLIC}/detection/a2",
        )
        await trio.sleep(took_ms / 1000 - 0.5)
        assert at.double.calls[sid].heard == []
        assert at.double.calls[later].streams
        assert (await at.fetch(sid))["answered_by"] is None
        await trio.sleep(2)
        assert at.double.calls[sid].heard == ["Hello you there"]
        assert at.forms()[-1]["AnsweredBy"] == word
        assert (await at.fetch(sid))["answered_by"] == word
        (told,) = at.forms("/detection/a2")
        assert (told["CallSid"], told["AnsweredBy"]) == (later, word)
        assert told["MachineDetectionDuration"] == str(took_ms)


MENU = (
    f'<Response><Gather numDigits="1" action="{PUBLIC}/keys/a1"><Say>Press one of the keys now</Say></Gather>'
    "<Say>Bye</Say></Response>"
)


async def test_keys_are_told_and_answered(clock: MockClock) -> None:
    """A key that is pressed is told to the action, and what answers it is executed."""
    async with rig(behaviour=Behaviour(ring_s=0, talk_s=60, presses="91", press_s=1)) as at:
        at.keys = MENU.replace("Press one of the keys now", "Once more")
        sid = await at.told(twiml=MENU)
        await trio.sleep(2.5)
        assert [form["Digits"] for form in at.forms("/keys/a1")] == ["9", "1"]
        at.keys = "<Response><Hangup/></Response>"
        await trio.sleep(30)
        call = at.double.calls[sid]
        assert (call.pressed, call.heard) == ("91", ["Press one of the keys now", "Once more", "Once more", "Bye"])
        assert at.forms("/keys/a1")[0]["CallStatus"] == "in-progress"


async def test_nobody_presses_a_key(clock: MockClock) -> None:
    """Where no key is pressed in time the document goes on, or an empty answer is told if that is wanted."""
    async with rig(behaviour=Behaviour(ring_s=0, talk_s=60)) as at:
        at.keys = "<Response><Say>Nothing</Say></Response>"
        sid = await at.told(twiml=MENU)
        empty = MENU.replace("<Gather ", '<Gather actionOnEmptyResult="true" timeout="10" ').replace("/a1", "/a2")
        other = await at.told("+447111000002", empty)
        await trio.sleep(30)
        assert at.double.calls[sid].heard == ["Press one of the keys now", "Bye"]
        assert at.forms("/keys/a1") == []
        assert at.double.calls[other].heard == ["Press one of the keys now", "Nothing"]
        assert len(at.forms("/keys/a2")) == 1


async def test_document_from_an_address(clock: MockClock) -> None:
    """A call gets its document from its `Url`; where none comes it says so, notes it, and hangs up."""
    async with rig(behaviour=Behaviour(ring_s=0, talk_s=60, answered_by="fax")) as at:
        at.keys = '<Response><Play loop="2">https://files.example.com/a.mp3</Play><Dial>+12125550111</Dial></Response>'
        sid = await at.told(twiml=None, Url=f"{PUBLIC}/document?a=1", MachineDetection="Enable")
        gone = await at.told(twiml=None, Url="https://nowhere.example.com/")
        broken = await at.told(twiml="<Response>")
        await trio.sleep(20)
        call = at.double.calls[sid]
        assert (call.heard, call.dialled) == (["https://files.example.com/a.mp3"], ["+12125550111"])
        asked = next(one for one in call.deliveries if one.kind == "document")
        assert (asked.url, asked.form["AnsweredBy"]) == (f"{PUBLIC}/document?a=1", "fax")
        assert (at.double.calls[gone].errors, at.double.calls[gone].status) == ([11200], "completed")
        assert (at.double.calls[broken].errors, at.double.calls[broken].status) == ([12100], "completed")
        notes = (await at.http.get(f"/Calls/{gone}/Notifications.json")).json()["notifications"]
        assert [note["error_code"] for note in notes] == ["11200"]


async def test_tasks_of_the_double_are_told_apart(clock: MockClock) -> None:
    """Who counts the tasks of what is tested can take off those of the double."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=30)) as at:
        others = trio.lowlevel.current_statistics().tasks_living - at.double.tasks()
        for _ in range(3):
            await at.told(twiml=LONG, MachineDetection="Enable")
        for second in (1, 3, 10, 60):
            await trio.sleep_until(second)
            assert trio.lowlevel.current_statistics().tasks_living - at.double.tasks() == others
            assert at.double.tasks() >= (7 if second == 3 else 3 if second == 1 else 1)


async def test_behaviours_one_after_the_other(clock: MockClock) -> None:
    """Calls to one number behave as its list says, and the last entry stays."""
    behaviours = {NUMBER: [Behaviour(outcome="busy", ring_s=1), Behaviour(ring_s=1, talk_s=1)]}
    async with rig(behaviours=behaviours) as at:
        for _ in range(3):
            await at.told()
            await trio.sleep(5)
        assert [call.status for call in at.double.placed(NUMBER)] == ["busy", "completed", "completed"]
