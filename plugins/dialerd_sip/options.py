"""The options of a SIP trunk, as written in `[trunks.NAME.options]`.

Secrets are not among them: an option names the file or the systemd credential that holds one, see
`dialerd.plugin.secrets`.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final

from attrs import Attribute, field, frozen, validators

from dialerd.model.instants import MINUTE, SECOND, Duration
from dialerd_sip.core.flow import Transport
from dialerd_sip.core.sdp import Codec
from dialerd_sip.media.sources import Symmetric
from dialerd_sip.speech.places import fault_of

_Field = Attribute  # attrs calls a validator with the record, the attribute and the value

_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?)"
_SERVER: Final = re.compile(rf"({_HOST}|\[[0-9a-fA-F:.]+\])(:[0-9]{{1,5}})?")
_BIND: Final = re.compile(r"([0-9.]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_PARAMETERS: Final = re.compile(r"[A-Za-z0-9\[\]/:&+$;=%_.!~*'()-]+")  # RFC 3261 section 25.1, with what joins them
_OURS: Final = frozenset(
    {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "max-forwards", "route", "require"}
    | {"record-route", "content-length", "l", "content-type", "c", "authorization", "proxy-authorization", "supported"}
    | {"k", "allow", "session-expires", "x", "min-se", "p-asserted-identity", "privacy", "diversion", "identity", "y"}
    | {"user-agent", "rack", "rseq", "reason"}
)


def _is_server(_record: object, _field: "_Field[Any]", text: str) -> None:
    found = _SERVER.fullmatch(text)
    if found is None or (found[2] and not 0 < int(found[2][1:]) <= 65_535):
        raise ValueError('must be a host, a host with a port, or a domain: "sip.example.com" or "192.0.2.1:5060"')
    if text.startswith("["):
        _is_ip(_record, _field, found[1].strip("[]"))


def _is_bind(_record: object, _field: "_Field[Any]", text: str) -> None:
    found = _BIND.fullmatch(text)
    if found is None or (found[2] and not 0 < int(found[2][1:]) <= 65_535):
        raise ValueError('must be an IP address of this machine with a port, such as "0.0.0.0:5060"')
    _is_ip(_record, _field, found[1].strip("[]"))


def _is_ip(_record: object, _field: "_Field[Any]", text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address") from None


def _is_ports(_record: object, _field: "_Field[Any]", text: str) -> None:
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if found is None or not 1024 <= int(found[1]) < int(found[2]) <= 65_535:
        raise ValueError('must be a range of ports from 1024 on, such as "16384-32767"')
    if int(found[2]) <= int(found[1]) + int(found[1]) % 2:
        raise ValueError("has no even port with the odd one after it, which a call takes; widen it")


def _are_headers(_record: object, _field: "_Field[Any]", headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"has {name!r}, which is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"has {name}, which is dialerd's own to set; leave it out")
        if not value or any(ord(letter) < 32 for letter in value):
            raise ValueError(f"has {name} with a value that is empty or has control characters")


def _is_command(_record: object, _field: "_Field[Any]", command: tuple[str, ...]) -> None:
    if (fault := fault_of(command)) is not None:
        raise ValueError(fault)


def _is_path(_record: object, _field: "_Field[Any]", text: str) -> None:
    if not text.startswith("/") or "\0" in text:
        raise ValueError("must be an absolute path")


def _is_plain(_record: object, _field: "_Field[Any]", text: str) -> None:
    if not text or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("must not be empty, nor have control characters")


def _are_parameters(_record: object, _field: "_Field[Any]", text: str) -> None:
    if not _PARAMETERS.fullmatch(text):
        raise ValueError('must be parameters of a URI, such as "user=phone"')


def _version(place: str) -> int | None:
    """Return 4 or 6 where a place is an IP address, with or without port; None for a name."""
    host = place[1:].partition("]")[0] if place.startswith("[") else place
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host).version
    except ValueError:
        return None


def _none_or(least: int, most: int) -> Callable[[object, "_Field[Any]", int], None]:
    """Return a validator of durations that may be 0, which turns something off."""

    def check(_record: object, _field: "_Field[Any]", value: int) -> None:
        if value and not least <= value <= most:
            raise ValueError(f"must be 0, or between {least // SECOND} and {most // SECOND} seconds")

    return check


def _between(least: int, most: int) -> list[Any]:
    return [validators.ge(least), validators.le(most)]


_optional = validators.optional


class EarlyMedia(StrEnum):
    """What becomes of sound that comes before the answer."""

    HEAR = "hear"
    IGNORE = "ignore"


class Redirects(StrEnum):
    """What becomes of a 3xx."""

    REFUSE = "refuse"
    FOLLOW = "follow"


class Identity(StrEnum):
    """How the caller id is shown."""

    FROM = "from"
    ASSERTED = "asserted"
    BOTH = "both"


@frozen(kw_only=True)
class SipOptions:
    """`[trunks.NAME.options]` of a trunk whose provider is `sip`.

    Args:
        server: where calls go: a host, host:port, or a domain with NAPTR or SRV records.
        transport: udp, tcp or tls; None = what the DNS says, else udp.
        bind: address and port of this machine that SIP messages leave from and come to.
        outbound_proxy: host through which everything goes, instead of `server`.
        public_address: our address as the far side sees it, where there is NAT in between; None = the machine's own.
        username: user name of the account, where calls are authenticated.
        password: credential with its password: the name of a file in /etc/dialerd/credentials.
        password_file: absolute path of a file with it, instead.
        realm: realm that the password is for; None = any.
        register: whether the trunk registers, and takes calls only while it is registered.
        register_expires: how long a registration is asked for.
        from_domain: domain of our addresses; None = that of `server`.
        from_user: user part of From; None = the caller id.
        from_display: display name in From, or None.
        identity: where the caller id stands: `from`, `asserted` (P-Asserted-Identity, From anonymous or `from_user`),
            or `both`.
        privacy: whether the called party is not to be shown the caller id (Privacy: id).
        diversion: number or SIP URI that calls are said to be diverted from, or None.
        headers: further headers of every INVITE; values may have `{variable}` places.
        number_format: how called numbers are written: `e164`, `e164_plain` (without +), `national`, `international`
            (national prefix 00 before the country).
        number_prefix: digits put before a called number.
        uri_parameters: parameters put behind a called number's URI, such as `user=phone`.
        media_address: address at which sound is received, as the far side sees it; None = as `public_address`.
        rtp_ports: ports for sound.
        symmetric_rtp: which addresses of the far end are believed besides the one it signals: `auto` = those whose
            packets come in sequence, until the signalled one is heard; `on` = the first packet's; `off` = none.
        codecs: what may be spoken, best first.
        ptime: length of a packet of sound.
        early_media: `hear` or `ignore` what comes before the answer.
        redirects: what becomes of a 3xx.
        session_expires: session timer that is offered; 0 = none.
        options_interval: how often each target is asked whether it is there; 0 = never.
        answer_timeout: T1 of RFC 3261: how soon a message over UDP is sent again.
        retry_after_most: the longest rest that a trunk's Retry-After brings about.
        speech_command: program with arguments that makes a WAV file of a text; None = agents that say something cannot
            speak over this trunk.
        cache: folder where prompts are kept, encoded; None = one below the daemon's cache directory.
        sounds: folder of sound files that agents name without a path; None = absolute paths alone.
        record: folder into which what is received is recorded, one file a call; None = nothing is recorded.
        detector: what listens to each call from its first sound on, also before the answer: the name of a detector, or
            `module:name` of what makes one (`dialerd_sip.media.detector`); what it finds is in the call's detail.
        silence_timeout: how long nothing may be heard of the far end before a call is ended; 0 = for ever.
        tls_ca: file with the certificates that servers' are checked by; None = the system's.
        tls_certificate: file with our certificate, where the server wants one, or None.
        tls_key: file with its key, which the group dialerd can read.
    """

    server: str = field(validator=_is_server)
    transport: Transport | None = None
    bind: str = field(default="0.0.0.0:5060", validator=_is_bind)
    outbound_proxy: str | None = field(default=None, validator=_optional(_is_server))
    public_address: str | None = field(default=None, validator=_optional(_is_ip))
    username: str | None = field(default=None, validator=_optional(_is_plain))
    password: str | None = None
    password_file: str | None = field(default=None, validator=_optional(_is_path))
    realm: str | None = field(default=None, validator=_optional(_is_plain))
    register: bool = False
    register_expires: Duration = field(default=10 * MINUTE, validator=_between(MINUTE, 24 * 60 * MINUTE))
    from_domain: str | None = field(default=None, validator=_optional(_is_server))
    from_user: str | None = field(default=None, validator=_optional(_is_plain))
    from_display: str | None = field(default=None, validator=_optional(_is_plain))
    identity: Identity = Identity.FROM
    privacy: bool = False
    diversion: str | None = field(default=None, validator=_optional(_is_plain))
    headers: Mapping[str, str] = field(factory=dict, validator=_are_headers)
    number_format: str = field(
        default="e164", validator=validators.in_(("e164", "e164_plain", "national", "international"))
    )
    number_prefix: str = field(default="", validator=validators.matches_re(r"[0-9*#]{0,16}"))
    uri_parameters: str | None = field(default=None, validator=_optional(_are_parameters))
    media_address: str | None = field(default=None, validator=_optional(_is_ip))
    rtp_ports: str = field(default="16384-32767", validator=_is_ports)
    symmetric_rtp: Symmetric = Symmetric.AUTO
    codecs: tuple[Codec, ...] = field(default=(Codec.PCMU, Codec.PCMA), validator=validators.min_len(1))
    ptime: Duration = field(default=20, validator=validators.in_((10, 20, 30, 40, 60)))
    early_media: EarlyMedia = EarlyMedia.HEAR
    redirects: Redirects = Redirects.REFUSE
    session_expires: Duration = field(default=30 * MINUTE, validator=_none_or(90 * SECOND, 24 * 60 * MINUTE))
    options_interval: Duration = field(default=30 * SECOND, validator=_none_or(SECOND, 10 * MINUTE))
    answer_timeout: Duration = field(default=500, validator=_between(50, 2 * SECOND))
    retry_after_most: Duration = field(default=30 * SECOND, validator=_between(0, 10 * MINUTE))
    speech_command: tuple[str, ...] | None = field(default=None, validator=_optional(_is_command))
    cache: str | None = field(default=None, validator=_optional(_is_path), metadata={"filled": True})
    sounds: str | None = field(default=None, validator=_optional(_is_path))
    record: str | None = field(default=None, validator=_optional(_is_path), metadata={"filled": True})
    detector: str | None = field(default=None, validator=_optional(_is_plain))
    silence_timeout: Duration = field(default=MINUTE, validator=_between(0, 60 * MINUTE))
    tls_ca: str | None = field(default=None, validator=_optional(_is_path))
    tls_certificate: str | None = field(default=None, validator=_optional(_is_path))
    tls_key: str | None = field(default=None, validator=_optional(_is_path))

    def __attrs_post_init__(self) -> None:
        if self.password is not None and self.password_file is not None:
            raise ValueError("must have one of password and password_file, not both")
        if (self.username is None) != (self.secret is None):
            raise ValueError("username and its password go together; give both, or none where the address is enough")
        if self.register and self.username is None:
            raise ValueError("register needs username, and password or password_file")
        version = _version(self.bind)
        for name in ("outbound_proxy" if self.outbound_proxy else "server", "public_address", "media_address"):
            if _version(getattr(self, name) or "") not in (None, version):
                raise ValueError(f"{name} is not of the family of bind ({self.bind}); give both IPv4 or both IPv6")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if len(set(self.codecs)) != len(self.codecs):
            raise ValueError("codecs has one of them twice")

    @property
    def account(self) -> str:
        """Where calls go to, as whom and from which address: by these a carrier tells whose calls it counts."""
        bind = _BIND.fullmatch(self.bind)
        source = self.public_address or (bind[1] if bind else self.bind)
        return f"{self.server} {self.outbound_proxy or '-'}".lower() + f" {self.username or '-'} {source}"

    @property
    def secret(self) -> str | None:
        """The file or credential with the account's password, or None."""
        return self.password or self.password_file
