"""Who calls, as an INVITE says it: From, To, P-Asserted-Identity, Privacy, Diversion, Identity, own headers.

What goes into a header is freed of line breaks and control characters first, wherever it comes from: a recipient's
variable may not write headers of its own. Knows nothing of targets and messages.
"""

import re
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

import trio
from msgspec import Struct

from dialerd.model.call import UNFIT_CALL, Cause
from dialerd.model.instants import SECOND, Instant
from dialerd.model.states import AtFault
from dialerd.plugin.facts import facts_of
from dialerd.plugin.provider import CallOrder, NotPlaced, TrunkSite
from dialerd.plugin.raised import spare_ctrl_c
from dialerd.plugin.signing import SigningRequest
from dialerd.rules.templates import BadTemplate, MissingVariable, fill
from dialerd_sip.core.grammar import quote
from dialerd_sip.core.names import canonical
from dialerd_sip.numbers import escaped, host_of, request_uri, user_of, written
from dialerd_sip.options import Identity as Shown
from dialerd_sip.options import SipOptions

ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323, section 4.1.1.3."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_URI: Final = re.compile(r"(?:sips?|tel):[^\s<>\"]+", re.IGNORECASE)
_SIGNING_S: Final = 5.0  # a signer may ask a server; the person is not called any later than that

Headers = tuple[tuple[str, str], ...]


class Addresses(Struct, frozen=True, kw_only=True, gc=False):
    """The addresses of a call; the same in every life of the daemon, since nothing but options and numbers is in them.

    Args:
        from_: value of From, without tag.
        to: value of To.
        user: the called number as the trunk wants it, for Request-URIs.
    """

    from_: str
    to: str
    user: str


class Identity(Addresses, frozen=True, kw_only=True, gc=False):
    """Who calls, and the headers that say more of it.

    Args:
        headers: in the order in which they are sent.
    """

    headers: Headers


def addresses_of(options: SipOptions, number: str, caller_id: str) -> Addresses:
    """Return the addresses of a call.

    Args:
        options: the trunk's.
        number: called number, E.164.
        caller_id: number to show, E.164.
    """
    user = user_of(number, options)
    return Addresses(
        from_=_from(options, caller_id), to=f"<{request_uri(user, host_of(options.server), options)}>", user=user
    )


def identity_of(options: SipOptions, order: CallOrder) -> Identity:
    """Return who calls, and the headers of the INVITE that say so.

    P-Asserted-Identity (RFC 3325, section 9.1) is sent where the options ask for it, and where From is anonymous: the
    trunk has to know whose call it is. Privacy says `id` then (RFC 3325, section 9.3).

    Args:
        options: the trunk's.
        order: the call.

    Raises:
        NotPlaced: a header of the trunk's own has a place for a variable that the call does not have.
    """
    addresses = addresses_of(options, order.number, order.caller_id)
    domain = _domain(options)
    headers: list[tuple[str, str]] = []
    if options.privacy or options.identity is not Shown.FROM:
        user = escaped(written(order.caller_id, options.number_format))
        headers.append(("P-Asserted-Identity", f"{_display(options)}<sip:{user}@{domain}>"))
    if options.privacy:
        headers.append(("Privacy", "id"))
    if options.diversion is not None:
        headers.append(("Diversion", _diversion(options.diversion, options, domain)))
    headers += _own(options, order)
    return Identity(from_=addresses.from_, to=addresses.to, user=addresses.user, headers=tuple(headers))


async def signed(site: TrunkSite, order: CallOrder, *, now: Callable[[], Instant] | None = None) -> Headers:
    """Return the headers Date and Identity of a signed call; nothing where nobody signs it.

    RFC 8224, section 4.1: the signature holds for the instant in Date.

    Args:
        site: the trunk's, with the signer that plugins offer.
        order: the call.
        now: the present instant; the system's clock where None.

    Raises:
        NotPlaced: the signer failed, took too long, or gave what is no header. A trunk that wants signatures would
            refuse the call, or show it as one that nobody vouches for.
    """
    if site.sign is None:
        return ()
    issued_at = int(time.time() * SECOND) if now is None else now()
    request = SigningRequest(
        attempt_id=order.attempt_id,
        trunk=order.trunk,
        caller_id=order.caller_id,
        number=order.number,
        issued_at=issued_at,
    )
    try:
        with trio.fail_after(_SIGNING_S):
            value = await site.sign(request)
    except trio.TooSlowError as error:
        raise _unsigned(f"it took longer than {_SIGNING_S:g} s") from error
    except Exception as error:
        spare_ctrl_c(error)
        raise _unsigned(type(error).__name__) from error  # its words may hold the key
    if value is None:
        return ()
    if not isinstance(value, str) or not value.strip() or _CONTROLS.search(value) or not value.isascii():
        raise _unsigned("it gave what is no value of a header")
    return (("Date", formatdate(issued_at / SECOND, usegmt=True)), ("Identity", value.strip()))


def _unsigned(why: str) -> NotPlaced:
    detail = f"the caller id could not be signed: {why}; see the plugin that implements dialerd_sign"
    return NotPlaced(Cause(fault=AtFault.US, code="sign", detail=detail))


def _from(options: SipOptions, caller_id: str) -> str:
    if options.privacy or (options.identity is Shown.ASSERTED and options.from_user is None):
        return ANONYMOUS
    user = written(caller_id, options.number_format) if options.from_user is None else options.from_user
    return f"{_display(options)}<sip:{escaped(user)}@{_domain(options)}>"


def _display(options: SipOptions) -> str:
    return "" if options.from_display is None else f"{quote(_plain(options.from_display))} "


def _domain(options: SipOptions) -> str:
    return options.from_domain or host_of(options.server)


def _diversion(target: str, options: SipOptions, domain: str) -> str:
    """RFC 5806, section 5: name-addr with a reason."""
    target = _plain(target)
    if not _URI.fullmatch(target):
        target = f"sip:{escaped(written(target, options.number_format))}@{domain}"
    return f"<{target}>;reason=unconditional"


def _own(options: SipOptions, order: CallOrder) -> list[tuple[str, str]]:
    if not options.headers:
        return []
    facts = facts_of(order)
    try:
        filled = [(canonical(name), _plain(fill(value, facts))) for name, value in options.headers.items()]
    except MissingVariable as error:
        detail = f"a header of this trunk cannot be filled: {error}"
        raise NotPlaced(Cause(fault=AtFault.US, code=UNFIT_CALL, detail=detail)) from error
    except BadTemplate as error:
        detail = f"a header of this trunk {error}; correct headers in its options"
        raise NotPlaced(Cause(fault=AtFault.US, code="headers", detail=detail)) from error
    return [(name, value) for name, value in filled if value]


def _plain(text: str) -> str:
    """Return text on one line, without control characters."""
    return _CONTROLS.sub(" ", text).strip()
