"""The contract of dialects: plugins that understand another system's requests on the daemon's socket.

A dialect brings routes. Each takes a request as it came over the socket, does what it asks for through `Campaigns`, and
answers as the other system would. It knows nothing of HTTP servers; a campaign is always the same native one behind it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added, CampaignView, Created
from dialerd.model.errors import WrongState
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState


@frozen(kw_only=True)
class Request:
    """A request of a dialect.

    Args:
        method: upper case.
        path: as it was sent, without the query.
        params: what stands for the places in the route's path.
        query: the query's parameters; of a repeated one the last.
        headers: by name in lower case.
        body: the whole body, at most 16 MiB.
        once: the idempotency key, where the client sent one; to be handed on to what creates.
        base_url: scheme and host by which the client reached the socket, for links in answers.
        request_id: names the request in the log and in answers.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(factory=dict)
    query: Mapping[str, str] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    once: Once | None = None
    base_url: str = "http://localhost"
    request_id: str = ""


@frozen(kw_only=True)
class Answer:
    """What is answered.

    Args:
        status: HTTP status.
        body: plain JSON data, or None for an answer without a body.
        headers: further ones.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Order:
    """A campaign to be created.

    Args:
        spec: the keys of a campaign file as plain data, without recipients.
        recipients: recipients as they stand in a campaign file (`phone`, `variables`, …); may be empty for a draft.
        draft: it waits until it is scheduled; otherwise it is scheduled at once.
        launch: it is running from the moment of its creation, whatever its start says; windows still hold its calls.
        alias: the id by which the dialect knows it; unique, at most 100 characters.
        dialect: the dialect's name; filled in by dialerd.
        extra: what the dialect wants to find again in `CampaignView.extra`; plain JSON data.
    """

    spec: Mapping[str, Any]
    recipients: Sequence[Any] = ()
    draft: bool = False
    launch: bool = False
    alias: str | None = None
    dialect: str | None = None
    extra: Mapping[str, Any] = field(factory=dict)


class NotAllowed(WrongState):
    """A method that the path does not have, or a change by the socket that only answers.

    Args:
        status: HTTP status that it is answered with, whatever the dialect makes of it: 405 or 403.
        message: what is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Campaigns(Protocol):
    """What a dialect may do, with its own campaigns: those of others it neither sees nor finds.

    Wherever an id is asked for, a campaign's id or its alias will do. All raise `NotFound` for an unknown campaign,
    `WrongState` where its state does not allow it, `InvalidInput` with every fault (paths are those of a campaign file,
    `recipients[3].phone`), `StoreError` where nothing can be stored now.
    """

    @property
    def settings(self) -> Settings:
        """The settings in force: agents and numbers by name, to be looked up and never to be changed."""

    async def create(self, order: Order, *, once: Once | None = None) -> Created:
        """Store a campaign whole or not at all. With a `once` that was used before, the campaign made then returns."""

    async def get(self, campaign: str) -> CampaignView:
        """Return a campaign."""

    async def list(
        self,
        *,
        agent: str | None = None,
        states: Sequence[CampaignState] = (),
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[CampaignView]:
        """Return campaigns, latest first, with their total; what is None or empty does not filter."""

    async def update(
        self, campaign: str, changes: Mapping[str, Any], *, extra: Mapping[str, Any] | None = None
    ) -> CampaignView:
        """Change keys of a campaign's spec: in draft all, later pacing, windows, retry and end.

        Args:
            campaign: which.
            changes: keys of a campaign file; None takes a key away.
            extra: replaces what the dialect keeps with it; None leaves that alone.
        """

    async def delete(self, campaign: str) -> None:
        """Delete a draft, or a campaign that is over."""

    async def schedule(self, campaign: str) -> CampaignView:
        """Release a draft that has recipients; it starts when its start says."""

    async def start(self, campaign: str) -> CampaignView:
        """Launch a draft or a scheduled campaign now, whatever its start says; windows still hold its calls."""

    async def pause(self, campaign: str) -> CampaignView:
        """Hold a campaign: when this returns, no call of it leaves any more."""

    async def resume(self, campaign: str) -> CampaignView:
        """Let a paused campaign go on."""

    async def cancel(self, campaign: str, *, now: bool = False) -> CampaignView:
        """End a campaign and its unanswered calls; with `now` the answered ones too. A draft is thrown away."""

    async def add_recipients(
        self, campaign: str, recipients: Sequence[Any], *, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """Add recipients, as they stand in a campaign file, to a campaign that is not over."""

    async def recipients(
        self, campaign: str, *, limit: int = 100, after: str | None = None, calls: bool = False
    ) -> Page[RecipientView]:
        """Return a campaign's recipients in the order of its list, with their calls if wanted; `after` is `next`."""


Handle = Callable[[Request, Campaigns], Awaitable[Answer]]
"""Does what a request asks for. What it raises is answered by the dialect's `failed`."""


@frozen(kw_only=True)
class Route:
    """One method and path that a dialect answers, and no other.

    Args:
        method: upper case.
        path: with places as `{name}`, each standing for one part without a slash.
        handle: answers it.
        creates: an idempotency key is minded.
    """

    method: str
    path: str
    handle: Handle
    creates: bool = False


@frozen(kw_only=True)
class Translation:
    """A dropped file in a dialect's format, as the campaign file that it stands for.

    Args:
        document: a campaign file's plain data, with `recipients`.
        where: turns the path of a fault in `document` into the path in the dialect's file.
        draft, alias, dialect, extra: as in `Order`.
    """

    document: dict[str, Any]
    where: Callable[[str], str]
    draft: bool = False
    alias: str | None = None
    dialect: str | None = None
    extra: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Dialect:
    """Another system's requests.

    Args:
        name: lower case, unique among all plugins; stored with campaigns.
        routes: what it answers.
        token: returns the credential that a request carries, or None where it has none; `KEY_ID:KEY_SECRET` where the
            system has two parts. Compared with the lines of `[dialects] keys_file`, if that is set.
        refused: makes the answer to a request whose credential is missing (False) or wrong (True).
        failed: makes the answer to a request whose handler raised, or that was refused before: with `NotAllowed`,
            `TooLarge`, `KeyReused`, or `InvalidInput` where its idempotency key cannot be used.
        reads: translates a dropped file's data by the settings in force, or returns None where it is not of this
            dialect; may raise `InvalidInput` with paths of the dialect's file, where a fault that names another file
            keeps its place there. None = files are not read.
    """

    name: str
    routes: Sequence[Route]
    token: Callable[[Request], str | None]
    refused: Callable[[Request, bool], Answer]
    failed: Callable[[Request, Exception], Answer]
    reads: Callable[[Mapping[str, Any], Settings], Translation | None] | None = None
