"""From names to flows: the order of trying, what is remembered, and a DNS that is odd or silent."""

import random
import subprocess
from collections import Counter

import pytest
import trio
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.resolving import ResolveError, Resolver, in_order
from needs import program
from ports import free_port
from sip_names import NameServer

UDP, TCP, TLS = Transport
ZONE = {
    "trunk.test NAPTR": [
        '60 20 50 "S" "SIP+D2T" "" _sip._tcp.trunk.test.',
        '60 10 50 "s" "SIPS+D2T" "" _sips._tcp.trunk.test.',
        '60 5 50 "U" "E2U+sip" "!^.*$!sip:x@y!" .',
    ],
    "_sips._tcp.trunk.test SRV": ["60 10 100 5071 a.trunk.test."],
    "_sip._tcp.trunk.test SRV": ["60 10 100 5070 b.trunk.test."],
    "_sip._udp.trunk.test SRV": ["60 20 70 5062 a.trunk.test.", "60 10 1 5064 dead.trunk.test."],
    "a.trunk.test A": ["60 192.0.2.10"],
    "b.trunk.test A": ["60 192.0.2.11"],
    "dead.trunk.test A": ["60 192.0.2.99"],
    "six.test A": ["0 192.0.2.6"],
    "six.test AAAA": ["60 2001:db8::6"],
    "alias.test CNAME": ["60 a.trunk.test."],
    "loop.test CNAME": ["60 loop.test."],
    "_sip._udp.none.test SRV": ["60 0 0 5060 ."],
    "none.test A": ["60 192.0.2.12"],
    "_sip._udp.srvonly.test SRV": ["60 0 0 5066 a.trunk.test.", "60 1 0 5066 missing.test."],
}


@pytest.fixture
async def names(clock, nursery):
    """Return a name server."""
    server = NameServer(ZONE)
    await nursery.start(server.serve)
    return server


def asking(names, **more) -> Resolver:
    """Return a resolver that asks a name server of the test."""
    return Resolver(("127.0.0.1",), names.port, hosts=None, draws=random.Random(5), **more)


@pytest.mark.parametrize(
    ("server", "transport", "flows"),
    [
        ("192.0.2.1", None, [Flow(UDP, "192.0.2.1", 5060)]),
        ("192.0.2.1:5080", TCP, [Flow(TCP, "192.0.2.1", 5080)]),
        ("[2001:db8::1]:5080", None, [Flow(UDP, "2001:db8::1", 5080)]),
        ("[2001:db8::1]", TLS, [Flow(TLS, "2001:db8::1", 5061, "2001:db8::1")]),
        ("a.trunk.test:5099", None, [Flow(UDP, "192.0.2.10", 5099)]),
        ("a.trunk.test", TLS, [Flow(TLS, "192.0.2.10", 5061, "a.trunk.test")]),
        ("a.trunk.test.", None, [Flow(UDP, "192.0.2.10", 5060)]),
        ("trunk.test", None, [Flow(TLS, "192.0.2.10", 5071, "trunk.test"), Flow(TCP, "192.0.2.11", 5070)]),
        ("trunk.test", UDP, [Flow(UDP, "192.0.2.99", 5064), Flow(UDP, "192.0.2.10", 5062)]),
        ("srvonly.test", None, [Flow(UDP, "192.0.2.10", 5066)]),
        ("alias.test", None, [Flow(UDP, "192.0.2.10", 5060)]),
        ("six.test", None, [Flow(UDP, "192.0.2.6", 5060), Flow(UDP, "2001:db8::6", 5060)]),
    ],
)
async def test_where_a_name_leads(clock, names, server, transport, flows):
    """RFC 3263's cases: addresses, ports, SRV by priority, NAPTR by order, aliases, both kinds of address."""
    assert await asking(names).flows(server, transport) == tuple(flows)


@pytest.mark.parametrize(
    "server", ["none.test", "missing.test", "loop.test:5060", f"{'x' * 70}.test", "a..test:1", "a:0"]
)
async def test_names_that_lead_nowhere(clock, names, server):
    """No service, no such name, a loop, no name at all: each is an error with words."""
    with pytest.raises(ResolveError):
        await asking(names).flows(server, UDP)


async def test_a_service_that_is_said_not_to_be_offered(clock, names):
    """A target of "." means what it says: the host itself is not tried in its place."""
    with pytest.raises(ResolveError, match="SRV to nowhere"):
        await asking(names).flows("none.test", UDP)


async def test_one_kind_of_address(clock, names):
    """An endpoint that is bound to one kind asks for that one alone."""
    assert await asking(names).flows("six.test:5060", None, version=6) == (Flow(UDP, "2001:db8::6", 5060),)
    assert names.asked == ["six.test AAAA"]


async def test_answers_are_kept_as_long_as_they_say(clock, names):
    """One question a name, however many calls ask at once; another one when its time is over."""
    resolver = asking(names)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(resolver.flows, "a.trunk.test:1", None)
    assert sorted(names.asked) == ["a.trunk.test A", "a.trunk.test AAAA"]
    await trio.sleep(31)  # that there is no AAAA is believed for half a minute
    await resolver.flows("a.trunk.test:1", None)
    assert len(names.asked) == 3
    await trio.sleep(30)
    await resolver.flows("a.trunk.test:1", None)
    assert names.asked.count("a.trunk.test A") == 2


async def test_who_asks_may_be_cancelled(clock, names):
    """Whoever waits for another's question asks itself when that one is cancelled."""
    resolver = asking(names)
    names.silent = True
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def first():
            with scope:
                await resolver.flows("a.trunk.test:1", None, version=4)

        nursery.start_soon(first)
        await trio.sleep(0.01)
        nursery.start_soon(resolver.flows, "a.trunk.test:1", None)
        await trio.sleep(0.01)
        names.silent = False
        scope.cancel()


@pytest.mark.parametrize("how", ["silent", "broken"])
async def test_old_answers_serve_while_the_dns_is_silent(clock, names, how):
    """What was known an hour ago at most is used again; nobody waits for it more than once in a while."""
    resolver = asking(names)
    flows = await resolver.flows("trunk.test", UDP, version=4)
    setattr(names, how, True)
    await trio.sleep(120)
    began = trio.current_time()
    assert await resolver.flows("trunk.test", UDP, version=4) == flows
    assert trio.current_time() - began < 2.1
    began = trio.current_time()
    assert await resolver.flows("trunk.test", UDP, version=4) == flows
    assert trio.current_time() - began < 0.1
    await trio.sleep(3_700)
    with pytest.raises(ResolveError, match="does not answer"):
        await resolver.flows("trunk.test", UDP, version=4)
    setattr(names, how, False)
    await trio.sleep(6)
    assert await resolver.flows("trunk.test", UDP, version=4) == flows


async def test_the_hosts_file_counts_first(clock, names, tmp_path):
    """A name in the hosts file is known without the DNS."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.0.2.50 pbx Trunk-A.test # ours\n")
    resolver = Resolver(("127.0.0.1",), names.port, hosts=hosts)
    assert await resolver.flows("trunk-a.test:5070", None) == (Flow(UDP, "192.0.2.50", 5070),)
    assert names.asked == []


class _Server:
    def __init__(self, priority: int, weight: int) -> None:
        self.priority, self.weight = priority, weight


def test_weights_are_drawn():
    """Servers of one priority come first as often as their weights say; a lower priority value always comes first."""
    draws = random.Random(1)
    heavy, light, none, spare = _Server(1, 70), _Server(1, 30), _Server(1, 0), _Server(2, 99)
    first = Counter()
    for _ in range(2_000):
        ordered = in_order([spare, none, light, heavy], draws)
        assert len(ordered) == 4
        assert ordered[3] is spare
        first[ordered[0].weight] += 1
    assert 1_300 < first[70] < 1_500
    assert 500 < first[30] < 700
    assert 5 < first[0] < 50


async def test_with_dnsmasq(tmp_path):
    """A real name server's records lead where RFC 3263 says."""
    dnsmasq = program("dnsmasq", "dnsmasq-base")
    port = free_port()
    (tmp_path / "conf").write_text(
        f"no-daemon\nno-resolv\nno-hosts\nlisten-address=127.0.0.1\nbind-interfaces\nport={port}\nuser=root\npid-file=\n"
        "naptr-record=trunk.test,10,50,S,SIPS+D2T,,_sips._tcp.trunk.test\n"
        "naptr-record=trunk.test,30,50,S,SIP+D2U,,_sip._udp.trunk.test\n"
        "srv-host=_sips._tcp.trunk.test,a.trunk.test,5061,10,100\n"
        "srv-host=_sip._udp.trunk.test,dead.trunk.test,5060,10,100\n"
        "srv-host=_sip._udp.trunk.test,a.trunk.test,5060,20,70\n"
        "srv-host=_sip._udp.trunk.test,b.trunk.test,5060,20,30\n"
        "address=/dead.trunk.test/127.0.0.99\naddress=/a.trunk.test/127.0.0.10\naddress=/b.trunk.test/127.0.0.11\n"
        "local=/test/\nlocal-ttl=5\n"
    )
    command = [dnsmasq, "-C", str(tmp_path / "conf")]
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(command, stderr=said) as process,  # noqa: ASYNC220  # starts at once
    ):
        try:
            flows = ()
            with trio.fail_after(60):
                while not flows:  # it may not be up yet
                    assert process.poll() is None, (tmp_path / "said").read_text()
                    try:
                        flows = await Resolver(("127.0.0.1",), port, hosts=None).flows("trunk.test", None)
                    except ResolveError:
                        await trio.sleep(0.05)
        finally:
            process.terminate()
    assert flows[:2] == (Flow(TLS, "127.0.0.10", 5061, "trunk.test"), Flow(UDP, "127.0.0.99", 5060))
    assert {flow.host for flow in flows[2:]} == {"127.0.0.10", "127.0.0.11"}
