"""What is known of a call of a former life, and the messages that follow from it. Knows nothing of what is answered."""

from attrs import frozen

from dialerd_sip.core.dialog import Dialog
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import DialogState, Sent
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.identifiers import call_id_of, tag_of
from dialerd_sip.core.message import Request
from dialerd_sip.core.out_of_dialog import request_to
from dialerd_sip.core.plan import Target
from dialerd_sip.core.request_headers import MAX_FORWARDS
from dialerd_sip.core.uri import NameAddr


@frozen(kw_only=True)
class FormerCall:
    """What is known of a call of a former life.

    Args:
        seed: the attempt's id.
        call_id: its Call-ID.
        from_: value of its From, with tag.
        to: value of its To, without tag.
        sent: the INVITEs that may have left, in order.
        contact: our Contact.
        sent_by: host and port of our Via.
        dialog: its dialog, where one was reached, early or established.
        answered: whether that dialog is established.
        credentials: what challenges are answered with, or None.
        redirects: whether a 3xx is followed.
    """

    seed: str
    call_id: str
    from_: str
    to: str
    sent: tuple[Sent, ...]
    contact: str
    sent_by: str
    dialog: DialogState | None = None
    answered: bool = False
    credentials: Credentials | None = None
    redirects: bool = False

    @property
    def tag(self) -> str:
        """Our tag."""
        return NameAddr.parse(self.from_).params.get("tag") or ""

    @property
    def established(self) -> DialogState | None:
        """The dialog, where it is known that it was answered."""
        return self.dialog if self.answered else None

    def invite(self, sent: Sent) -> Request:
        """Return as much of an INVITE as its CANCEL and its answers need."""
        routes = [("Route", route) for route in sent.routes]
        return Request("INVITE", sent.uri, [("Via", sent.via), *routes, *self._headers(sent.cseq)])

    def unknown_invite(self, cseq: int) -> Request:
        """Return as much of an INVITE of which the CSeq number alone is known as its dialog needs."""
        return Request("INVITE", self.sent[-1].uri, self._headers(cseq))

    def question(self, flow: Flow) -> Request:
        """Return an OPTIONS to whoever is at the end of a flow, and to nobody behind it."""
        seed = f"{self.seed} there"
        host = f"[{flow.host}]" if ":" in flow.host else flow.host
        uri = f"sip:{host}:{flow.port}"
        return request_to(
            Target(flow=flow, uri=uri, contact=self.contact, sent_by=self.sent_by),
            "OPTIONS",
            seed=call_id_of(seed, "dialerd"),
            cseq=1,
            from_=f"<sip:dialerd@{self.sent_by}>;tag={tag_of(seed)}",
            to=f"<{uri}>",
        )

    def dialog_of(self, state: DialogState) -> Dialog:
        """Return a dialog that is known, as it can be ended."""
        return Dialog(
            seed=self.seed,
            state=state,
            call_id=self.call_id,
            contact=self.contact,
            sent_by=self.sent_by,
            invite_flow=state.flow,
        )

    def _headers(self, cseq: int) -> list[tuple[str, str]]:
        own = [("Max-Forwards", MAX_FORWARDS), ("From", self.from_), ("To", self.to), ("Call-ID", self.call_id)]
        return [*own, ("CSeq", f"{cseq} INVITE")]
