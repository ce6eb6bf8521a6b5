"""What is easily lost between two requests: a wish, an answer, a connection, a secret."""

from contextlib import aclosing

import pytest
import trio
from asked_carrier import NEW, go
from dialerd_twilio.answers import Refused
from dialerd_twilio.board import Board
from dialerd_twilio.callbacks import Callbacks
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.connections import Connections
from dialerd_twilio.options import TwilioOptions
from scripted_rest import ScriptedRest, reply
from twilio.request_validator import RequestValidator
from twilio_rig import ACCOUNT, CALLBACKS, NUMBER, TOKEN, Behaviour, Faults, Report, order, rig

from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, Outcome
from dialerd.plugin.callback import CallbackRequest
from dialerd.plugin.provider import Digits, NotPlaced

SID = "CA" + "0" * 32


async def test_a_wish_is_known_before_anybody_is_waited_for(clock):
    """Somebody presses 9 and hangs up at once: the call's end, asked for meanwhile, says it."""
    board = Board()
    callbacks = Callbacks(CALLBACKS, lambda: TOKEN, header="x-twilio-signature", board=board, trunk="main")
    form = {"CallSid": SID, "Digits": "9"}
    signature = RequestValidator(TOKEN).compute_signature(f"{CALLBACKS}/keys/a1?stop=9", form)
    request = CallbackRequest(
        method="POST",
        path="/keys/a1",
        query="stop=9",
        headers={"x-twilio-signature": signature},
        body=f"CallSid={SID}&Digits=9".encode(),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(callbacks.answer, request)
        await trio.sleep(3)
        leg = board.open("a1", None)
        assert leg.opted_out
        assert leg.digits == "9"


async def test_keys_are_told_once(clock):
    """Whoever follows a call next is not told again what was told already."""
    leg = Board().open("a1", None)
    leg.known.sid = SID
    leg.press("5")
    for _ in range(2):
        report = Report()
        leg.follow(report)
        leg.release()
    assert report.find(Digits) is None
    assert leg.digits == ""


async def test_a_proxy_that_lets_nothing_through_is_noticed_at_the_ring_bound(clock, logged):
    """The first call is asked about late, the next ones from their beginning."""
    behaviour = Behaviour(ring_s=4, talk_s=10)
    async with rig(callbacks=True, behaviour=behaviour, faults=Faults(withheld=1.0)) as carrier, carrier.life():
        lasted = []
        for index in range(3):
            began_s = trio.current_time()
            assert (await carrier.place(order(f"a{index}"))).outcome is Outcome.ANSWERED
            lasted.append(trio.current_time() - began_s)
    assert lasted[0] > 40
    assert max(lasted[1:]) < 25
    assert [entry["event"] for entry in logged if entry["log_level"] == "warning"] == ["twilio.callbacks_missing"]


async def test_a_machine_is_hung_up_on_though_its_answer_was_not_told(clock):
    """Who was listened to has answered."""
    faults = Faults(next_callbacks=[None, None, "withheld"])
    behaviour = Behaviour(ring_s=2, talk_s=None, answered_by="machine", detection_s=3)
    agent = AgentSettings(stream="wss://agent.example.com/call")
    async with rig(callbacks=True, behaviour=behaviour, faults=faults) as carrier, carrier.life():
        began_s = trio.current_time()
        end = await carrier.place(order(agent=agent, amd=Amd.DETECT))
        assert trio.current_time() - began_s < 15
    assert end.outcome is Outcome.VOICEMAIL
    assert carrier.double.placed(NUMBER)[0].over


async def test_idle_connections_are_closed_while_others_are_taken(clock):
    """The last one may be taken while an old one is being closed."""
    async with rig() as carrier:
        connections = Connections(30)
        old, late = connections.take(), connections.take()
        for client in (old, late):
            await client.get(f"{carrier.base_url}/x")
        await connections.give(old)
        await trio.sleep(60)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connections.give, late)
            while not old.is_closed:  # it is being closed from here on
                await trio.lowlevel.checkpoint()
            taken = connections.take()
        await connections.drop(taken)
        await connections.aclose()


async def test_a_former_secret_is_not_told_either():
    """A carrier may repeat the token that it refuses, when there is another one already."""
    secrets = ["former-secret", "fresh-secret"]
    rest = ScriptedRest(answers=[reply(401, {"code": 20003, "message": "no such token: former-secret"})])
    async with rest.serve() as base_url:
        options = TwilioOptions(base_url=base_url, account_sid=ACCOUNT, auth_token="t")
        async with aclosing(Carrier(options, username=ACCOUNT, secret=lambda: secrets.pop(0))) as carrier:
            with pytest.raises(Refused) as raised:
                await carrier.create(NEW, go)
    assert "former-secret" not in str(raised.value)
    assert not secrets


async def test_a_stream_that_is_no_url_rings_nobody(clock):
    """It is the agent's fault, and no other."""
    async with rig() as carrier, carrier.life():
        with pytest.raises(NotPlaced):
            await carrier.place(order(agent=AgentSettings(stream="wss://[bad")))
