"""Answers of the Twilio double's REST API, errors above all, as Twilio prints them.

Codes: Twilio, "Error and Warning Dictionary"; form: Twilio, "Twilio's response", exceptions.
"""

from typing import Any, Final

import msgspec
from double_http import Answer

_WORDS: Final = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20005: "Account not active",
    20404: "The requested resource {} was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21201: "No 'To' number is specified",
    21205: "Url parameter is required.",
    21206: "Invalid SendDigits",
    21208: "Invalid Timeout",
    21210: "The source phone number provided, {}, is not yet verified for your account.",
    21211: "The phone number you are attempting to call, {}, is not valid.",
    21212: "The phone number provided, {}, is not a valid caller ID.",
    21213: "Caller phone number is required",
    21215: "Account not authorized to call {}. Perhaps you need to enable some international permissions",
    21219: "The number {} is unverified. Trial accounts may only make calls to verified numbers.",
    21220: "Call is not in-progress. Cannot redirect.",
    21609: "The StatusCallback URL {} is not a valid URL.",
    32018: "Twiml size exceeded maximum allowed value of 4000 characters",
}


def error(status: int, code: int, about: str = "", headers: dict[str, str] | None = None) -> Answer:
    """Return an error.

    Args:
        status: of HTTP.
        code: Twilio's own.
        about: what it is about, where the message names it.
        headers: further ones.
    """
    told = {
        "code": code,
        "message": _WORDS.get(code, f"Error {code}").format(about),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Answer(status=status, body=msgspec.json.encode(told), headers=headers or {})


def document(status: int, what: dict[str, Any]) -> Answer:
    """Return a resource."""
    return Answer(status=status, body=msgspec.json.encode(what))


def within(text: str | None, least: int, most: int) -> bool:
    """Tell whether a parameter is missing, or a whole number in a range."""
    return text is None or (text.isascii() and text.isdigit() and least <= int(text) <= most)
