"""Where a request really came from, written into its topmost Via (RFC 3261 section 18.2.1, RFC 3581 section 4).

Knows nothing of where the answer goes then.
"""

import re

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import split
from dialerd_sip.core.message import Request
from dialerd_sip.core.via import Via

_RECEIVED = re.compile(r"[ \t]*;[ \t]*received(?:[ \t]*=[ \t]*[^;\",]*)?(?=;|$)", re.IGNORECASE)
_RPORT = re.compile(r";[ \t]*rport(?:[ \t]*=[ \t]*[^;\",]*)?(?=;|$)", re.IGNORECASE)


def with_source(request: Request, host: str, port: int) -> Request:
    """Fill `received` and `rport` of the topmost Via, and return the request, which is changed.

    What a peer claims of itself there is replaced. A Via that cannot be read is left as it is: the request is refused.

    Args:
        request: as it came in.
        host: IP address that it came from, without brackets.
        port: port that it came from.
    """
    for place, (name, value) in enumerate(request.pairs):
        if name != "Via":
            continue
        try:
            values = split(value) if "," in value else [value]
            via = Via.parse(values[0])
        except BadMessage:
            return request
        asks = "rport" in via.params
        top = _RECEIVED.sub("", values[0]) if "received" in via.params else values[0]
        if asks:
            top = _RPORT.sub(f";rport={port}", top)
        if asks or via.host.strip("[]").lower() != host.lower():
            top += f";received={host}"
        if top != values[0]:
            request.replace(place, ", ".join([top, *values[1:]]))
        break
    return request
