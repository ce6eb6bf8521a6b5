"""Where a request within a dialog goes: the next hop's URI as a flow. Knows nothing of DNS, so nothing of names."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import BadMessage
from dialerd_sip.core.uri import Uri

_LONGEST: Final = 300  # characters of a URI whose way is remembered: long ones must not fill the memory


def flow_towards(uri: str, over: Flow) -> Flow:
    """Return the flow to a next hop (RFC 3261 section 12.2.1.1, RFC 3263 section 4 for addresses).

    What cannot be reached better than by the flow that the INVITE took is reached by that one: names, since that flow
    is what they were resolved to; another transport, since we may have none such; and private addresses told by a peer
    that is reached at a public one, since they stand behind its NAT.

    Args:
        uri: URI of the first route, or the remote target where there is none.
        over: the flow that the INVITE took.
    """
    return _flow_towards(uri, over) if len(uri) <= _LONGEST else _flow_towards.__wrapped__(uri, over)


@lru_cache(maxsize=4096)  # gateways and proxies name the same few places in call after call
def _flow_towards(uri: str, over: Flow) -> Flow:
    try:
        hop = Uri.parse(uri)
    except BadMessage:
        return over
    host = hop.host.strip("[]")
    transport = (hop.params.get("transport") or over.transport.value).lower()
    if over.transport.reliable and host == over.host:
        return over  # a connection is there; the peer's own port of it differs from the one that it names
    if transport != over.transport.value or len(host) > _LONGEST or not _is_address(host):
        return over
    if _is_private(host) and not _is_private(over.host):
        return over
    port = hop.port or (5061 if over.transport is Transport.TLS else 5060)
    if host == over.host and port == over.port:
        return over
    return Flow(over.transport, host, port, over.name)


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return False
