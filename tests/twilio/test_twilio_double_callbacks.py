"""The Twilio double's requests to the user: signed, told once and in their order, but for faults."""

import httpx
import pytest
import trio
from double_http import Answer, Asked, serve_http
from double_rig import ALL_EVENTS, CALLER_ID, NUMBER, PUBLIC, rig
from trio.testing import MockClock
from twilio.request_validator import RequestValidator
from twilio_double import ACCOUNT, TOKEN, Behaviour, Faults

from dialerd.plugin.callback import CallbackAnswer, CallbackRequest

QUICK = Behaviour(ring_s=2, talk_s=4)
TALK = "<Response><Pause length='60'/></Response>"
SUBACCOUNT = "AC" + "f" * 32


async def test_signed_over_the_public_url(clock: MockClock) -> None:
    """Twilio's own validator finds the signature right: over the public URL with its query, by the token."""
    async with rig(behaviour=QUICK) as at:
        url = f"{PUBLIC}/status/a1?token=x%20y"
        await at.told(twiml=TALK, StatusCallback=url)
        await trio.sleep(10)
        forms = at.forms()
        assert [form["CallStatus"] for form in forms] == ["initiated", "ringing", "in-progress", "completed"]
        for request, form in zip(at.came, forms, strict=True):
            assert (request.method, request.query) == ("POST", "token=x%20y")
            signature = request.headers["x-twilio-signature"]
            assert RequestValidator(TOKEN).validate(url, form, signature)
            assert not RequestValidator("another").validate(url, form, signature)
            assert not RequestValidator(TOKEN).validate(url, form | {"CallStatus": "busy"}, signature)


async def test_fields(clock: MockClock) -> None:
    """Status callbacks say what Twilio's documents name, and what a behaviour adds."""
    async with rig(behaviour=Behaviour(ring_s=2, talk_s=61, extra={"StirStatus": "B"})) as at:
        sid = await at.told(twiml="<Response><Pause length='100'/></Response>")
        await trio.sleep(100)
        first, last = at.forms()[0], at.forms()[-1]
        assert (first["CallSid"], first["AccountSid"], first["To"], first["From"]) == (sid, ACCOUNT, NUMBER, CALLER_ID)
        assert (first["CallbackSource"], first["StirStatus"]) == ("call-progress-events", "B")
        assert first["Timestamp"].endswith(" +0000")
        assert not {"CallDuration", "SipResponseCode", "AnsweredBy"} & first.keys()
        assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("61", "2", "200")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (None, ["completed"]),
        (["answered"], ["in-progress"]),
        (["initiated", "completed"], ["initiated", "completed"]),
        (["answered completed"], []),
    ],
)
async def test_events_that_are_wanted(clock: MockClock, wanted: list[str] | None, told: list[str]) -> None:
    """Only the events that are asked for are told; by default the end, and none at all where one is no event."""
    async with rig(behaviour=QUICK) as at:
        sid = await at.told(twiml=TALK, StatusCallbackEvent=wanted)
        await trio.sleep(10)
        assert [form["CallStatus"] for form in at.forms()] == told
        assert [form["SequenceNumber"] for form in at.forms()] == [str(count) for count in range(len(told))]
        assert at.double.calls[sid].errors == ([] if told else [21626])


async def test_without_address_nothing_is_told(clock: MockClock) -> None:
    """A call without a callback address tells nothing."""
    async with rig(behaviour=QUICK) as at:
        await at.create(twiml=TALK)
        await trio.sleep(10)
        assert at.came == []


async def test_subaccount_signs_with_its_own_token(clock: MockClock) -> None:
    """A subaccount's calls are its own, and its requests are signed with its own token."""
    async with rig(behaviour=QUICK, subaccounts={SUBACCOUNT: "own"}, signature_header="X-Other-Signature") as at:
        form = {"To": NUMBER, "From": CALLER_ID, "Twiml": TALK, "StatusCallback": f"{PUBLIC}/status/a1"}
        path = f"{at.http.base_url}Calls.json".replace(ACCOUNT, SUBACCOUNT)
        sid = (await at.http.post(path, data=form)).json()["sid"]
        assert (await at.http.get(f"/Calls/{sid}.json")).status_code == 404
        assert (await at.http.get("/Calls.json")).json()["calls"] == []
        await trio.sleep(10)
        validator = RequestValidator("own")
        assert validator.validate(form["StatusCallback"], at.forms()[0], at.came[0].headers["x-other-signature"])


async def test_over_a_real_connection(clock: MockClock) -> None:
    """Requests reach a server by the map of public URLs, and the answer is kept."""
    came: list[Asked] = []

    async def answering(asked: Asked) -> Answer:
        came.append(asked)
        return Answer(status=403, body=b"no", content_type="text/plain")

    async with rig(behaviour=QUICK) as at, serve_http(answering) as url:
        at.double.routes[f"{PUBLIC}/status"] = f"{url}/behind"
        sid = await at.told(twiml=TALK, StatusCallbackEvent=ALL_EVENTS)
        await trio.sleep(10)
        assert [(one.method, one.target) for one in came] == [("POST", "/behind/a1")] * 4
        assert came[0].headers["content-type"].startswith("application/x-www-form-urlencoded")
        assert [(one.status, one.body) for one in at.double.calls[sid].deliveries] == [(403, "no")] * 4


async def test_nobody_listens(clock: MockClock) -> None:
    """A request that finds nobody is tried once more, nobody out in the world is asked, and the call does not mind."""
    async with rig(behaviour=QUICK) as at:
        async with serve_http(_deaf) as url:
            at.double.routes[PUBLIC] = url
        sid = await at.told(twiml=TALK)
        elsewhere = await at.told(twiml=TALK, StatusCallback="https://elsewhere.example.com/")
        await trio.sleep(10)
        for call, tries in ((at.double.calls[sid], 2), (at.double.calls[elsewhere], 0)):
            assert [(one.status, one.tries) for one in call.deliveries] == [(None, tries)] * 4
            assert call.status == "completed"


async def _deaf(_asked: Asked) -> Answer | None:
    return None


async def test_user_takes_too_long(clock: MockClock) -> None:
    """A request is given up after 15 seconds."""

    async def slow(_request: CallbackRequest) -> CallbackAnswer:
        await trio.sleep_forever()
        raise AssertionError

    async with rig(behaviour=QUICK) as at:
        at.double.routes[PUBLIC] = slow
        sid = await at.told(twiml=TALK)
        await trio.sleep(14.5)
        assert at.double.calls[sid].deliveries == []
        await trio.sleep(1)
        assert [one.status for one in at.double.calls[sid].deliveries] == [None]


FAULTY: dict[str, tuple[list[str | None], list[str]]] = {
    "in order": ([], ["initiated", "ringing", "in-progress", "completed"]),
    "out of order": (["out_of_order"], ["ringing", "initiated", "in-progress", "completed"]),
    "two out of order": (["out_of_order", "out_of_order"], ["in-progress", "initiated", "ringing", "completed"]),
    "last one out of order": (
        [None, None, None, "out_of_order"],
        ["initiated", "ringing", "in-progress", "completed"],
    ),
    "twice": ([None, "duplicated"], ["initiated", "ringing", "ringing", "in-progress", "completed"]),
    "withheld": (["withheld", None, None, "withheld"], ["ringing", "in-progress"]),
}


@pytest.mark.parametrize("name", list(FAULTY))
async def test_faults_of_callbacks(clock: MockClock, name: str) -> None:
    """Callbacks come late, twice or never, with the number of their event."""
    faults, told = FAULTY[name]
    order = ["initiated", "ringing", "in-progress", "completed"]
    async with rig(behaviour=QUICK, faults=Faults(next_callbacks=list(faults))) as at:
        await at.told(twiml=TALK)
        await trio.sleep(20)
        assert [form["CallStatus"] for form in at.forms()] == told
        assert [int(form["SequenceNumber"]) for form in at.forms()] == [order.index(status) for status in told]


async def test_shares_of_callbacks(clock: MockClock) -> None:
    """Of many callbacks about the share goes wrong that was asked for, the same ones every time."""
    lost = set()
    for _ in range(2):
        async with rig(behaviour=QUICK, faults=Faults(withheld=0.3, seed=7)) as at:
            for _ in range(25):
                await at.told(twiml=TALK)
            await trio.sleep(10)
            lost.add(100 - len(at.forms()))
    assert len(lost) == 1
    assert 20 <= lost.pop() <= 40


async def test_double_asks_only_where_it_may(clock: MockClock) -> None:
    """An unmapped address of this machine is asked as it is."""
    came: list[Asked] = []

    async def answering(asked: Asked) -> Answer:
        came.append(asked)
        return Answer(status=204)

    async with rig(behaviour=QUICK) as at, serve_http(answering) as url:
        await at.told(twiml=TALK, StatusCallback=f"{url}/here?a=1", StatusCallbackMethod="GET")
        await trio.sleep(10)
        assert {one.method for one in came} == {"GET"}
        asked = httpx.URL(f"{url}{came[0].target}")
        assert (asked.path, asked.params["a"], asked.params["CallStatus"]) == ("/here", "1", "initiated")
        signature = came[0].headers["x-twilio-signature"]
        assert RequestValidator(TOKEN).validate(f"{url}{came[0].target}", {}, signature)
