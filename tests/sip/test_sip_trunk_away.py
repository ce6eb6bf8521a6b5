"""A trunk that is not there, or comes and goes: what its calls are told, and what stands in the log."""

import pytest
import trio
from callee import Auth, Callee
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.provider import Sip
from dialerd_sip.shell.resolving import ResolveError, Resolver
from ports import free_port
from sip_peers import tcp_peer, tidy
from trunk_rig import ordered, trunk

from dialerd.model.errors import DialerdError
from dialerd.plugin.provider import NotPlaced, Report

__all__ = ["tidy"]

BIND = f"127.0.0.1:{free_port()}"


class Moving(Resolver):
    """Where a server is, as the DNS says at the moment; nowhere, maybe."""

    def __init__(self, *places: str, transport: Transport = Transport.UDP) -> None:
        super().__init__()
        self.places = places
        self.transport = transport

    async def flows(self, server: str, transport: Transport | None, *, version: int | None = None) -> tuple[Flow, ...]:
        """Return the places of the moment."""
        await trio.lowlevel.checkpoint()
        if not self.places:
            raise ResolveError("it is gone")
        spots = [place.rpartition(":") for place in self.places]
        return tuple(Flow(self.transport, host, int(port)) for host, _, port in spots)


async def refusal(sip: Sip, tmp_path) -> NotPlaced:
    """Return how a call is refused that cannot leave."""
    with pytest.raises(NotPlaced) as refused:
        await sip.place(ordered(tmp_path), Report.__new__(Report))
    return refused.value


async def test_a_trunk_to_which_no_route_leads_comes_up_and_says_so(clock, tmp_path, logged):
    """A network that is away for a while must not take the trunk down, nor the calls that are up."""
    place = "255.255.255.255"  # what a socket may not send to
    async with trunk(tmp_path, place, bind=f"0.0.0.0:{free_port('0.0.0.0')}") as sip:
        told = await refusal(sip, tmp_path)
        await trio.sleep(100)
    assert told.trunk_down
    assert "no route leads to 255.255.255.255" in str(told.cause.detail)
    (lost,) = [entry for entry in logged if entry["event"] == "sip.server_not_found"][:1]
    assert "no route leads to 255.255.255.255" in lost["reason"]


async def test_a_silent_trunk_rests_as_a_whole(clock, tmp_path, logged):
    """No call can be placed: the trunk rests at once, instead of each recipient's turn being wasted."""
    async with trunk(tmp_path, f"127.0.0.1:{free_port()}") as sip:
        told = await refusal(sip, tmp_path)
    assert told.trunk_down
    assert "answers OPTIONS" in str(told.cause.detail)


async def test_trunks_that_share_a_server_tell_once_each_that_it_is_away(clock, tmp_path, logged):
    """Each asks for itself; what one has found out is no news of the other's."""
    callee = Callee({})
    async with (
        callee.serve() as place,
        trunk(tmp_path, place, name="one", bind=BIND),
        trunk(tmp_path, place, name="two", bind=BIND),
    ):
        await trio.sleep(60)
        callee.wire.deaf = True
        await trio.sleep(120)
        callee.wire.deaf = False
        await trio.sleep(120)
    changes = [(entry["event"], entry["trunk"]) for entry in logged if entry["event"].startswith("sip.target_")]
    assert sorted(changes[:2]) == [("sip.target_found", "one"), ("sip.target_found", "two")]
    assert sorted(changes[2:4]) == [("sip.target_lost", "one"), ("sip.target_lost", "two")]
    assert sorted(changes[4:]) == [("sip.target_found", "one"), ("sip.target_found", "two")]


async def test_a_registration_follows_the_server(clock, tmp_path):
    """When the DNS leads somewhere else, the trunk registers there, and needs no restart."""
    secret = tmp_path / "secret"
    secret.write_text("wonderland")
    secret.chmod(0o600)
    account = {"username": "alice", "password_file": str(secret), "register": True}
    old, new = Callee({}), Callee({})
    async with old.serve() as before, new.serve() as after:
        dns = Moving(before)
        async with trunk(tmp_path, "sip.example.com", resolver=dns, **account):
            await trio.sleep(5)
            assert old.registers == 1
            dns.places = (after,)
            await trio.sleep(60)
            assert new.registers == 1
            await trio.sleep(60)
        assert new.registers == 2  # it is taken back there


@pytest.mark.parametrize("options", [{}, {"options_interval": 0, "register": True, "register_expires": 60_000}])
async def test_that_calls_can_be_sent_again_is_told(clock, tmp_path, options):
    """When OPTIONS are answered once more, or the registration has come about: a trunk that rests is tried then."""
    callee, told = Callee({}), []
    secret = tmp_path / "secret"
    secret.write_text("wonderland")
    secret.chmod(0o600)
    options |= {"username": "alice", "password_file": str(secret)}
    options["reachable"] = lambda: told.append(trio.current_time())
    async with callee.serve() as place, trunk(tmp_path, place, **options):
        await trio.sleep(300)
        del told[:]
        callee.wire.deaf = True
        await trio.sleep(300)
        assert told == []
        callee.wire.deaf = False
        back_at = trio.current_time()
        await trio.sleep(300)
        (told_at,) = told
        assert told_at - back_at < 125, "an interval of OPTIONS, or the pause after a failed REGISTER"


async def test_that_a_connection_can_be_opened_again_is_told(clock, tmp_path):
    """Once, and not at each look while nobody listens there; one address of several is enough."""
    told, port, dead = [], free_port(), free_port()
    dns = Moving(f"127.0.0.1:{dead}", f"127.0.0.1:{port}", transport=Transport.TCP)
    options = {"options_interval": 0, "reachable": lambda: told.append(trio.current_time())}
    async with trunk(tmp_path, "sip.example.com", resolver=dns, transport=Transport.TCP, **options):
        await trio.sleep(300)
        assert told == []
        await tcp_peer(port=port)
        await trio.sleep(300)
        assert len(told) == 1


async def test_that_the_server_is_found_again_is_told(clock, tmp_path):
    """Its name led nowhere for a while."""
    callee, told = Callee({}), []
    async with callee.serve() as place:
        dns = Moving(place)
        plain = {"options_interval": 0, "reachable": lambda: told.append(place)}
        async with trunk(tmp_path, "sip.example.com", resolver=dns, **plain):
            for _ in range(2):
                dns.places = ()
                await trio.sleep(100)
                assert told == []
                dns.places = (place,)
                await trio.sleep(100)
                assert told == [place]
                del told[:]


async def test_an_account_with_an_at_sign_is_one_user(clock, tmp_path):
    """Some carriers' user names look like addresses (RFC 3261, section 19.1.2: escaped in a URI)."""
    secret = tmp_path / "secret"
    secret.write_text("wonderland")
    secret.chmod(0o600)
    account = {"bind": BIND, "username": "alice@example.com", "password_file": str(secret), "register": True}
    callee = Callee({})
    async with callee.serve() as place, trunk(tmp_path, place, **account):
        assert [contact.count("@") for contact in callee.registered] == [1]
        assert f"alice%40example.com@{BIND}" in next(iter(callee.registered))


async def test_what_was_dropped_is_told_when_it_goes_down(clock, tmp_path, logged):
    """The counters are somewhere that a sysadmin sees them."""
    async with Callee({}).serve() as place, trunk(tmp_path, place):
        await trio.sleep(1)
    (left,) = [entry for entry in logged if entry["event"] == "sip.left"]
    assert left["trunk"] == "main"
    assert left["counts"]["udp_sent"] > 0


async def test_a_refused_account_is_not_tried_again_at_once(clock, tmp_path):
    """The engine starts a trunk anew after a second; the registrar would lock us out. Another password is tried."""
    secrets = {}
    for secret in ("wrong", "right"):
        secrets[secret] = tmp_path / secret
        secrets[secret].write_text(secret)
        secrets[secret].chmod(0o600)
    callee = Callee({}, auth=Auth(username="alice", password="right"))

    async def told(secret: str) -> str:
        account = {"username": "alice", "password_file": str(secrets[secret]), "register": True}
        try:
            async with trunk(tmp_path, place, **account):
                return "registered"
        except DialerdError as refused:
            return str(refused)

    async with callee.serve() as place:
        assert "not registered" in await told("wrong")
        tries = callee.registers
        for _ in range(3):
            await trio.sleep(4)
            assert "asked again in" in await told("wrong")
        assert callee.registers == tries
        assert await told("right") == "registered"
        await trio.sleep(60)
        assert "not registered" in await told("wrong")
        assert callee.registers > tries
        await trio.sleep(100)
        assert "asked again in" in await told("wrong")
