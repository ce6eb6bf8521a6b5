"""The hooks that a plugin may implement, found by the entry-point group `dialerd`.

Each plugin is called on its own, so that one that fails does not silence the rest.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import pluggy
from attrs import frozen

from dialerd.model.instants import Instant
from dialerd.model.notice import Notice as Notice  # noqa: PLC0414  # plugins find it here
from dialerd.model.settings import AgentSettings
from dialerd.plugin.dialect import Dialect
from dialerd.plugin.provider import CallOrder, Provider, TrunkSite
from dialerd.plugin.signing import Signer

hookspec = pluggy.HookspecMarker("dialerd")
hookimpl = pluggy.HookimplMarker("dialerd")


def _any_pace(_options: Any) -> float | None:
    return None


def _no_account(_options: Any) -> str | None:
    return None


def _no_objection(_options: Any, _site: TrunkSite, _agent: AgentSettings) -> str | None:
    return None


@frozen(kw_only=True)
class ProviderFactory:
    """How a plugin makes a provider.

    Args:
        name: what `[trunks.NAME] provider` asks for.
        options: attrs class of `[trunks.NAME.options]`; faults in them are reported like any setting's. An attribute
            with the metadata `{"written": True}` is a file that the provider writes, one with `{"filled": True}` a
            folder that it makes and fills: `check-config` warns where it cannot be.
        make: called with the trunk's site and its options; must not block and open nothing yet.
        pace: told the options, returns how many calls a second the carrier takes by them, or None; the trunk starts no
            more, whatever its own `calls_per_second` is.
        account: told the options, returns the name under which the carrier counts the calls placed by them, or None;
            trunks of one name start calls by one pace. No secret may stand in it.
        objection: told the options, the trunk's site and an agent, returns why the agent cannot speak in this trunk's
            calls, or None; `check-config` tells it of every agent that may get this trunk.
    """

    name: str
    options: type[Any]
    make: Callable[[TrunkSite, Any], Provider]
    pace: Callable[[Any], float | None] = _any_pace
    account: Callable[[Any], str | None] = _no_account
    objection: Callable[[Any, TrunkSite, AgentSettings], str | None] = _no_objection


@frozen(kw_only=True)
class Veto:
    """A screen's objection to a call.

    Args:
        reason: shown in `why` and in the report.
        until: when to ask again; None = after the engine's own delay.
        suppress: True ends the recipient as suppressed; False holds it.
    """

    reason: str
    until: Instant | None = None
    suppress: bool = False


class Screen(Protocol):
    """Asked about each call before it leaves, after it was claimed."""

    def __call__(self, order: CallOrder, /) -> Awaitable[Veto | None]:
        """Return a `Veto`, or None to let the call pass. One that raises or takes too long holds the call."""


class Notifier(Protocol):
    """Told every notice, in order, one batch at a time."""

    def __call__(self, notices: Iterable[Notice], /) -> Awaitable[None]:
        """Deliver `notices`; when it raises, the same notices are told again later."""


@hookspec
def dialerd_providers() -> Iterable[ProviderFactory]:  # type: ignore[empty-body]  # a specification has none
    """Return the providers that this plugin offers."""


@hookspec
def dialerd_screen() -> Screen | None:
    """Return what is asked about each call before it leaves, or None."""


@hookspec
def dialerd_notify() -> Notifier | None:
    """Return what is told every notice, or None."""


@hookspec
def dialerd_dialects() -> Iterable[Dialect]:  # type: ignore[empty-body]  # a specification has none
    """Return the request dialects that this plugin understands, asked on the daemon's socket and for dropped files."""


@hookspec
def dialerd_sign() -> Signer | None:
    """Return what signs the caller ids of calls (STIR, RFC 8224), or None; of several plugins that sign, the first."""
