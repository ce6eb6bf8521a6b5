"""A dialog: tags, route set, remote target and CSeq numbers (RFC 3261 section 12). Knows nothing of media.

Ours are all begun by an INVITE of ours, so the far end is always the one that answered it.
"""

from collections.abc import Iterable
from typing import Self

from dialerd_sip.core.events import DialogState
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.identifiers import branch_of
from dialerd_sip.core.message import BadMessage, Message, Request, Response
from dialerd_sip.core.next_hop import flow_towards
from dialerd_sip.core.request_headers import request_headers, via_at
from dialerd_sip.core.uri import NameAddr, Uri


def tag_in(message: Message, *, of: str) -> str:
    """Return the tag in To or From of a message; empty where there is none or the header cannot be read.

    Args:
        message: the message.
        of: `to` or `from`.
    """
    try:
        address = message.to if of == "to" else message.from_
    except BadMessage:
        return ""
    return address.params.get("tag") or ""


class Dialog:
    """A dialog of ours, early or confirmed.

    Args:
        seed: what branches are made from (`core.identifiers`).
        state: tags, targets and numbers.
        call_id: its Call-ID.
        contact: our Contact.
        sent_by: host and port of our Via.
        invite_flow: the flow that the INVITE took.
    """

    __slots__ = (
        "_flow",
        "call_id",
        "contact",
        "from_",
        "invite_flow",
        "local_cseq",
        "local_tag",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "routes",
        "seed",
        "sent_by",
        "to",
    )

    def __init__(
        self, *, seed: str, state: DialogState, call_id: str, contact: str, sent_by: str, invite_flow: Flow
    ) -> None:
        self.seed = seed
        self.call_id = call_id
        self.contact = contact
        self.sent_by = sent_by
        self.invite_flow = invite_flow
        self.from_ = state.from_
        self.to = state.to
        self.local_tag = state.local_tag
        self.remote_tag = state.remote_tag
        self.remote_target = state.remote_target
        self.routes = state.routes
        self.local_cseq = state.local_cseq
        self.remote_cseq = -1
        self._flow: Flow | None = None

    @classmethod
    def answered(
        cls, seed: str, invite: Request, response: Response, flow: Flow, *, contact: str, sent_by: str
    ) -> Self:
        """Return the dialog that an answer to our INVITE makes (RFC 3261 section 12.1.2).

        An answer without a To tag makes one without a remote tag, and one without a Contact one whose target is the
        INVITE's: peers that send such exist, and their calls can be ended this way alone.

        Args:
            seed: what branches are made from.
            invite: our INVITE.
            response: the provisional or successful answer.
            flow: the flow that the INVITE took.
            contact: our Contact there.
            sent_by: host and port of our Via there.
        """
        state = DialogState(
            local_tag=tag_in(invite, of="from"),
            remote_tag=tag_in(response, of="to"),
            remote_target=_contact_of(response) or invite.uri,
            routes=_routes_of(response),
            local_cseq=invite.cseq.number,
            flow=flow,
            to=response.first("To") or invite.first("To") or "",
            from_=invite.first("From") or "",
        )
        return cls(seed=seed, state=state, call_id=invite.call_id, contact=contact, sent_by=sent_by, invite_flow=flow)

    @property
    def flow(self) -> Flow:
        """Where requests go now."""
        if self._flow is None:
            hop = _uri_of(self.routes[0]) if self.routes else self.remote_target
            self._flow = flow_towards(hop, self.invite_flow)
        return self._flow

    @property
    def state(self) -> DialogState:
        """What a later life needs to end it."""
        return DialogState(
            local_tag=self.local_tag,
            remote_tag=self.remote_tag,
            remote_target=self.remote_target,
            routes=self.routes,
            local_cseq=self.local_cseq,
            flow=self.flow,
            to=self.to,
            from_=self.from_,
        )

    def learn_routes(self, response: Response) -> None:
        """Take route set and target of the 2xx, which go over those of a provisional answer (RFC 3261, 13.2.2.4)."""
        self.routes = _routes_of(response)
        self.learn_target(response)

    def learn_target(self, message: Message) -> None:
        """Take the Contact of a target refresh: of a re-INVITE, an UPDATE, or the 2xx to one (RFC 3261, 12.2)."""
        self.remote_target = _contact_of(message) or self.remote_target
        self._flow = None

    def concerns(self, request: Request) -> bool:
        """Whether a request of the far end has this dialog's tags."""
        return tag_in(request, of="to") == self.local_tag and tag_in(request, of="from") == self.remote_tag

    def in_order(self, request: Request) -> bool:
        """Take the CSeq number of a request, or say that it comes after a later one (RFC 3261 section 12.2.2)."""
        number = request.cseq.number
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def next_cseq(self) -> int:
        """Count up and return our CSeq number."""
        self.local_cseq += 1
        return self.local_cseq

    def request(
        self, method: str, cseq: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> tuple[Request, Flow]:
        """Return a request within the dialog and where it goes (RFC 3261 section 12.2.1.1).

        Args:
            method: its method.
            cseq: its CSeq number; an ACK has its INVITE's.
            headers: further headers.
            body: its body.
        """
        uri, routes = self._way()
        flow = self.flow
        target = f"{flow.transport} {flow.host} {flow.port} {self.remote_tag}"
        branch = branch_of(self.seed, method, cseq, target)
        via = via_at(flow, self.sent_by, branch)
        own = request_headers(method, cseq, via=via, routes=routes, from_=self.from_, to=self.to, call_id=self.call_id)
        own += headers
        return Request.of_ours(method, uri, own, body), flow

    def _way(self) -> tuple[str, tuple[str, ...]]:
        if not self.routes:
            return self.remote_target, ()
        first = _uri_of(self.routes[0])
        try:
            loose = Uri.parse(first).loose
        except BadMessage:
            loose = True
        if loose:
            return self.remote_target, self.routes
        return first, (*self.routes[1:], f"<{self.remote_target}>")  # a strict router of RFC 2543


def _uri_of(route: str) -> str:
    try:
        return NameAddr.parse(route).uri
    except BadMessage:
        return route


def _routes_of(response: Response) -> tuple[str, ...]:
    """Return the route set of an answer; none where it cannot be read: by the INVITE's flow an ACK may arrive yet."""
    try:
        routes = response.values("Record-Route")
    except BadMessage:
        return ()
    return tuple(reversed(routes)) if routes else ()


def _contact_of(message: Message) -> str | None:
    try:
        contact = message.contact
    except BadMessage:
        return None
    return contact.uri if contact is not None and contact.uri != "*" else None
