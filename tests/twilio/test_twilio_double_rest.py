"""The Twilio double's REST API: who may ask, what is refused, lists and their pages, and faults of requests."""

from typing import Any

import httpx
import pytest
import trio
from double_rig import ACCOUNTS, CALLER_ID, NUMBER, rig
from trio.testing import MockClock
from twilio_double import ACCOUNT, TOKEN, Behaviour, Faults

KEY = "SK" + "1" * 32


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"To": None}, 21201),
    ({"From": None}, 21213),
    ({"Twiml": None}, 21205),
    ({"Url": "agent.example.com"}, 21205),
    ({"From": "12125550100"}, 21212),
    ({"From": "+12125550199"}, 21210),
    ({"To": "447111000001"}, 21211),
    ({"To": "+12125550177"}, 21215),
    ({"Twiml": "x" * 4_001}, 32018),
    ({"Timeout": 0}, 21208),
    ({"Timeout": 601}, 21208),
    ({"Timeout": "x"}, 21208),
    ({"TimeLimit": 0}, 20001),
    ({"SendDigits": "12 34"}, 21206),
    ({"SendDigits": "1" * 33}, 21206),
    ({"MachineDetection": "yes"}, 20001),
    ({"MachineDetectionTimeout": 60}, 20001),
    ({"MachineDetectionSpeechThreshold": 999}, 20001),
    ({"MachineDetectionSpeechEndThreshold": 5_001}, 20001),
    ({"MachineDetectionSilenceTimeout": 1_999}, 20001),
    ({"StatusCallback": "dial.example.com/x"}, 21609),
    ({"AsyncAmdStatusCallback": "https://under_score.example.com/x"}, 21609),
]


async def test_refusals(clock: MockClock) -> None:
    """A request that Twilio refuses is refused with its code, and no call comes of it."""
    async with rig(forbidden=["+1212"]) as at:
        for change, code in REFUSED:
            answer = await at.create(**{"to": NUMBER, "Twiml": "<Response/>"} | change)
            error = answer.json()
            assert (answer.status_code, error["code"], error["status"]) == (400, code, 400), change
            assert error["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
            assert error["message"]
        assert at.double.calls == {}


async def test_limits_are_taken(clock: MockClock) -> None:
    """What is just within the limits is taken, from numbers that are owned or verified."""
    async with rig(verified=["+447111000009"]) as at:
        for change in ({"Timeout": 600, "Twiml": "x" * 4_000}, {"Timeout": 1, "From": "+447111000009"}):
            answer = await at.create(NUMBER, "<Response/>", **dict[str, Any](change))
            assert (answer.status_code, answer.json()["status"]) == (201, "queued")


async def test_accounts_state(clock: MockClock) -> None:
    """A suspended account calls nobody; a trial account only numbers that it has verified."""
    async with rig(trial=True, verified=["+447111000009"]) as at:
        assert (await at.create()).json()["code"] == 21219
        assert (await at.create("+447111000009")).status_code == 201
        at.double.suspended = True
        answer = await at.create("+447111000009")
        assert (answer.status_code, answer.json()["code"]) == (401, 20005)
        told = (await at.http.get(f"{at.http.base_url}".rstrip("/") + ".json")).json()
        assert (told["status"], told["type"]) == ("suspended", "Trial")


@pytest.mark.parametrize(
    ("login", "calls", "account"),
    [
        ((ACCOUNT, TOKEN), 200, 200),
        ((KEY, "secret"), 200, 401),
        ((ACCOUNT, "wrong"), 401, 401),
        ((KEY, "wrong"), 401, 401),
        (None, 401, 401),
    ],
)
async def test_who_may_ask(clock: MockClock, login: tuple[str, str] | None, calls: int, account: int) -> None:
    """Who has the token or an API key may ask, but an API key not for the account itself."""
    async with rig(api_keys={KEY: "secret"}) as at:
        auth = httpx.BasicAuth(*login) if login else None
        base = f"{at.http.base_url}".rstrip("/")
        async with httpx.AsyncClient(trust_env=False, timeout=60) as other:
            first = await other.get(f"{base}/Calls.json", auth=auth)
            second = await other.get(f"{base}.json", auth=auth)
        assert (first.status_code, second.status_code) == (calls, account)
        if calls == 401:
            assert first.json()["code"] == 20003


async def test_unknown(clock: MockClock) -> None:
    """What is not there is answered with 20404."""
    async with rig() as at:
        for path in ("/Calls/CA1.json", "/Nothing.json", "/Calls/CA1/Notifications.json", "/Calls.xml"):
            answer = await at.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_pages(clock: MockClock) -> None:
    """A list goes on page by page, newest first, and calls that come meanwhile move nothing."""
    async with rig(behaviour=Behaviour(ring_s=1)) as at:
        sids = []
        for _ in range(7):
            sids.append((await at.create()).json()["sid"])
        await at.create("+447111000002")
        page = (await at.http.get("/Calls.json", params={"To": NUMBER, "PageSize": 3})).json()
        seen = [[call["sid"] for call in page["calls"]]]
        host = f"{at.http.base_url}".split(ACCOUNTS, 1)[0]
        while page["next_page_uri"]:
            await at.create()
            page = (await at.http.get(host + page["next_page_uri"])).json()
            seen.append([call["sid"] for call in page["calls"]])
        assert seen == [sids[:3:-1], sids[3:0:-1], sids[:1]]
        assert (page["page"], page["page_size"], page["start"], page["end"]) == (2, 3, 6, 6)
        whole = (await at.http.get("/Calls.json")).json()
        assert (len(whole["calls"]), whole["page_size"], whole["next_page_uri"]) == (10, 50, None)
        assert (await at.http.get("/Calls.json", params={"PageSize": "x"})).status_code == 400


async def test_filters(clock: MockClock) -> None:
    """Calls are found by both numbers, status and start; one that was not dialled yet has no start."""
    async with rig(cps=1.0, behaviour=Behaviour(ring_s=30), now=lambda: 1_504_915_200_000) as at:  # 2017-09-09
        one = (await at.create()).json()["sid"]
        two = (await at.create("+447111000002", From="+14155550100")).json()["sid"]
        await trio.sleep(0.5)

        async def found(**wanted: str) -> list[str]:
            wanted = {name.replace("_before", "<").replace("_after", ">"): text for name, text in wanted.items()}
            return [call["sid"] for call in (await at.http.get("/Calls.json", params=wanted)).json()["calls"]]

        assert await found() == [two, one]
        assert await found(To=NUMBER, From=CALLER_ID) == [one]
        assert await found(To=NUMBER, From="+14155550100") == []
        assert await found(Status="queued") == [two]
        assert await found(Status="ringing") == [one]
        assert await found(StartTime="2017-09-09") == [one]
        assert await found(StartTime="2017-09-08") == []
        assert await found(StartTime_after="2017-09-09T00:00:00Z") == [one]
        assert await found(StartTime_after="2017-09-10") == []
        assert await found(StartTime_before="2017-09-10") == [one]
        assert await found(StartTime_before="2017-09-09") == []
        assert await found(EndTime_before="2017-09-10") == []
        at.double.faults.unlisted_s = 10.0
        assert await found(To=NUMBER) == []
        await trio.sleep(10)
        assert await found(To=NUMBER) == [one]


async def test_numbers(clock: MockClock) -> None:
    """The account's numbers and those that it has verified are listed, with pages."""
    numbers = [f"+1212555{count:04}" for count in range(100, 160)]
    async with rig(numbers=numbers, verified=["+447111000009"]) as at:
        first = (await at.http.get("/IncomingPhoneNumbers.json")).json()
        assert len(first["incoming_phone_numbers"]) == 50
        host = f"{at.http.base_url}".split(ACCOUNTS, 1)[0]
        rest = (await at.http.get(host + first["next_page_uri"])).json()
        both = first["incoming_phone_numbers"] + rest["incoming_phone_numbers"]
        assert [row["phone_number"] for row in both] == numbers
        found = (await at.http.get("/OutgoingCallerIds.json", params={"PhoneNumber": "+447111000009"})).json()
        assert [row["phone_number"] for row in found["outgoing_caller_ids"]] == ["+447111000009"]


async def test_another_base(clock: MockClock) -> None:
    """A carrier's API that begins elsewhere prints its own paths."""
    async with rig(prefix="/api/laml") as at:
        told = (await at.create()).json()
        assert told["uri"] == f"/api/laml{ACCOUNTS}/{ACCOUNT}/Calls/{told['sid']}.json"
        host = f"{at.http.base_url}".split("/api/laml", 1)[0]
        assert (await at.http.get(host + told["uri"])).status_code == 200


CREATES = {  # what the client gets, how many calls there are at once, and ten seconds later
    "lost_response": (None, 1, 1),
    "lost_request": (None, 0, 0),
    "late_creation": (None, 0, 1),
    "throttle": (429, 0, 0),
    "server_error": (500, 0, 0),
    "error_after_creation": (500, 1, 1),
    "slow": (201, 1, 1),
}


@pytest.mark.parametrize("name", list(CREATES))
@pytest.mark.parametrize("always", [False, True])
async def test_faults_of_creates(clock: MockClock, name: str, always: bool) -> None:
    """A request that creates a call goes wrong, once or always, and the call is there or not, as the fault has it."""
    status, at_once, later = CREATES[name]
    faults = Faults(**dict[str, Any]({name: 1.0})) if always else Faults(next_creates=[name])
    async with rig(faults=faults) as at:
        try:
            answer = await at.create()
        except httpx.RemoteProtocolError:
            got = None
        else:
            got = answer.status_code
            if got == 429:
                assert (answer.headers["Retry-After"], answer.json()["code"]) == ("1", 20429)
        assert (got, len(at.double.calls)) == (status, at_once)
        assert trio.current_time() == (5.0 if name == "slow" else 0.0)
        await trio.sleep(10)
        assert len(at.double.calls) == later
        if later and not at_once:
            assert at.double.placed(NUMBER)[0].created_s == 5.0
        if not always:
            assert (await at.create()).status_code == 201


async def test_refusal_on_demand(clock: MockClock) -> None:
    """Any refusal can be had, for the next request or for all."""
    async with rig(faults=Faults(next_creates=[(403, 20003), None], create_error=(400, 21215))) as at:
        answers = [await at.create() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [403, 201, 400]
        assert [answer.json()["code"] for answer in answers[::2]] == [20003, 21215]


async def test_faults_of_other_requests(clock: MockClock) -> None:
    """Requests that create nothing go wrong too; one whose answer is lost has had its effect."""
    async with rig(behaviour=Behaviour(ring_s=30)) as at:
        sid = (await at.create()).json()["sid"]
        at.double.faults.next_others = ["throttle", "server_error", None, "lost_answer"]
        got = [(await at.http.get(f"/Calls/{sid}.json")).status_code for _ in range(3)]
        assert got == [429, 500, 200]
        with pytest.raises(httpx.RemoteProtocolError):
            await at.http.post(f"/Calls/{sid}.json", data={"Status": "canceled"})
        assert at.double.calls[sid].status == "canceled"
        at.double.faults.reads_failed = 1.0
        assert (await at.http.get("/Calls.json")).status_code == 500
        at.double.faults.reads_failed, at.double.faults.reads_lost = 0.0, 1.0
        with pytest.raises(httpx.RemoteProtocolError):
            await at.http.get("/Calls.json")


async def test_shares_of_creates(clock: MockClock) -> None:
    """Of many requests about the share goes wrong that was asked for, and other faults none."""
    async with rig(faults=Faults(lost_response=0.2, throttle=0.1)) as at:
        got = []
        for _ in range(200):
            try:
                got.append((await at.create()).status_code)
            except httpx.RemoteProtocolError:
                got.append(0)
        assert 20 <= got.count(0) <= 60
        assert 8 <= got.count(429) <= 35
        assert got.count(201) == 200 - got.count(0) - got.count(429)
        assert len(at.double.calls) == 200 - got.count(429)
