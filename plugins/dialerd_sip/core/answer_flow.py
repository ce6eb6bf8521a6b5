"""Where the answers to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4)."""

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request


def answer_flow(request: Request, flow: Flow) -> Flow:
    """Return the flow for answers to a request.

    They go back by the connection of a reliable transport; over UDP to the address that the request came from, and to
    the port that it came from where `rport` asks for that, else to the port in Via.

    Args:
        request: a request that was parsed.
        flow: where it came from.

    Raises:
        BadMessage: Via cannot be read.
    """
    via = request.via
    if flow.transport is not Transport.UDP or "rport" in via.params:
        return flow
    port = via.port or 5060
    return flow if port == flow.port else Flow(flow.transport, flow.host, port, flow.name)
