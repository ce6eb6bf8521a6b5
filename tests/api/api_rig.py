"""The whole API on a Unix socket: the real server, the real operations, an engine whose calls talk until hung up."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx
import trio
from attrs import frozen

from dialerd.api.app import create_app
from dialerd.api.server import Server
from dialerd.api.sockets import listen
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Reconciliation
from dialerd.model.errors import InvalidInput
from dialerd.model.settings import (
    AgentSettings,
    NumberSettings,
    PersonSettings,
    QuietHours,
    Settings,
    TrunkSettings,
)
from dialerd.model.states import Outcome
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations
from dialerd.plugin.dialect import Dialect
from dialerd.plugin.provider import Accepted, Answered, CallOrder, HangUp, Report, Ringing
from dialerd.store.store import open_store

CALLER_ID = "+12125550100"
FUTURE = "2090-01-01T09:00:00Z"


def settings(**changes: Any) -> Settings:
    """Return settings with a trunk, a caller id and an agent, without quiet hours, but for `changes`."""
    wanted: dict[str, Any] = {
        "trunks": {"lab": TrunkSettings(provider="talker", max_concurrent=20, countries=("US", "GB"))},
        "numbers": {CALLER_ID: NumberSettings(trunk="lab")},
        "agents": {"anna": AgentSettings(say="hello")},
        "quiet_hours": QuietHours(enabled=False),
        "person": PersonSettings(cooldown=0),
    }
    return Settings(**wanted | changes)


class Talker:
    """A provider whose calls are answered at once and talk until they are hung up."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """See `Provider.place`."""
        order.leave()
        report(Accepted(order.attempt_id))
        report(Ringing())
        report(Answered())
        await order.hangup.wait()
        return CallEnd(outcome=Outcome.ANSWERED, detail={"price": "-0.014", "price_unit": "USD"})

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """See `Provider.reconcile`."""
        await trio.lowlevel.checkpoint()
        return CannotTell(reason="no records")

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """See `Provider.follow`."""
        raise NotImplementedError


@frozen(kw_only=True, eq=False)
class Door:
    """An API that answers.

    Args:
        client: asks on the socket.
        reader: asks on the read-only one.
        operations: what is behind it.
        socket: path of the socket.
        scratch: directory of bodies on their way.
        reloads: what reloads are to raise, one after another.
        late: settings that are to count from the next start only.
    """

    client: httpx.AsyncClient
    reader: httpx.AsyncClient
    operations: Operations
    socket: Path
    scratch: Path
    reloads: list[InvalidInput]
    late: list[str]

    async def create(self, **changes: Any) -> dict[str, Any]:
        """Create a campaign that begins in the future, and return it as it is answered."""
        answer = await self.client.post("/v1/campaigns", json=campaign(**changes))
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


async def talking(door: Door) -> dict[str, Any]:
    """Create a campaign and return its call, once it is answered."""
    await door.create(start=None, recipients=[{"phone": "+12125550124"}])
    with trio.fail_after(60):
        while True:
            for call in (await door.client.get("/v1/calls?state=answered")).json()["items"]:
                found: dict[str, Any] = call
                return found
            await trio.sleep(0.02)


def campaign(**changes: Any) -> dict[str, Any]:
    """Return a campaign's document; what is None is left out."""
    wanted = {"name": "spring", "agent": "anna", "start": FUTURE, "recipients": [{"phone": "+12125550123"}]}
    return {key: value for key, value in (wanted | changes).items() if value is not None}


@asynccontextmanager
async def api(place: Path, wanted: Settings | None = None, *, dialects: Sequence[Dialect] = ()) -> AsyncIterator[Door]:
    """Run an API until the block ends.

    Args:
        place: a directory of its own.
        wanted: the settings; None = `settings()`.
        dialects: other systems' requests.
    """
    scratch = place / "scratch"
    scratch.mkdir()
    clock, reloads, late = SystemClock(), [], list[str]()

    async def reload() -> None:
        await trio.lowlevel.checkpoint()
        if reloads:
            raise reloads.pop()

    async with open_store(f"sqlite:///{place / 'x.db'}") as store, Reader() as reader:
        engine = Engine(store, wanted or settings(), lambda _name, _trunk: Talker(), clock, random=Random(1))
        operations = Operations(
            Ground(
                store=store,
                engine=engine,
                reader=reader,
                settings=lambda: engine.settings,
                now=clock.now,
                scratch=scratch,
                reload=reload,
                standing=lambda: "it stands",
                need_restart=lambda: late,
            )
        )
        server = Server(create_app(operations, dialects=dialects), max_connections=200, patience=30_000)
        paths = {read_only: place / ("r" if read_only else "w") for read_only in (False, True)}
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            await nursery.start(operations.recipients.run)
            nursery.start_soon(operations.events.run)
            doors = [server.door(listen(path, read_only=read_only)) for read_only, path in paths.items()]
            for door in doors:
                await nursery.start(door.run)
            async with _client(paths[False]) as client, _client(paths[True]) as asking:
                yield Door(
                    client=client,
                    reader=asking,
                    operations=operations,
                    socket=paths[False],
                    scratch=scratch,
                    reloads=reloads,
                    late=late,
                )
            for door in doors:
                door.close()
            engine.stop()
            engine.hang_up()
            nursery.cancel_scope.cancel()
        assert list(scratch.iterdir()) == []


def _client(path: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://localhost", timeout=300
    )
