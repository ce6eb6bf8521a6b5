"""Requests that open no dialog and belong to none: REGISTER and OPTIONS (RFC 3261 sections 10.2 and 11.1)."""

from dialerd_sip.core.identifiers import branch_of
from dialerd_sip.core.message import Request
from dialerd_sip.core.plan import Target
from dialerd_sip.core.request_headers import request_headers, via_at


def request_to(
    target: Target, method: str, *, seed: str, cseq: int, from_: str, to: str, headers: tuple[tuple[str, str], ...] = ()
) -> Request:
    """Return a request to a target.

    Args:
        target: where it goes, with the Request-URI there.
        method: its method.
        seed: what its Call-ID and branch are made from; one of its own for each target's series of requests.
        cseq: its CSeq number.
        from_: value of From, with a tag.
        to: value of To.
        headers: further headers.
    """
    flow = target.flow
    branch = branch_of(seed, method, cseq, f"{flow.transport} {flow.host} {flow.port}")
    via = via_at(flow, target.sent_by, branch)
    own = request_headers(method, cseq, via=via, routes=target.routes, from_=from_, to=to, call_id=seed)
    return Request(method, target.uri, [*own, *headers])
