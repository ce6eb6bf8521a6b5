"""Calls through a carrier that speaks TeXML: the whole provider over a strict one."""

import json
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve
from dialerd_twilio import _objection
from dialerd_twilio.manner import Texml
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.provider import Twilio
from hypothesis import given
from hypothesis import strategies as st
from texml_carrier import APPLICATION, KEY, ORGANIZATION, ROOT, TexmlCarrier, refused
from twilio_rig import CALLER_ID, NUMBER, Report, on, order, ref, secret

from dialerd.model.call import WasNotPlaced
from dialerd.model.errors import InvalidInput
from dialerd.model.settings import AgentSettings, MenuChoice
from dialerd.model.states import Amd, AnsweredBy, Outcome
from dialerd.model.structuring import structure
from dialerd.plugin.provider import Answered, MaybePlaced, NotPlaced, Ringing, TrunkSite

SPEAKER = AgentSettings(say="Good morning.")
SITE = TrunkSite(name="main", caller_ids=(CALLER_ID,), callbacks="https://dial.example.com/dialerd/main")


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Time passes when everybody waits."""
    return trio.testing.MockClock(autojump_threshold=0.02)


def options(**changes):
    """Return a trunk's options."""
    wanted = {
        "base_url": "https://api.telnyx.com/v2/texml",
        "api": "texml",
        "account_sid": ORGANIZATION,
        "auth_token": "telnyx-key",
        "check_caller_ids": False,
        "account_cps": 1_000,
        "price_wait": "0s",
        "extra": {"ApplicationSid": APPLICATION},
    }
    return structure({**wanted, **changes}, TwilioOptions, path="trunks.main.options")


@asynccontextmanager
async def trunk(carrier, tmp_path, key=KEY, **changes):
    """Enter a trunk over a carrier. There is a public address, which is not for it."""
    async with carrier.serve() as base_url:
        wanted = options(base_url=base_url, auth_token=secret(tmp_path, key), **changes)
        async with Twilio(SITE, wanted, now=carrier.now) as entered:
            yield entered


async def test_an_answered_call(clock, tmp_path):
    """What is asked for has TeXML's names, units and ranges, and nothing else; the end has price and id."""
    carrier, report = TexmlCarrier(), Report()
    async with trunk(carrier, tmp_path, amd_timeout="20s") as entered:
        end = await entered.place(order(agent=SPEAKER, ring_timeout=600_000, amd=Amd.DETECT), report)
    method, target, body = carrier.asked[0]
    assert (method, target) == ("POST", f"{ROOT}/Calls")
    fields = json.loads(body)
    assert "<Say" in fields.pop("Texml")
    assert fields == {
        "ApplicationSid": APPLICATION,
        "To": NUMBER,
        "From": CALLER_ID,
        "Timeout": 120,
        "TimeLimit": 1_800,
        "MachineDetection": "Enable",
        "MachineDetectionTimeout": 20_000,
        "MachineDetectionSpeechThreshold": 2_400,
        "MachineDetectionSpeechEndThreshold": 1_200,
        "MachineDetectionSilenceTimeout": 5_000,
    }
    assert (end.outcome, end.answered_by) == (Outcome.ANSWERED, AnsweredBy.HUMAN)
    assert report.names()[:2] == ["Accepted", "Ringing"]
    assert end.detail == {
        "sid": "v3:made-up_0",
        "status": "completed",
        "duration_s": 10,
        "price": "-0.002",
        "price_unit": "USD",
    }


async def test_an_agents_own_url_and_short_times(clock, tmp_path):
    """A URL has its method beside it under another name; what is too short becomes the least."""
    carrier = TexmlCarrier()
    agent = AgentSettings(twiml="https://agent.example.com/texml")
    async with trunk(carrier, tmp_path) as entered:
        await entered.place(order(agent=agent, ring_timeout=6_000, max_duration=12_000), Report())
    fields = json.loads(carrier.asked[0][2])
    assert fields["Url"].startswith("https://agent.example.com/texml?")
    assert (fields["UrlMethod"], fields["Timeout"], fields["TimeLimit"]) == ("POST", 5, 30)


async def test_a_call_that_is_not_known_at_once(clock, tmp_path):
    """What is consistent in the end only is asked again."""
    carrier = TexmlCarrier(known_after_s=9)
    async with trunk(carrier, tmp_path) as entered:
        end = await entered.place(order(agent=SPEAKER), Report())
    assert end.outcome is Outcome.ANSWERED


@pytest.mark.parametrize("ring_s", [4, 1])
async def test_hanging_up(clock, tmp_path, ring_s):
    """Ringing or answered, the one word that is documented ends it."""
    carrier = TexmlCarrier(ring_s=ring_s, talk_s=None)
    wanted = order(agent=SPEAKER)
    event = Ringing if ring_s == 4 else Answered
    async with trunk(carrier, tmp_path) as entered:
        end = await entered.place(wanted, Report(None, on(event, wanted.hangup.set)))
    updates = {body for method, target, body in carrier.asked[1:] if method == "POST"}
    assert updates == {b"Status=completed"}
    assert end.outcome is (Outcome.CANCELLED if ring_s == 4 else Outcome.ANSWERED)


async def test_an_answer_without_an_id_is_looked_for(clock, tmp_path):
    """It is documented so: the call is found by its numbers, over more pages than one, and placed once."""
    carrier = TexmlCarrier(with_id=False, known_after_s=3, talk_s=60)
    async with trunk(carrier, tmp_path) as entered:
        with pytest.raises(MaybePlaced):
            await entered.place(order("a0", agent=SPEAKER), Report())
        with pytest.raises(MaybePlaced):
            await entered.place(order("a1", agent=SPEAKER), Report())
        first = await entered.reconcile(ref(carrier, "a0"))
        second = await entered.reconcile(ref(carrier, "a1", others=(first.reference,)))
        assert {first.reference, second.reference} == set(carrier.calls)
        end = await entered.follow(ref(carrier, "a1", reference=second.reference), Report(), order().hangup)
    assert end.outcome is Outcome.ANSWERED
    assert len(carrier.calls) == 2
    assert any("/Calls.json?Page=1" in target for _, target, _ in carrier.asked)


async def test_a_lost_request_is_proven(clock, tmp_path):
    """Nothing in the list after the time for it is the proof."""
    carrier = TexmlCarrier(answers=[None])
    async with trunk(carrier, tmp_path) as entered:
        with pytest.raises(MaybePlaced):
            await entered.place(order(agent=SPEAKER), Report())
        assert await entered.reconcile(ref(carrier)) == WasNotPlaced()


@pytest.mark.parametrize(
    ("refusal", "down", "words"),
    [
        ((401, "10009", "Authentication failed"), True, "credentials"),
        ((404, "10005", "Resource not found"), True, "account_sid"),
        ((422, "10001", "Inactive phone number"), False, "10001 In more words."),
        ((403, "10004", "Missing required parameter"), False, "10004 In more words."),
    ],
)
async def test_refusals(clock, tmp_path, refusal, down, words):
    """The codes are not Twilio's, whose 10001 is a suspended account, and whose 10004 is a crowd."""
    carrier = TexmlCarrier(answers=[refused(*refusal)])
    async with trunk(carrier, tmp_path) as entered:
        with pytest.raises(NotPlaced) as raised:
            await entered.place(order(agent=SPEAKER), Report())
    assert type(raised.value) is NotPlaced
    assert raised.value.trunk_down is down
    assert words in str(raised.value.cause.detail)


async def test_a_wrong_key_takes_the_trunk_down_and_is_not_told(clock, tmp_path):
    """Also not where the carrier repeats it."""
    carrier = TexmlCarrier()
    async with trunk(carrier, tmp_path, key="wrong-key") as entered:
        with pytest.raises(NotPlaced) as raised:
            await entered.place(order(agent=SPEAKER), Report())
    assert raised.value.trunk_down
    assert "wrong-key" not in str(raised.value.cause)


ODD = ['["call_sid"]', '{"call_sid"', '{"data": {"call_sid": "x"}}', '{"sid":"y","call_sid":"x"}']


@given(st.text() | st.sampled_from(ODD))
def test_any_answer_is_heard(text):
    """What names no new call stays as it is."""
    heard = Texml("https://x", {}).hear(text)
    assert heard == text or json.loads(heard) == json.loads(text)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"base_url": None, "account_sid": "AC" + "5" * 32}, "needs base_url"),
        ({"auth_token": None, "api_key": "SK1", "api_key_secret": "x"}, "what auth_token names"),
        ({"extra": None}, "needs the TeXML application"),
        ({"check_caller_ids": True}, "check_caller_ids = false"),
        ({"call_reason": "Hello"}, "no call_reason"),
        ({"signing_token": "x"}, "signs callbacks otherwise"),
        ({"api": "jambonz"}, "texml"),
        ({"extra": {"ApplicationSid": APPLICATION, "Timeout": "9"}}, "Timeout, which is dialerd's own"),
        ({"extra": {"applicationSid": APPLICATION}}, "no field of a call"),
        ({"extra": {"ApplicationSid": ""}}, "empty or longer"),
        ({"extra": {"ApplicationSid": 5}}, "text"),
        ({"base_url": "https://api.telnyx.com/v2/texml/Accounts"}, "must end before"),
        ({"base_url": "https://example.signalwire.com/api/laml/2010-04-01"}, "must end before"),
    ],
)
def test_options_that_do_not_go_together(changes, fault):
    """What such a carrier cannot do is found out before any call."""
    with pytest.raises(InvalidInput, match=fault):
        options(**changes)


MENU = AgentSettings(say="Press one.", menu={"1": MenuChoice(say="Thank you.")})


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"callbacks": False}, False),
        ({"auth_token": None, "api_key": "SK" + "5" * 32, "api_key_secret": "x"}, False),
        ({"auth_token": None, "api_key": "SK" + "5" * 32, "api_key_secret": "x", "signing_token": "y"}, True),
    ],
)
def test_keys_need_callbacks_that_are_taken(changes, taken):
    """A public address alone is not enough: the carrier's requests must be wanted, and be told from forged ones."""
    wanted = {"account_sid": "AC" + "5" * 32, "auth_token": "token", **changes}
    known = structure(wanted, TwilioOptions, path="trunks.main.options")
    assert (_objection(known, SITE, MENU) is None) is taken
    assert _objection(known, SITE, SPEAKER) is None
    assert _objection(options(), SITE, MENU) is not None
    presses = evolve(SPEAKER, press="1")
    assert _objection(known, SITE, presses) is None
    assert "presses keys" in (_objection(options(), SITE, presses) or "")
