"""The OpenAPI document: valid, and the same as the routes."""

import re
from pathlib import Path

import attrs
from openapi_spec_validator import OpenAPIV31SpecValidator

from dialerd.api.app import ENDPOINTS, described
from dialerd.api.schema import Schemas, arguments
from dialerd.model.call_view import CallView
from dialerd.model.campaign import CampaignSpec, Pacing
from dialerd.operations.shapes import CampaignDocument


def test_the_document_is_valid():
    """Tools that read OpenAPI 3.1 read it."""
    OpenAPIV31SpecValidator(described()).validate()


def test_every_endpoint_stands_in_it_once():
    """An endpoint of the tables is an operation with a name of its own."""
    endpoints = ENDPOINTS
    operations = {(method.upper(), path) for path, methods in described()["paths"].items() for method in methods}
    assert operations == {(endpoint.method, endpoint.path) for endpoint in endpoints}
    assert len(operations) == len(endpoints) == len({endpoint.name for endpoint in endpoints})


def test_a_parameter_that_may_be_repeated_is_a_list():
    """Generators of clients then send it as often as it is given."""
    (found,) = (one for one in described()["paths"]["/v1/events"]["get"]["parameters"] if one["name"] == "kind")
    assert (found["in"], found["required"], found["schema"]["items"]) == ("query", False, {"type": "string"})
    assert found["schema"]["type"] == "array"


def test_what_is_not_known_is_forbidden():
    """Every record of a request is closed, as the reader of requests is."""
    schemas = described()["components"]["schemas"]
    records = {name: schema for name, schema in schemas.items() if "properties" in schema}
    assert "CampaignDocumentInput" in records
    assert all(schema["additionalProperties"] is False for schema in records.values())


def test_ranges_lengths_and_choices_come_from_the_validators():
    """What the record refuses, the schema refuses."""
    schemas = Schemas()
    schemas.request(CampaignSpec)
    spec = schemas.components["CampaignSpecInput"]
    assert spec["required"] == ["name", "agent"]
    assert (spec["properties"]["name"]["minLength"], spec["properties"]["name"]["maxLength"]) == (1, 255)
    assert spec["properties"]["rotation"]["enum"] == ["random", "sequential", "round_robin", "sticky"]
    assert spec["properties"]["ring_timeout"]["$comment"] == "at least 5s, at most 10m"
    pacing = schemas.components["PacingInput"]["properties"]
    assert pacing["priority"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 10,
        "description": arguments(Pacing)["priority"],
    }
    assert pacing["calls_per_second"]["exclusiveMinimum"] == 0
    rule = schemas.components["RetryRuleInput"]["properties"]["max_attempts"]
    assert (rule["minimum"], rule["maximum"], rule["type"]) == (1, 100, ["integer", "null"])


def test_answers_name_every_field():
    """Whoever reads an answer finds each field, null where there is nothing."""
    schemas = Schemas()
    schemas.answer(CallView)
    call = schemas.components["CallView"]
    assert call["required"] == list(call["properties"])
    assert call["properties"]["ended_at"]["type"] == ["string", "null"]
    assert call["properties"]["claimed_at"] == {
        "type": "string",
        "format": "date-time",
        "description": arguments(CallView)["claimed_at"],
    }
    assert {"type": "null"} in call["properties"]["outcome"]["anyOf"]


def test_arguments_of_docstrings_become_descriptions():
    """Those of a record that is extended, and those that share a line, too."""
    told = arguments(CampaignDocument)
    assert told["name"] == "what people call it, 1 to 255 characters."
    assert told["state"].startswith("`draft` waits")
    assert told["recipients"].endswith("are left out.")
    shared = arguments(CallView)
    assert shared["ringing_at"] == shared["ended_at"] != shared["state"]


def test_every_endpoint_stands_on_its_page():
    """The page of the API has a row for each, and a line for curl."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    rows = set(re.findall(r"^\| `([A-Z]+ [^`]+)`", page, re.MULTILINE))
    assert rows == {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    asked = re.findall(r"^    api .*?http://d(/[^ \x22'?\n]*)", page, re.MULTILINE)
    for path in {endpoint.path for endpoint in ENDPOINTS}:
        example = path.replace("{campaign}", "$id").replace("{call}", "$call").replace("{number}", "+12125550123")
        assert example in asked, path


def test_every_parameter_stands_on_its_page():
    """The page names each parameter of a query."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for endpoint in ENDPOINTS:
        for field in attrs.fields(endpoint.query):
            assert f"`{field.name}" in page or f"?{field.name}=" in page or f"`?{field.name}" in page, field.name
