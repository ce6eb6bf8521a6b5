"""The carrier's lists, over real sockets: read to their end, filtered, and never elsewhere."""

from contextlib import aclosing

import pytest
from asked_carrier import ROOT, SECRET, SID, carrier_at, listed
from dialerd_twilio.answers import CallStatus, Lost, Refused
from dialerd_twilio.carrier import MOST_PAGES, PAGE_SIZE, Carrier
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.reading import may_be, next_page
from hypothesis import given
from hypothesis import strategies as st
from scripted_rest import ACCOUNT, CALLED, SHOWN, ScriptedRest, call, reply


def page(*calls, following=None):
    """Return a page of calls, as Twilio's list is documented."""
    return reply(200, {"calls": list(calls), "page": 0, "page_size": PAGE_SIZE, "next_page_uri": following})


async def test_a_list_is_read_to_its_end_and_filtered_here_too():
    """A carrier that lists everybody's calls is not believed to have found ours; numbers are written in many ways."""
    pages = [
        page(call(sid="CA1"), call(sid="CA2", to="+447111000009"), following=f"{ROOT}/Calls.json?PageToken=x&Page=1"),
        page(
            call(sid="CA3", to="447111000001", **{"from": "12125550100"}),
            call(sid="CA4", **{"from": "+12125550101"}),
            call(sid="CA5", direction="inbound"),
            call(sid="CA6", direction="outbound-dial"),
            call(sid="CA7", to="sip:+447111000001@example.com;user=phone"),
            call(sid="CA8", status="strange", to="+447111000009"),
        ),
    ]
    async with carrier_at(*pages) as (carrier, rest):
        assert [found.sid for found in await listed(carrier)] == ["CA1", "CA3", "CA7"]
    first, second = rest.asked
    assert first.query == {"To": [CALLED], "From": [SHOWN], "PageSize": [str(PAGE_SIZE)]}
    assert (second.path, second.query) == (f"{ROOT}/Calls.json", {"PageToken": ["x"], "Page": ["1"]})
    assert second.headers["authorization"] == first.headers["authorization"]


async def test_a_strange_call_of_ours_is_not_passed_over():
    """A call between both numbers might be the one, whatever word the carrier has for where it stands."""
    async with carrier_at(page(call(), call(status="strange"), call(status=None))) as (carrier, _):
        assert [found.status for found in await listed(carrier)] == [CallStatus.QUEUED] * 3
    async with carrier_at(page(call(), call(sid=None))) as (carrier, _):
        with pytest.raises(Lost):
            await listed(carrier)


async def test_a_list_without_end_is_given_up():
    """A carrier that goes round in circles holds nobody for ever."""
    async with carrier_at(page(call(), following=f"{ROOT}/Calls.json?Page=1")) as (carrier, rest):
        with pytest.raises(Lost, match="goes on beyond"):
            await listed(carrier)
    assert len(rest.asked) == MOST_PAGES


@pytest.mark.parametrize("path", ["", "/api/laml"])
@pytest.mark.parametrize(
    "form", ["{path}/2010-04-01/next?P=1", "/2010-04-01/next?P=1", "{base}{path}/2010-04-01/next?P=1"]
)
async def test_the_next_page_of_carriers_with_a_path_of_their_own(path, form):
    """They give the page's address with their path, without it, or whole."""
    rest = ScriptedRest(answers=[])
    async with rest.serve() as base:
        rest.answers += [page(call(), following=form.format(path=path, base=base)), page(call(sid="CA2"))]
        options = TwilioOptions(base_url=base + path + "/", account_sid=ACCOUNT, auth_token="token")
        async with aclosing(Carrier(options, username=ACCOUNT, secret=lambda: SECRET)) as carrier:
            assert [found.sid for found in await listed(carrier)] == [SID, "CA2"]
    assert [asked.path for asked in rest.asked] == [f"{path}{ROOT}/Calls.json", f"{path}/2010-04-01/next"]


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1:1/x", "https://evil.example/2010-04-01/x", "http://127.0.0.1.evil.example/x"]
)
async def test_credentials_go_to_no_other_server(elsewhere):
    """A next page elsewhere is not asked for."""
    async with carrier_at(page(call(), following=elsewhere)) as (carrier, rest):
        with pytest.raises(Lost, match="another server"):
            await listed(carrier)
    assert len(rest.asked) == 1


def test_next_pages_as_the_sdk_makes_them():
    """The SDK puts what the carrier says behind the base URL."""
    assert (
        next_page("https://api.twilio.com", "https://api.twilio.com/2010-04-01/x")
        == "https://api.twilio.com/2010-04-01/x"
    )
    base = "https://a.example/api"
    assert next_page(base, f"{base}/api/x") == f"{base}/x"
    assert next_page(base, f"{base}/apix") == f"{base}/apix"
    assert next_page(base, f"{base}/{base}/x") == f"{base}/x"
    with pytest.raises(Lost):
        next_page("https://a.example", "https://a.example/https://a.example.evil.example/x")


async def test_numbers_that_may_be_shown():
    """The account's own and those that it has verified, over all pages; one of both kinds may be missing."""
    owned = {"incoming_phone_numbers": [{"phone_number": SHOWN}], "next_page_uri": "/2010-04-01/more"}
    more = {"incoming_phone_numbers": [{"phone_number": "+14155550102"}, {"phone_number": None}], "next_page_uri": None}
    verified = {"outgoing_caller_ids": [{"phone_number": "+447111000003"}], "next_page_uri": None}
    answers = reply(200, owned), reply(200, more), reply(200, verified)
    async with carrier_at(*answers) as (carrier, rest):
        assert await carrier.caller_ids() == {SHOWN, "+14155550102", "+447111000003"}
    paths = [f"{ROOT}/IncomingPhoneNumbers.json", "/2010-04-01/more", f"{ROOT}/OutgoingCallerIds.json"]
    assert [asked.path for asked in rest.asked] == paths
    async with carrier_at(reply(404), reply(200, verified)) as (carrier, _):
        assert await carrier.caller_ids() == {"+447111000003"}
    for refusals in ([reply(404)], [reply(401)], [reply(401), reply(200, verified)]):
        async with carrier_at(*refusals) as (carrier, _):
            with pytest.raises(Refused):
                await carrier.caller_ids()


async def test_the_carrier_s_clock_is_told_by_its_lists():
    """How far it is ahead, to half a second; what is no date changes nothing."""
    listing = {"calls": [], "next_page_uri": None}
    dates = "Sat, 21 Nov 2026 10:00:50 GMT", "Sat, 21 Nov 2026 09:59:00 GMT", "today"
    answers = [reply(200, listing, Date=date) for date in dates]
    async with carrier_at(*answers) as (carrier, _):
        assert carrier.ahead == 0
        for ahead in (50_500, -59_500, -59_500):
            await listed(carrier)
            assert carrier.ahead == ahead


@given(told=st.text(), number=st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_a_number_written_in_any_way_is_recognised(told, number):
    """A call that is ours is never passed over for the way its number is written; a different number is."""
    digits = number.removeprefix("+")
    for written in (
        number,
        digits,
        f"sip:{number}@host1.example",
        f"+{digits[0]} ({digits[1:4]}) {digits[4:]}",
        "",
        None,
    ):
        assert may_be(written, number)
    assert not may_be(number + "1", number)
    assert may_be(told, number) in (True, False)
