"""The log of changes of the running daemon: one line each with who asked, and nowhere a number that can be read."""

import os
import pwd
import re
from typing import Any, Final

import pytest
from place import Place, number, people, until
from spoken import READING, Saying, made, say

pytestmark = pytest.mark.system

NUMBER: Final = re.compile(r"(?:%2B|\+)\d{10}(\d\d)")
READABLE: Final = re.compile(
    r"(?<![0-9a-f.])(?:44|0)?7111[ -]?\d{2,3}[ -]?\d{3,4}"
)  # with or without country code, or grouped


def text(place: Place) -> str:
    """Return the whole log of the present life."""
    return place.log_path().read_text()


def test_each_change(place):
    """One line each, with process, user, status and a path without numbers; refusals and questions leave none."""
    place.configure()
    place.start()
    path = made(place, {"name": "one", "agent": "reminder", "state": "draft", "recipients": people(0, 3)})
    made(place, {"name": "two", "agent": "reminder", "recipients": people(100, 3)}, Idempotency_Key="k")
    made(place, {"name": "two", "agent": "reminder", "recipients": people(100, 3)}, Idempotency_Key="k")  # answered
    rows = Saying(method="POST", path=f"{path}/recipients", body=b"phone\n+447111000500\n", kind="text/csv")
    assert rows.say(place).status == 200
    changes: list[tuple[str, str, Any, int]] = [
        ("PATCH", path, {"pacing": {"max_concurrent": 2}}, 200),
        ("POST", f"{path}/schedule", None, 200),
        ("POST", f"{path}/pause", None, 200),
        ("POST", f"{path}/resume", None, 200),
        ("POST", f"{path}/cancel", {"now": True}, 200),
        ("POST", "/v1/suppressions", {"numbers": [number(7), "07111 000 008"]}, 200),
        ("DELETE", f"/v1/suppressions/{number(7)}", None, 204),
        ("DELETE", "/v1/suppressions/%2B447111000008", None, 204),
        ("POST", "/v1/reload", None, 204),
        ("DELETE", path, None, 204),
    ]
    for method, where, body, status in changes:
        answer = say(place, method, where, body, X_Request_Id=f"{method}.{where[-5:]}")
        assert answer.status == status, (method, where, answer)
    refused = [
        ("DELETE", f"/v1/suppressions/{number(7)}", None),
        ("DELETE", "/v1/suppressions/447111000007", None),
        ("DELETE", "/v1/suppressions/07111%20000007", None),
        ("POST", "/v1/suppressions", {"numbers": ["+44711100000", "0711100000x", number(5)]}),
        ("POST", f"/v1/campaigns/{number(3)}/pause", None),
        ("POST", f"/v1/campaigns/{number(3)[1:]}/pause", None),
        ("POST", f"/v1/nowhere/{number(3)[1:]}", {}),
        ("POST", "/v1/campaigns", {"name": "x", "agent": "nobody", "recipients": [{"phone": "+4471110000"}]}),
        ("GET", f"/v1/why?number=%2B{number(3)[1:]}", None),
        ("GET", f"/v1/suppressions/{number(3)}", None),
        ("GET", f"{path}/recipients/{number(0)}", None),
    ]
    for method, where, body in refused:
        say(place, method, where, body)
    assert say(place, "POST", f"{path}/pause", at=READING).status == 403
    place.until_reported("two")
    logged = until(lambda: len(found := place.logged("api.changed")) >= 3 + len(changes) and found, "all is logged")
    mine = [(entry["method"], entry["path"], entry["status"]) for entry in logged]
    masked = [(method, NUMBER.sub(r"***********\1", where), status) for method, where, _, status in changes]
    assert mine == [("POST", "/v1/campaigns", 201)] * 2 + [("POST", f"{path}/recipients", 200)] + masked
    for entry in logged:
        assert (entry["uid"], entry["gid"], entry["pid"]) == (os.getuid(), os.getgid(), os.getpid())
        assert entry["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert len({entry["request_id"] for entry in logged}) == len(logged)
    assert place.stop() == 0
    found = [line for line in text(place).splitlines() if READABLE.search(line)]
    assert not found, found[:5]
