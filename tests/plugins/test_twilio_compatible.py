"""Accounts, secrets and carriers of every kind: who asks, which host, who signs, what others have otherwise."""

import ssl
import subprocess
import tomllib
from contextlib import aclosing
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest
import trio
from asked_carrier import NEW, SECRET, SID, carrier_at, go, listed
from dialerd_twilio.answers import Refused
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.provider import Twilio
from scripted_rest import ACCOUNT as SCRIPTED
from scripted_rest import ScriptedRest, call, reply
from twilio_rig import ACCOUNT, CALLER_ID, NUMBER, TOKEN, Behaviour, Report, TwilioDouble, order, ref, rig

from dialerd.model.call import WasPlaced
from dialerd.model.states import Outcome
from dialerd.model.structuring import structure
from dialerd.plugin.provider import MaybePlaced, NotPlaced, TrunkSite
from dialerd.plugin.secrets import SecretError

KEY, SUB = "SK" + "6" * 32, "AC" + "7" * 32
PROJECT = "b3877c40-da60-4998-90ad-b792e98472af"


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Time passes when everybody waits."""
    return trio.testing.MockClock(autojump_threshold=0.02)


def lay(path: Path, secret: str, mode: int = 0o400) -> str:
    """Lay a secret into a file, and return its path."""
    path.write_text(secret)
    path.chmod(mode)
    return str(path)


def certified(folder: Path) -> ssl.SSLContext:
    """Return a server's context for localhost, whose certificate lies in `folder` as `cert`."""
    openssl = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    command = [*openssl.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "cert"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def statuses(call):
    """Return what the callbacks of a call were answered."""
    return {one.status for one in call.deliveries}


async def test_an_api_key_asks_and_the_token_signs(clock):
    """The account's token need not be known to ask, but only it tells callbacks from forged ones."""
    async with rig(callbacks=True, api_keys={KEY: "key-secret"}) as carrier:
        secret = lay(carrier.folder / "secret", "key-secret")
        asking = {"auth_token": None, "api_key": KEY, "api_key_secret": secret}
        async with carrier.life(**asking, signing_token=str(carrier.folder / "token")):
            asked = carrier.double.requests
            assert (await carrier.place(order())).outcome is Outcome.ANSWERED
            assert carrier.double.requests - asked == 1
        assert statuses(carrier.double.placed(NUMBER)[0]) == {204}
        async with carrier.life(**asking):
            assert (await carrier.place(order("a2"))).outcome is Outcome.ANSWERED
        assert "StatusCallback" not in carrier.double.placed(NUMBER)[1].params


async def test_a_subaccounts_calls_numbers_and_signatures(clock):
    """Its parent asks; calls, lists and numbers are the subaccount's, and it signs with its own token."""
    async with rig(callbacks=True, subaccounts={SUB: "sub-token"}) as carrier:
        token = lay(carrier.folder / "sub", "sub-token")
        async with carrier.life(subaccount_sid=SUB, signing_token=token) as trunk:
            await carrier.place(order())
            carrier.double.faults.next_creates.append("lost_response")
            carrier.double.faults.withheld = 1.0
            with pytest.raises(MaybePlaced):
                await carrier.place(order("a2"))
            (first, lost) = carrier.double.placed(NUMBER)
            found = await trunk.reconcile(ref(carrier.double, "a2", others=(first.sid,)))
            assert isinstance(found, WasPlaced)
            assert found.reference == lost.sid
            carrier.double.faults.withheld = 0.0
        async with carrier.life(subaccount_sid=SUB):  # the parent's token is not the subaccount's
            await carrier.place(order("a3"))
    assert {call.account for call in carrier.double.calls.values()} == {SUB}
    assert statuses(first) == {204}
    assert statuses(carrier.double.placed(NUMBER)[-1]) == {403}


async def test_secrets_are_credentials_or_files(clock, monkeypatch):
    """Of systemd by their name; what cannot be read, or everybody can, keeps the trunk down before anybody is asked."""
    async with rig(callbacks=True) as carrier:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        for setting, fault in [
            ("twilio-token", "systemd has handed none over"),
            ("/nowhere/token", "cannot be opened"),
        ]:
            with pytest.raises(SecretError, match=f"^auth_token: .*{fault}"):
                async with carrier.life(auth_token=setting):
                    raise AssertionError
        laid = carrier.folder / "laid"
        laid.mkdir()
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(laid))
        with pytest.raises(SecretError, match=r"^signing_token: there is no credential"):
            async with carrier.life(signing_token="other"):
                raise AssertionError
        loose = lay(carrier.folder / "loose", "key-secret", 0o444)
        with pytest.raises(SecretError, match=r"^api_key_secret: .* open to everybody"):
            async with carrier.life(auth_token=None, api_key=KEY, api_key_secret=loose):
                raise AssertionError
        assert carrier.double.requests == 0
        lay(laid / "dialerd_twilio-token", f"{TOKEN}\n")
        async with carrier.life(auth_token="twilio-token"):
            assert carrier.double.requests == 2


class Space(TwilioDouble):
    """A space of SignalWire's: its own path and ids, and callbacks signed with a key that asks for nothing."""

    def token_of(self, account: str) -> str:
        """Return what is signed with."""
        assert account == PROJECT
        return "signing-key"


async def test_a_space_of_signalwire(clock, tmp_path):
    """Path, ids, header and key of its own: SignalWire, "Compatibility API" and "Webhook security"."""
    double = Space(
        account=PROJECT,
        token="api-token",
        prefix="/api/laml",
        signature_header="X-SignalWire-Signature",
        behaviour=Behaviour(ring_s=2, talk_s=5),
    )
    site = TrunkSite(name="main", caller_ids=(CALLER_ID,), callbacks="https://dial.example.com/dialerd/main")
    async with double.serve() as base_url:
        options = TwilioOptions(
            base_url=base_url + "/api/laml/",
            account_sid=PROJECT,
            auth_token=lay(tmp_path / "api-token", "api-token"),
            signing_token=lay(tmp_path / "signing-key", "signing-key"),
            signature_header="X-SignalWire-Signature",
            extra={"MachineWordsThreshold": "8"},
            account_cps=1_000,
            price_wait=0,
        )
        async with Twilio(site, options, now=double.now) as trunk:
            double.routes[site.callbacks] = trunk.callback
            asked = double.requests
            end = await trunk.place(order(), Report())
    (made,) = double.placed(NUMBER)
    assert end.outcome is Outcome.ANSWERED
    assert double.requests - asked == 1
    assert made.params["MachineWordsThreshold"] == "8"
    assert statuses(made) == {204}


async def test_callbacks_can_be_left_out(clock):
    """A carrier that signs in a way of its own is asked, though there is an address for callbacks."""
    async with rig(callbacks=True) as carrier, carrier.life(callbacks=False):
        assert (await carrier.place(order())).outcome is Outcome.ANSWERED
        (made,) = carrier.double.placed(NUMBER)
    assert "StatusCallback" not in made.params
    assert made.deliveries == []


async def test_a_call_as_signalwire_tells_of_it():
    """Numbers where Twilio has text, and calls of which nobody says how they came to be: SignalWire, "Calls"."""
    told = call(sid=PROJECT, status="completed", duration=20, price=0.007, direction="outbound", answered_by="machine")
    async with carrier_at(reply(200, {"calls": [told], "next_page_uri": None}), path="/api/laml") as (carrier, _):
        (found,) = await listed(carrier)
    assert (found.sid, found.duration, found.price, found.answered_by) == (PROJECT, 20_000, "0.007", "machine")


@pytest.mark.parametrize(
    ("refusal", "code", "words"),
    [
        ({"errors": [{"code": "21217", "message": "No number.", "more_info": "x"}]}, 21217, "No number."),
        ({"errors": ["No such thing."]}, None, "No such thing."),
        ({"errors": []}, None, ""),
        ({"errors": [5]}, None, ""),
        ({"code": 21212, "message": "No form.", "more_info": "x", "status": 400}, 21212, "No form."),
    ],
)
async def test_refusals_in_a_list(refusal, code, words):
    """SignalWire's refusals have three forms ("Create a Call", 400, 404 and 422), with codes like Twilio's."""
    async with carrier_at(reply(400, refusal)) as (carrier, _):
        with pytest.raises(Refused) as raised:
            await carrier.create(NEW, go)
    assert (raised.value.code, raised.value.message) == (code, words)


@pytest.mark.parametrize("carrier", ["signalwire", "telnyx"])
def test_what_the_document_shows_is_taken(carrier):
    """The options of other carriers, as docs/twilio.md has them."""
    lines = iter((Path(__file__).parents[2] / "docs" / "twilio.md").read_text().splitlines())
    shown = dropwhile(lambda line: line != f"    [trunks.{carrier}.options]", lines)
    table = tomllib.loads("\n".join(takewhile(lambda line: line.startswith("    "), shown)))
    known = structure(table["trunks"][carrier]["options"], TwilioOptions)
    assert known.api == ("texml" if carrier == "telnyx" else "twilio")


@pytest.mark.parametrize(
    ("where", "host"),
    [
        ({}, "api.twilio.com:443"),
        ({"edge": "dublin", "region": "ie1"}, "api.dublin.ie1.twilio.com:443"),
        ({"base_url": "https://carrier.example/api"}, "carrier.example:443"),
        ({"base_url": "https://a.b.c.d.carrier.example:8443"}, "a.b.c.d.carrier.example:8443"),
    ],
)
async def test_the_host_that_is_asked(monkeypatch, tmp_path, where, host):
    """As the trunk's options say, whatever else the environment says; a proxy that refuses has rung nobody."""
    for name, value in [("ACCOUNT_SID", "AC9"), ("AUTH_TOKEN", "x"), ("EDGE", "sydney"), ("REGION", "au1")]:
        monkeypatch.setenv(f"TWILIO_{name}", value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    proxy = ScriptedRest(answers=[reply(403)])
    async with proxy.serve() as base_url:
        monkeypatch.setenv("HTTPS_PROXY", base_url)
        token = lay(tmp_path / "token", TOKEN)
        options = TwilioOptions(
            account_sid=ACCOUNT, auth_token=token, check_caller_ids=False, account_cps=1_000, **where
        )
        wanted = order()
        async with Twilio(TrunkSite(name="main", caller_ids=(), callbacks=None), options) as trunk:
            with pytest.raises(NotPlaced) as raised:
                await trunk.place(wanted, Report())
    assert raised.value.cause.code == "connection"
    assert wanted.left_at_s == []
    assert {(asked.method, asked.path) for asked in proxy.asked} == {("CONNECT", host)}


async def test_through_a_proxy(monkeypatch, tmp_path):
    """A call leaves when the tunnel stands and is secured, not when the proxy is asked for it."""
    context = certified(tmp_path)
    rest = ScriptedRest(answers=[reply(201, call())], tls=context)
    seen = []
    async with rest.serve() as base_url:

        async def tunnel(near):
            await near.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            far = await trio.open_tcp_stream("127.0.0.1", int(base_url.rpartition(":")[2]))
            async with far, trio.open_nursery() as nursery:
                nursery.start_soon(_pump, near, far, nursery.cancel_scope)
                nursery.start_soon(_pump, far, near, nursery.cancel_scope)

        proxy = ScriptedRest(answers=[tunnel])
        async with proxy.serve() as proxy_url:
            monkeypatch.setenv("HTTPS_PROXY", proxy_url)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
            monkeypatch.delenv("NO_PROXY", raising=False)
            options = TwilioOptions(base_url=base_url, account_sid=SCRIPTED, auth_token="token")
            async with aclosing(Carrier(options, username=SCRIPTED, secret=lambda: SECRET)) as carrier:
                made = await carrier.create(NEW, lambda: seen.append((len(proxy.asked), rest.open, rest.bytes_in)))
    assert made.sid == SID
    assert seen == [(1, 1, 0)]
    assert "authorization" not in proxy.asked[0].headers


async def _pump(source, drain, scope):
    async for part in source:
        await drain.send_all(part)
    scope.cancel()
