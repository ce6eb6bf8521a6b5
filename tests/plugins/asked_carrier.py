"""A carrier's side of the plugin, asking a scripted API over a real socket."""

from contextlib import aclosing, asynccontextmanager

from dialerd_twilio.answers import NewCall
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.options import TwilioOptions
from scripted_rest import ACCOUNT, CALLED, SHOWN, ScriptedRest

SID = "CA" + "7" * 32
SECRET = "not-to-be-told"
CREATED_AT = 1_795_255_200_000  # Sat, 21 Nov 2026 10:00:00 +0000
ROOT = f"/2010-04-01/Accounts/{ACCOUNT}"
NEW = NewCall(to=CALLED, caller_id=SHOWN, twiml="<Response/>", timeout_s=30, time_limit_s=600)


@asynccontextmanager
async def carrier_at(*answers, path="", now=lambda: CREATED_AT, **options):
    """Yield a carrier, and the API that it asks."""
    rest = ScriptedRest(answers=list(answers))
    async with rest.serve() as base:
        known = TwilioOptions(base_url=base + path, account_sid=ACCOUNT, auth_token="token", **options)
        async with aclosing(Carrier(known, username=ACCOUNT, secret=lambda: SECRET, now=now)) as carrier:
            yield carrier, rest


def go():
    """Let a call leave."""


async def listed(carrier):
    """Return the calls between both numbers."""
    return await carrier.calls(CALLED, SHOWN)
