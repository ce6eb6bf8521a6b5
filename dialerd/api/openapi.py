"""The OpenAPI 3.1 document of the native API, made from the table of endpoints that the routes are made from."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from dialerd import __version__
from dialerd.api.bodies import Body, Document, Record, Upload
from dialerd.api.endpoint import Endpoint
from dialerd.api.once import HEADERS
from dialerd.api.problems import MEDIA as PROBLEM
from dialerd.api.queries import Nothing
from dialerd.api.schema import Schema, Schemas, arguments

_PLACE: Final = re.compile(r"\{(\w+)\}")

_PLACES: Final = {
    "campaign": "A campaign's id, or the id by which the system that made it knows it.",
    "number": "A phone number; E.164, its + as it is or as %2B.",
    "call": "A call's id.",
}

_STATUSES: Final = (400, 403, 404, 408, 409, 413, 415, 422, 431, 500, 503)

_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "What went wrong (RFC 9457), with every fault that was found.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "names the request in the daemon's log."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}, "maxItems": 1000},
    },
    "required": ["type", "title", "status", "detail", "request_id", "errors"],
    "additionalProperties": False,
}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document that describes `endpoints`."""
    schemas = Schemas()
    schemas.components["Problem"] = _PROBLEM
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dialerd",
            "version": __version__,
            "summary": "Everything that may be asked of a running dialerd, over its Unix socket",
        },
        "servers": [{"url": "/", "description": "the Unix socket of `[daemon] socket`"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {str(status): _problem(status) for status in _STATUSES},
        },
    }


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": endpoint.name, "summary": endpoint.summary}
    if parameters := [*_places(endpoint), *_query(endpoint, schemas), *_headers(endpoint)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = _body(endpoint.body, schemas)
    operation["responses"] = _responses(endpoint, schemas)
    return operation


def _places(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in _PLACE.findall(endpoint.path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "description": _PLACES[name], "schema": schema}


def _query(endpoint: Endpoint, schemas: Schemas) -> Iterable[dict[str, Any]]:
    if endpoint.query is Nothing:
        return
    name = schemas.request(endpoint.query)["$ref"].rpartition("/")[2]
    record = schemas.components.pop(name)  # parameters are described one by one
    told = arguments(endpoint.query)
    for key, schema in record["properties"].items():
        bare = {word: value for word, value in _never_null(schema).items() if word != "description"}
        parameter = {"name": key, "in": "query", "required": key in record.get("required", ()), "schema": bare}
        yield {**parameter, "description": told[key]} if key in told else parameter


def _never_null(schema: Schema) -> Schema:
    """Return a schema without null, which a query cannot spell; to leave a parameter out is what it means."""
    schema = {word: value for word, value in schema.items() if (word, value) != ("default", None)}
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    if "anyOf" in schema:
        (one,) = (inner for inner in schema.pop("anyOf") if inner != {"type": "null"})
        schema |= one
    return schema


def _headers(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    if not endpoint.creates:
        return
    for name in HEADERS:
        yield {
            "name": "-".join(part.capitalize() for part in name.split("-")),
            "in": "header",
            "required": False,
            "description": "The same key with the same request creates nothing anew for 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        }


def _body(body: Body, schemas: Schemas) -> dict[str, Any]:
    required = not isinstance(body, Record) or body.required
    if isinstance(body, Document):
        content = {media: {"schema": schemas.request(body.cls)} for media in body.media}
    elif isinstance(body, Record):
        schema = schemas.changes(body.cls) if body.changes else schemas.request(body.cls)
        content = {media: {"schema": schema} for media in body.media}
    else:
        content = {media: _rows(media, body, schemas) for media in body.media}
    return {"required": required, "content": content}


def _rows(media: str, body: Upload, schemas: Schemas) -> dict[str, Any]:
    """Return what rows look like; each is read on its own, so that a wrong one may be left out."""
    if body.cls is None or media != "application/json":
        return {"schema": {"type": "string"}}
    return {"schema": {"type": "array", "items": {"anyOf": [schemas.request(body.cls), {}]}}}


def _responses(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if endpoint.answer is not None:
        done["content"] = {endpoint.media: {"schema": schemas.answer(endpoint.answer)}}
    elif endpoint.status != HTTPStatus.NO_CONTENT:
        done["content"] = {endpoint.media: {"schema": {"type": "string"}}}
    if endpoint.location is not None:
        done["headers"] = {"Location": {"schema": {"type": "string"}, "description": "Where it is."}}
    statuses = {400, 408, 431, 500, 503}
    if endpoint.changes:
        statuses.add(403)
    if "{" in endpoint.path or endpoint.query is not Nothing:
        statuses.add(404)
    if endpoint.conflicts:
        statuses.add(409)
    if endpoint.body is not None:
        statuses |= {413, 415}
    if endpoint.body is not None or endpoint.changes:
        statuses.add(422)
    problems: dict[str, Any] = {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)
    }
    if endpoint.unwell is not None:
        content = {endpoint.media: {"schema": schemas.answer(endpoint.unwell)}}
        problems["503"] = {"description": "What is amiss.", "content": content}
    return {str(endpoint.status): done, **problems}


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}
