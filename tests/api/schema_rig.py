"""Requests made up from the OpenAPI document, sent over the socket, and their answers held against it."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from dialerd.api.app import described

UNBOUNDED = ("follow_events",)  # their answers have no end

# an agent must be configured, an end lie after its start: a schema cannot say so
NOT_PROMISED = [positive_data_acceptance]

schema = schemathesis.openapi.from_dict(described())


def operations() -> Iterator[tuple[str, Any]]:
    """Yield every operation with its name."""
    for found in schema.get_all_operations():
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        if name not in UNBOUNDED:
            yield name, operation


def exercise(
    operation: Any, mode: GenerationMode, send: Any, *, examples: int, seen: list[int], known: dict[str, str]
) -> None:
    """Send made-up requests of one operation.

    Args:
        operation: which.
        mode: allowed by the schema, or forbidden by it.
        send: sends a prepared request and returns the answer.
        examples: how many.
        seen: takes the statuses of the answers.
        known: what stands for places in paths, in four of five requests, by their names.

    Raises:
        BaseExceptionGroup: an answer is not what the document promises.
    """

    places = {p.name for p in operation.path_parameters}

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            mend(case, known)
        case.path_parameters |= {name: known[name] for name in places if len(seen) % 5}
        answer = send(prepared(case))
        seen.append(answer.status_code)
        case.validate_response(
            Response.from_httpx(answer, verify=False),
            excluded_checks=NOT_PROMISED,
        )
        if (
            mode is GenerationMode.POSITIVE and answer.is_success and operation.path.startswith("/v1/")
        ):  # probes add what they like
            surplus(case)
            assert send(prepared(case)).status_code in (400, 422), "what is not known was taken"

    with contextlib.suppress(Unsatisfiable):  # nothing can be forbidden where nothing is asked for
        one()


def prepared(case: Any) -> requests.PreparedRequest:
    """Return a made-up request as it is sent."""
    return requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()


def surplus(case: Any) -> None:
    """Put what the schema does not know into a request that was taken."""
    case.headers.pop("Idempotency-Key", None)
    if isinstance(case.body, dict):
        case.body = {**case.body, "surplus": 1}
    else:
        case.query = {**case.query, "surplus": "1"}


def mend(case: Any, known: dict[str, str]) -> None:
    """Put into an allowed request what only the daemon knows: ids, numbers, cursors."""
    if isinstance(case.body, dict | list):
        case.body = plausible(case.body)
    case.headers.pop("X-Idempotency-Key", None)  # two different keys are refused
    query = {**known, "scope": "all", "start": "2090-01-01T09:00:00Z", "agent": "anna"}
    case.query = {key: query.get(key, value) for key, value in case.query.items() if key != "after"}


def plausible(body: Any) -> Any:
    """Return a made-up body with what only the settings and the numbering plan know."""
    numbers = (f"+1415555{i:04}" for i in range(100, 200))
    if isinstance(body, list):
        return [{**row, "phone": next(numbers)} for row in body if isinstance(row, dict)]
    known = {
        "agent": lambda _: "anna",
        "name": lambda _: "spring",
        "ring_timeout": lambda _: "20s",
        "max_duration": lambda _: "10m",
        "caller_ids": lambda _: [],
        "timezone": lambda _: "Europe/London",
        "start": lambda _: "2090-01-01",
        "end": lambda _: "2090-02-01",
        "numbers": lambda given: [next(numbers) for _ in given],
        "scope": lambda _: "agent:anna",
        "expires_at": lambda _: "2090-01-01T09:00:00Z",
        "recipients": lambda rows: [{"phone": next(numbers)} for _ in rows or [1]],
    }
    if "agent" in body and "name" in body:
        body = {"recipients": None, **body}
    return {key: known.get(key, lambda value: value)(value) for key, value in body.items()}


def sender(client: httpx.Client) -> Any:
    """Return what sends a prepared request as it is."""

    def send(prepared: requests.PreparedRequest) -> httpx.Response:
        parts = urlsplit(prepared.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {k: v for k, v in prepared.headers.items() if k.lower() != "content-length"}
        body = prepared.body or b""
        content = body.encode() if isinstance(body, str) else body
        return client.request(prepared.method, target, headers=headers, content=content)

    return send
