"""What an outbound call is to be: everything that is known before its first INVITE."""

from msgspec import Struct

from dialerd_sip.core.digest import Credentials, NonceCache
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.sdp import LocalMedia


class Target(Struct, frozen=True, kw_only=True, gc=False):
    """One place to send an INVITE to.

    Args:
        flow: where it goes.
        uri: Request-URI there.
        contact: our Contact there, a whole header value, such as `<sip:192.0.2.1:5060;transport=udp>`.
        sent_by: host and port of our Via there.
        routes: Route values put before it leaves, for outbound proxies.
    """

    flow: Flow
    uri: str
    contact: str
    sent_by: str
    routes: tuple[str, ...] = ()


class CallPlan(Struct, frozen=True, kw_only=True, gc=False):
    """An outbound call.

    Args:
        seed: what all identifiers are made from, the attempt's id: the same seed gives the same Call-ID, tag and
            branches in every life (`core.identifiers`).
        call_id: Call-ID.
        from_: value of From, without tag.
        to: value of To.
        headers: further headers of each INVITE, in order (identity, own ones).
        targets: where to try, in order; the next one only while nobody can have been rung.
        media: our side of the media; the offer is made from it.
        credentials: what challenges are answered with, or None.
        nonces: what the trunk's proxies have taken before, so that the first INVITE may carry credentials; or None.
        ring_for: seconds from the first INVITE after which a call that nobody answered is taken back.
        talk_for: seconds after the answer after which it is ended.
        session_expires: seconds that are offered (RFC 4028); 0 = no session timer.
        hear_early: whether early media are agreed upon and heard.
        holds_ack: whether the ACK to the first 2xx waits for `Call.acknowledge`, so that what a later life needs can be
            made durable before the far end believes that the call is up.
        redirects: whether a 3xx is followed, to the hosts of `targets` alone.
    """

    seed: str
    call_id: str
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...] = ()
    targets: tuple[Target, ...]
    media: LocalMedia
    credentials: Credentials | None = None
    nonces: NonceCache | None = None
    ring_for: float
    talk_for: float
    session_expires: int = 1800
    hear_early: bool = True
    holds_ack: bool = False
    redirects: bool = False
