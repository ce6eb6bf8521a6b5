"""What the Twilio double's REST API tells without changing anything: lists with their pages, and the account.

Pages go on after the SID that their token names, so that calls which come into being meanwhile move nothing.
Sources: Twilio, "Call resource" (read multiple), "IncomingPhoneNumber resource", "OutgoingCallerId resource", "Account
resource", "Call Notification resource", "Twilio's response" (paging).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import trio
from double_call import API, DoubleCall, date, formatted
from double_errors import document, error, within
from double_http import Answer

if TYPE_CHECKING:
    from twilio_double import TwilioDouble

_PAGE: Final = 50
_LARGEST_PAGE: Final = 1_000
_DAY: Final = 86_400_000
_Test = Callable[[DoubleCall], bool]


class Lists:
    """Answers what is only asked.

    Args:
        double: for whom.
    """

    def __init__(self, double: "TwilioDouble") -> None:
        self._double = double
        self._base = f"{double.prefix}{API}/Accounts/"

    def calls(self, account: str, wanted: dict[str, str], path: str) -> Answer:
        """List calls, newest first; one that has not been dialled has no start time, and is before and after none."""
        double = self._double
        found = list(double.calls.values()) if "To" not in wanted else double.placed(wanted["To"])
        before_s = trio.current_time() - double.faults.unlisted_s
        tests: list[_Test] = [
            lambda call: call.account == account and call.created_s <= before_s,
            lambda call: wanted.get("From", call.from_) == call.from_,
            lambda call: wanted.get("Status", call.shown_status) == call.shown_status,
        ]
        for name, attribute in (("StartTime", "dialled_at"), ("EndTime", "ended_at")):
            tests += [_on(attribute, sign, wanted[name + sign]) for sign in ("", "<", ">") if name + sign in wanted]
        chosen = [call for call in reversed(found) if all(test(call) for test in tests)]
        return self._page("calls", chosen, wanted, path)

    def numbers(self, account: str, what: str, wanted: dict[str, str], path: str) -> Answer:
        """List the account's numbers, or those that it has verified."""
        own = what == "IncomingPhoneNumbers"
        rows = [
            {
                "account_sid": account,
                "date_created": date(self._double.began_at),
                "date_updated": date(self._double.began_at),
                "friendly_name": formatted(number),
                "phone_number": number,
                "sid": f"PN{int(number[1:]):032x}",
                "uri": f"{self._base}{account}/{what}/PN{int(number[1:]):032x}.json",
            }
            | ({"capabilities": {"voice": True, "sms": False, "mms": False, "fax": False}} if own else {})
            for number in sorted(self._double.numbers if own else self._double.verified)
            if wanted.get("PhoneNumber", number) in number
        ]
        return self._page("incoming_phone_numbers" if own else "outgoing_caller_ids", rows, wanted, path)

    def notifications(self, call: DoubleCall, wanted: dict[str, str], path: str) -> Answer:
        """List what Twilio notes about a call, newest first."""
        at = date(call.events[-1].at)
        rows = [
            {
                "account_sid": call.account,
                "api_version": "2010-04-01",
                "call_sid": call.sid,
                "date_created": at,
                "date_updated": at,
                "error_code": str(code),
                "log": "0",
                "message_date": at,
                "message_text": f"ErrorCode={code}&LogLevel=ERROR",
                "more_info": f"https://www.twilio.com/docs/errors/{code}",
                "request_method": "POST",
                "request_url": "",
                "sid": f"NO{count:032x}",
                "uri": f"{self._base}{call.account}/Calls/{call.sid}/Notifications/NO{count:032x}.json",
            }
            for count, code in enumerate(call.errors)
        ]
        return self._page("notifications", rows[::-1], wanted, path)

    def account(self, account: str) -> Answer:
        """Return an account."""
        at = date(self._double.began_at)
        return document(
            200,
            {
                "auth_token": self._double.token_of(account),
                "date_created": at,
                "date_updated": at,
                "friendly_name": "double",
                "owner_account_sid": self._double.account,
                "sid": account,
                "status": "suspended" if self._double.suspended else "active",
                "subresource_uris": {"calls": f"{self._base}{account}/Calls.json"},
                "type": "Trial" if self._double.trial else "Full",
                "uri": f"{self._base}{account}.json",
            },
        )

    def _page(self, name: str, rows: list[Any], wanted: dict[str, str], path: str) -> Answer:
        """Return one page of a list."""
        if not within(wanted.get("PageSize"), 1, 1_000_000) or not within(wanted.get("Page"), 0, 1_000_000):
            return error(400, 20001)
        size = min(int(wanted.get("PageSize", _PAGE)), _LARGEST_PAGE)
        number, token = int(wanted.get("Page", 0)), wanted.get("PageToken")
        start = 0
        if token is not None:
            sids = [row.sid if isinstance(row, DoubleCall) else row["sid"] for row in rows]
            if token[2:] not in sids:
                return error(400, 20001)
            start = sids.index(token[2:]) + 1
        page = rows[start : start + size]
        filters = {key: value for key, value in wanted.items() if key not in ("Page", "PageToken", "PageSize")}

        def uri(page_number: int, after: str | None = None) -> str:
            further = {"PageSize": size, "Page": page_number} | ({"PageToken": after} if after else {})
            return f"{path}?{urlencode(filters | further)}"

        printed = [row.resource(self._double.prefix) if isinstance(row, DoubleCall) else row for row in page]
        goes_on = start + size < len(rows)
        return document(
            200,
            {
                name: printed,
                "page": number,
                "page_size": size,
                "start": number * size,
                "end": number * size + max(len(page) - 1, 0),
                "uri": uri(number, token),
                "first_page_uri": uri(0),
                "previous_page_uri": uri(number - 1) if number else None,
                "next_page_uri": uri(number + 1, f"PA{printed[-1]['sid']}") if goes_on else None,
            },
        )


def _on(attribute: str, sign: str, text: str) -> _Test:
    """Return a test of an instant against a day or an instant; a call without one does not pass."""
    wanted = datetime.fromisoformat(text)
    begin = int((wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)).timestamp() * 1000)

    def test(call: DoubleCall) -> bool:
        instant: int | None = getattr(call, attribute)
        if instant is None:
            return False
        if sign == "<":
            return instant < begin
        return instant >= begin and (sign == ">" or instant < begin + _DAY)

    return test
