"""The options of a trunk over Twilio, or over a carrier that speaks its API, as written in `[trunks.NAME.options]`.

Secrets are not among them: an option names the file or the systemd credential that holds one, see
`dialerd.plugin.secrets`.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen, validators

from dialerd.model.address import is_loopback
from dialerd.model.instants import HOUR, MINUTE, SECOND, Duration

_Field = Attribute  # attrs calls a validator with the record, the attribute and the value


def _sid(prefix: str, what: str) -> Callable[[object, "_Field[Any]", str], None]:
    """Return a validator of a Twilio SID: two letters and 32 hexadecimal digits."""
    form = re.compile(f"{prefix}[0-9a-fA-F]{{32}}")

    def check(record: object, _field: "_Field[Any]", sid: str) -> None:
        if getattr(record, "base_url", None) is None and not form.fullmatch(sid):
            raise ValueError(f"is no {what}, which is {prefix} and 32 hexadecimal digits; the Twilio console shows it")

    return check


def _is_label(_record: object, _field: "_Field[Any]", text: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        raise ValueError("must be small letters and digits, such as sydney or au1")


def _is_address(_record: object, _field: "_Field[Any]", text: str) -> None:
    form = 'must be an https URL such as "https://example.signalwire.com/api/laml", without query'
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise ValueError(form) from None
    if not host or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(form)
    if re.search(r"/2010-04-01\b|/Accounts\b", parts.path):
        raise ValueError("must end before /2010-04-01 and /Accounts, which dialerd adds itself")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError(f"{form}; plain http is taken only to this machine itself")


def _is_extra(_record: object, _field: "_Field[Any]", fields: Mapping[str, str]) -> None:
    if wrong := [name for name in fields if not re.fullmatch(r"[A-Z][A-Za-z0-9]{0,63}", name)]:
        raise ValueError(f"has {wrong[0]!r}, which is no field of a call; fields are written like ApplicationSid")
    if ours := sorted(_OURS.intersection(fields)):
        raise ValueError(f"has {ours[0]}, which is dialerd's own to set; leave it out")
    if long := [name for name, value in fields.items() if not 0 < len(value) <= _MOST_EXTRA]:
        raise ValueError(f"has {long[0]} with a value that is empty or longer than {_MOST_EXTRA} characters")


def _between(least: Duration, most: Duration) -> list[Any]:
    return [validators.ge(least), validators.le(most)]


_MOST_EXTRA: Final = 1_000
_OURS: Final = frozenset(
    {"To", "From", "Url", "Method", "UrlMethod", "Twiml", "Texml", "Laml", "Timeout", "TimeLimit", "CallReason"}
    | {"StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent", "MachineDetection", "AsyncAmd"}
    | {"AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", "MachineDetectionTimeout"}
    | {"MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold", "MachineDetectionSilenceTimeout"}
)


class Api(StrEnum):
    """How a carrier wants to be asked."""

    TWILIO = "twilio"
    TEXML = "texml"


@frozen(kw_only=True)
class TwilioOptions:
    """`[trunks.NAME.options]` of a trunk whose provider is `twilio`.

    Args:
        base_url: API of a carrier that speaks Twilio's; what Twilio's paths (`/2010-04-01/…`) follow. None = Twilio.
        api: how the carrier wants to be asked; `texml` is Telnyx's way.
        extra: further fields of each call that is created, by name, or None.
        account_sid: account that asks: `AC…`.
        subaccount_sid: subaccount whose calls they are; None = those of `account_sid`.
        auth_token: file or credential with the account's auth token; None = `api_key` asks.
        api_key: SID of an API key that asks instead, `SK…`.
        api_key_secret: file or credential with its secret.
        signing_token: file or credential with what callbacks are signed with; None = `auth_token`. For a subaccount it
            is the subaccount's own auth token.
        callbacks: whether the carrier's callbacks are taken; False = it is asked, though `[callbacks]` are configured.
        signature_header: header of a callback's signature.
        edge: Twilio's edge location, such as `dublin`.
        region: Twilio's region, such as `ie1`.
        account_cps: calls per second that the account may start; more queue at the carrier, and ring too late.
        ring_buffer: how much longer than it is asked to the carrier lets a phone ring; taken off the ring timeout.
        request_timeout: how long the carrier may take for an answer.
        late_creation: how long after a request was lost a call may still come into being from it.
        poll_first: when the carrier is first asked about a call of which no callback tells.
        poll_most: how long the pauses between two such questions grow.
        callback_patience: how long callbacks may stay away before the carrier is asked.
        price_wait: how long after a call its price is waited for; 0 = not at all.
        check_caller_ids: whether the trunk's numbers must be the account's own, or verified by it.
        call_reason: what the called person's phone may show as the reason of the call.
        amd_timeout: how long a machine is listened for.
        amd_speech_threshold: speech that is longer is a machine's.
        amd_speech_end_threshold: silence after which speech is over.
        amd_silence_timeout: silence at the beginning after which nobody knows who answered.
    """

    base_url: str | None = field(default=None, validator=validators.optional(_is_address))
    api: Api = Api.TWILIO
    extra: Mapping[str, str] | None = field(default=None, validator=validators.optional(_is_extra))
    account_sid: str = field(validator=_sid("AC", "account's SID"))
    subaccount_sid: str | None = field(default=None, validator=validators.optional(_sid("AC", "account's SID")))
    auth_token: str | None = None
    api_key: str | None = field(default=None, validator=validators.optional(_sid("SK", "API key's SID")))
    api_key_secret: str | None = None
    signing_token: str | None = None
    callbacks: bool = True
    signature_header: str = field(default="X-Twilio-Signature", validator=validators.matches_re(r"[A-Za-z0-9-]+"))
    edge: str | None = field(default=None, validator=validators.optional(_is_label))
    region: str | None = field(default=None, validator=validators.optional(_is_label))
    account_cps: float = field(default=1.0, validator=[validators.gt(0), validators.le(10_000)])
    ring_buffer: Duration = field(default=5 * SECOND, validator=_between(0, 30 * SECOND))
    request_timeout: Duration = field(default=15 * SECOND, validator=_between(100, MINUTE))
    late_creation: Duration = field(default=30 * SECOND, validator=_between(0, 10 * MINUTE))
    poll_first: Duration = field(default=2 * SECOND, validator=_between(10, MINUTE))
    poll_most: Duration = field(default=30 * SECOND, validator=_between(10, 10 * MINUTE))
    callback_patience: Duration = field(default=MINUTE, validator=_between(10, HOUR))
    price_wait: Duration = field(default=5 * MINUTE, validator=_between(0, 10 * MINUTE))
    check_caller_ids: bool = True
    call_reason: str | None = field(default=None, validator=validators.optional(validators.max_len(50)))
    amd_timeout: Duration = field(default=30 * SECOND, validator=_between(3 * SECOND, 59 * SECOND))
    amd_speech_threshold: Duration = field(default=2_400, validator=_between(1_000, 6_000))
    amd_speech_end_threshold: Duration = field(default=1_200, validator=_between(500, 5_000))
    amd_silence_timeout: Duration = field(default=5_000, validator=_between(2_000, 10_000))

    def __attrs_post_init__(self) -> None:
        if (self.auth_token is None) == (self.api_key is None):
            raise ValueError("must have either auth_token, or api_key and api_key_secret")
        if (self.api_key is None) != (self.api_key_secret is None):
            raise ValueError("api_key and api_key_secret go together; give both, or auth_token alone")
        if self.base_url is not None and (self.edge or self.region):
            raise ValueError("edge and region are Twilio's own; leave them out beside base_url")
        if (self.region is None) != (self.edge is None):
            raise ValueError('edge and region go together, as in edge = "dublin", region = "ie1"')
        if self.api is Api.TEXML:
            self._check_texml()

    def _check_texml(self) -> None:
        """Raise `ValueError` where something is given that a carrier of that kind does not have, or is missing."""
        if self.base_url is None:
            raise ValueError('api = "texml" needs base_url, as in "https://api.telnyx.com/v2/texml"')
        if self.auth_token is None:
            raise ValueError('with api = "texml" the carrier\'s API key is what auth_token names; leave out api_key')
        if "ApplicationSid" not in (self.extra or {}):
            raise ValueError('api = "texml" needs the TeXML application, as in extra = { ApplicationSid = "123" }')
        if self.check_caller_ids:
            raise ValueError('api = "texml" has no list of the account\'s numbers; set check_caller_ids = false')
        if self.call_reason is not None or self.signing_token is not None:
            raise ValueError('api = "texml" has no call_reason, and signs callbacks otherwise than signing_token does')

    @property
    def presses_keys(self) -> bool:
        """Whether the carrier presses keys itself: Telnyx' "Initiate an outbound call" has nothing for it."""
        return self.api is not Api.TEXML

    @property
    def account(self) -> str:
        """The account whose calls they are."""
        return self.subaccount_sid or self.account_sid

    @property
    def signed_with(self) -> str | None:
        """The file or credential with what callbacks are signed with; None = they cannot be told from forged ones."""
        return self.signing_token or self.auth_token

    @property
    def takes_callbacks(self) -> bool:
        """Whether callbacks are wanted; TeXML's are signed with Ed25519: Telnyx, "TeXML call completed"."""
        return self.callbacks and self.api is not Api.TEXML
