"""From a server's name to flows, in the order of trying (RFC 3263, RFC 2782).

    an address, or a name with a port    that host; the transport that is asked for, else UDP (RFC 3263 section 4)
    a name and a transport               SRV of that transport, else the host itself
    a name alone                         what NAPTR says; else SRV of UDP, TCP, TLS; else the host itself over UDP

The name that a TLS server's certificate must bear is the one that was asked for, whatever the DNS makes of it: the DNS
can be lied to (RFC 5922 section 4).

Knows nothing of calls.
"""

import random
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.name
from dns.name import Name

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.errors import ResolveError
from dialerd_sip.shell.records import DnsSilent, Records

__all__ = ["ResolveError", "Resolver"]

_PORTS: Final = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}  # RFC 3261 section 19.1.2
_SERVICES: Final = {Transport.UDP: "_sip._udp", Transport.TCP: "_sip._tcp", Transport.TLS: "_sips._tcp"}
_NAPTR: Final = {b"SIP+D2U": Transport.UDP, b"SIP+D2T": Transport.TCP, b"SIPS+D2T": Transport.TLS}
_MOST_SERVERS: Final = 32  # of one name; each would be tried before a call is given up
_MOST_FLOWS: Final = 32
_HOSTS: Final = Path("/etc/hosts")


class Resolver:
    """Answers from the DNS, kept for as long as they say, and a while longer while the DNS is silent.

    Args:
        nameservers: addresses to ask instead of the system's; for tests.
        port: their port.
        draws: the source of randomness that weights are drawn by.
        hosts: file with names that are known without the DNS; None = none.
    """

    def __init__(
        self,
        nameservers: tuple[str, ...] = (),
        port: int = 53,
        *,
        draws: random.Random | None = None,
        hosts: Path | None = _HOSTS,
    ) -> None:
        self._records = Records(nameservers, port)
        self._draws = draws or random.Random()
        self._hosts = hosts

    async def flows(self, server: str, transport: Transport | None, *, version: int | None = None) -> tuple[Flow, ...]:
        """Return the flows of a server, best first; those of equal priority in an order drawn by weight at each call.

        Args:
            server: `host`, `host:port`, an IP address with or without port, or a domain with NAPTR or SRV records.
            transport: what to use; None = what NAPTR says, else UDP.
            version: 4 or 6 where addresses of one kind alone are of use.

        Raises:
            ResolveError: nothing is found.
        """
        host, port = _split(server)
        if version is None and _is_address(host):
            return _at_address(host, port, transport or Transport.UDP)
        try:
            places = await self._places(host, port, transport)
            flows: dict[Flow, None] = {}
            silent: DnsSilent | None = None
            for chosen, target, at in places[:_MOST_SERVERS]:
                try:
                    addresses = await self._addresses(target, version)
                except DnsSilent as error:  # others may be known
                    silent = error
                    continue
                name = host if chosen is Transport.TLS else None
                flows.update(dict.fromkeys(Flow(chosen, address, at, name) for address in addresses))
            if not flows and silent is not None:
                raise silent
        except DnsSilent as error:
            raise ResolveError(f"the DNS does not answer for {host}: {error}; look at the system's resolver") from error
        if not flows:
            kind = "" if version is None else f"IPv{version} "
            raise ResolveError(f"{host} has no {kind}address in the DNS: correct server")
        return tuple(flows)[:_MOST_FLOWS]

    async def _places(
        self, host: str, port: int | None, transport: Transport | None
    ) -> list[tuple[Transport, str | Name, int]]:
        """Return transports, hosts and ports in the order of trying."""
        literal = _is_address(host)
        if literal or port is not None:
            chosen = transport or Transport.UDP
            return [(chosen, host, port or _PORTS[chosen])]
        domain = _name(host).derelativize(dns.name.root)
        if transport is not None:
            found = await self._servers(transport, _name(_SERVICES[transport], domain))
            return found if found is not None else [(transport, host, _PORTS[transport])]
        services = await self._announced(domain)
        announced = bool(services)
        if not services:
            services = [(each, _name(_SERVICES[each], domain)) for each in Transport]
        places: list[tuple[Transport, str | Name, int]] = []
        refused: ResolveError | None = None
        for each, service in services:
            try:
                found = await self._servers(each, service)
            except ResolveError as error:  # "not this one", said in so many words: others may be
                refused = error
                continue
            places += found or ()
            if places and not announced:  # one that is there is enough; UDP is what most trunks are made for
                return places
        if not places and refused is not None:
            raise refused
        return places or [(Transport.UDP, host, _PORTS[Transport.UDP])]

    async def _announced(self, domain: Name) -> list[tuple[Transport, Name]]:
        """Return the services that NAPTR announces, best first (RFC 3263 section 4.1)."""
        try:
            records = await self._records.ask(domain, "NAPTR")
        except DnsSilent:  # there are resolvers that know SRV, and swallow this question
            return []
        usable = [
            record
            for record in records
            if record.flags.lower() == b"s" and not record.regexp and record.service.upper() in _NAPTR
        ]
        usable.sort(key=lambda record: (record.order, record.preference))
        return [(_NAPTR[record.service.upper()], record.replacement) for record in usable[:_MOST_SERVERS]]

    async def _servers(self, transport: Transport, service: Name) -> list[tuple[Transport, str | Name, int]] | None:
        """Return the servers of a service in the order of trying, or None where it has no SRV records.

        Raises:
            ResolveError: the service is said not to be there: a target of "." (RFC 2782).
        """
        records = await self._records.ask(service, "SRV")
        if not records:
            return None
        there = [record for record in records if record.target != dns.name.root and record.port]
        if not there:
            raise ResolveError(
                f"the DNS says that {service} is no service (SRV to nowhere): correct server or transport"
            )
        return [(transport, record.target, record.port) for record in in_order(there, self._draws)]

    async def _addresses(self, target: str | Name, version: int | None) -> list[str]:
        if isinstance(target, str):
            if _is_address(target):
                return [target] if version in (None, ip_address(target).version) else []
            if known := self._from_file(target, version):
                return known
            target = _name(target)
        found: list[str] = []
        silent: DnsSilent | None = None
        for kind in {4: ("A",), 6: ("AAAA",), None: ("A", "AAAA")}[version]:
            try:
                addresses = [record.address for record in await self._records.ask(target, kind)]
            except DnsSilent as error:
                silent = error
                continue
            self._draws.shuffle(addresses)
            found += addresses
        if not found and silent is not None:
            raise silent
        return found

    def _from_file(self, host: str, version: int | None) -> list[str]:
        """Return the addresses that the hosts file has, which counts before the DNS (hosts(5))."""
        if self._hosts is None:
            return []
        try:
            lines = self._hosts.read_text(errors="replace").splitlines()
        except OSError:
            return []
        wanted = host.rstrip(".").lower()
        found = []
        for line in lines:
            address, *names = line.partition("#")[0].split() or ("",)
            if wanted in (name.lower() for name in names) and _is_address(address):
                found.append(address)
        return [address for address in found if version in (None, ip_address(address).version)]


def in_order(records: Sequence[Any], draws: random.Random) -> list[Any]:
    """Return SRV records in the order of trying: by priority, those of one priority drawn by weight (RFC 2782).

    Args:
        records: with `priority` and `weight`.
        draws: the source of randomness.
    """
    ordered = []
    for priority in sorted({record.priority for record in records}):
        # those of weight 0 come first in the sum, so that they have their very small chance
        left = sorted((record for record in records if record.priority == priority), key=lambda record: record.weight)
        while left:
            point = draws.randint(0, sum(record.weight for record in left))
            for record in left:
                point -= record.weight
                if point <= 0:
                    break
            left.remove(record)
            ordered.append(record)
    return ordered


@lru_cache(maxsize=64)
def _at_address(host: str, port: int | None, transport: Transport) -> tuple[Flow, ...]:
    return (Flow(transport, host, port or _PORTS[transport], host if transport is Transport.TLS else None),)


@lru_cache(maxsize=64)  # it is asked with each call
def _split(server: str) -> tuple[str, int | None]:
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":")
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    else:
        host, port = server, ""
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
        raise ResolveError(f"{server!r} has no usable port: correct server")
    return host.rstrip(".") if not _is_address(host) else host, int(port) if port else None


@lru_cache(maxsize=256)
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _name(text: str, origin: Name | None = None) -> Name:
    try:
        return dns.name.from_text(text, origin)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ResolveError(f"{text!r} is no name of the DNS: correct server") from error
