"""What tests of the provider `twilio` share: a Twilio double on real sockets, a trunk over it, orders and reports."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from attrs import define, field
from dialerd_twilio.options import TwilioOptions
from dialerd_twilio.provider import Twilio
from double_behaviour import Behaviour, Faults
from double_http import Answer, Asked
from twilio_double import ACCOUNT, TOKEN, TwilioDouble

from dialerd.model.call import AttemptRef, CallEnd
from dialerd.model.errors import StoreError
from dialerd.model.settings import AgentSettings
from dialerd.model.structuring import structure
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest
from dialerd.plugin.conformance import Recorder, RehearsedOrder
from dialerd.plugin.provider import CallEvent, TrunkSite

__all__ = [
    "ACCOUNT",
    "NUMBER",
    "TALKER",
    "TOKEN",
    "Answer",
    "Asked",
    "Behaviour",
    "Faults",
    "Rig",
    "TwilioDouble",
    "order",
    "ref",
    "rig",
    "secret",
]

NUMBER = "+447111000001"
CALLER_ID = "+12125550100"
TALKER = AgentSettings(stream="wss://agent.example.com/call")
"""An agent that talks for as long as somebody listens."""

CALLBACKS = "https://dialer.example.com/dialerd/main"


class Report(Recorder):
    """A report that notes opt-outs."""

    fails: bool = False
    opt_outs: int = 0

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Everything is kept already."""
        if told is not None:
            told(True)

    async def opt_out(self) -> None:
        """Take note of an opt-out, or fail."""
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise StoreError("the disk is full")
        self.opt_outs += 1

    def names(self) -> list[str]:
        """Return what was told, by name."""
        return [type(told.event).__name__ for told in self.told]


@define(eq=False)
class Rig:
    """A double and a trunk over it.

    Args:
        double: the carrier.
        base_url: where it answers.
        folder: for secrets.
        callbacks: whether the trunk has a public address.
        trunk: the provider of the present life.
        late: how far the trunk's clock is behind the carrier's, in ms.
    """

    double: TwilioDouble
    base_url: str
    folder: Path
    callbacks: bool
    trunk: Twilio = field(init=False)
    late: int = field(default=0, init=False)

    @asynccontextmanager
    async def life(self, **options: Any) -> AsyncIterator[Twilio]:
        """Enter the trunk; each use is a new life of it."""
        wanted: dict[str, Any] = {
            "base_url": self.base_url,
            "account_sid": ACCOUNT,
            "auth_token": str(self.folder / "token"),
            "account_cps": 1_000,
            "price_wait": "0s",
        }
        read = structure({**wanted, **options}, TwilioOptions, path="trunks.main.options")
        site = TrunkSite(name="main", caller_ids=(CALLER_ID,), callbacks=CALLBACKS if self.callbacks else None)
        async with Twilio(site, read, now=self.now) as self.trunk:
            yield self.trunk

    def now(self) -> int:
        """Return the instant by the trunk's clock."""
        return self.double.now() - self.late

    async def call_back(self, request: CallbackRequest) -> CallbackAnswer:
        """Hand a request of the double's to the trunk as it is now."""
        return await self.trunk.callback(request)

    async def place(self, wanted: RehearsedOrder, report: Report | None = None) -> CallEnd:
        """Place a call over the present life."""
        return await self.trunk.place(wanted, report or Report())


@asynccontextmanager
async def rig(*, callbacks: bool = False, **double: Any) -> AsyncIterator[Rig]:
    """Serve a double; its settings are `double`."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        secret(folder)
        carrier = TwilioDouble(**double)
        base_url = await stack.enter_async_context(carrier.serve())
        made = Rig(carrier, base_url, folder, callbacks)
        carrier.routes[CALLBACKS] = made.call_back
        yield made


def secret(folder: Path, text: str = TOKEN) -> str:
    """Write a secret that the plugin takes into a folder; return its path."""
    file = folder / "token"
    file.touch(0o600)
    file.write_text(text)
    return str(file)


def order(attempt_id: str = "a1", **changes: Any) -> RehearsedOrder:
    """Return an order."""
    wanted: dict[str, Any] = {
        "attempt_id": attempt_id,
        "trunk": "main",
        "number": NUMBER,
        "caller_id": CALLER_ID,
        "agent_name": "agent",
        "agent": TALKER,
    }
    return RehearsedOrder(**wanted | changes)


def ref(double: TwilioDouble, attempt_id: str = "a1", **changes: Any) -> AttemptRef:
    """Return an attempt of a former life, claimed just now."""
    wanted: dict[str, Any] = {
        "attempt_id": attempt_id,
        "number": NUMBER,
        "caller_id": CALLER_ID,
        "claimed_at": double.now(),
        "reference": None,
        "state": None,
        "ring_timeout": 45_000,
        "max_duration": 1_800_000,
    }
    return AttemptRef(**wanted | changes)


def on(kind: type[CallEvent], act: Callable[[], object]) -> Callable[[CallEvent], None]:
    """Return what acts on an event of a kind."""

    def told(event: CallEvent) -> None:
        if isinstance(event, kind):
            act()

    return told
