"""The spool's folders: made when missing, left alone when there, refused in clear words when unusable."""

import errno
import os
import stat

import pytest

from dialerd.intake import durable
from dialerd.intake.durable import SCRATCH
from dialerd.intake.folders import Folders, SpoolError


def test_missing_folders_are_made(tmp_path):
    """All four come into being, incoming open to its group, the others not to strangers."""
    folders = Folders.below(tmp_path / "a" / "spool")
    folders.prepare()
    modes = {
        name: stat.S_IMODE(os.stat(tmp_path / "a" / "spool" / name).st_mode)
        for name in ("incoming", "accepted", "rejected", "reports")
    }
    assert modes == {"incoming": 0o2770, "accepted": 0o750, "rejected": 0o750, "reports": 0o750}


def test_an_existing_folder_keeps_its_mode(tmp_path):
    """What the administrator set up stays as it is."""
    (tmp_path / "incoming").mkdir(mode=0o700)
    Folders.below(tmp_path).prepare()
    assert stat.S_IMODE(os.stat(tmp_path / "incoming").st_mode) == 0o700


def test_unfinished_files_of_a_former_life_are_swept_up(tmp_path):
    """What a crash left half written goes; the user's own dotfiles stay."""
    folders = Folders.below(tmp_path)
    folders.prepare()
    (folders.accepted / f"{SCRATCH}1-2").write_text("half")
    (folders.reports / f"{SCRATCH}1-3").mkdir()
    (folders.reports / f"{SCRATCH}1-3" / "calls.csv").write_text("half")
    (folders.incoming / ".keep").write_text("")
    durable.scratch(folders.rejected).write_text("being written by this life")
    folders.prepare()
    assert not os.listdir(folders.accepted)
    assert len(os.listdir(folders.rejected)) == 1
    assert not os.listdir(folders.reports)
    assert os.listdir(folders.incoming) == [".keep"]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    """The message names the folder, the reason and the setting."""
    (tmp_path / "accepted").write_text("in the way")
    with pytest.raises(SpoolError, match=r"accepted cannot be used: .*exists.*spool_dir"):
        Folders.below(tmp_path).prepare()


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path):
    """A read-only folder is refused at the start, not at the first file."""
    folders = Folders.below(tmp_path)
    folders.prepare()
    folders.rejected.chmod(0o500)
    if os.access(folders.rejected, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(SpoolError, match="rejected cannot be used"):
        folders.prepare()


def test_a_mode_that_the_unit_forbids_is_told_with_the_commands(tmp_path, monkeypatch):
    """Under systemd's RestrictSUIDSGID the daemon cannot set it: the message says how to make the folder by hand."""
    chmod = os.chmod

    def forbid(path, mode, **more):
        if mode & stat.S_ISGID:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        chmod(path, mode, **more)

    monkeypatch.setattr(os, "chmod", forbid)
    with pytest.raises(SpoolError, match=r"install -d -m 2770 .*incoming") as told:
        Folders.below(tmp_path / "spool").prepare()
    assert str(tmp_path / "spool" / "incoming") in str(told.value)
    assert not (tmp_path / "spool" / "incoming").exists(), "made with the wrong mode, it would be taken for the user's"
