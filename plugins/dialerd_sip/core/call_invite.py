"""The INVITE that begins a call: how it is written, also after a challenge or a refusal that can be met."""

from collections.abc import Sequence

from msgspec.structs import replace

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.call_refresh import SHORTEST
from dialerd_sip.core.flow import Transport
from dialerd_sip.core.headers import addresses, min_se, option_tags
from dialerd_sip.core.identifiers import branch_of, tag_of
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.refusing import ALLOW
from dialerd_sip.core.request_headers import request_headers, via_at
from dialerd_sip.core.sdp import SDP, offer
from dialerd_sip.core.uri import Uri


class Invite:
    """What our INVITEs of one call say.

    Args:
        plan: the call.

    Attributes:
        tag: our tag.
        body: our offer.
        session_expires: seconds that are offered now, 0 = none.
        min_se: seconds of Min-SE that a 422 asked for, or None.
        without: option tags that somebody refused by 420.
    """

    __slots__ = ("_plan", "body", "min_se", "session_expires", "tag", "without")

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self.tag = tag_of(plan.seed)
        self.body = offer(plan.media)
        self.session_expires = plan.session_expires
        self.min_se: int | None = None
        self.without: frozenset[str] = frozenset()

    def request(self, target: Target, cseq: int, via: str, credentials: Sequence[tuple[str, str]]) -> Request:
        """Return the INVITE to a target.

        Args:
            target: where to.
            cseq: its CSeq number.
            via: its Via, see `via_of`.
            credentials: Authorization headers.
        """
        plan = self._plan
        from_ = f"{plan.from_};tag={self.tag}"
        headers = request_headers(
            "INVITE", cseq, via=via, routes=target.routes, from_=from_, to=plan.to, call_id=plan.call_id
        )
        headers += [("Contact", target.contact), ("Allow", ALLOW)]
        timer = bool(self.session_expires) and "timer" not in self.without
        supported = [option for option in ("timer" if timer else "", "100rel") if option and option not in self.without]
        if supported:
            headers.append(("Supported", ", ".join(supported)))
        if timer:
            headers.append(("Session-Expires", str(self.session_expires)))
            if self.min_se is not None:
                headers.append(("Min-SE", str(self.min_se)))
        headers += plan.headers
        headers += credentials
        headers.append(("Content-Type", SDP))
        return Request.of_ours("INVITE", target.uri, headers, self.body)

    def meets(self, response: Response) -> bool:
        """Take a refusal, and say whether the next INVITE does what it asks for: 420 and 422 are met, once each."""
        try:
            if response.status == 422:  # RFC 4028 section 7.3
                least = min_se(response) or 0
                if self.session_expires and (self.min_se or 0) < least < 2**31:
                    self.min_se = max(least, SHORTEST)
                    self.session_expires = max(self.session_expires, self.min_se)
                    return True
            elif response.status == 420:  # RFC 3261 section 8.1.3.5
                refused = frozenset(option_tags(response, "Unsupported")) & {"timer", "100rel"}
                if refused - self.without:
                    self.without |= refused
                    return True
        except BadMessage:
            return False
        return False


def redirected(response: Response, targets: Sequence[Target], tried: set[str]) -> Target | None:
    """Return where a 3xx leads, of the places that we may send calls to, or None (RFC 3261 section 8.1.3.4).

    The best by `q` that was not tried yet and whose host is one of the targets', by name or address.

    Args:
        response: the 3xx.
        targets: the plan's.
        tried: Request-URIs that were tried.
    """
    try:
        contacts = sorted(addresses(response, "Contact"), key=lambda one: -_q(one.params.get("q")))
    except BadMessage:
        return None
    for contact in contacts:
        try:
            uri = Uri.parse(contact.uri)
            if contact.uri in tried or uri.scheme not in ("sip", "sips"):
                continue
            for target in targets:
                if uri.host.strip("[]").lower() == target.flow.host:
                    port = uri.port or (5061 if target.flow.transport is Transport.TLS else 5060)
                    return replace(target, uri=contact.uri, flow=replace(target.flow, port=port))
                if uri.host.lower() == Uri.parse(target.uri).host.lower():
                    return replace(target, uri=contact.uri)
        except BadMessage:
            continue
    return None


def _q(text: str | None) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def via_of(seed: str, cseq: int, target: Target) -> tuple[str, str]:
    """Return branch and Via of the INVITE of a CSeq number to a target; the same in every life."""
    flow = target.flow
    branch = branch_of(seed, "INVITE", cseq, f"{flow.transport} {flow.host} {flow.port} {target.uri}")
    return branch, via_at(flow, target.sent_by, branch)


def credentials_of(request: Request) -> list[tuple[str, str]]:
    """Return the credentials of an INVITE, which its ACK bears too (RFC 3261 section 22.1)."""
    names = ("Authorization", "Proxy-Authorization")
    return [(name, value) for name in names for value in request.all(name)]
