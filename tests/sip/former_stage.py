"""A user agent that takes a call of a former life back, and a far end that a test speaks for."""

from dialerd_sip.core.events import DialogState, FormerTold, Sent
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.former import Former
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.identifiers import branch_of
from dialerd_sip.core.message import Request, Response, parse_message
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent

SEED = "019f0000-0000-7000-8000-000000000001"
TRUNK = Flow(Transport.UDP, "127.0.0.9", 5060)
OTHER = Flow(Transport.UDP, "127.0.0.10", 5060)
CALL_ID = "5f@dialerd"
CHALLENGE = 'Digest realm="trunk.test", nonce="n1", qop="auth", algorithm=MD5'


def sent(cseq=1, flow=TRUNK):
    """Return an INVITE that left in a former life."""
    branch = branch_of(SEED, "INVITE", cseq, f"{flow.host}")
    return Sent(
        cseq=cseq,
        uri="sip:+447111000001@trunk.test",
        via=f"SIP/2.0/UDP 127.0.0.1:5060;branch={branch};rport",
        flow=flow,
    )


def dialog(tag="far"):
    """Return an established dialog of a former life, through a proxy that record-routes."""
    return DialogState(
        local_tag="ours",
        remote_tag=tag,
        remote_target="sip:callee@127.0.0.21:6001",
        routes=("<sip:127.0.0.9;lr>",),
        local_cseq=2,
        flow=TRUNK,
        to=f"<sip:+447111000001@trunk.test>;tag={tag}",
        from_="<sip:+12125550100@trunk.test>;tag=ours",
    )


class Play:
    """A user agent that takes one call back, and a far end that a test speaks for."""

    def __init__(self, *invites, **changes):
        self.now = 100.0
        self.ua = UserAgent(Timing())
        self.ua.trust("trunk", frozenset({TRUNK.host}))
        self.out = []
        self.told = []
        known = {
            "seed": SEED,
            "call_id": CALL_ID,
            "from_": "<sip:+12125550100@trunk.test>;tag=ours",
            "to": "<sip:+447111000001@trunk.test>",
            "sent": invites or (sent(),),
            "contact": "<sip:dialerd@127.0.0.1:5060>",
            "sent_by": "127.0.0.1:5060",
        }
        Former(self.ua, FormerCall(**known | changes), self.now)
        self.pump()

    def pump(self):
        """Gather what is sent and told."""
        self.out += [(parse_message(data), flow) for data, flow in self.ua.datagrams_to_send(self.now)]
        while (event := self.ua.next_event()) is not None:
            self.told.append(event)

    def wait(self, seconds):
        """Let time pass."""
        until = self.now + seconds
        while (deadline := self.ua.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self.ua.handle_timer(self.now)
            self.pump()
        self.now = until

    def requests(self, method):
        """Return what was sent of a method, once each however often it was sent again."""
        found = {}
        for message, flow in self.out:
            if isinstance(message, Request) and message.method == method:
                found.setdefault(message.via.branch, (message, flow))
        return list(found.values())

    def answer(self, request, status, *headers, tag="far", flow=TRUNK, cseq=None):
        """Answer a request, or the INVITE that a CANCEL is of."""
        response = Response.to_request(request, status, "So", to_tag=tag)
        if cseq is not None:
            text = response.to_bytes().decode().replace("1 CANCEL", cseq).replace("2 CANCEL", cseq)
            response = parse_message(text.encode())
        for name, value in headers:
            response.add(name, value)
        self.ua.receive_datagram(response.to_bytes(), flow, self.now)
        self.pump()

    @property
    def word(self):
        """Return what was told, once."""
        (told,) = self.told
        assert isinstance(told, FormerTold)
        assert told.call_id == CALL_ID
        assert self.ua.sizes["calls"] == 0
        return told
