"""Under which account carriers count a trunk's calls: what providers say, and what the settings say instead."""

from types import SimpleNamespace
from typing import Any

import dialerd_simulator
import dialerd_sip
import dialerd_twilio
import pytest
from attrs import frozen

from dialerd.model.errors import InvalidInput
from dialerd.model.settings import Settings, TrunkSettings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.host import PluginHost
from dialerd.rules.accounts import accounts

HOST = PluginHost([dialerd_simulator, dialerd_sip, dialerd_twilio], entry_points=False)
SIP = {"server": "sip.example.com", "username": "dialer", "password": "hunter2"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "hunter2"}


def together(provider: str, one: dict[str, Any], other: dict[str, Any], **changes: Any) -> bool:
    """Tell whether two trunks share a pace; nothing that names a secret stands in an account."""
    trunks = {"a": TrunkSettings(provider=provider, options=one)}
    trunks["b"] = TrunkSettings(provider=provider, options=other, **changes)
    found = HOST.paced(Settings(trunks=trunks))
    assert not any("hunter2" in (trunk.account or "") for trunk in found.trunks.values())
    return len(accounts(found.trunks)) == 1


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"server": "SIP.example.com"}, True),
        ({"bind": "0.0.0.0:5070"}, True),
        ({"password": "other"}, True),
        ({"from_user": "+12125550100", "number_prefix": "9", "codecs": ["PCMA"]}, True),
        ({"server": "sip.example.net"}, False),
        ({"server": "sip.example.com:5070"}, False),
        ({"outbound_proxy": "proxy.example.com"}, False),
        ({"username": "Dialer"}, False),
        ({"username": None, "password": None}, False),
        ({"bind": "192.0.2.7"}, False),
        ({"public_address": "192.0.2.7"}, False),
    ],
)
def test_a_sip_account_is_where_calls_go_and_who_sends_them(other: dict[str, Any], same: bool) -> None:
    """Not how numbers are written, nor the port: the carrier sees none of it, or does not go by it."""
    options = {key: value for key, value in (SIP | other).items() if value is not None}
    assert together("sip", SIP, options) is same


def test_the_source_of_a_sip_trunk_may_be_of_ipv6() -> None:
    """Its port is none of its address."""
    one, other = SIP | {"bind": "[2001:db8::1]:5060"}, SIP | {"bind": "[2001:db8::1]"}
    assert together("sip", one, other)
    assert not together("sip", one, SIP | {"bind": "[2001:db8::2]:5060"})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"auth_token": "other", "call_reason": "x"}, True),
        ({"account_sid": "AC" + "1" * 32}, False),
        ({"subaccount_sid": "AC" + "1" * 32}, False),
        ({"base_url": "https://example.com"}, False),
    ],
)
def test_a_twilio_account_is_its_sid_where_its_api_is(other: dict[str, Any], same: bool) -> None:
    """A subaccount has a pace of its own."""
    assert together("twilio", TWILIO, TWILIO | other) is same


def test_trunks_of_the_simulator_are_apart_unless_the_settings_say_so() -> None:
    """What they say counts more than what the provider says, whichever way."""
    assert not together("simulator", {}, {})
    assert not together("sip", SIP, SIP, account="apart")
    named = {name: TrunkSettings(provider="simulator", account="acme") for name in "ab"}
    assert len(accounts(HOST.paced(Settings(trunks=named)).trunks)) == 1


def test_accounts_of_two_providers_are_two() -> None:
    """Though they call them the same."""

    @frozen
    class Options:
        """None."""

    factories = [
        ProviderFactory(name=name, options=Options, make=lambda *_: None, account=lambda _: "x")  # type: ignore[arg-type]  # none is made
        for name in "pq"
    ]
    host = PluginHost(
        [SimpleNamespace(__name__="p", dialerd_providers=hookimpl(lambda: factories))], entry_points=False
    )
    trunks = {name: TrunkSettings(provider=name) for name in "pq"}
    assert len(accounts(host.paced(Settings(trunks=trunks)).trunks)) == 2


@pytest.mark.parametrize("told", ["", 7, ("a", "b"), ValueError("no"), SystemExit(3)])
def test_an_account_that_cannot_be_told_is_a_fault(told: Any) -> None:
    """Of that trunk's options, in the words of the plugin; its author hears of it."""

    @frozen
    class Options:
        """None."""

    def account(_: Any) -> Any:
        if isinstance(told, BaseException):
            raise told
        return told

    factory = ProviderFactory(name="x", options=Options, make=lambda *_: None, account=account)  # type: ignore[arg-type]  # none is made
    host = PluginHost(
        [SimpleNamespace(__name__="p", dialerd_providers=hookimpl(lambda: [factory]))], entry_points=False
    )
    wanted = Settings(trunks={"t": TrunkSettings(provider="x")})
    (fault,) = host.check_trunks(wanted)
    assert fault.path == "trunks.t.options"
    assert "its account" in fault.message
    assert "report it to its author" in fault.message
    with pytest.raises(InvalidInput, match="its account"):
        host.paced(wanted)
