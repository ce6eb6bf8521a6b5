"""The hook dialerd_sign: one plugin signs, providers find it in their site, and none that fails goes unnoticed."""

from types import SimpleNamespace
from typing import Any

import pytest
from attrs import frozen

from dialerd.model.errors import PluginError
from dialerd.model.settings import TrunkSettings
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.host import PluginHost
from dialerd.plugin.provider import TrunkSite
from dialerd.plugin.signing import Signer, SigningRequest

REQUEST = SigningRequest(
    attempt_id="01920000-0000-7000-8000-000000000001",
    trunk="lab",
    caller_id="+12125550100",
    number="+447111000001",
    issued_at=1_700_000_000_000,
)


@frozen(kw_only=True)
class NoOptions:
    """A provider without options."""


def _its_site(site: TrunkSite, _options: Any) -> Any:
    return site


class Offers:
    """A plugin whose provider is the site that it was made for."""

    @hookimpl
    def dialerd_providers(self) -> list[ProviderFactory]:
        """Offer it."""
        return [ProviderFactory(name="site", options=NoOptions, make=_its_site)]


class Signs:
    """A plugin that signs."""

    @hookimpl
    def dialerd_sign(self) -> Signer | None:
        """Return what signs."""

        async def sign(request: SigningRequest, /) -> str | None:
            return f"{request.caller_id} to {request.number}"

        return sign


def plugin(name: str, answer: Any) -> SimpleNamespace:
    """Return a plugin whose hook answers so, or raises it."""

    def ask() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(__name__=name, dialerd_sign=hookimpl(ask))


def site(*plugins: object) -> Any:
    """Return the site that a provider gets."""
    return PluginHost([Offers(), *plugins], entry_points=False).make_provider(
        TrunkSite(name="lab", caller_ids=("+12125550100",)), TrunkSettings(provider="site")
    )


async def test_providers_find_the_signer_in_their_site() -> None:
    """Beside what else they know of their trunk; a site with a signer is the same site."""
    found = site(Signs(), plugin("none", None))
    assert await found.sign(REQUEST) == "+12125550100 to +447111000001"
    assert found == TrunkSite(name="lab", caller_ids=("+12125550100",))
    assert site().sign is None
    assert site(plugin("none", None)).sign is None


async def test_one_plugin_signs() -> None:
    """Of two the host takes one, and tells the other broken."""
    host = PluginHost([Signs(), Signs()], entry_points=False)
    assert host.ask_all() == host.broken
    signer = host.signer()
    assert signer is not None
    assert await signer(REQUEST) is not None
    (broken,) = host.broken
    assert "offers a signer" in broken.problem


@pytest.mark.parametrize("answer", [RuntimeError("no key"), 5])
async def test_a_signer_that_cannot_be_had_signs_nothing(answer: Any) -> None:
    """Not even where another plugin could: no call leaves unsigned, or signed by another, unnoticed."""
    host = PluginHost([Signs(), plugin("stir", answer)], entry_points=False)
    (broken,) = host.ask_all()
    assert broken.plugin == "stir"
    signer = host.signer()
    assert signer is not None
    with pytest.raises(PluginError, match="stir failed in dialerd_sign"):
        await signer(REQUEST)
