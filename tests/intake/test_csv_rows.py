"""CSV files of recipients: what is read, and every way in which they are wrong."""

import csv
import io

import pytest
from dropped import drop, faults, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANN, BOB = "+447111000001", "+447111000002"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_marks_and_line_ends(tmp_path, separator, bom, end):
    """Every separator, with and without byte order mark, with both line ends, gives the same rows."""
    lines = [["phone", "name", "metadata.id"], [ANN, "Ann", "1"], [BOB, '"B, b; b\tb"', "2"]]
    text = bom + (end.join(separator.join(line) for line in lines) + end).encode()
    _, recipients, warnings = read(drop(tmp_path, text))
    assert [(r.position, r.number, r.variables, r.metadata) for r in recipients] == [
        (2, ANN, {"name": "Ann"}, {"id": "1"}),
        (3, BOB, {"name": "B, b; b\tb"}, {"id": "2"}),
    ]
    assert warnings == []


def test_quoted_newlines_and_blank_lines(tmp_path):
    """A quoted field may span lines; a row's position is the line on which it starts."""
    text = f'\nphone,note\n\n{ANN},"one\ntwo\n\nthree ""3"""\n   \n{BOB},x'
    _, recipients, _ = read(drop(tmp_path, text))
    assert [(r.position, r.variables["note"]) for r in recipients] == [(4, 'one\ntwo\n\nthree "3"'), (9, "x")]


def test_known_columns(tmp_path):
    """The known columns become what they are; empty cells of theirs are as if not written."""
    text = f"prompt,phone,timezone,max_attempts,metadata.a.b,x\nhi,{ANN},Europe/Paris,3,q,1\n,{BOB},,,,\n"
    _, (ann, bob), _ = read(drop(tmp_path, text))
    assert (ann.prompt, ann.group.zones, ann.max_attempts, ann.metadata) == ("hi", ("Europe/Paris",), 3, {"a.b": "q"})
    assert (bob.prompt, bob.max_attempts) == (None, None)
    assert "Europe/London" in bob.group.zones
    assert bob.variables == {"x": ""}


def test_national_numbers_are_read_by_the_region(tmp_path):
    """A number without + is read by the default region and stored as E.164."""
    _, recipients, _ = read(drop(tmp_path, "phone\n07111 000001\n"))
    assert [r.number for r in recipients] == [ANN]


def test_the_header_is_judged_first(tmp_path):
    """A header's faults refuse the file even where bad rows do not, and come before those of its rows."""
    text = "phone,timezon\nx,y\n"
    assert [fault.split(": ")[0] for fault in faults(drop(tmp_path, text))] == ["tuesday.csv:1:7", "tuesday.csv:2:1"]
    assert [fault.split(": ")[0] for fault in faults(drop(tmp_path, text, more="skip_invalid = true"))] == [
        "tuesday.csv:1:7"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["tuesday.csv: is empty; the first line names the columns, one of them phone"]),
        ("\n\n", ["tuesday.csv: is empty; the first line names the columns, one of them phone"]),
        ("phone\n", ["tuesday.csv: has no valid recipient"]),
        (f"phone,timezon\n{ANN},x\n", ['tuesday.csv:1:7: timezon: is not a known column; did you mean "timezone"?']),
        (f"Phone \n{ANN}\n", ['tuesday.csv:1:1: Phone : is not a known column; did you mean "phone"?']),
        (f"phone;Max Attempts\n{ANN};1\n", ['1:7: Max Attempts: is not a known column; did you mean "max_attempts"?']),
        (f"phone,metdata.id\n{ANN},1\n", ['metdata.id: is not a known column; did you mean "metadata.id"?']),
        (f"phone,metadata.\n{ANN},1\n", ['tuesday.csv:1:7: metadata.: has no name after "metadata."']),
        (f'phone,"a",b,a\n{ANN},1,2,3\n', ["tuesday.csv:1:13: a: stands twice, in columns 2 and 4"]),
        (f"phone,phone\n{ANN},{BOB}\n", ["tuesday.csv:1:7: phone: stands twice, in columns 1 and 2"]),
        (
            f"phone,, b\n{ANN},1,2\n",
            ["tuesday.csv:1:7: has no name", ':1:8:  b: has blanks around its name; write "b"'],
        ),
        (f"name\n{ANN}\n", ['tuesday.csv:1:1: phone: there is no column "phone"; the first line names the columns']),
        (f"phone_number,a\n{ANN},1\n", ['there is no column "phone"; rename "phone_number" to "phone"']),
        (f"{ANN},Ann\n", ['there is no column "phone"; the first line names the columns']),
        (
            f"phone,a\n{ANN}\n{ANN},1,2\n{ANN},1\n",
            ["tuesday.csv:2: has 1 field, but the", "tuesday.csv:3: has 3 fields"],
        ),
        (f'phone,a\n{ANN},"x"y\n', ["tuesday.csv:2: has text behind a closing quote"]),
        (f'phone,a\n{ANN},"x\n', ["tuesday.csv:2: ends within a quoted field"]),
        (f"phone,a\n{ANN},x\ry\n", ["tuesday.csv:2: has a carriage return inside a field"]),
        (f"phone,a\n,x\n{ANN},1\n", ["tuesday.csv:2:1: phone: is empty"]),
        (f"a,phone\nx,123\n1,{ANN}\n", ["tuesday.csv:2:3: phone: is"]),
        (f'a,phone\n"x,\n""y""",123\n1,{ANN}\n', ["tuesday.csv:3:8: phone: is"]),
        (f"phone,timezone\n{ANN},Europe/Londn\n", ["tuesday.csv:2:15: timezone: 'Europe/Londn' is not an IANA"]),
        (f"phone,max_attempts\n{ANN},many\n", ['2:15: max_attempts: "many" is not a whole number from 1 to 100']),
        (f"phone,max_attempts\n{ANN},0\n{BOB},101\n", ['2:15: max_attempts: "0"', '3:15: max_attempts: "101"']),
        (f"phone,max_attempts\nx,0\n{BOB},1\n", ['2:3: max_attempts: "0"', "2:1: phone: has characters"]),
        (
            "phone\n+12125550123\n",
            ["2:1: phone: no trunk of this campaign may ring numbers of US; leave it out, or add"],
        ),
    ],
)
def test_faults(tmp_path, text, expected):
    """Each fault is told with file, line, column and remedy, all of them at once, and no others."""
    found = faults(drop(tmp_path, text))
    assert len(found) == len(expected), found
    for fault, part in zip(found, expected, strict=True):
        assert part in fault


@pytest.mark.parametrize("name", ["phone2", "home_phone", "time", "attempts", "name", "meta.id", "prompt_id"])
def test_names_that_only_resemble_are_variables(tmp_path, name):
    """What is a column of its own is a variable, though it shares letters with a known one."""
    _, (ann,), _ = read(drop(tmp_path, f"phone,{name}\n{ANN},v\n"))
    assert ann.variables == {name: "v"}


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"phone,name\n+447111000001,Jos\xe9\n", "tuesday.csv:2:18: is not UTF-8: byte 0xE9 at offset 28"),
        ("phone,name\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("phone,name\n".encode("utf-16-le"), "tuesday.csv:1: holds a NUL byte at offset 1"),
        ("phone,name\n".encode("utf-32"), "is UTF-32; save it as UTF-8"),
        (b"PK\x03\x04junk\x00\xff", "is a ZIP archive or a spreadsheet, not text"),
        (b"\x1f\x8bjunk", "is a gzip archive, not text"),
        (b"phone\n+447111000001\n\x00\x00\n", "tuesday.csv:3: holds a NUL byte at offset 20"),
        (b"\xef\xbb\xbfphone,\xff\n", "tuesday.csv:1:7: is not UTF-8: byte 0xFF at offset 9"),
    ],
)
def test_other_encodings_and_binary(tmp_path, raw, part):
    """What is no UTF-8 text is one clear fault."""
    found = faults(drop(tmp_path, raw, more="skip_invalid = true\n"))
    assert len(found) == 1, found
    assert part in found[0]


def test_a_huge_line_is_a_fault_of_its_own(tmp_path):
    """A line beyond 1 MiB is told and passed over; what follows is still looked at."""
    text = f"phone,a\n{ANN},1\n{BOB},{'x' * (1 << 21)}\n123,1\n{BOB},2\n"
    found = faults(drop(tmp_path, text))
    assert [fault.split(":")[1] for fault in found] == ["3", "4"]
    assert "is longer than 1 MiB" in found[0]
    _, recipients, warnings = read(drop(tmp_path, text, more="skip_invalid = true\n"))
    assert [r.position for r in recipients] == [2, 5]
    assert len(warnings) == 2


@pytest.mark.parametrize("filler", ["x" * 99 + "\n", '\n","'])
def test_a_quote_left_open_does_not_swallow_the_file(tmp_path, filler):
    """A row that does not end within 1 MiB is told with the line on which it begins."""
    text = f'phone,a\n{ANN},1\n{BOB},"{filler * (1 << 19)}'
    found = faults(drop(tmp_path, text))
    assert len(found) == 1, found[:3]
    assert "tuesday.csv:3: the row that begins here does not end within 1 MiB" in found[0]


def test_a_bad_number_in_row_7000(tmp_path):
    """One bad number among ten thousand is found with its line; with skip_invalid only that row is left out."""
    lines = ["phone,name", *(f"+44711100{i:04d},Person {i}" for i in range(10_000))]
    lines[6_999] = "+4471,Oops"
    text = "\n".join(lines)
    assert [fault.split(": ")[:2] for fault in faults(drop(tmp_path, text))] == [["tuesday.csv:7000:1", "phone"]]
    _, recipients, warnings = read(drop(tmp_path, text, more="skip_invalid = true\n"))
    assert len(recipients) == 9_999
    assert [warning.split(": ")[0] for warning in warnings] == ["tuesday.csv:7000:1"]


def test_duplicates_are_told_and_kept_once(tmp_path):
    """The first of two rows with the same number stays, however it is written."""
    text = f"phone,name\n{ANN},first\n{BOB},b\n07111000001,again\n"
    _, recipients, warnings = read(drop(tmp_path, text))
    assert [(r.number, r.variables["name"]) for r in recipients] == [(ANN, "first"), (BOB, "b")]
    assert warnings == [f"tuesday.csv:4: phone: {ANN} stands in line 2 already; it is dialled once, as there"]


def test_all_rows_skipped_is_a_fault(tmp_path):
    """A file of which skip_invalid leaves nothing is refused."""
    found = faults(drop(tmp_path, "phone\nx\ny\n", more="skip_invalid = true\n"))
    assert found == ["tuesday.csv: has no valid recipient: all 2 faults are listed as warnings"]
    found = faults(drop(tmp_path, "phone\nx\n", more="skip_invalid = true\n"))
    assert found == ["tuesday.csv: has no valid recipient: the fault is listed as a warning"]


def test_a_row_with_a_fault_beside_a_good_number_is_left_out(tmp_path):
    """With skip_invalid a row is kept whole or not at all."""
    text = f"phone,max_attempts\n{ANN},none\n{BOB},2\n"
    _, recipients, warnings = read(drop(tmp_path, text, more="skip_invalid = true\n"))
    assert [r.number for r in recipients] == [BOB]
    assert len(warnings) == 1


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_is_read_back(tmp_path, rows, separator, end, quoting):
    """Whatever text a cell holds comes back as it was."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(["phone", "a", "b"])
    for index, row in enumerate(rows):
        writer.writerow([f"+4471110000{index:02d}", *row])
    _, recipients, _ = read(drop(tmp_path, out.getvalue()))
    assert [(r.variables["a"], r.variables["b"]) for r in recipients] == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=250, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            ["phone", ANN, BOB, "timezone", "x", ",", ";", "\t", '"', "\n", "\r", "\r\n", " ", "é", "Europe/London"]
        )
        | st.text(max_size=3),
        max_size=40,
    ),
    skip=st.booleans(),
)
def test_no_text_crashes(tmp_path, pieces, skip):
    """Any text is either read or told to be wrong."""
    text = "".join(pieces).encode(errors="surrogatepass")
    spec = drop(tmp_path, text, more="skip_invalid = true\n" if skip else "")
    assert faults(spec) or read(spec)[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(raw=st.binary(max_size=60), cut=st.integers(0, 60), name=st.sampled_from(["r.csv", "r.jsonl", "r.json"]))
def test_no_bytes_crash(tmp_path, raw, cut, name):
    """Random bytes, alone or within a file that was whole, are read or told to be wrong, in every format."""
    whole = {
        "r.csv": f"phone,a\n{ANN},1\n",
        "r.jsonl": f'{{"phone":"{ANN}"}}\n' * 2,
        "r.json": f'[{{"phone":"{ANN}"}},\n{{"phone":"{BOB}"}}]',
    }[name].encode()
    for text in (raw, whole[:cut] + raw + whole[cut:], whole[:cut]):
        spec = drop(tmp_path, text, name)
        assert faults(spec) or read(spec)[1]
