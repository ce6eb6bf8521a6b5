"""What people write as phone numbers, and what must not be dialled."""

import pytest

from dialerd.model.campaign import ZoneGroup
from dialerd.rules.numbers import BadNumber, parse_number, zone_group
from dialerd.rules.zones import BadZone, known_zone


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+447111000001", None, "+447111000001"),
        ("+44 7111 000001", None, "+447111000001"),
        ("+44 (0)7111 000001", None, "+447111000001"),
        ("+4407111000001", None, "+447111000001"),
        (" +44-7111-000001\n", None, "+447111000001"),
        ("tel:+44-7111-000001", None, "+447111000001"),
        ("\uff0b447111000001", None, "+447111000001"),
        ("\ufeff+44\u00a07111\u00a0000001", None, "+447111000001"),
        ("+٤٤٧١١١٠٠٠٠٠١", None, "+447111000001"),
        ("07111 000001", "GB", "+447111000001"),
        ("07111 000001", "gb", "+447111000001"),
        ("00447111000001", "DE", "+447111000001"),
        ("447111000001", "GB", "+447111000001"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("212.555.0123", "US", "+12125550123"),
        ("+12125550123", "GB", "+12125550123"),
        ("+390612345678", None, "+390612345678"),  # Italian numbers keep their zero
        ("+61491570156", None, "+61491570156"),
    ],
)
def test_reads(text: str, region: str | None, number: str) -> None:
    """Every common notation becomes E.164."""
    assert parse_number(text, region).number == number


@pytest.mark.parametrize(
    ("text", "region", "words"),
    [
        ("", "GB", "is empty"),
        ("   ", None, "is empty"),
        ("n/a", "GB", "characters that do not belong"),
        ("+1 800 FLOWERS", None, "characters that do not belong"),
        ("+12125550123 ext. 5", None, "without letters, extensions"),
        ("+12125550123;ext=5", None, "without letters, extensions"),
        ("+12125550123x5", None, "without letters, extensions"),
        ("+12125550123, +12125550124", None, "second number"),
        ("4.47111E+11", "GB", "spreadsheet"),
        ("4,47111E+11", "GB", "spreadsheet"),
        ("447111000001.0", "GB", "spreadsheet"),
        ("+447111000001.0", None, "spreadsheet"),
        ("07111000001", None, "no default region"),
        ("00447111000001", None, "no default region"),
        ("07111000001", "XX", "default_region (XX)"),
        ("+2101234567", None, "country calling code"),
        ("+", "GB", "is not a phone number"),
        ("-", "GB", "is not a phone number"),
        ("+44", None, "is not a phone number"),
        ("+441", None, "too short"),
        ("+447111000001234567890", None, "too long"),
        ("+44711100000", None, "is not a valid number of +44"),
        ("+4915", None, "is not a valid number of DE"),
        ("+447111000001+447111000002", None, "not a"),
        ("999", "GB", "emergency"),
        ("112", "GB", "emergency"),
        ("+44999", None, "emergency"),
        ("911", "US", "emergency"),
        ("000", "AU", "emergency"),
        ("101", "GB", "short code"),
        ("+44101", None, "short code"),
        ("118500", "GB", "short code"),
        ("+449098790123", None, "premium"),
        ("0909 879 0123", "GB", "premium"),
        ("+19005550123", None, "premium"),
        ("+979123456789", None, "premium"),
        ("+78091234567", None, "premium"),  # 8 is a national prefix here, though the number would be valid with it
        ("+3758109234567", None, "is not a valid number of BY"),
    ],
)
def test_refuses(text: str, region: str | None, words: str) -> None:
    """What is no number, or must not be dialled, is refused in words that name the rule."""
    with pytest.raises(BadNumber) as refused:
        parse_number(text, region)
    assert words in str(refused.value)
    assert "{" not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "country", "zones"),
    [
        ("+12125550123", "US", ("America/New_York",)),
        ("+13105550123", "US", ("America/Los_Angeles",)),
        ("+14165550123", "CA", ("America/Toronto",)),
        ("+12425550123", None, None),
        ("+61491570156", "AU", None),
    ],
)
def test_places(number: str, country: str | None, zones: tuple[str, ...] | None) -> None:
    """A number has its country and every zone it may lie in; an Australian mobile may be in all of Australia's."""
    if country is None:
        with pytest.raises(BadNumber):
            parse_number(number, None)
        return
    parsed = parse_number(number, None)
    assert (parsed.country, parsed.placeless) == (country, False)
    assert parsed.zones == zones if zones else len(parsed.zones) > 3
    assert list(parsed.zones) == sorted(parsed.zones)
    assert all(map(known_zone, parsed.zones))


@pytest.mark.parametrize(
    ("number", "country", "zones"),
    [
        ("+18005550123", "US", range(30, 60)),
        ("+448081570123", "GB", range(1, 9)),
        ("+443069990123", "GB", range(1, 9)),  # universal access
        ("+80012345678", None, range(600)),
        ("+870773111632", None, range(600)),  # Inmarsat: phonenumbers' own example
    ],
)
def test_placeless(number: str, country: str | None, zones: range) -> None:
    """Toll-free, universal-access and non-geographic numbers have no place."""
    parsed = parse_number(number, None)
    assert (parsed.country, parsed.placeless) == (country, True)
    assert len(parsed.zones) in zones


def test_equal_groups_are_one_object() -> None:
    """Recipients with the same place share their zone group."""
    one = zone_group(parse_number("+447111000001", None), None)
    assert one is zone_group(parse_number("+447111000002", None), None)
    assert one == ZoneGroup(country="GB", zones=one.zones)
    assert one is not zone_group(parse_number("+12125550123", None), None)


def test_own_zone_replaces_the_numbers() -> None:
    """A recipient's own zone replaces the number's zones and gives a placeless number a place."""
    toll_free = zone_group(parse_number("+18005550123", None), "America/Denver")
    assert toll_free == ZoneGroup(country="US", zones=("America/Denver",), placeless=False)
    assert toll_free is zone_group(parse_number("+12125550123", None), "America/Denver")


def test_own_zone_must_exist() -> None:
    """A zone of no place on earth is refused, not stored."""
    with pytest.raises(BadZone, match='did you mean "America/Denver"'):
        zone_group(parse_number("+12125550123", None), "America/denver")
