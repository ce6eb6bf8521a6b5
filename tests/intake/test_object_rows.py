"""Recipients written as objects: JSONL, a JSON list, and inline in a campaign file."""

import json

import pytest
from dropped import drop, faults, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANN, BOB = "+447111000001", "+447111000002"

ROWS = [
    {"phone": ANN, "variables": {"name": "Ann", "n": 1, "x": [1.5, None, True]}, "metadata": {"id": "é"}},
    {"phone": BOB, "timezone": "Europe/Paris", "prompt": "hi", "max_attempts": 2},
]


def lay(folder, rows, form):
    """Lay `rows`, JSON texts, into `folder` in one of the forms, and return the campaign file."""
    if form == "jsonl":
        return drop(folder, "\n".join(rows), "r.jsonl")
    if form == "json":
        return drop(folder, "[" + ",\n".join(rows) + "]", "r.json")
    spec = folder / "tuesday.json"
    spec.write_text('{"name": "x", "agent": "reminder",\n"recipients": [' + ",\n".join(rows) + "]}")
    return spec


FORMS = {"jsonl": ("r.jsonl:{}:{}: ", ""), "json": ("r.json:{}:{}: ", "[{}]."), "inline": ("", "recipients[{}].")}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_the_same(tmp_path, form):
    """The keys of a recipient mean the same wherever they are written."""
    _, (ann, bob), _ = read(lay(tmp_path, [json.dumps(row) for row in ROWS], form))
    assert (ann.position, ann.number, ann.variables, ann.metadata) == (
        1,
        ANN,
        {"name": "Ann", "n": 1, "x": [1.5, None, True]},
        {"id": "é"},
    )
    assert (bob.position, bob.group.zones, bob.prompt, bob.max_attempts) == (2, ("Europe/Paris",), "hi", 2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "fault",
    [
        ('{"phone": "123"}', 2, "phone", "is a short code"),
        ('{"phne": "x", "phone": "+447111000009"}', 2, "phne", 'is not a known key; did you mean "phone"?'),
        ('{"variables": {}}', 1, "phone", "is required"),
        ('{"phone": 447111000009}', 2, "phone", "must be text, but is a whole number"),
        ('{"phone": "+447111000009", "max_attempts": 0}', 28, "max_attempts", "must be between 1 and 100, but is 0"),
        ('{"phone": "+447111000009", "max_attempts": "2"}', 28, "max_attempts", "must be a whole number, but is text"),
        ('{"phone": "+447111000009", "timezone": "Paris"}', 28, "timezone", "is not an IANA time zone"),
        ('{"phone": "+447111000009", "metadata": [1]}', 28, "metadata", "must be a table, but is a list"),
        ('{"phone": "+447111000009", "prompt": "a\\u0000b"}', 28, "prompt", "has a NUL character"),
        ('{"phone": "+447111000009", "metadata": {"a": "\\ud800"}}', 41, "metadata.a", "half of a surrogate pair"),
    ],
)
def test_faults_of_a_row(tmp_path, form, fault):
    """A row's fault is told with its place, down to the key where it is written."""
    row, column, path, part = fault
    found = faults(lay(tmp_path, [f'{{"phone": "{ANN}"}}', row, f'{{"phone": "{BOB}"}}'], form))
    assert len(found) == 1, found
    place, prefix = FORMS[form]
    assert place.format(2, column) + prefix.format(1) + path in found[0]
    assert part in found[0]


@pytest.mark.parametrize("form", ["jsonl", "json"])
@pytest.mark.parametrize(
    ("row", "part"),
    [
        ('"+447111000009"', "must be an object"),
        ("null", "must be an object"),
        ("12", "must be an object"),
        ('{"phone": "+447111000009", "phone": "+447111000009"}', 'has the key "phone" twice'),
        ('{"phone": "+447111000009", "variables": {"a": NaN}}', "has NaN, which is not JSON"),
        ('{"phone": "+447111000009", "variables": {"a": 1e999}}', "1e999, which is too large"),
        ('{"phone": "+447111000009", "variables": {"a": 1' + "0" * 5_000 + "}}", "so many digits as text"),
    ],
)
def test_unusable_rows_are_told_and_reading_goes_on(tmp_path, form, row, part):
    """What is wrong with one value does not hide what is wrong with the next."""
    found = faults(lay(tmp_path, [row, '{"phone": "123"}'], form))
    assert len(found) == 2, found
    assert part in found[0]
    assert ":1:" in found[0]
    assert ":2:" in found[1]


def test_number_and_other_faults_of_one_row_are_told_together(tmp_path):
    """A row with several faults is told once, with all of them."""
    found = faults(lay(tmp_path, ['{"phone": "123", "timezone": "Paris", "promt": "x"}'], "jsonl"))
    assert [fault.split(": ")[:2] for fault in found] == [
        ["r.jsonl:1:39", "promt"],
        ["r.jsonl:1:2", "phone"],
        ["r.jsonl:1:18", "timezone"],
    ]


def test_a_broken_line_is_one_fault(tmp_path):
    """JSONL goes on after a line that is no JSON, and says where in the line."""
    found = faults(drop(tmp_path, f'{{"phone": "{ANN}"}}\n\n{{"phone": }}\n{{"phone": "{BOB}"}} x\n', "r.jsonl"))
    assert [fault.split(": ")[0] for fault in found] == ["r.jsonl:3:11", "r.jsonl:4:28"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "r.json:1:1: is empty"),
        (" \n ", "r.json:2:2: is empty"),
        ("{}", "r.json:1:1: must be a list of objects"),
        ("[]", "r.json: has no valid recipient"),
        ('[{"phone": "+447111000001"}', "r.json:1:28: is not JSON: a comma or the closing ] is missing"),
        ('[{"phone": "+447111000001"} {}]', "r.json:1:29: is not JSON: a comma or the closing ]"),
        ('[{"phone": "+447111000001"},\n]', "r.json:2:1: is not JSON"),
        ('[{"phone": "+447111000001"}]\n]', "r.json:2:1: is not JSON: something follows the list"),
        ('[{"phone": \n"+4471', "r.json:2:1: is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_broken_list(tmp_path, text, part):
    """A list that does not hold together is told with its place."""
    found = faults(drop(tmp_path, text, "r.json"))
    assert len(found) == 1, found
    assert part in found[0]


def test_a_list_larger_than_a_piece_keeps_its_places(tmp_path):
    """Places stay right when the file is read in many pieces, and a row may be larger than a piece."""
    rows = [json.dumps({"phone": f"+4471110{i:05d}", "variables": {"é": "é" * (i % 97)}}) for i in range(3_000)]
    rows[1_000] = json.dumps({"phone": ANN, "variables": {"long": "x" * 300_000}})
    rows[2_000] = '{"phone": "123"}'
    found = faults(drop(tmp_path, "[\n" + ",\n".join(rows) + "\n]\n", "r.json"))
    assert [fault.split(": ")[:2] for fault in found] == [["r.json:2002:2", "[2000].phone"]]
    rows[2_000] = '{"phone": 1' + "x" * 3
    found = faults(drop(tmp_path, "[\n" + ",\n".join(rows) + "\n]\n", "r.json"))
    assert [fault.split(": ")[0] for fault in found] == ["r.json:2002:12"]


def test_a_number_across_two_pieces_is_one_value(tmp_path):
    """What stands across the border of two pieces is not read as two values."""
    text = "[" + " " * (65_536 - 2) + f'12, {{"phone": "{ANN}"}}]'
    found = faults(drop(tmp_path, text, "r.json"))
    assert len(found) == 1
    assert "must be an object" in found[0]


def test_a_row_of_more_than_a_mebibyte_is_refused(tmp_path):
    """One object may not take more memory than a line may."""
    found = faults(drop(tmp_path, '[{"phone": "' + "x" * (3 << 20), "r.json"))
    assert len(found) == 1
    assert "does not end within 1 MiB" in found[0]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(variables=st.dictionaries(st.text(max_size=5), PLAIN, max_size=4), form=st.sampled_from(sorted(FORMS)))
def test_variables_come_back_as_they_were(tmp_path, variables, form):
    """Whatever JSON can say in a variable reaches the store unchanged."""
    _, (ann,), _ = read(lay(tmp_path, [json.dumps({"phone": ANN, "variables": variables})], form))
    assert ann.variables == variables
