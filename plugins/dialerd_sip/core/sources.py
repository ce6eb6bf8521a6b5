"""Where a request came from, noted in its Via, and where its answers go (RFC 3261 section 18.2, RFC 3581)."""

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.grammar import split
from dialerd_sip.core.message import Request
from dialerd_sip.core.via import Via


def note_source(request: Request, flow: Flow) -> Flow:
    """Write `received` and `rport` into the topmost Via where they belong, and return the flow for answers.

    Answers go back by the connection of a reliable transport, to the port that the request came from where `rport` asks
    for it, else to the port in Via, at the address that it came from.

    Args:
        request: a request that was parsed; its topmost Via is changed.
        flow: where it came from.

    Raises:
        BadMessage: Via cannot be read.
    """
    via = request.via
    asked = "rport" in via.params
    if asked or via.host.strip("[]").lower() != flow.host.lower():
        params = dict(via.params)
        params["received"] = flow.host
        if asked:
            params["rport"] = str(flow.port)
        for at, (name, value) in enumerate(request.pairs):
            if name == "Via":
                others = split(value)[1:] if "," in value else []
                noted = str(Via(via.transport, via.host, via.port, params))
                request.pairs[at] = (name, ", ".join((noted, *others)))
                break
    if asked or flow.transport is not Transport.UDP:
        return flow
    port = via.port or 5060
    return flow if port == flow.port else Flow(flow.transport, flow.host, port, flow.name)
