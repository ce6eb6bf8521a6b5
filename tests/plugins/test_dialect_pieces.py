"""What dialects share: times of day, moments, bodies and the renaming of faults."""

from datetime import UTC, date, datetime, time

import pytest
from attrs import frozen
from dialerd_dialects.fields import in_words, json_object, read, renamed, renamer, reworded
from dialerd_dialects.ids import hexadecimal
from dialerd_dialects.instants import clock, from_minutes, from_unix_ms, in_utc, to_clock, whole_seconds
from dialerd_dialects.weekdays import from_monday_1, from_sunday_0, to_sunday_0
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import to_instant
from dialerd.model.states import Weekday


@given(st.integers(0, 1439))
def test_minutes_of_a_day(minutes):
    """They are the same time of day as a clock's reading."""
    text = from_minutes(minutes)
    moment = time.fromisoformat(text)
    assert moment.hour * 60 + moment.minute == minutes
    assert clock(text) == to_clock(moment) == text


def test_midnight_at_both_ends():
    """The end of a day is its 1440th minute and the next one's midnight."""
    assert from_minutes(1440) == clock("24:00") == "00:00"
    assert to_clock(time(0), end=True) == "24:00"


@pytest.mark.parametrize("text", ["", "9", "9am", "25:00", "24:01", "12:60", "-1:00", "12:5"])
def test_no_time_of_day(text):
    """What no clock shows is refused."""
    with pytest.raises(ValueError, match="not a time of day"):
        clock(text)


@pytest.mark.parametrize("minutes", [-1, 1441])
def test_no_minute_of_a_day(minutes):
    """Nor is there such a minute."""
    with pytest.raises(ValueError, match="0 to 1440"):
        from_minutes(minutes)


@given(st.integers(0, 32_000_000_000_000))
def test_unix_milliseconds(milliseconds):
    """They name the same instant as the text."""
    assert to_instant(datetime.fromisoformat(from_unix_ms(milliseconds))) == milliseconds


@pytest.mark.parametrize("milliseconds", [-1, 10**14, 10**30])
def test_no_plausible_instant(milliseconds):
    """Years that nobody plans a call in are refused."""
    with pytest.raises(ValueError, match="Unix time"):
        from_unix_ms(milliseconds)


def test_moments():
    """Without an offset they are UTC; an answer's instants have no fraction."""
    assert in_utc(date(2090, 1, 2)) == "2090-01-02T00:00:00+00:00"
    assert in_utc(datetime.fromisoformat("2090-01-02T03:04:05+02:00")) == "2090-01-02T03:04:05+02:00"
    assert whole_seconds(to_instant(datetime(2090, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC))) == "2090-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": ' + b"[" * 100_000, "nested"),
        (b'\xff{"a": 1}', "UTF-8"),
    ],
)
def test_bodies_that_are_refused(body, words):
    """Each with what is wrong."""
    with pytest.raises(InvalidInput, match=words):
        json_object(body)


def test_renaming():
    """The longest known beginning counts; places are kept, and what is not known stays."""
    rename = renamer({"a": "x", "a[].b": "y[].z", "c[]": "d", "e": ""})
    assert [rename(path) for path in ("a", "a[2]", "a[2].b", "a[2].b[7].c", "c[1].f[3]", "e.g", "ab", "")] == [
        "x",
        "x[2]",
        "y[2].z",
        "y[2].z[7].c",
        "d.f[3]",
        "g",
        "ab",
        "",
    ]


def test_places_of_documents_that_were_never_sent():
    """They are left out; a line without a column is one of the client's own list, and stays."""
    faults = [Fault("a", "must be a table", file="x", line=1, column=7), Fault("a", "is not a known key", line=3)]
    assert renamed(InvalidInput(faults), lambda path: "b").faults == (
        Fault("b", "must be an object"),
        Fault("b", "is not a known field", line=3),
    )


def test_other_words():
    """What a system calls things otherwise is called so, save what is quoted."""
    words = {"campaign": "batch", "recipients": "contacts"}
    told = reworded('campaign "my campaign" has no recipients', words)
    assert told == 'batch "my campaign" has no contacts'


@frozen
class _Body:
    a: int | None = None
    b: str | None = None


def test_what_can_be_read_is_read():
    """A fault leaves the other fields; what follows of it is not told as well."""
    reading = read({"a": "x", "b": "y", "c": 1}, _Body, required=("a", "d"), path="e[2]")
    assert (reading.record.a, reading.record.b) == (None, "y")
    assert [fault.path for fault in reading.faults] == ["e[2].a", "e[2].c", "e[2].d"]
    plain = read({"a": "x", "b": "y"}, _Body)
    plain.object_to([Fault("a", "is required with b"), Fault("b", "is wrong")])
    assert [fault.path for fault in plain.faults] == ["a", "b"]
    (fault,) = read(7, _Body, path="e[2]").faults
    assert (fault.path, fault.message) == ("e[2]", "must be an object, but is a whole number")


def test_many_faults_in_words():
    """The first ones, and how many more."""
    told = in_words(InvalidInput(Fault(f"f{at}", "is wrong") for at in range(25)))
    assert told.startswith("f0: is wrong; f1")
    assert told.endswith("f19: is wrong; and 5 more")


@pytest.mark.parametrize("digits", [1, 7, 8, 24])
def test_ids(digits):
    """As many digits as were asked for, and never the same."""
    first, second = hexadecimal(digits), hexadecimal(24)
    assert len(first) == digits
    assert int(first, 16) >= 0
    assert first != second


@given(st.sets(st.integers(0, 6)))
def test_weekdays(sunday_0):
    """The numbers come back as they went in, and both numberings name the same days."""
    assert to_sunday_0(from_sunday_0(sunday_0)) == sorted(sunday_0)
    assert from_monday_1(number or 7 for number in sunday_0) == from_sunday_0(sunday_0)
    assert from_sunday_0([0, 1]) == (Weekday.MON, Weekday.SUN)
    assert from_monday_1([7, 1]) == (Weekday.MON, Weekday.SUN)
