"""The plugin's requests are valid by Twilio's own API description, which a mock server validates each of them by."""

from collections.abc import Iterator
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from itertools import count, product
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from dialerd_twilio.answers import CallStatus, CarrierCall, NewCall, Refused
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.provider import Twilio
from prism import CALL, CALLS, SECOND_PAGE, Prism, description, example, form_of, prism, sharpen
from twilio_rig import secret

from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.states import Amd, OnVoicemail, Outcome
from dialerd.plugin.conformance import Recorder, RehearsedOrder
from dialerd.plugin.provider import Accepted, NotPlaced, TrunkSite

ACCOUNT = "AC" + "a" * 32
SUBACCOUNT = "AC" + "0123456789abcdef" * 2
KEY = "SK" + "b" * 32
SECRET = "not-a-real-secret"
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response><Say voice="alice">5 &lt; 6 &amp; más</Say></Response>'
PUBLIC = "https://dialer.example.com/callbacks/twilio"
NUMBERS_TO_CALL = (f"+447111999{at:03}" for at in count(1))  # each once
NUMBERS = {"To": "+13051913581", "From": "+13051416799"}  # of the description's own list
CALLING = {"To": "+447111999001", "From": "+12125550100", "Twiml": TWIML, "Timeout": "25", "TimeLimit": "600"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Twilio's description, made to refuse more."""
    read = description()
    sharpen(read, NUMBERS | {"PageSize": "50"})
    return read


@pytest.fixture(scope="module")
def running(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:
    """A Prism for all tests of this file."""
    with prism(tmp_path_factory.mktemp("prism"), described) as it:
        yield it


@pytest.fixture
def url(running: Prism) -> str:
    """Where it listens."""
    return running.url


def options_of(url: str, **changes: Any) -> TwilioOptions:
    """Return the options of a trunk that calls by that Prism."""
    return TwilioOptions(**{"base_url": url, "account_sid": ACCOUNT, "auth_token": "token"} | changes)


def carrier(url: str) -> Carrier:
    """Return the plugin's client of that Prism."""
    return Carrier(options_of(url), username=ACCOUNT, secret=lambda: SECRET)


def new_call(**changes: Any) -> NewCall:
    """Return a call that says something."""
    wanted = NewCall(to="+447111999001", caller_id="+12125550100", twiml=TWIML, timeout_s=25, time_limit_s=600)
    return evolve(wanted, **changes)


def as_described(shown: dict[str, Any]) -> CarrierCall:
    """Return what an example of the description says."""
    return CarrierCall(
        sid=shown["sid"],
        status=CallStatus(shown["status"]),
        number=shown["to"],
        caller_id=shown["from"],
        created_at=instant(shown["date_created"]),
        ended_at=instant(shown["end_time"]),
        duration=int(shown["duration"]) * 1_000,
        answered_by=shown["answered_by"],
        price=shown["price"],
        price_unit=shown["price_unit"],
    )


def instant(text: str) -> int:
    """Return the milliseconds of a date as Twilio writes it."""
    return int(parsedate_to_datetime(text).timestamp() * 1_000)


WHAT_IT_DOES = [
    {"twiml": TWIML},
    {"press": "ww1234#W*ABCD"},
    {"twiml": None, "url": "https://agent.example.com/twiml?call_id=a%201&first=J%C3%BCrg"},
]
DETECTIONS = [
    {},
    {"detect": "Enable"},
    {"detect": "DetectMessageEnd"},
    {"detect": "Enable", "detection_callback": f"{PUBLIC}/detection/a1"},
    {"detect": "DetectMessageEnd", "detection_callback": f"{PUBLIC}/detection/a1"},
]
TOLD = [{}, {"status_callback": f"{PUBLIC}/status/a1"}]
OPTIONS = {
    "as they are": {},
    "reason": {"call_reason": "Your appointment on Friday — reminder"},
    "subaccount": {"subaccount_sid": SUBACCOUNT},
    "key": {"api_key": KEY, "api_key_secret": "secret", "auth_token": None},
    "most": {
        "amd_timeout": 59_000,
        "amd_speech_threshold": 6_000,
        "amd_speech_end_threshold": 5_000,
        "amd_silence_timeout": 10_000,
    },
    "least": {
        "amd_timeout": 3_000,
        "amd_speech_threshold": 1_000,
        "amd_speech_end_threshold": 500,
        "amd_silence_timeout": 2_000,
    },
}
COMBINATIONS = [changes | more | told for changes, more, told in product(WHAT_IT_DOES, DETECTIONS, TOLD)]


def form_for(call: NewCall, options: TwilioOptions) -> dict[str, list[str]]:
    """Return the form that creates a call."""
    form = {
        "To": call.to,
        "From": call.caller_id,
        "Timeout": "25",
        "TimeLimit": "600",
        "Twiml": call.twiml,
        "Url": call.url,
        "Method": call.url and "POST",
        "CallReason": options.call_reason,
        "SendDigits": call.press,
        "StatusCallback": call.status_callback,
        "StatusCallbackMethod": call.status_callback and "POST",
        "MachineDetection": call.detect,
        "AsyncAmdStatusCallback": call.detection_callback,
    }
    if call.detection_callback:
        form |= {"AsyncAmd": "true", "AsyncAmdStatusCallbackMethod": "POST"}
    if call.detect:
        form |= {
            "MachineDetectionTimeout": str(options.amd_timeout // 1_000),
            "MachineDetectionSpeechThreshold": str(options.amd_speech_threshold),
            "MachineDetectionSpeechEndThreshold": str(options.amd_speech_end_threshold),
            "MachineDetectionSilenceTimeout": str(options.amd_silence_timeout),
        }
    repeated = {"StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"]}
    return {name: [value] for name, value in form.items() if value is not None} | (
        repeated if call.status_callback else {}
    )


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS)
async def test_calls_are_created(running: Prism, described: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever a call does, whoever listens, and whoever is told: the request is valid, and its answer understood."""
    options = options_of(running.url, **changes)
    expected = as_described(example(described, CALLS, "post", "201"))
    known = form_of(described, CALLS)["properties"].keys()
    left = []
    async with aclosing(
        Carrier(options, username=options.api_key or options.account_sid, secret=lambda: SECRET)
    ) as client:
        for combination, number in zip(COMBINATIONS, NUMBERS_TO_CALL, strict=False):
            call = new_call(to=number, **combination)
            assert await client.create(call, lambda: left.append(1)) == expected, call
            form = running.form(number)
            assert form == form_for(call, options)
            assert form.keys() <= known
    assert len(left) == len(COMBINATIONS)


async def test_calls_are_fetched(url: str, described: dict[str, Any]) -> None:
    """By the SID."""
    async with aclosing(carrier(url)) as client:
        shown = example(described, CALL)
        assert await client.fetch(shown["sid"]) == as_described(shown)


async def test_calls_are_ended(url: str, described: dict[str, Any]) -> None:
    """By an update with a status."""
    shown = example(described, CALL, "post")
    async with aclosing(carrier(url)) as client:
        assert await client.end(shown["sid"], CallStatus.CANCELED) == as_described(shown)
        assert await client.end(shown["sid"], CallStatus.COMPLETED) == as_described(shown)


async def test_calls_are_listed(url: str, described: dict[str, Any]) -> None:
    """By both numbers, in pages of a size that is allowed, and on to the page that the first one names."""
    expected = [
        as_described(shown)
        for path in (CALLS, SECOND_PAGE)
        for shown in example(described, path)["calls"]
        if (shown["to"], shown["from"]) == tuple(NUMBERS.values())
    ]
    assert len(expected) == 2
    async with aclosing(carrier(url)) as client:
        assert await client.calls(*NUMBERS.values()) == expected


async def test_numbers_are_listed(url: str, described: dict[str, Any]) -> None:
    """The account's own and those that it has verified."""
    listing = "/2010-04-01/Accounts/{AccountSid}/"
    own = example(described, listing + "IncomingPhoneNumbers.json")["incoming_phone_numbers"]
    verified = example(described, listing + "OutgoingCallerIds.json")["outgoing_caller_ids"]
    async with aclosing(carrier(url)) as client:
        assert await client.caller_ids() == {shown["phone_number"] for shown in [*own, *verified]}


async def test_errors_of_a_call_are_looked_up(url: str, described: dict[str, Any]) -> None:
    """In its notifications."""
    noted = example(described, "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Notifications.json")
    async with aclosing(carrier(url)) as client:
        code = await client.error_code(noted["notifications"][0]["call_sid"])
    assert code == int(noted["notifications"][0]["error_code"])


AGENTS = {
    "say": AgentSettings(say="Grüße, {first} & <co>!", voice="Polly.Vicki", language="de-DE"),
    "menu": AgentSettings(say="Press 1.", menu={"1": MenuChoice(say="Good.")}, opt_out="9", opt_out_say="We will not."),
    "message": AgentSettings(play="https://sounds.example.com/a%20b.mp3", on_voicemail=OnVoicemail.LEAVE_MESSAGE),
    "stream": AgentSettings(stream="wss://agent.example.com/media", on_voicemail=OnVoicemail.LEAVE_MESSAGE),
    "bridge": AgentSettings(bridge="sip:desk@pbx.example.com"),
    "twiml": AgentSettings(twiml="https://agent.example.com/twiml?tone=kind"),
}


@pytest.mark.parametrize("callbacks", [None, PUBLIC], ids=["asking", "callbacks"])
@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
async def test_the_provider_places_calls(
    running: Prism, described: dict[str, Any], tmp_path: Path, agent: AgentSettings, callbacks: str | None
) -> None:
    """Whoever speaks, what it makes of an order is a valid request; Prism says that the call is over at once."""
    options = options_of(running.url, auth_token=secret(tmp_path), account_cps=1_000, price_wait=0)
    site = TrunkSite(name="twilio", caller_ids=("+18089255327",), callbacks=callbacks)  # of the description's own list
    wanted: dict[str, Any] = {
        "trunk": "twilio",
        "caller_id": "+18089255327",
        "agent_name": "agent",
        "agent": agent,
        "prompt": None if agent.say else "Ask for the parcel.",
        "variables": {"first": "Jürg", "balance": 12.5, "items": ["a", "b"]},
        "amd": Amd.DETECT,
    }
    shown = example(described, CALLS, "post", "201")
    async with Twilio(site, options) as provider:
        number = next(NUMBERS_TO_CALL)
        report = Recorder()
        if agent.menu and callbacks is None:
            with pytest.raises(NotPlaced):  # nobody could be told of the keys
                await provider.place(RehearsedOrder(attempt_id="a1", number=number, **wanted), report)
            return
        end = await provider.place(RehearsedOrder(attempt_id="a1", number=number, **wanted), report)
    assert end.outcome is Outcome.VOICEMAIL  # who answered is asked for at the end, and the example is a machine
    assert report.told[0].event == Accepted(shown["sid"])
    form = running.form(number)
    assert form.keys() <= form_of(described, CALLS)["properties"].keys()
    assert ("StatusCallback" in form) == (callbacks is not None)


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "447111999001"},
        {"twiml": "x" * 4_001},
        {"detect": "Maybe"},
        {"timeout_s": 601},
        {"timeout_s": "soon"},
        {"twiml": None},
    ],
    ids=str,
)
async def test_what_is_not_valid_is_refused(url: str, changes: dict[str, Any]) -> None:
    """A wrong request of the plugin's does not pass, so that those above prove something."""
    async with aclosing(carrier(url)) as client:
        with pytest.raises(Refused) as refused:
            await client.create(new_call(**changes), lambda: None)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("", {"From": None}),
        ("", {"Timeout": "x"}),
        ("", {"StatusCallbackEvent": ["initiated", "ringing", "answered", "ended"]}),
        ("", {"AsyncAmd": "True"}),
        ("To=%2B13051913581&From=%2B13051416799&PageSize=1001", None),
        ("To=%2B13051913581&Form=%2B13051416799&PageSize=50", None),
    ],
    ids=str,
)
async def test_prism_refuses(url: str, query: str, form: dict[str, Any] | None) -> None:
    """What no plugin may send, sent without one."""
    body = None if form is None else {name: value for name, value in (CALLING | form).items() if value is not None}
    async with httpx.AsyncClient(base_url=url, auth=(ACCOUNT, SECRET), timeout=60) as client:
        path = CALLS.format(AccountSid=ACCOUNT)
        answer = await client.request("GET" if form is None else "POST", f"{path}?{query}", data=body)
        assert (await client.post(path, data=CALLING)).status_code == 201
    assert answer.status_code == 422, answer.text


async def test_prism_asks_who_it_is(url: str) -> None:
    """A request without credentials is refused, so that those above had some."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post(CALLS.format(AccountSid=ACCOUNT), data=CALLING)
    assert answer.status_code == 401
