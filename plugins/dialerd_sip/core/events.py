"""What a user agent tells whoever drives it."""

from enum import StrEnum

from msgspec import Struct

from dialerd_sip.core.flow import Flow
from dialerd_sip.core.sdp import Negotiated


class Sent(Struct, frozen=True, kw_only=True, gc=False):
    """An INVITE that is about to leave; what is needed to take it back in a later life.

    Args:
        cseq: its CSeq number.
        uri: its Request-URI.
        via: its whole Via value.
        flow: where it goes.
        routes: its Route values, in order.
    """

    cseq: int
    uri: str
    via: str
    flow: Flow
    routes: tuple[str, ...] = ()


class InviteReady(Struct, frozen=True, kw_only=True, gc=False):
    """An INVITE is ready: the driver hands it over before it sends."""

    call_id: str
    sent: Sent


class Progress(Struct, frozen=True, kw_only=True, gc=False):
    """A provisional answer other than 100.

    Args:
        call_id: which call.
        status: 101 to 199.
        phrase: the reason phrase.
        media: where early media are agreed upon, what was agreed.
        dialog: the early dialog, where it makes or changes one, as a later life needs it.
    """

    call_id: str
    status: int
    phrase: str
    media: Negotiated | None = None
    dialog: "DialogState | None" = None


class DialogState(Struct, frozen=True, kw_only=True, gc=False):
    """An established dialog, as much as a later life needs to end it.

    Args:
        local_tag, remote_tag: its tags.
        remote_target: Contact of the far end.
        routes: route set, in order.
        local_cseq: the last CSeq number that was used.
        flow: where its requests go.
        to, from_: values of the To and From headers, with tags.
    """

    local_tag: str
    remote_tag: str
    remote_target: str
    routes: tuple[str, ...]
    local_cseq: int
    flow: Flow
    to: str
    from_: str


class Established(Struct, frozen=True, kw_only=True, gc=False):
    """The call was answered and acknowledged.

    Args:
        call_id: which call.
        media: what was agreed upon; None where the answer had no usable media (the call is being ended then).
        dialog: the dialog, as a later life needs it.
    """

    call_id: str
    media: Negotiated | None
    dialog: DialogState


class MediaChanged(Struct, frozen=True, kw_only=True, gc=False):
    """The far end changed the media of an established call (re-INVITE, UPDATE)."""

    call_id: str
    media: Negotiated


class KeysPressed(Struct, frozen=True, kw_only=True, gc=False):
    """The far end sent keys by INFO."""

    call_id: str
    digits: str


class KeysRefused(Struct, frozen=True, kw_only=True, gc=False):
    """The far end takes no keys of ours by INFO: those that were to be pressed are not.

    Args:
        call_id: which call.
        status: what it said, or None where it said nothing.
    """

    call_id: str
    status: int | None


class Ender(StrEnum):
    """Who ended a call."""

    CALLEE = "callee"
    US = "us"
    NETWORK = "network"


class Ending(Struct, frozen=True, kw_only=True, gc=False):
    """How a call ended: facts alone, which `dialerd_sip.verdicts` judges.

    Args:
        ender: who ended it.
        status: the final answer to the last INVITE, or None where none came.
        phrase: its reason phrase.
        reasons: values of its Reason headers (RFC 3326), or of the BYE's.
        warning: its Warning header, or None.
        retry_after: seconds of its Retry-After, as told, or None.
        rang: whether anything told that it rings (180, 183 with media, or a 18x at all).
        answered: whether a 2xx came.
        crossed: whether it crossed our CANCEL, or the end of a former life, so that whoever answered heard nothing.
        certain: False = an INVITE may have reached somebody and nobody knows what became of it.
        why: what happened where the status does not say it: `timeout`, `connection`, `refused` (ICMP), `credentials`,
            `ring_timeout`, `hangup`, `max_duration`, `session_expired`, `no_media`, `media_failed`,
            `former_life`.
        detail: for people.
        tried: how many targets got an INVITE.
    """

    ender: Ender
    status: int | None = None
    phrase: str = ""
    reasons: tuple[str, ...] = ()
    warning: str | None = None
    retry_after: int | None = None
    rang: bool = False
    answered: bool = False
    crossed: bool = False
    certain: bool = True
    why: str | None = None
    detail: str | None = None
    tried: int = 1


class CallOver(Struct, frozen=True, kw_only=True, gc=False):
    """The call is over; nothing more is told of it."""

    call_id: str
    ending: Ending


class RegistrationChanged(Struct, frozen=True, kw_only=True, gc=False):
    """A registration came about, was lost, or was refused."""

    name: str
    registered: bool
    reason: str | None = None
    refused: bool = False


class TargetChanged(Struct, frozen=True, kw_only=True, gc=False):
    """A target answers OPTIONS again, or does not any more (with hysteresis)."""

    flow: Flow
    alive: bool
    reason: str | None = None


class FormerTold(Struct, frozen=True, kw_only=True, gc=False):
    """What became of a call of a former life.

    Args:
        call_id: which call.
        ending: how it ended, where that is known.
        heard: whether the far side answered anything at all.
        placed: True = it is proven that it was placed; False = proven that it was not; None = nobody can tell.
    """

    call_id: str
    placed: bool | None
    heard: bool
    ending: Ending | None = None


Event = (
    InviteReady
    | Progress
    | Established
    | MediaChanged
    | KeysPressed
    | KeysRefused
    | CallOver
    | RegistrationChanged
    | TargetChanged
    | FormerTold
)
