"""Calls over a SIP trunk: the provider `sip`, a user agent of its own.

    core          SIP without a loop
    shell         sockets, connections, DNS, on trio
    media         RTP, in a process of its own
    speech        prompts made into encoded frames

    provider      a trunk that places calls, as its options say
    trunk         where its calls go; registering: what keeps it registered
    identity      who calls, as an INVITE says it; numbers: how numbers are written
    studio        makes conversations; conversation: what an agent does in a call
    pressing      keys that it presses there
    leg           a call at work; keeping: its state, durable in time; state: what a later life needs of it
    taking_back   calls of a former life
    verdicts      what the end of a call means; verdict_table

Knows nothing of campaigns, stores and the engine. Sound needs libraries that take a while to load; they are imported
when a trunk is made.
"""

import os
from collections.abc import Iterable

from dialerd.model.settings import AgentSettings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.provider import Provider, TrunkSite
from dialerd_sip.options import SipOptions

__all__ = ["SipOptions", "dialerd_providers"]


@hookimpl
def dialerd_providers() -> Iterable[ProviderFactory]:
    """Offer the provider `sip`."""
    return [ProviderFactory(name="sip", options=SipOptions, make=_make, account=_account, objection=_objection)]


def _make(site: TrunkSite, options: SipOptions) -> Provider:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else numpy starts a thread a core, and nothing here needs one
    from dialerd_sip.provider import Sip  # noqa: PLC0415  # slow to load

    return Sip(site, options)


def _account(options: SipOptions) -> str:
    return options.account


def _objection(options: SipOptions, _site: TrunkSite, agent: AgentSettings) -> str | None:
    from dialerd_sip.studio import objection  # noqa: PLC0415  # slow to load

    return objection(agent, speaks=options.speech_command is not None, sounds=options.sounds is not None)
