"""Phone numbers: from what people write to E.164, the country, and the zones a number may lie in.

Refuses what must not be dialled at all: emergency, short and premium numbers. Nothing is guessed: letters,
extensions and a spreadsheet's `4.47E+11` are errors. Knows nothing of campaigns.
"""

import re
from functools import cache
from typing import Final

from attrs import frozen
from phonenumbers import (
    NumberParseException,
    is_emergency_number,
    is_valid_short_number,
    national_significant_number,
    normalize_digits_only,
    parse,
    region_codes_for_country_code,
)
from phonenumbers.phonenumber import PhoneNumber

from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import DialerdError
from dialerd.rules.numbering import CallingCode, Kind, calling_code, zones_of
from dialerd.rules.zones import zone


class BadNumber(DialerdError):
    """A text that is not a phone number that may be dialled."""


@frozen(kw_only=True)
class ParsedNumber:
    """A number that may be dialled.

    Args:
        number: E.164 with a leading +.
        country: ISO 3166 alpha-2 code, or None for a non-geographic code such as +800.
        zones: IANA zones it may lie in, sorted; empty = unknown.
        placeless: it has no place: toll-free, shared cost, pager, universal access, voicemail, non-geographic code.
    """

    number: str
    country: str | None
    zones: tuple[str, ...]
    placeless: bool


# + and at most 15 digits: ITU-T E.164, 6.1
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# digits of any script, plus signs, and what ITU-T E.123 and habit put between groups; phonenumbers would also take
# letters (vanity numbers) and cut off what it cannot read
_WRITTEN: Final = re.compile(r"[\d+\uff0b\s()\[\].\-\u2010-\u2015\u2212\uff0d/\u200b\u2060\ufeff]+")
_SPREADSHEET: Final = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+|\+?\d{7,}\.0")
_SHORT: Final = 6  # digits; the longest emergency numbers and common short codes


def parse_number(text: str, default_region: str | None) -> ParsedNumber:
    """Read a phone number.

    Args:
        text: E.164, or any common notation; `tel:` before it is allowed.
        default_region: ISO 3166 country by which a number without + is read; None = + is required.

    Raises:
        BadNumber: it is no valid number, or one that must not be dialled; the message names the rule.
    """
    # the way of nearly all numbers: no need of phonenumbers' parser, which must look for far more
    number = text.replace(" ", "").replace("-", "")
    if _E164.fullmatch(number) and (code := calling_code(number[1:4])) is not None:
        national = number[1 + len(code.digits) :]
        if code.keeps(national) and (found := code.classify(national)) is not None:
            return _judged(code, national, found, number)
    return _read(text, default_region)


def zone_group(parsed: ParsedNumber, own_zone: str | None) -> ZoneGroup:
    """Return where a recipient may be; equal groups are the same object.

    Args:
        parsed: its number.
        own_zone: IANA zone given for the recipient, which replaces the number's, or None.

    Raises:
        BadZone: `own_zone` is not an IANA zone.
    """
    if own_zone is None:
        return _group(parsed.country, parsed.zones, parsed.placeless)
    zone(own_zone)
    return _group(parsed.country, (own_zone,), False)


@cache  # bounded by the countries times the zones that exist
def _group(country: str | None, zones: tuple[str, ...], placeless: bool) -> ZoneGroup:
    return ZoneGroup(country=country, zones=zones, placeless=placeless)


def _judged(code: CallingCode, national: str, found: tuple[str | None, Kind], number: str) -> ParsedNumber:
    """Return a valid number with its place, unless it is one that must not be dialled."""
    country, kind = found
    if kind is Kind.PREMIUM:
        raise BadNumber(f"is a premium-rate number ({_land(code, country)}); such numbers are never dialled")
    if len(national) <= _SHORT:
        _refuse_short(national, (country,) if country else (), int(code.digits))
    return ParsedNumber(
        number=number,
        country=country,
        zones=zones_of(number[1:]) if kind is Kind.LOCAL else code.zones,
        placeless=kind is Kind.PLACELESS or country is None,
    )


def _read(text: str, default_region: str | None) -> ParsedNumber:
    """Read any notation with phonenumbers, and find the words for what is wrong with it."""
    written = text.strip()
    if written[:4].lower() == "tel:":  # RFC 3966
        written = written[4:]
    region = default_region.upper() if default_region else None
    _check_writing(written, region)
    if region is not None and not written.startswith(("+", "\uff0b")):
        _refuse_emergency(normalize_digits_only(written), (region,))
    try:
        parsed = parse(written, region)
    except NumberParseException as error:
        raise BadNumber(_UNREADABLE[error.error_type].format(region=region)) from error
    national = national_significant_number(parsed)
    code = calling_code(str(parsed.country_code))
    if code is None:
        raise BadNumber(f"+{parsed.country_code} is not a country calling code; check the first digits")
    found = code.classify(national)
    if found is None:
        regions = region_codes_for_country_code(parsed.country_code or 0)
        _refuse_short(national, regions, parsed.country_code or 0)
        land = regions[0] if len(regions) == 1 and regions[0].isalpha() else f"+{code.digits}"
        raise BadNumber(f"is not a valid number of {land}; check the digits, and whether the country is the right one")
    return _judged(code, national, found, f"+{code.digits}{national}")


def _check_writing(written: str, region: str | None) -> None:
    if not written:
        raise BadNumber("is empty; write a phone number such as +442079460000")
    if _SPREADSHEET.fullmatch(written):
        raise BadNumber("was turned into a decimal number by a spreadsheet; format the column as text")
    if not _WRITTEN.fullmatch(written):
        raise BadNumber(
            "has characters that do not belong in a phone number; write digits only, "
            "without letters, extensions or a second number"
        )
    if region is None and not written.lstrip(" ([\ufeff\u200b").startswith(("+", "\uff0b")):
        raise BadNumber(
            "has no country code and there is no default region; write it with + and the country code, "
            "or set default_region in [daemon]"
        )


def _refuse_emergency(digits: str, regions: tuple[str, ...]) -> None:
    if len(digits) <= _SHORT and any(is_emergency_number(digits, region) for region in regions):
        raise BadNumber("is an emergency number; such numbers are never dialled")


def _refuse_short(national: str, regions: tuple[str, ...], code: int) -> None:
    _refuse_emergency(national, regions)
    # a short code keeps its zeros, which a PhoneNumber holds apart from the figure
    zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
    short = PhoneNumber(
        country_code=code,
        national_number=int(national),
        italian_leading_zero=zeros > 0 or None,
        number_of_leading_zeros=zeros or None,
    )
    if is_valid_short_number(short):
        raise BadNumber("is a short code, not a phone number; write the full number")


def _land(code: CallingCode, country: str | None) -> str:
    return country or f"+{code.digits}"


_UNREADABLE: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "does not start with a country calling code that exists; "
    "write it as +COUNTRYNUMBER, and check default_region ({region})",
    NumberParseException.NOT_A_NUMBER: "is not a phone number; write one such as +442079460000",
    NumberParseException.TOO_SHORT_AFTER_IDD: "is too short for a phone number; check for missing digits",
    NumberParseException.TOO_SHORT_NSN: "is too short for a phone number; check for missing digits",
    NumberParseException.TOO_LONG: "is too long for a phone number; write one number only, at most 15 digits",
}
