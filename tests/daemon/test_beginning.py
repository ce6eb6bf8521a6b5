"""What is said of a database that was made: much, where the spool shows that somebody has dialled before."""

from pathlib import Path

import pytest

from dialerd.daemon.beginning import tell_created
from dialerd.intake.folders import Folders


@pytest.mark.parametrize("used", [None, "accepted", "reports"])
def test_a_database_that_was_made(tmp_path, logged, used):
    """A new spool is no reason to worry; what lies in accepted/ or reports/ is."""
    folders = Folders.below(tmp_path)
    folders.prepare()
    (folders.accepted / ".hidden").touch()
    if used:
        (tmp_path / used / "c.json").touch()
    tell_created(Path("/x/dialerd.db"), folders)
    (entry,) = logged
    if not used:
        assert (entry["event"], entry["log_level"]) == ("store.created", "info")
        return
    assert (entry["event"], entry["log_level"]) == ("store.begun_anew", "warning")
    assert "/x/dialerd.db" in entry["remedy"]
    assert entry["lived"] == [str(tmp_path / used)]
