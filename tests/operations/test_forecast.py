"""The forecast: the production engine on a virtual clock. Its calls are held against rules read off the wall clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dialerd_simulator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.model.campaign import CampaignSpec, Pacing, Recipient, Window, ZoneGroup
from dialerd.model.instants import DAY, HOUR, MINUTE, SECOND, Instant, to_datetime, to_instant
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.settings import (
    AgentSettings,
    NumberSettings,
    PersonSettings,
    QuietHours,
    Settings,
    TrunkSettings,
)
from dialerd.model.states import ALL_WEEKDAYS, Final, Outcome, Rule, Weekday
from dialerd.operations.forecast import Forecast, forecast
from dialerd.plugin.host import PluginHost
from dialerd.store.records import NewCampaign

HOST = PluginHost(extra=[dialerd_simulator], entry_points=False)
SHOWN = "+447111999001"
BESIDE = "+447111999002"

# Zones with every kind of change: an hour, half an hour, at midnight, over Ramadan, across the date line, and none.
ZONES = [
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Gaza",
    "America/Santiago",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    "Asia/Kathmandu",
]
# Midnights, UTC, a little before clocks change in one or other of them.
STARTS = [
    date(2027, 3, 13),
    date(2027, 3, 27),
    date(2027, 4, 3),
    date(2027, 9, 25),
    date(2027, 10, 30),
    date(2027, 11, 6),
]


def a_world(**changes: object) -> Settings:
    """Return settings with one simulated trunk that may ring everybody here, and quick calls."""
    options = {"ring_time": ["1s", "20s"], "talk_time": ["5s", "90s"], "seed": 3}
    options["outcomes"] = {"answered": 3, "busy": 3, "no_answer": 2, "rejected": 1}
    world = {
        "trunks": {
            "main": TrunkSettings(provider="simulator", max_concurrent=8, countries=("GB", "US", "AU"), options=options)
        },
        "numbers": {SHOWN: NumberSettings(trunk="main"), BESIDE: NumberSettings(trunk="main")},
        "agents": {"agent": AgentSettings(say="Hello.")},
        "person": PersonSettings(cooldown=MINUTE),
    }
    return Settings(**{**world, **changes})  # type: ignore[arg-type]  # fields of several types


def planned(
    spec: CampaignSpec,
    groups: list[ZoneGroup],
    start_at: Instant,
    world: Settings,
    *,
    zone: str = "Europe/London",
    end_at: Instant | None = None,
) -> Forecast:
    """Forecast a campaign with one recipient a group."""
    new = NewCampaign(spec=spec, uid="c", timezone=zone, start_at=None, end_at=end_at, created_at=start_at)
    people = [Recipient(position=at + 1, number=f"+447111{at:06}", group=group) for at, group in enumerate(groups)]
    return forecast(new, people, world, start_at, host=HOST)


def reads_inside(instant: Instant, zone: str, windows: list[tuple[tuple[Weekday, ...], time, time]]) -> bool:
    """Tell from the wall clock of `zone` whether an instant lies in a window: the rule, without its engine."""
    local = to_datetime(instant).astimezone(ZoneInfo(zone))
    reading, today = local.time(), ALL_WEEKDAYS[local.weekday()]
    yesterday = ALL_WEEKDAYS[local.weekday() - 1]
    for days, start, end in windows:
        overnight = end <= start
        if today in days and start <= reading and (overnight or reading < end):
            return True
        if overnight and yesterday in days and reading < end:
            return True
    return False


times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
a_window = st.builds(
    lambda days, start, end: Window(days=tuple(sorted(days, key=ALL_WEEKDAYS.index)), start=start, end=end),
    st.sets(st.sampled_from(ALL_WEEKDAYS), min_size=1),
    times,
    times,
)
groups = st.lists(
    st.sets(st.sampled_from(ZONES), min_size=1, max_size=3).map(
        lambda zones: ZoneGroup(country="GB", zones=tuple(sorted(zones)))
    ),
    min_size=1,
    max_size=8,
)


@given(
    zone=st.sampled_from(ZONES),
    start=st.sampled_from(STARTS),
    hour=st.integers(0, 47),
    windows=st.lists(a_window, max_size=2),
    quiet=st.tuples(times, times),
    groups=groups,
    ring=st.sampled_from([10, 45, 300]),
    spacing_s=st.sampled_from([1, 120, 700]),
)
@settings(max_examples=80, deadline=None)
def test_no_call_rings_outside_window_or_quiet_hours(  # noqa: PLR0917  # hypothesis passes by name
    zone, start, hour, windows, quiet, groups, ring, spacing_s
):
    """From the instant a call leaves until its phone stops ringing, every clock concerned reads an allowed time."""
    groups = groups * 6  # spaced out, so that calls leave all through the windows and at their ends
    start_at = to_instant(datetime.combine(start, time(), UTC) + timedelta(hours=hour))
    spec = CampaignSpec(
        name="random",
        agent="agent",
        windows=tuple(windows),
        ring_timeout=ring * SECOND,
        retry=RetryPolicy(max_attempts=3, delay=3 * HOUR, busy=RetryRule(delay=20 * MINUTE)),
        pacing=Pacing(calls_per_second=1 / spacing_s),
    )
    world = a_world(quiet_hours=QuietHours(start=quiet[0], end=quiet[1]))
    result = planned(spec, groups, start_at, world, zone=zone, end_at=start_at + 6 * DAY)
    campaign_windows = [(window.days, window.start, window.end) for window in windows]
    decent = [(ALL_WEEKDAYS, *quiet)]
    zones_of = {f"+447111{at:06}": group.zones for at, group in enumerate(groups)}
    for call in result.calls:
        rings = [*range(call.started_at, call.started_at + ring * SECOND, MINUTE), call.started_at + ring * SECOND - 1]
        for instant in rings:
            assert not windows or reads_inside(instant, zone, campaign_windows), (call, "outside the window")
            for there in zones_of[call.number]:
                assert reads_inside(instant, there, decent), (call, "in quiet hours", there)
    finals = result.totals.finals
    assert sum(finals.values()) == len(groups), "everybody has come to an end by the campaign's end"


def test_a_campaign_waits_for_its_window_and_keeps_it_over_the_change_of_clocks():
    """Nine o'clock is nine o'clock before and after the clocks go forward."""
    spec = CampaignSpec(
        name="nine",
        agent="agent",
        windows=(Window(start=time(9), end=time(10)),),
        pacing=Pacing(calls_per_day=1),
    )
    start_at = to_instant(datetime(2027, 3, 27, 3, tzinfo=UTC))
    london = ZoneGroup(country="GB", zones=("Europe/London",))
    result = planned(spec, [london] * 3, start_at, a_world())
    starts = [to_datetime(call.started_at) for call in result.calls]
    assert starts == [datetime(2027, 3, day, hour, tzinfo=UTC) for day, hour in ((27, 9), (28, 8), (29, 8))]


def test_whoever_can_never_be_rung_is_told_with_the_rule():
    """A number of unknown place is given up after a day, and the forecast says by which rule it never opens."""
    spec = CampaignSpec(name="stuck", agent="agent")
    start_at = to_instant(datetime(2027, 6, 1, 12, tzinfo=UTC))
    result = planned(
        spec,
        [ZoneGroup(country="GB", zones=()), ZoneGroup(country="GB", zones=("Europe/London",))],
        start_at,
        a_world(),
    )
    assert result.end_at is not None
    assert result.end_at >= start_at + DAY
    assert result.totals.finals[Final.EXPIRED] == 1
    assert result.never_open == {Rule.UNKNOWN_ZONE: 1}
    assert [call.number for call in result.calls] == ["+447111000001"]


def test_peak_lines_and_hours_are_those_of_the_calls():
    """Ten people on two lines: never more than two at once, and every call is in its hour."""
    world = a_world(
        trunks={
            "main": TrunkSettings(
                provider="simulator",
                max_concurrent=2,
                countries=("GB",),
                options={"ring_time": "1s", "talk_time": "9s", "outcomes": {"answered": 1}},
            )
        }
    )
    start_at = to_instant(datetime(2027, 6, 1, 12, tzinfo=UTC))
    result = planned(
        CampaignSpec(name="two", agent="agent"),
        [ZoneGroup(country="GB", zones=("Europe/London",))] * 10,
        start_at,
        world,
    )
    assert result.peak_lines == 2
    assert result.end_at == start_at + 50 * SECOND
    assert result.calls_per_hour() == {start_at: 10}
    assert {call.outcome for call in result.calls} == {Outcome.ANSWERED}
    assert result.totals.finals[Final.SUCCEEDED] == 10


@pytest.mark.parametrize(("account", "seconds"), [("acme", 10), (None, 5)])
def test_trunks_of_one_account_share_their_pace_in_a_forecast_too(account, seconds):
    """Twenty people at two calls a second: ten seconds, or half of it where the carrier counts the trunks apart."""
    trunk = TrunkSettings(provider="carrier", countries=("GB",), calls_per_second=2.0, account=account)
    world = a_world(
        trunks={"main": trunk, "side": trunk},
        numbers={SHOWN: NumberSettings(trunk="main"), BESIDE: NumberSettings(trunk="side")},
    )
    start_at = to_instant(datetime(2027, 6, 1, 12, tzinfo=UTC))
    spec = CampaignSpec(name="paced", agent="agent", retry=RetryPolicy(max_attempts=1))
    result = planned(spec, [ZoneGroup(country="GB", zones=("Europe/London",))] * 20, start_at, world)
    assert len(result.calls) == 20
    assert result.calls[-1].started_at - start_at == pytest.approx(seconds * SECOND, abs=10)


@pytest.mark.parametrize("provider", ["simulator", "carrier"])
def test_a_forecast_writes_no_ledger_and_asks_no_carrier(tmp_path, provider):
    """Whatever a trunk is configured for, a forecast leaves nothing behind: nothing was placed."""
    ledger = tmp_path / "ledger.jsonl"
    world = a_world(
        trunks={"main": TrunkSettings(provider=provider, countries=("GB",), options={"ledger": str(ledger)})}
    )
    start_at = to_instant(datetime(2027, 6, 1, 12, tzinfo=UTC))
    result = planned(
        CampaignSpec(name="quiet", agent="agent"), [ZoneGroup(country="GB", zones=("Europe/London",))], start_at, world
    )
    assert len(result.calls) == 1
    assert not ledger.exists()


def test_people_put_off_are_counted_by_rule():
    """Four people, one call a day: each waits for the night and for the cap of each day that it sees pass."""
    spec = CampaignSpec(
        name="capped",
        agent="agent",
        windows=(Window(start=time(9), end=time(10)),),
        pacing=Pacing(calls_per_day=2),
    )
    start_at = to_instant(datetime(2027, 6, 1, 3, tzinfo=UTC))
    result = planned(spec, [ZoneGroup(country="GB", zones=("Europe/London",))] * 4, start_at, a_world())
    assert {to_datetime(call.started_at).day for call in result.calls if not call.refunded} >= {1, 2}
    assert result.held[Rule.CALLING_WINDOW] >= 4 + 2
    assert result.held[Rule.CAMPAIGN_DAY_CAP] >= 2
