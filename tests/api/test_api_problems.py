"""Which error is which status."""

import json

import pytest
from starlette.exceptions import HTTPException

from dialerd.api.problems import RefusedRequest, answer_to
from dialerd.model.errors import Fault, InvalidInput, KeyReused, NotFound, StoreError, StoreLost, TooLarge, WrongState
from dialerd.operations.plans import PlanFailed

FAULTY = InvalidInput([Fault("a", "is wrong")])


@pytest.mark.parametrize(
    ("error", "method", "status"),
    [
        (FAULTY, "POST", 422),
        (FAULTY, "GET", 400),
        (FAULTY, "HEAD", 400),
        (NotFound("there is none"), "GET", 404),
        (WrongState("it is over"), "POST", 409),
        (TooLarge("it is too much"), "POST", 413),
        (KeyReused("it was used"), "POST", 422),
        (StoreError("the disk is full", "make room"), "POST", 503),
        (StoreLost("the disk is gone", "restore it"), "GET", 503),
        (PlanFailed("the process died"), "POST", 503),
        (HTTPException(405, headers={"Allow": "GET"}), "POST", 405),
        (RefusedRequest(415, "no"), "POST", 415),
        (ValueError("secret"), "GET", 500),
    ],
)
def test_statuses(error, method, status):
    """Each is a problem that names the request."""
    answer = answer_to(error, method=method, request_id="r")
    body = json.loads(answer.body)
    assert (answer.status_code, body["status"], body["request_id"]) == (status, status, "r")
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)


def test_what_nobody_foresaw_is_logged_and_not_told(logged):
    """The client learns under which id the log has it, and nothing of what is inside."""
    answer = answer_to(ValueError("inside"), method="GET", request_id="r7")
    assert b"inside" not in answer.body.replace(b"inside the daemon", b"")
    (line,) = logged
    assert (line["event"], line["log_level"], line["request_id"]) == ("api.request_failed", "error", "r7")
    assert line["remedy"]
