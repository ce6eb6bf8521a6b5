"""Calls through Twilio, or through a carrier that speaks its API: the provider `twilio`.

Knows nothing of campaigns, stores and the engine. The SDK is imported when a trunk is made, not when the plugin is
loaded: it takes 17 MiB and a sixth of a second, and most daemons may never dial over Twilio.
"""

from collections.abc import Iterable

from dialerd.model.settings import AgentSettings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.provider import Provider, TrunkSite
from dialerd_twilio.options import TwilioOptions

__all__ = ["TwilioOptions", "dialerd_providers"]


@hookimpl
def dialerd_providers() -> Iterable[ProviderFactory]:
    """Offer the provider `twilio`."""
    return [
        ProviderFactory(
            name="twilio", options=TwilioOptions, make=_make, pace=_pace, account=_account, objection=_objection
        ),
    ]


def _make(site: TrunkSite, options: TwilioOptions) -> Provider:
    from dialerd_twilio.provider import Twilio  # noqa: PLC0415  # slow to load

    return Twilio(site, options)


def _pace(options: TwilioOptions) -> float:
    return options.account_cps


def _account(options: TwilioOptions) -> str:
    return f"{options.account} {options.base_url or 'twilio'}"


def _objection(options: TwilioOptions, site: TrunkSite, agent: AgentSettings) -> str | None:
    from dialerd_twilio.script import objection  # noqa: PLC0415  # slow to load

    callbacks = site.callbacks is not None and options.takes_callbacks and options.signed_with is not None
    return objection(agent, callbacks=callbacks, presses=options.presses_keys)
