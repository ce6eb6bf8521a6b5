"""Lines and columns of paths in TOML and JSON."""

import json
import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from dialerd.intake.locate import Locator
from dialerd.intake.walk import walk_json, walk_toml

TOML = '''# a comment with = and [brackets]
name = "x # no comment"
text = """
[retry]
delay = 1 \\""" """
'bare no' = 'a\\'   # literal
windows = [
  {days = ["mon", "tue"], start = 09:00:00, end = "18:00"}, # first
  {start = 2027-06-15 07:32:00, end = [1, [2, 3,],]},
]
pacing.priority = 3

[retry]
max_attempts = 3
  [retry.busy]
  "delay" = "5m"
[[recipients]]
phone = "+447111000001"
[recipients.variables]
a = 1
[[recipients]]
phone = "+447111000002"
variables.b = {c = 2}
'''

JSON = (
    '{"name": "a \\" ]", "windows": [{"days": ["mon"],\n "start": 1}, {}],\n'
    '"recipients": [{"phone": "x"},\n{"phone": "y", "variables": {"b": 2}}]}'
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("name", (2, 1)),
        ("text", (3, 1)),
        ('"bare no"', (6, 1)),
        ("windows", (7, 1)),
        ("windows[0]", (8, 3)),
        ("windows[0].days[1]", (8, 19)),
        ("windows[0].end", (8, 45)),
        ("windows[1].end[1][0]", (9, 44)),
        ("pacing.priority", (11, 1)),
        ("pacing", (11, 1)),
        ("retry", (13, 1)),
        ("retry.busy", (15, 3)),
        ("retry.busy.delay", (16, 3)),
        ("retry.busy.backoff", (15, 3)),
        ("recipients[0]", (17, 1)),
        ("recipients[0].phone", (18, 1)),
        ("recipients[0].variables.a", (20, 1)),
        ("recipients[1].phone", (22, 1)),
        ("recipients[1].variables.b", (23, 1)),
        ("recipients[1].timezone", (21, 1)),
        ("recipients[7].phone", (17, 1)),
        ("agent", (None, None)),
        ("", (None, None)),
    ],
)
@pytest.mark.parametrize("long_list", [None, "recipients"])
def test_toml(path, place, long_list):
    """Keys, entries, tables and lists of tables are found; what is missing falls back on what is around it."""
    tomllib.loads(TOML)
    assert Locator(TOML, toml=True, long_list=long_list).find(path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("name", (1, 2)),
        ("windows[0].days[0]", (1, 42)),
        ("windows[0].start", (2, 2)),
        ("windows[1]", (2, 15)),
        ("recipients[0].phone", (3, 17)),
        ("recipients[1]", (4, 1)),
        ("recipients[1].variables.b", (4, 30)),
        ("recipients[1].nothing", (4, 1)),
    ],
)
@pytest.mark.parametrize("long_list", [None, "recipients"])
def test_json(path, place, long_list):
    """The same in JSON."""
    json.loads(JSON)
    assert Locator(JSON, toml=False, long_list=long_list).find(path) == place


LEAVES = (
    st.booleans()
    | st.integers(-99, 99)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.floats(0, 9)
)
TABLES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), TABLES, max_size=4)


def places(value, place=()):
    """Yield every place in a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*place, step)
        yield from places(inner, (*place, step))


@given(DOCUMENTS)
def test_the_walk_finds_every_place_that_the_parser_finds(document):
    """Whatever a document holds, the walk sees the same keys and entries as tomllib and json."""
    text = tomli_w.dumps(document)
    assert {place for place, _ in walk_toml(text)} == set(places(tomllib.loads(text)))
    text = json.dumps(document, ensure_ascii=False)
    assert [place for place, _ in walk_json(text)] == list(places(document))


@given(st.text(max_size=30), st.booleans())
def test_no_text_crashes_the_locator(text, toml):
    """Of a text that no parser would accept, nothing is found, and nothing happens."""
    Locator(text, toml=toml, long_list="recipients").find("recipients[0].phone")
