"""Logs: one JSON line an event, numbers masked, secrets left out."""

import io
import json
import logging as stdlib
import os
import pty

import pytest
import structlog
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st

from dialerd.daemon import logging, logline, masking

pytestmark = pytest.mark.usefixtures("_former_logging")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Return the logged events."""
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


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


@pytest.mark.parametrize(
    "fields", [{"url": "postgresql://dialerd:hunter2@db/x"}, {"options": {"password": "hunter2"}}, {"token": "hunter2"}]
)
def test_each_secret_is_seen_for_itself(fields):
    """One that stands alone in its line is found as well."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("store.opened", **fields)
    assert "hunter2" not in stream.getvalue()
    assert "[left out]" in stream.getvalue()


@given(number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_masking_keeps_length_and_hides_the_middle(number):
    """A masked number shows at most three digits of country code and two at the end."""
    masked = masking.mask_number(number)
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
    assert masking.mask_number(number) == masked


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


class Sulky:
    """A value that fails when it is looked at."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@frozen
class Login:
    """A record with what must not be shown."""

    number: str
    password: str


LOOP: list[object] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value",
    [
        b"\xff",
        object(),
        2**70,
        -(2**70),
        float("nan"),
        "\ud800",
        ["\udcff"],
        {1: {"x"}, None: 2},
        LOOP,
        Sulky(),
        KeyError("x"),
        Login("+447111000001", "hunter2"),
        {"password": "hunter2", "name": "\ud800", "logins": [Login("+447111000001", "hunter2")]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_makes_one_line(value):
    """Whatever is logged, the line is there, whole, with its other fields, and shows nothing it must not."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("call.ended", state=value, exc_info=value, outcome="busy", number="+447111000001")
    structlog.get_logger().info("call.ended", state=value, outcome="busy", number="+447111000001")
    assert len(lines(stream)) == 2
    for event in lines(stream):
        assert event["outcome"] == "busy"
        assert "state" in event
        assert event["number"] == "+44********01"
    assert "hunter2" not in stream.getvalue()
    assert "7111000001" not in stream.getvalue()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text(min_size=1).filter(lambda key: key not in ("exc_info", "self"))


@example(fields={"event": "x", "level": 1, "timestamp": 2})
@given(fields=st.dictionaries(KEYS, JSON | st.text(st.characters()), max_size=6))
def test_every_line_is_json_and_is_what_it_was(fields):
    """Any fields come out as they were but for what is masked; the line's own words cannot be taken by a field."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("call.ended", **fields)
    (event,) = lines(stream)
    assert event["event"] == "call.ended"
    assert event["level"] == "info"
    for key, value in fields.items():
        name = f"field_{key}" if key in ("event", "level", "timestamp") else logline.whole(key)
        shown = repr(value)
        masked = "+" in shown or "@" in shown or any(masking.care_of(word) for word in [key, *keys_within(value)])
        if not masked and "\\ud" not in shown:
            assert event[name] == value


def keys_within(value: object) -> list[str]:
    """Return the keys of all nested tables."""
    if isinstance(value, dict):
        return [*value, *(word for item in value.values() for word in keys_within(item))]
    return [word for item in value for word in keys_within(item)] if isinstance(value, list) else []


@given(
    before=st.text(st.characters(exclude_characters="+"), max_size=4),
    number=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    wrap=st.sampled_from([str, lambda text: [text], lambda text: {"to": text}, lambda text: {text: 1}, ValueError]),
)
def test_no_number_gets_through_in_any_field(before, number, wrap):
    """The quick way of writing a line lets no number pass that the slow one would mask."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    log = structlog.get_logger()
    log.info("call.ended", detail=wrap(before + number), number="+447111000001")
    log.info("call.ended", detail=before + number, number="+447111000001")
    assert number not in stream.getvalue()
    assert len(lines(stream)) == 2


def test_exceptions_are_rendered_with_their_cause():
    """The traceback stands in a field of its own, masked."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    try:
        try:
            int("no way to +447111000001")
        except ValueError as error:
            raise OSError("no way out") from error
    except OSError:
        structlog.get_logger().exception("provider.broke", trunk="main")
    (event,) = lines(stream)
    assert event["level"] == "error"
    assert "Traceback" in str(event["exception"])
    assert "OSError: no way out" in str(event["exception"])
    assert "exc_info" not in event
    assert "7111000001" not in stream.getvalue()


@pytest.mark.parametrize("exc_info", [True, False, None, ()])
def test_no_exception_is_no_field(exc_info):
    """Where nothing was raised, a line has neither the wish nor an empty traceback."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info("call.ended", exc_info=exc_info)
    (event,) = lines(stream)
    assert "exc_info" not in event


def test_bound_fields_stand_in_every_line():
    """What is bound to a logger goes with each of its events and can be overridden."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    log = structlog.get_logger().bind(trunk="main", number="+447111000001")
    log.info("call.placed")
    log.warning("call.failed", trunk="other")
    assert [event["trunk"] for event in lines(stream)] == ["main", "other"]
    assert "7111000001" not in stream.getvalue()


@pytest.mark.parametrize(("event", "args"), [("call.%s", ("ended",)), ("call.%d", ("x",)), (None, ()), (["x"], ())])
def test_strange_events_are_logged(event, args):
    """An event that is no text, or whose gaps do not fit, is a line all the same."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    structlog.get_logger().info(event, *args)
    assert len(lines(stream)) == 1


def test_a_library_that_logs_wrongly_harms_nobody():
    """A message with other gaps than values, and a level that a library made up, are logged."""
    stream = io.StringIO()
    logging.configure("info", stream=stream)
    stdlib.getLogger("careless").warning(message := "%d of %d", "x")
    stdlib.getLogger("careless").log(35, "between")
    first, second = lines(stream)
    assert first["message"] == message
    assert (second["level"], second["message"]) == ("warning", "between")


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
