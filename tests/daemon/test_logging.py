"""Logs: one JSON line an event, numbers masked, secrets left out."""

import io
import json
import logging as stdlib
import os
import pty

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dialerd.daemon import logging


@pytest.fixture(autouse=True)
def _former_configuration():
    """Put the process' logging back as it was."""
    former, handlers, level = structlog.get_config(), stdlib.root.handlers[:], stdlib.root.level
    yield
    structlog.configure(**former)
    stdlib.root.handlers[:] = handlers
    stdlib.root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Return the logged events."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_events_are_json_lines_with_utc_instants():
    """Without a terminal each event is a JSON object."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("call.ended", outcome="busy", seconds=1.5)
    (event,) = lines(stream)
    assert event["event"] == "call.ended"
    assert event["level"] == "info"
    assert event["outcome"] == "busy"
    assert str(event["timestamp"]).endswith("Z")


def test_numbers_are_masked_wherever_they_stand():
    """Fields, texts, nested values and tracebacks keep country code and last digits only."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    log = structlog.get_logger()
    log.info(
        "call.ended",
        number="+447111000001",
        phone="07111 000002",
        detail="from +12125550123!",
        more={"to": ["+61491570156"]},
    )
    try:
        int("no route to +447111000001")
    except ValueError as error:
        log.exception("call.failed", error=error)
    text = stream.getvalue()
    assert "+44********01" in text
    assert "+1********23" in text
    assert "**********02" in text
    for secret in ("7111000001", "000002", "2125550123", "491570156"):
        assert secret not in text


def test_secrets_are_left_out():
    """Values of telling keys and logins in URLs are not written."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info(
        "store.opened",
        url="postgresql://dialerd:hunter2@db/x",
        auth_token="hunter2",
        options={"api_key": "hunter2", "Password": "hunter2", "nested": [{"client_secret": "hunter2"}]},
    )
    assert "hunter2" not in stream.getvalue()
    assert "postgresql://[left out]@db/x" in stream.getvalue()


@given(number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_masking_keeps_length_and_hides_the_middle(number):
    """A masked number shows at most three digits of country code and two at the end."""
    masked = logging.mask_number(number)
    assert len(masked) == len(number)
    assert sum(char.isdigit() for char in masked) <= 5
    assert masked[-2:] == number[-2:]


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+447111000001", "+44********01"),
        ("+12125550123", "+1********23"),
        ("+35312345678", "+353******78"),
        ("112", "112"),
    ],
)
def test_masking_keeps_the_country_code(number, masked):
    """One, two or three digits, as E.164 assigns them."""
    assert logging.mask_number(number) == masked


def test_levels_below_the_threshold_are_silent():
    """A debug call is nothing when debug is off."""
    stream = io.StringIO()
    logging.configure("warning", stream=stream)
    log = structlog.get_logger()
    log.debug("call.placed")
    log.info("call.ended")
    assert stream.getvalue() == ""
    log.warning("trunk.rested")
    assert len(lines(stream)) == 1


def test_libraries_speak_through_the_same_channel():
    """What is logged by the standard library comes out in the same form, from warning on."""
    stream = io.StringIO()
    logging.configure("debug", stream=stream)
    stdlib.getLogger("alembic").info("details")
    stdlib.getLogger("alembic").warning("beware of %s", "+447111000001")
    (event,) = lines(stream)
    assert event["event"] == "library.logged"
    assert event["message"] == "beware of +44********01"


def test_unknown_kinds_of_values_do_not_break_a_line():
    """Anything can be logged, bytes and records of ours included."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("call.ended", state=b"\xff", thing=object(), big=2**70, text="\ud800")
    assert len(lines(stream)) == 1


def test_a_terminal_gets_colours():
    """On a terminal a line is for people."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        logging.configure("info", stream=stream)
        structlog.get_logger().info("call.ended", number="+447111000001")
        stream.flush()
        shown = os.read(leader, 4096).decode()
    os.close(leader)
    assert "\x1b[" in shown
    assert "call.ended" in shown
    assert "7111000001" not in shown
