"""Campaign files as a whole: what becomes of the spec, and everything that can be wrong with it."""

import json
import os
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from attrs import evolve
from dropped import NOW, SETTINGS, drop, faults, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialerd.intake.fingerprint import fingerprint
from dialerd.intake.reading import needs
from dialerd.model.instants import HOUR, MINUTE, to_instant
from dialerd.model.retry import RetryPolicy, RetryRule
from dialerd.model.settings import CountryHours, QuietHours
from dialerd.model.states import Weekday

ANN = "+447111000001"
ROW = 'recipients = [{phone = "+447111000001"}]\n'


def lay(folder, text, name="c.toml"):
    """Lay a campaign file into `folder` and return its path."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def spec(folder, more="", agent="reminder"):
    """Lay a campaign file with one recipient and `more` keys into `folder`."""
    return lay(folder, f'name = "Tuesday"\nagent = "{agent}"\n{more}\n{ROW if "recipients" not in more else ""}')


def test_a_whole_file_in_both_formats(tmp_path):
    """TOML and JSON say the same with the same names."""
    plain = {
        "name": "Tuesday",
        "agent": "agent-1",
        "caller_ids": ["uk"],
        "rotation": "sticky",
        "variables": {"a": 1},
        "timezone": "Europe/London",
        "start": "2027-06-15",
        "end": "2027-06-20T12:00:00",
        "windows": [{"days": ["mon"], "start": "09:00", "end": "18:00"}],
        "pacing": {"priority": 5},
        "retry": {"max_attempts": 3, "busy": {"delay": "5m"}},
        "ring_timeout": "30s",
        "recipients": [{"phone": ANN}],
    }
    toml = """
        name = "Tuesday"
        agent = "agent-1"
        caller_ids = ["uk"]
        rotation = "sticky"
        variables = {a = 1}
        timezone = "Europe/London"
        start = 2027-06-15
        end = 2027-06-20T12:00:00
        windows = [{days = ["mon"], start = 09:00:00, end = "18:00"}]
        pacing.priority = 5
        ring_timeout = "30s"
        recipients = [{phone = "+447111000001"}]
        [retry]
        max_attempts = 3
        busy.delay = "5m"
    """
    one, recipients, _ = read(lay(tmp_path, json.dumps(plain), "c.json"))
    other, again, _ = read(lay(tmp_path, "\ufeff" + toml.replace("\n", "\r\n")))
    assert evolve(one, uid="") == evolve(other, uid="")
    assert recipients == again
    assert one.spec.windows[0].days == (Weekday.MON,)
    assert one.start_at == to_instant(datetime(2027, 6, 14, 23, tzinfo=UTC))
    assert one.end_at == to_instant(datetime(2027, 6, 20, 11, tzinfo=UTC))
    assert one.created_at == NOW


@pytest.mark.parametrize(
    ("more", "agent", "zone"),
    [
        ('timezone = "Asia/Tokyo"', "everywhere", "Asia/Tokyo"),
        ("", "everywhere", "America/New_York"),
        ("", "reminder", "Europe/London"),
    ],
)
def test_the_zone_is_the_campaigns_else_the_agents_else_the_daemons(tmp_path, more, agent, zone):
    """Three places give a zone, in this order."""
    assert read(spec(tmp_path, more, agent))[0].timezone == zone


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2027-06-15", datetime(2027, 6, 14, 23, tzinfo=UTC)),
        ("2027-06-15T09:00:00", datetime(2027, 6, 15, 8, tzinfo=UTC)),
        ("2027-06-15 09:00:00", datetime(2027, 6, 15, 8, tzinfo=UTC)),
        ("2027-06-15T09:00:00-05:00", datetime(2027, 6, 15, 9, tzinfo=timezone(timedelta(hours=-5)))),
        ('"2027-12-15"', datetime(2027, 12, 15, tzinfo=UTC)),
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),  # a past start is due now
        ("2028-03-26T01:30:00", datetime(2028, 3, 26, 1, 30, tzinfo=UTC)),  # skipped by the clocks: offset before
        ("2027-10-31T01:30:00", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),  # occurs twice: the first
    ],
)
def test_start(tmp_path, written, moment):
    """A day is its beginning in the campaign's zone, a moment without offset is local, one with offset is itself."""
    assert read(spec(tmp_path, f"start = {written}"))[0].start_at == to_instant(moment)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('[retry.bussy]\ndelay = "5m"', ['c.toml:3:1: retry.bussy: is not a known key; did you mean "busy"?']),
        ("windos = []", ['c.toml:3:1: windos: is not a known key; did you mean "windows"?']),
        ("start = 5", ["c.toml:3:1: start: must be a date"]),
        ("skip_invalid = 1", ["c.toml:3:1: skip_invalid: must be true or false"]),
        ('timezone = "Europe/Londn"', ["c.toml:3:1: timezone: 'Europe/Londn' is not an IANA time zone; did you mean"]),
        ('caller_ids = ["uk", "ku"]', ['c.toml:3:21: caller_ids[1]: "ku" is not a configured number']),
        ("end = 2027-06-01", ["c.toml:3:1: end: 2027-05-31T23:00:00Z is past; nobody would be rung"]),
        ("end = 2027-06-01T13:00:00", ["end: 2027-06-01T12:00:00Z is past"]),
        ("start = 2027-07-02\nend = 2027-07-02", ["c.toml:4:1: end: 2027-07-01T23:00:00Z is not after the start"]),
        (
            'ring_timeout = "60s"\n'
            'windows = [{start = "09:00", end = "10:00"},\n{start = "23:59:30", end = "00:00:30"}]',
            ["c.toml:5:1: windows[1]: is 1m long, not longer than ring_timeout (1m)"],
        ),
        ('windows = [{start = "9 o\'clock", end = "10:00"}]', ["c.toml:3:13: windows[0].start: is not a time of day"]),
        ('windows = [{days = [], start = "09:00", end = "10:00"}]', ["windows[0].days: must not be empty"]),
        (
            'recipients_file = "x.csv"\nrecipients = []',
            ["recipients_file: stands beside recipients", "x.csv: is not there"],
        ),
        ("recipients = []", ["c.toml: has no valid recipient"]),
        ("recipients = 5", ["c.toml:3:1: recipients: must be a list, but is a whole number"]),
        ("recipients_file = 5", ["c.toml:3:1: recipients_file: must be text"]),
        ('recipients_file = "../x.csv"', ['recipients_file: "../x.csv" is not the plain name of a file']),
        ('recipients_file = ".."', ['recipients_file: ".." is not the plain name']),
        ('recipients_file = "c.toml"', ["recipients_file: is the campaign file itself"]),
        ('recipients_file = "x.xlsx"', ['recipients_file: "x.xlsx" must end in one of .csv, .jsonl, .json']),
        ('recipients_file = "x.csv"', ["x.csv: is not there; it belongs beside the campaign file"]),
        ("variables = {a = nan}", ["c.toml:3:14: variables.a: must be a finite number"]),
        ("variables = {a = 2027-01-01}", ["c.toml:3:14: variables.a: must be text"]),
    ],
)
def test_faults_of_the_spec(tmp_path, more, expected):
    """Each fault of the spec is told with its place and the remedy, and no others."""
    found = faults(
        spec(tmp_path, more)
        if not more.startswith("[")
        else lay(tmp_path, f'name = "x"\nagent = "reminder"\n{more}\n[[recipients]]\nphone = "{ANN}"\n')
    )
    assert len(found) == len(expected), found
    for fault, part in zip(found, expected, strict=True):
        assert part in fault


def test_faults_of_spec_and_rows_come_all_at_once(tmp_path):
    """Whatever is wrong in one place hides nothing that is wrong elsewhere; it is told in the order of the file."""
    text = f"""agent = "remnder"
timezone = "Europe/Londn"
ring_timeout = "1s"
end = 2020-01-01
caller_ids = ["ku"]
recipients = [{{phone = "{ANN}"}}, {{phone = "123"}}, 7]
"""
    assert [fault.split(": ")[1] for fault in faults(lay(tmp_path, text))] == [
        "agent",
        "timezone",
        "ring_timeout",
        "caller_ids[0]",
        "name",
        "recipients[1].phone",
        "recipients[2]",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.toml:1:1: name: is required"),
        ('name = "x\nagent = 1', "c.toml:1:10: is not TOML: illegal character"),
        ("a = 1\na = 2\n", "c.toml:2:6: is not TOML: cannot overwrite a value"),
        ("a = " + "[" * 50_000, "is nested too deeply"),
        ("a = " + "1" * 5_000, "is not TOML: "),
        (b"name = '\xff'", "c.toml:1:9: is not UTF-8: byte 0xFF at offset 8"),
        (b"\xef\xbb\xbfa = 1\nname = '\xe9\xff'", "c.toml:2:9: is not UTF-8: byte 0xE9 at offset 17"),
        (b"name = 'x'\n\0", "c.toml:2: holds a NUL byte at offset 11"),
        ("name = 'x'".encode("utf-16"), "c.toml: is UTF-16; save it as UTF-8"),
        (b"PK\x03\x04\0\0", "is a ZIP archive or a spreadsheet"),
        (b"x" * ((16 << 20) + 1), "is larger than 16 MiB; put the recipients into a file of their own"),
    ],
)
def test_a_broken_toml_file(tmp_path, text, expected):
    """What is no TOML is told with its place."""
    found = faults(lay(tmp_path, text))
    assert expected.replace(":1:1:", ":") in found[0]
    assert len(found) == 1 or text == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.json: is empty"),
        ("[]", "c.json: must be an object with the campaign's keys"),
        ('{"name": "x",\n}', "c.json:2:1: is not JSON"),
        ('{"name": "x",\n "name": "y"}', 'c.json:2:2: has the key "name" twice'),
        (
            '{"a": {"name": "name"}, "name": "{\\"", "b": [{"n": 1, "x": 2}, {"n": 3, "\\u006e" : 4}]}',
            "c.json:1:73: has the",
        ),
        ('{"name": "NaN",\n"x": [1, NaN]}', "c.json:2:10: has NaN, which is not JSON"),
        ('{"x": 1e999}', "c.json:1:7: has the number 1e999, which is too large"),
        ('{"name": NaN}', "c.json:1:10: has NaN, which is not JSON"),
        ('{"name": "x"} {', "c.json:1:15: is not JSON: something follows the value"),
        ('{"a":' * 50_000, "c.json: is nested too deeply"),
    ],
)
def test_a_broken_json_file(tmp_path, text, expected):
    """What is no JSON is told with its place."""
    assert [expected in fault for fault in faults(lay(tmp_path, text, "c.json"))] == [True]


def test_what_is_no_plain_file_is_not_read(tmp_path):
    """Links, directories, pipes and unreadable files are faults, for the spec and for its recipients."""
    whole = spec(tmp_path)
    (tmp_path / "link.toml").symlink_to(whole)
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    assert faults(tmp_path / "link.toml") == [
        "link.toml: is a symbolic link; drop the file itself, links are not followed"
    ]
    assert faults(tmp_path / "folder.toml") == ["folder.toml: is a directory; only plain files are read"]
    assert faults(tmp_path / "pipe.toml") == ["pipe.toml: is no regular file; only plain files are read"]
    assert "is not there" in faults(tmp_path / "none.toml")[0]
    beside = drop(tmp_path, "phone\n")
    (tmp_path / "tuesday.csv").unlink()
    (tmp_path / "tuesday.csv").symlink_to("/etc/hostname")
    assert faults(beside) == ["tuesday.csv: is a symbolic link; drop the file itself, links are not followed"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    """A file without permission is a fault that says whom to give it to."""
    whole = spec(tmp_path)
    whole.chmod(0)
    assert faults(whole) == ["c.toml: may not be read by dialerd; give its user the right to"]


def test_recipients_that_will_never_be_rung_are_warned_of(tmp_path):
    """Who has no opening before the campaign's end is stored, and told."""
    more = 'end = 2027-06-02T06:00:00+01:00\nrecipients = [{phone = "+447111000001"}, {phone = "+4915112345678"}]'
    quiet = evolve(SETTINGS, quiet_hours=QuietHours(countries={"DE": CountryHours(start=time(6))}))
    _, recipients, warnings = read(spec(tmp_path, f'caller_ids = ["wide"]\n{more}'), quiet, NOW + 8 * HOUR)
    assert len(recipients) == 2
    assert [warning.split(": ")[:3] for warning in warnings] == [
        ["c.toml:5:16", "recipients[0].phone", "will not be rung"]
    ]


def test_the_countries_of_all_trunks_count(tmp_path):
    """A number may be rung if one of the campaign's trunks may ring its country."""
    text = 'caller_ids = ["uk", "{}"]\nrecipients = [{{phone = "+4915112345678"}}]'
    assert faults(spec(tmp_path, text.format("wide"))) == []
    assert 'add "DE" to countries of [trunks.main]' in faults(spec(tmp_path, text.format("uk")))[0]


def test_no_caller_id_at_all(tmp_path):
    """Without a configured number there is nothing to show, and the remedy is told."""
    bare = evolve(SETTINGS, numbers={}, agents={"reminder": evolve(SETTINGS.agents["reminder"], numbers=())})
    assert faults(spec(tmp_path), bare) == [
        'c.toml: caller_ids: there is no caller id to show; configure one under [numbers."+…"]'
    ]


def test_an_outcome_above_the_budget(tmp_path):
    """A limit that is never reached is refused, by the budget that the daemon's table may give; its own are bounded."""
    busy = "[retry.busy]\nmax_attempts = 3"
    file = lay(tmp_path, f'name = "x"\nagent = "reminder"\n{ROW}{busy}')
    assert faults(file) == [
        "c.toml:5:1: retry.busy.max_attempts: is 3, but retry.max_attempts allows 1 attempt in all; raise it, or lower"
        " this"
    ]
    generous = evolve(SETTINGS, retry=RetryPolicy(max_attempts=5, busy=RetryRule(max_attempts=4)))
    assert faults(file, generous) == []
    tight = lay(tmp_path, f'name = "x"\nagent = "reminder"\n{ROW}[retry]\nmax_attempts = 2')
    assert faults(tight, generous) == []


def test_what_is_missing_is_told_once(tmp_path):
    """A required key that is missing is not told again as something that is not configured."""
    bare = evolve(SETTINGS, agents={})
    assert faults(lay(tmp_path, f'name = "x"\n{ROW}'), bare) == ["c.toml: agent: is required"]


def test_a_name_with_control_characters(tmp_path):
    """The name stands in reports and file names."""
    found = faults(lay(tmp_path, f'name = "a\\nb"\nagent = "reminder"\n{ROW}'))
    assert found == ["c.toml:1:1: name: has control characters; write plain text"]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ('recipients_file = "r.csv"', "c.toml", "r.csv"),
        ('{"recipients_file": "r.csv"}', "c.json", "r.csv"),
        ('recipients_file = "../r.csv"', "c.toml", None),
        ('recipients_file = "r.csv', "c.toml", None),
        ("recipients = []", "c.toml", None),
        (b"\xff\0", "c.toml", None),
    ],
)
def test_needs(tmp_path, text, name, expected):
    """What a campaign file waits for is told; of a broken one, nothing."""
    assert needs(lay(tmp_path, text, name)) == expected
    assert needs(tmp_path / "none.toml") is None


def test_fingerprint():
    """Name, spec and recipients count, each for itself, however the bytes are cut."""
    whole = fingerprint("a.toml", [b"spec"], [b"rows"])
    assert whole == fingerprint("a.toml", [b"sp", b"ec"], [b"", b"ro", b"ws"])
    others = [
        ("b.toml", b"spec", b"rows"),
        ("a.toml", b"specr", b"ows"),
        ("a.toml", b"spec", b""),
        ("a.tomls", b"pec", b"rows"),
    ]
    assert whole not in {fingerprint(name, [one], [two]) for name, one, two in others}
    assert len(whole) == 64


WHOLE = f"""name = "Tuesday"
agent = "reminder"
start = {date(2027, 6, 15)}
windows = [{{days = ["mon"], start = "09:00", end = "18:00"}}]
variables = {{a = "b"}}
ring_timeout = "45s"
[[recipients]]
phone = "{ANN}"
timezone = "Europe/London"
[retry]
max_attempts = 3
busy.delay = "5m"
"""
SPLICES = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 8), st.sampled_from([*'"[]{}=.,\n#x1-', "nan", "\ud800"])),
    min_size=1,
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(SPLICES, st.binary(max_size=20), st.sampled_from(["c.toml", "c.json"]))
def test_no_damage_crashes(tmp_path, splices, noise, name):
    """A campaign file that was damaged anywhere is still valid, or told to be wrong with a message."""
    text = WHOLE
    for at, cut, piece in splices:
        text = text[:at] + piece + text[at + cut :]
    for content in (text.encode(errors="surrogatepass"), noise, text.encode(errors="replace") + noise):
        path = lay(tmp_path, content, name)
        assert faults(path) or read(path)[1]


def test_minutes_and_hours_of_windows_are_counted_over_midnight(tmp_path):
    """An overnight window and one of 24 hours are as long as they are."""
    for start, end in (("23:00", "01:00"), ("00:00", "00:00")):
        more = f'ring_timeout = "{10 * MINUTE // 1000}s"\nwindows = [{{start = "{start}", end = "{end}"}}]'
        assert faults(spec(tmp_path, more)) == []
