"""Numbers in settings: full ones, written in one way only, so that each is one key and one thing to compare."""

import phonenumbers

from dialerd.model.wording import shown


def number_fault(text: str) -> str | None:
    """Return why a text is no number in E.164 form, or None.

    Args:
        text: as it stands in the settings.
    """
    form = 'must be a full number with + and country code, without spaces, such as "+12125550123"'
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return form
    canonical = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_possible_number(number):
        return "has too few or too many digits for a number of its country"
    return None if canonical == text else f"must be written {shown(canonical)}"
