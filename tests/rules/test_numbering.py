"""The numbering plans against phonenumbers itself, number by number."""

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from dialerd.rules.numbering import Kind, calling_code
from dialerd.rules.numbers import BadNumber, ParsedNumber, parse_number

PLACELESS = {
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.PAGER,
    PhoneNumberType.VOICEMAIL,
}


def examples() -> list[str]:
    """Return phonenumbers' own example of every type in every country and non-geographic code, as E.164."""
    found = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in PhoneNumberType.values()
    ]
    found += [
        phonenumbers.example_number_for_non_geo_entity(code) for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS
    ]
    return sorted({phonenumbers.format_number(number, 0) for number in found if number is not None})


def variations(number: str, chance: random.Random, count: int) -> list[str]:
    """Return `number` with some of its digits changed, lost or added: valid, invalid, and other types."""
    found = []
    for _ in range(count):
        digits = list(number[1:])
        for _ in range(chance.choice((1, 1, 2, 5))):
            # late digits more often than early ones, so that most stay in their country
            digits[max(chance.randrange(len(digits)), chance.randrange(len(digits)))] = str(chance.randrange(10))
        match chance.randrange(10):
            case 0:
                digits.pop()
            case 1:
                digits.append(str(chance.randrange(10)))
            case 2:
                digits.insert(chance.randrange(1, 4), "0")  # a national prefix left in
        found.append("+" + "".join(digits))
    return found


def plainly(text: str) -> ParsedNumber | str:
    """Return what phonenumbers' public functions say of a number, or why it is refused."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return "invalid"
    if not phonenumbers.is_valid_number(number):
        return "invalid"
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.PREMIUM_RATE:
        return "premium"
    region = phonenumbers.region_code_for_number(number)
    assert region is not None
    return ParsedNumber(
        number=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        country=None if region == "001" else region,
        zones=tuple(sorted(set(time_zones_for_number(number)) - {UNKNOWN_TIMEZONE})),
        placeless=kind in PLACELESS or region == "001",
    )


def judged(text: str) -> ParsedNumber | str:
    """Return what dialerd says of a number, or why it is refused."""
    try:
        return parse_number(text, None)
    except BadNumber as error:
        return "premium" if "premium" in str(error) else "invalid"


def test_agrees_with_phonenumbers() -> None:
    """The fast way and phonenumbers agree on some 12,000 numbers: validity, E.164, country, zones, place."""
    chance = random.Random(20270615)
    numbers = examples()
    assert len({calling_code(number[1:4]).digits for number in numbers}) > 200
    texts = numbers + [text for number in numbers for text in variations(number, chance, 12)]
    answers = {text: (plainly(text), judged(text)) for text in texts}
    assert {text: both for text, both in answers.items() if both[0] != both[1]} == {}
    valid = sum(isinstance(both[0], ParsedNumber) for both in answers.values())
    assert 0.3 < valid / len(answers) < 0.9  # both sides of the line are tried


@pytest.mark.parametrize(
    ("digits", "national", "expected"),
    [
        ("44", "7111000001", ("GB", Kind.NATIONWIDE)),
        ("44", "2079460000", ("GB", Kind.LOCAL)),
        ("44", "9098790123", ("GB", Kind.PREMIUM)),
        ("1", "8005550123", ("US", Kind.PLACELESS)),
        ("1", "2425550123", None),  # the Bahamas' code, no Bahamian number
        ("54", "91123456789", ("AR", Kind.LOCAL)),  # mobiles have a place in a few countries
        ("800", "12345678", (None, Kind.PLACELESS)),
        ("44", "0", None),
    ],
)
def test_classifies(digits: str, national: str, expected: tuple[str | None, Kind] | None) -> None:
    """A national number has a country and a kind, or is not valid."""
    code = calling_code(digits)
    assert code is not None
    assert code.classify(national) == expected


@pytest.mark.parametrize("digits", ["", "0", "044", "210", "999", "٤٤"])
def test_unknown_calling_codes(digits: str) -> None:
    """What is no country calling code has no plan."""
    assert calling_code(digits) is None
