"""Numbering plans: what kind of number a national number is, and where it lies.

The plans are phonenumbers' own metadata. Its functions would answer the same, but judge a number by a dozen
patterns, up to 25 countries that share a calling code, and all of it again for validity, type, region and zones:
6,000 numbers a second. Here each plan becomes one pattern per length, in the order in which phonenumbers tries
them, and is asked once. `tests/rules/test_numbering.py` holds the two together.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from functools import cache
from typing import Final

from attrs import define, field, frozen
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType
from phonenumbers.phonemetadata import REGION_CODE_FOR_NON_GEO_ENTITY, PhoneNumberDesc
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX


class Kind(Enum):
    """What a number is, as far as it matters for calling it."""

    PREMIUM = auto()
    PLACELESS = auto()  # toll-free, shared cost, pager, universal access, voicemail
    NATIONWIDE = auto()  # mobile, VoIP, personal: somewhere in its country
    LOCAL = auto()  # its digits tell where


_KINDS: Final = (  # in phonenumbers' order: the first that matches decides
    ("premium_rate", Kind.PREMIUM),
    ("toll_free", Kind.PLACELESS),
    ("shared_cost", Kind.PLACELESS),
    ("voip", Kind.NATIONWIDE),
    ("personal_number", Kind.NATIONWIDE),
    ("pager", Kind.PLACELESS),
    ("uan", Kind.PLACELESS),
    ("voicemail", Kind.PLACELESS),
    ("fixed_line", Kind.LOCAL),
)


@frozen
class _Pattern:
    """Every kind of number of one length in one plan, as one pattern with a group per kind."""

    regex: re.Pattern[str]
    kinds: Sequence[Kind]


@define
class _Plan:
    """The numbers of one country, or of one non-geographic code."""

    country: str | None
    metadata: PhoneMetadata
    leading: re.Pattern[str] | None
    mobile: Kind
    by_length: dict[int, _Pattern | None] = field(factory=dict)

    def kind(self, national: str) -> Kind | None:
        """Return what `national` is in this plan, or None when it is no number of it."""
        length = len(national)
        if length not in self.by_length:
            self.by_length[length] = self._pattern(length)
        pattern = self.by_length[length]
        if pattern is None or (match := pattern.regex.fullmatch(national)) is None:
            return None
        assert match.lastindex is not None  # every branch of the pattern is a group
        return pattern.kinds[match.lastindex - 1]

    def _pattern(self, length: int) -> _Pattern | None:
        general = _source(self.metadata.general_desc, length)
        branches = [
            (source, kind) for name, kind in _KINDS if (source := _source(getattr(self.metadata, name), length))
        ]
        if not self.metadata.same_mobile_and_fixed_line_pattern and (source := _source(self.metadata.mobile, length)):
            branches.append((source, self.mobile))
        if general is None or not branches:
            return None
        either = "|".join(f"({source})" for source, _ in branches)
        regex = re.compile(rf"(?=(?:{general})\Z)(?:{either})", re.ASCII)
        return _Pattern(regex, tuple(kind for _, kind in branches))


def _source(desc: PhoneNumberDesc | None, length: int) -> str | None:
    """Return the pattern of `desc` if it has numbers of this length; no lengths given means any."""
    if desc is None or not desc.national_number_pattern:
        return None
    return None if desc.possible_length and length not in desc.possible_length else desc.national_number_pattern


@frozen
class CallingCode:
    """A country calling code and the plans that share it.

    Args:
        digits: the code, as "44".
        zones: IANA zones of all its countries, sorted.
    """

    digits: str
    zones: tuple[str, ...]
    _plans: tuple[_Plan, ...]
    _national_prefix: re.Pattern[str] | None

    def classify(self, national: str) -> tuple[str | None, Kind] | None:
        """Return the country and kind of a national number, or None when it is not valid.

        Args:
            national: the national (significant) number, ASCII digits.

        Returns:
            ISO 3166 country, None for a non-geographic code; and what the number is.
        """
        if len(self._plans) == 1:
            plan = self._plans[0]
            kind = plan.kind(national)
            return None if kind is None else (plan.country, kind)
        for plan in self._plans:
            if plan.leading is not None:
                if plan.leading.match(national):  # its country for certain, valid or not
                    kind = plan.kind(national)
                    return None if kind is None else (plan.country, kind)
            elif (kind := plan.kind(national)) is not None:
                return plan.country, kind
        return None

    def keeps(self, national: str) -> bool:
        """Tell that parsing leaves `national` alone: it does not start like a national prefix (as in +44 0…)."""
        if self._national_prefix is None:
            return True
        match = self._national_prefix.match(national)
        return match is None or (match.end() == 0 and match.lastindex is None)


def calling_code(digits: str) -> CallingCode | None:
    """Return the calling code with which an international number starts (`digits`, without +), or None."""
    # no code is the beginning of another (ITU-T E.164, 6.2.1), so the shortest match is the only one
    return _code(digits[:1]) or _code(digits[:2]) or _code(digits[:3])


def zones_of(digits: str) -> tuple[str, ...]:
    """Return the IANA zones in which an international number (without +) may lie by its leading digits, sorted."""
    for length in range(TIMEZONE_LONGEST_PREFIX, 0, -1):
        if (zones := _ZONES.get(digits[:length])) is not None:
            return zones
    return ()


_ZONES: Final = {prefix: tuple(sorted(set(zones) - {UNKNOWN_TIMEZONE})) for prefix, zones in TIMEZONE_DATA.items()}


@cache
def _code(digits: str) -> CallingCode | None:
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(digits)) if digits.isascii() and digits.isdecimal() else None
    if regions is None or digits.startswith("0"):
        return None
    plans = tuple(plan for region in regions if (plan := _plan(int(digits), region)) is not None)
    # phonenumbers strips the national prefix of the code's main country, whichever the number's is
    prefix = plans[0].metadata.national_prefix_for_parsing
    return CallingCode(digits, zones_of(digits), plans, re.compile(prefix, re.ASCII) if prefix else None)


def _plan(code: int, region: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None:
        return None
    leading = metadata.leading_digits
    local = is_number_type_geographical(PhoneNumberType.MOBILE, code)
    return _Plan(
        country=None if region == REGION_CODE_FOR_NON_GEO_ENTITY else region,
        metadata=metadata,
        leading=re.compile(leading, re.ASCII) if leading else None,
        mobile=Kind.LOCAL if local else Kind.NATIONWIDE,
    )
