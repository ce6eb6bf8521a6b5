"""First looks into a dropped file."""

import os

import pytest
from spooling import skip_without_leases

from dialerd.intake.content import identity, is_being_written, is_our_note, look_into, note
from dialerd.intake.kinds import RECIPIENTS, SPEC


def test_a_file_open_for_writing_is_noticed(tmp_path):
    """As long as its writer holds it open, however long the writer rests."""
    skip_without_leases(tmp_path)
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("half")
        file.flush()
        assert is_being_written(path)
    assert not is_being_written(path)
    with path.open() as _reader:
        assert not is_being_written(path)


def test_looking_at_what_is_no_file_does_not_wait(tmp_path):
    """A pipe without a writer, a directory, a link, nothing at all."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder", "nothing"):
        assert not is_being_written(tmp_path / name)
        assert not is_our_note(tmp_path / name)


@pytest.mark.parametrize("text", ['[{"phone": "x"}]', " \n\t[", "\ufeff["])
def test_a_json_array_is_a_list_of_recipients(tmp_path, text):
    """It waits for the spec that asks for it."""
    path = tmp_path / "a.json"
    path.write_text(text)
    assert look_into(path, SPEC) == (RECIPIENTS, None)


@pytest.mark.parametrize(
    ("name", "text", "needs"),
    [
        ("a.toml", 'name = "x"\nrecipients_file = "a.csv"\n', "a.csv"),
        ("a.json", '{"name": "x", "recipients_file": "a.csv"}', "a.csv"),
        ("a.toml", 'name = "x"\n', None),
        ("a.toml", "name = \n", None),
        ("a.json", "", None),
    ],
)
def test_a_spec_tells_what_it_needs(tmp_path, name, text, needs):
    """Whether it is whole or broken."""
    path = tmp_path / name
    path.write_text(text)
    assert look_into(path, SPEC) == (SPEC, needs)


def test_identity_tells_a_replaced_file(tmp_path):
    """Another file under the same name is another file."""
    path = tmp_path / "a.toml"
    assert identity(path) is None
    path.write_text("x")
    first = identity(path)
    (tmp_path / "b").write_text("y")
    (tmp_path / "b").rename(path)
    assert identity(path) != first


def test_our_notes_are_known_again(tmp_path):
    """A user's file of the same ending is not."""
    (tmp_path / "a").write_bytes(note("waits"))
    (tmp_path / "b").write_bytes(b"waits")
    assert is_our_note(tmp_path / "a")
    assert not is_our_note(tmp_path / "b")
