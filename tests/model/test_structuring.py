"""Plain data to records: strict, every fault at once and in its place, and back again."""

import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen, validators
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.model.campaign import CampaignSpec, Pacing, Window
from dialerd.model.errors import InvalidInput
from dialerd.model.instants import DAY, MINUTE, SECOND, Duration, Plain
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.settings import Settings
from dialerd.model.states import ALL_WEEKDAYS, Amd, Rotation, Weekday
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure


class Colour(StrEnum):
    """Some choices."""

    RED = "red"
    GREEN = "green"


@frozen(kw_only=True)
class Inner:
    """A nested record."""

    wait: Duration = field(validator=[validators.ge(SECOND), validators.le(MINUTE)])


@frozen(kw_only=True)
class Everything:
    """One attribute of every kind that files can hold."""

    text: str = "t"
    whole: int = 1
    real: float = 1.0
    flag: bool = False
    wait: Duration = SECOND
    at: time = time(9)
    day: date = date(2027, 6, 15)
    moment: datetime | date | None = None
    place: Path = Path("/x")
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    names: tuple[str, ...] = ()
    colours: frozenset[Colour] = frozenset()
    span: Duration | tuple[Duration, Duration] = SECOND
    waits: dict[str, Duration] = field(factory=dict)
    weights: dict[Colour, float] = field(factory=dict)
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    free: dict[str, Plain] = field(factory=dict)
    anything: dict[str, Any] = field(factory=dict)


def faults(data: Any, cls: type[Any], path: str = "") -> dict[str, str]:
    """Return the messages by path."""
    with pytest.raises(InvalidInput) as caught:
        structure(data, cls, path=path)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_campaign_of_the_readme_is_read():
    """A TOML campaign becomes a spec with typed parts."""
    spec = structure(
        tomllib.loads(
            """
            name = "Tuesday"
            agent = "reminder"
            start = 2027-06-15
            windows = [{days = ["mon", "fri"], start = "09:00", end = 18:00:00}]
            [retry]
            max_attempts = 3
            [retry.busy]
            delay = "5m"
            """
        ),
        CampaignSpec,
    )
    assert spec.start == date(2027, 6, 15)
    assert not isinstance(spec.start, datetime)
    assert spec.windows == (Window(days=(Weekday.MON, Weekday.FRI), start=time(9), end=time(18)),)
    assert spec.retry == RetryPolicy(max_attempts=3, busy=RetryRule(delay=5 * MINUTE))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("text", 5, "must be text, but is a whole number"),
        ("text", "\ud800", "surrogate"),
        ("whole", "5", "must be a whole number, but is text"),
        ("whole", True, "must be a whole number, but is true or false"),
        ("whole", 5.0, "must be a whole number, but is a number"),
        ("whole", 2**63, "too large"),
        ("real", "1", "must be a number"),
        ("real", True, "must be a number"),
        ("real", float("nan"), "finite"),
        ("real", 10**400, "must be a number"),
        ("flag", "false", "must be true or false, but is text"),
        ("flag", 0, "must be true or false"),
        ("flag", None, "but is null"),
        ("wait", 90, 'must be a duration such as "90s"'),
        ("wait", "90", 'is not a duration such as "90s"'),
        ("wait", "1.5h", "is not a duration"),
        ("at", "9:00", 'is not a time of day such as "09:00"'),
        ("at", "25:00", 'write hours and minutes from "00:00" to "23:59"'),
        ("at", "24:00", 'midnight is "00:00"'),
        ("at", time(9, tzinfo=UTC), "without an offset"),
        ("at", time(9, 0, 0, 5), "whole seconds"),
        ("at", 9, "must be a time of day"),
        ("day", "2027-02-30", "no day of the calendar"),
        ("day", "15.6.2027", 'is not a date such as "2027-06-15"'),
        ("day", datetime(2027, 6, 15), "must be a date such as"),  # noqa: DTZ001  # a local time is meant
        ("moment", "yesterday", "or a moment such as"),
        ("moment", "2027-06-15T25:00", "or a moment such as"),
        ("moment", time(9), "but is a time of day"),
        ("moment", "9999-12-31", "years 1970 to 2999"),
        ("place", "", "not empty"),
        ("place", "a\0b", "NUL"),
        ("colour", "redd", '"redd" is not known; did you mean "red"? known are "red", "green"'),
        ("colour", 1, 'must be one of "red", "green", but is a whole number'),
        ("mode", "sloww", 'did you mean "slow"?'),
        ("names", "one", "must be a list, but is text"),
        ("names", {}, "must be a list, but is a table"),
        ("span", 5, 'must be a duration such as "90s", "10m" or "2h" or a list of 2, but is a whole number'),
        ("span", ["1s"], "must have 2 entries, but has 1"),
        ("span", None, "but is null"),
        ("waits", [], "must be a table, but is a list"),
        ("inner", 3, "must be a table, but is a whole number"),
        ("free", {"on": date(2027, 1, 1)}, "is a date; write it as text"),
    ],
)
def test_wrong_value_is_told_in_words(key, value, words):
    """Nothing is coerced, and the message names the rule and what to write."""
    found = faults({key: value}, Everything)
    assert len(found) == 1
    (path, message), *_ = found.items()
    assert path.split(".")[0] == key
    assert words in message


def test_whole_numbers_serve_as_numbers():
    """`calls_per_second = 5` needs no point."""
    record = structure({"real": 5}, Everything)
    assert record.real == 5.0
    assert type(record.real) is float


def test_every_fault_is_reported_in_the_documents_order():
    """Faults of values, of ranges, of unknown and of missing keys come together."""
    data = {
        "agnet": "x",
        "ring_timeout": "2s",
        "windows": [{"start": "9", "end": "18:00"}, {"start": "09:00"}, 5],
        "pacing": {"priority": 200, "max_concurrent": 0, "calls_per_second": 0},
        "retry": {"busy": {"max_attempts": 101, "delay": "5"}},
        "agent": "",
    }
    found = faults(data, CampaignSpec)
    assert list(found) == [
        "agnet",
        "ring_timeout",
        "windows[0].start",
        "windows[1].end",
        "windows[2]",
        "pacing.priority",
        "pacing.max_concurrent",
        "pacing.calls_per_second",
        "retry.busy.max_attempts",
        "retry.busy.delay",
        "agent",
        "name",
    ]
    assert found["agnet"] == 'is not a known key; did you mean "agent"?'
    assert found["ring_timeout"] == "must be between 5s and 10m, but is 2s"
    assert found["pacing.calls_per_second"] == "must be more than 0, but is 0"
    assert found["retry.busy.max_attempts"] == "must be between 1 and 100, but is 101"
    assert found["agent"] == "must not be empty"
    assert found["name"] == "is required"


def test_unknown_key_without_a_neighbour_lists_the_known():
    """Where there is nothing to guess, the choices are shown."""
    assert faults({"start": "09:00", "end": "10:00", "zzz": 1}, Window) == {
        "zzz": "is not a known key; known are days, end, start"
    }


def test_paths_quote_keys_that_need_it():
    """A number as a key is written as in TOML."""
    data = {"numbers": {"+447111000001": {"trunk": 5}}, "trunks": {"a b": {}}}
    assert list(faults(data, Settings, path="file")) == [
        'file.numbers."+447111000001".trunk',
        'file.trunks."a b".provider',
    ]


def test_length_and_pattern_are_told_in_words():
    """Validators speak of characters and entries, not of attributes."""

    @frozen(kw_only=True)
    class Limits:
        """Some validators."""

        name: str = field(validator=[validators.min_len(2), validators.max_len(3)])
        code: str = field(default="a", validator=validators.matches_re("[a-z]+"))
        days: tuple[str, ...] = field(default=("x",), validator=validators.min_len(1))
        pick: int | None = field(default=1, validator=validators.optional(validators.in_([1, 2])))

    assert faults({"name": "abcd", "code": "5", "days": [], "pick": 3}, Limits) == {
        "name": "must have at most 3 characters, but has 4",
        "code": "does not have the form [a-z]+",
        "days": "must not be empty",
        "pick": "must be one of 1, 2",
    }
    assert structure({"name": "abc", "pick": None}, Limits).pick is None


def test_rule_over_several_fields_is_told():
    """A validator of a plugin's options may compare fields; it is heard where they are sound."""

    @frozen(kw_only=True)
    class Range:
        """Two fields that belong together."""

        low: int
        high: int = field()

        @high.validator
        def _above(self, _attribute: Any, value: int) -> None:
            if value < self.low:
                raise ValueError("must not be below low")

    assert faults({"low": 2, "high": 1}, Range) == {"high": "must not be below low"}
    assert faults({"low": "x", "high": 1}, Range) == {"low": "must be a whole number, but is text"}


def test_wrong_type_never_shows_the_value():
    """A secret in the wrong place is not repeated in a message."""
    message = faults({"flag": "hunter2"}, Everything)["flag"]
    assert "hunter2" not in message


def test_deep_free_data_is_refused():
    """Free-form data stays readable for every JSON tool."""
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    assert list(faults({"free": {"a": deep}}, Everything).values()) == ["is nested too deeply; 32 levels are the most"]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DURATIONS = st.integers(0, 100 * DAY)
_TIMES = st.times().map(lambda moment: moment.replace(microsecond=0, fold=0))
_DAYS = st.dates(date(1970, 1, 1), date(2999, 12, 31))
_MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30)).flatmap(  # noqa: DTZ001  # local times are meant
    lambda local: st.sampled_from([local.replace(fold=0), local.replace(tzinfo=UTC, fold=0)])
)
_FREE = st.dictionaries(
    _TEXT, st.recursive(st.none() | st.booleans() | st.integers(-99, 99) | _TEXT, st.lists, max_leaves=4), max_size=3
)
_RULES = st.builds(
    RetryRule,
    max_attempts=st.none() | st.integers(1, 100),
    delay=st.none() | _DURATIONS,
    backoff=st.none() | st.floats(1, 10),
)
_SPECS = st.builds(
    CampaignSpec,
    name=st.text("abcä ", min_size=1),
    agent=st.just("a"),
    caller_ids=st.lists(_TEXT, max_size=2).map(tuple),
    rotation=st.sampled_from(Rotation),
    prompt=st.none() | _TEXT,
    variables=_FREE,
    metadata=_FREE,
    timezone=st.none() | st.just("Europe/London"),
    start=st.none() | _DAYS | _MOMENTS,
    end=st.none() | _DAYS | _MOMENTS,
    windows=st.lists(
        st.builds(
            Window, days=st.lists(st.sampled_from(ALL_WEEKDAYS), min_size=1).map(tuple), start=_TIMES, end=_TIMES
        ),
        max_size=2,
    ).map(tuple),
    skip_holidays=st.booleans(),
    pacing=st.none()
    | st.builds(
        Pacing,
        max_concurrent=st.none() | st.integers(1, 9),
        calls_per_second=st.none() | st.floats(0.1, 9),
        priority=st.integers(1, 100),
    ),
    retry=st.none() | st.builds(RetryPolicy, max_attempts=st.integers(1, 100), busy=_RULES, voicemail=_RULES),
    ring_timeout=st.integers(5 * SECOND, 10 * MINUTE),
    max_duration=st.integers(SECOND, DAY),
    amd=st.sampled_from(Amd),
    skip_invalid=st.booleans(),
)


@given(spec=_SPECS, defaults=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_spec_survives_the_way_through_json(spec, defaults):
    """What `unstructure` writes, `structure` reads back, with defaults written or not."""
    text = json.dumps(unstructure(spec, defaults=defaults))
    assert structure(json.loads(text), CampaignSpec) == spec


@given(
    record=st.builds(
        Everything,
        span=_DURATIONS | st.tuples(_DURATIONS, _DURATIONS),
        waits=st.dictionaries(_TEXT, _DURATIONS, max_size=2),
        weights=st.dictionaries(st.sampled_from(Colour), st.floats(0, 9), max_size=2),
        colours=st.frozensets(st.sampled_from(Colour)),
        inner=st.none() | st.builds(Inner, wait=st.integers(SECOND, MINUTE)),
        at=_TIMES,
        moment=st.none() | _DAYS | _MOMENTS,
        free=_FREE,
        anything=_FREE,
    )
)
@settings(max_examples=50, deadline=None)
def test_every_kind_survives_the_way_through_json(record):
    """Unions, tables, sets and nested records come back equal."""
    assert structure(json.loads(json.dumps(unstructure(record))), Everything) == record


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.dictionaries(st.sampled_from([field.name for field in CampaignSpec.__attrs_attrs__]), _ANY, max_size=6))
@settings(max_examples=100, deadline=None)
def test_no_plain_data_gets_anything_but_faults(data):
    """Whatever a parser returns becomes a record or a list of faults, never another exception."""
    found = []
    try:
        structure({"name": "n", "agent": "a"} | data, CampaignSpec)
    except InvalidInput as invalid:
        found = list(invalid.faults)
    assert all(fault.path and fault.message for fault in found)


def test_none_is_kept_where_it_is_not_the_default():
    """Leaving out None would otherwise bring the default back."""

    @frozen(kw_only=True)
    class Limit:
        """None means something else than absence."""

        most: int | None = 5

    assert unstructure(Limit(most=None)) == {"most": None}
    assert structure(unstructure(Limit(most=None)), Limit) == Limit(most=None)


def test_durations_keep_their_exact_length():
    """A duration that no large unit divides is written in milliseconds."""
    assert unstructure(Inner(wait=1501)) == {"wait": "1501ms"}
    assert timedelta(milliseconds=structure({"wait": "1501ms"}, Inner).wait) == timedelta(seconds=1.501)
