"""Records as answers show them."""

from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
import pytest
from attrs import frozen

from dialerd.api.problems import pointer
from dialerd.api.rendering import encode, plain
from dialerd.model.campaign import CampaignSpec, Window
from dialerd.model.campaign_view import Added, CampaignView, Counters
from dialerd.model.errors import Fault
from dialerd.model.instants import NEVER, Duration, Instant
from dialerd.model.page import Page
from dialerd.model.states import CampaignState, Final, Weekday
from dialerd.model.structuring import structure


@frozen(kw_only=True)
class Times:
    """What instants and durations look like."""

    at: Instant
    until: Instant | None
    lasts: Duration | None
    waits: dict[str, Duration]


def test_instants_are_rfc_3339_and_durations_are_text():
    """Milliseconds are written where there are any; never is null."""
    times = Times(at=1_790_000_000_250, until=NEVER, lasts=90_000, waits={"a": 60_000})
    assert plain(times, Times) == {
        "at": "2026-09-21T14:13:20.250Z",
        "until": None,
        "lasts": "90s",
        "waits": {"a": "1m"},
    }
    assert plain(Times(at=1_790_000_000_000, until=None, lasts=None, waits={}), Times)["at"] == "2026-09-21T14:13:20Z"


def view(**spec: Any) -> CampaignView:
    """Return a campaign."""
    return CampaignView(
        id="c",
        state=CampaignState.RUNNING,
        state_at=0,
        spec=CampaignSpec(name="x", agent="a", **spec),
        timezone="UTC",
        created_at=0,
        counters=Counters(done={Final.FAILED: 2}),
    )


def test_every_field_is_written():
    """What is nothing is null; tables with enums as keys, and lists, are plain."""
    window = Window(days=(Weekday.MON,), start=time(9), end=time(17, 30, 5))
    shown = msgspec.json.decode(encode(Page(items=(view(windows=(window,)),), next="n"), Page[CampaignView]))
    assert (shown["next"], shown["total"]) == ("n", None)
    (item,) = shown["items"]
    assert (item["alias"], item["state"], item["counters"]["done"]) == (None, "running", {"failed": 2})
    assert item["spec"]["windows"] == [{"days": ["mon"], "start": "09:00", "end": "17:30:05"}]
    assert item["spec"]["retry"] is None


@pytest.mark.parametrize("start", [None, date(2027, 1, 2), datetime(2027, 1, 2, 9, tzinfo=UTC)])
def test_a_spec_that_was_shown_may_be_handed_in_again(start):
    """What is written is what is read."""
    spec = CampaignSpec(name="x", agent="a", start=start, ring_timeout=20_000, variables={"a": [1, None]})
    assert structure(msgspec.json.decode(encode(spec, CampaignSpec)), CampaignSpec) == spec


def test_faults_have_pointers():
    """A fault tells its place as a JSON pointer, and line and column where they are known."""
    added = Added(invalid=(Fault("recipients[3].phone", "is no number", file="x", line=4), Fault("", "empty")))
    assert plain(added, Added)["invalid"] == [
        {"pointer": "/recipients/3/phone", "detail": "is no number", "line": 4},
        {"pointer": "", "detail": "empty"},
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ""),
        ("name", "/name"),
        ("[3].phone", "/3/phone"),
        ("windows[0].days[12]", "/windows/0/days/12"),
        ('numbers."+442079460000".trunk', "/numbers/+442079460000/trunk"),
        ('variables."a/b~c"', "/variables/a~1b~0c"),
        ('variables."a.b[0]".x', "/variables/a.b[0]/x"),
    ],
)
def test_pointers(path, expected):
    """RFC 6901: steps begin with a slash; ~ and / in them are escaped."""
    assert pointer(path) == expected
