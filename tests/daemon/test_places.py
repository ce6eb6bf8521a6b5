"""Places that the settings name: what the present user cannot use is warned of."""

import os
import sqlite3
from pathlib import Path

import dialerd_simulator
import pytest

from dialerd.daemon.places import place_warnings
from dialerd.model.settings import (
    CallbackSettings,
    DaemonSettings,
    DialectSettings,
    Settings,
    StoreSettings,
    TrunkSettings,
)
from dialerd.plugin.host import PluginHost

HOST = PluginHost([dialerd_simulator], entry_points=False)


def found(tmp_path: Path, *, url=None, ledger=None, **places) -> dict[str, str]:
    """Return warnings by path."""
    daemon = DaemonSettings(**{"state_dir": tmp_path / "state", "spool_dir": tmp_path / "a" / "spool"} | places)
    trunk = TrunkSettings(provider="simulator", options={} if ledger is None else {"ledger": str(ledger)})
    settings = Settings(daemon=daemon, store=StoreSettings(url=url), trunks={"main": trunk})
    return {fault.path: fault.message for fault in place_warnings(settings, HOST)}


def test_what_can_be_made_is_fine(tmp_path):
    """Directories are made by the daemon, the ledger's file by the simulator; nothing is made by the check."""
    assert found(tmp_path, url=f"sqlite:///{tmp_path}/db/dialerd.db", ledger=tmp_path / "ledger.jsonl") == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path):
    """A directory cannot lie in a file, nor can a file be where a directory is."""
    (tmp_path / "file").write_text("")
    file = tmp_path / "file"
    warned = found(tmp_path, state_dir=file, spool_dir=file / "x" / "y", url=f"sqlite:///{tmp_path}", ledger=tmp_path)
    assert warned == {
        "daemon.state_dir": f"{file} is no directory; name another place",
        "daemon.spool_dir": f"{file} is no directory; name another place",
        "store.url": f"{tmp_path} is a directory; name a file",
        "trunks.main.options.ledger": f"{tmp_path} is a directory; name a file",
    }


def test_nobody_makes_the_directory_of_a_ledger(tmp_path):
    """The simulator does not, so that it must be there."""
    warned = found(tmp_path, ledger=tmp_path / "none" / "ledger.jsonl")
    assert warned == {"trunks.main.options.ledger": f"the directory {tmp_path / 'none'} does not exist; create it"}


def test_nobody_makes_the_directory_of_a_socket_for_callbacks(tmp_path):
    """The proxy has to get into it, so that it is for people to make; a port needs none."""

    def warned(listen: Path | str) -> dict[str, str]:
        daemon = DaemonSettings(state_dir=tmp_path / "state", spool_dir=tmp_path / "spool")
        settings = Settings(daemon=daemon, callbacks=CallbackSettings(listen=str(listen), url="https://example.com"))
        return {fault.path: fault.message for fault in place_warnings(settings, HOST)}

    missing = tmp_path / "callbacks"
    assert warned(missing / "s") == {"callbacks.listen": f"the directory {missing} does not exist; create it"}
    missing.mkdir()
    assert warned(missing / "s") == {}
    assert warned("127.0.0.1:8095") == {}


def test_what_dialects_read_must_be_there(tmp_path):
    """Nobody makes a file of keys or a folder of contacts."""
    keys, contacts = tmp_path / "keys", tmp_path / "contacts"
    daemon = DaemonSettings(state_dir=tmp_path / "state", spool_dir=tmp_path / "spool")
    settings = Settings(daemon=daemon, dialects=DialectSettings(keys_file=keys, contacts_dir=contacts))
    warned = {fault.path: fault.message for fault in place_warnings(settings, HOST)}
    assert warned == {
        "dialects.keys_file": f"{keys} is no file; write it, or every request of a dialect is refused",
        "dialects.contacts_dir": f"{contacts} is no directory; create it",
    }
    keys.write_text("key\n")
    contacts.mkdir()
    assert place_warnings(settings, HOST) == []


def test_a_database_in_memory_is_hardly_meant(tmp_path):
    """It forgets whom it rang."""
    assert "in memory" in found(tmp_path, url="sqlite://")["store.url"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes whatever the mode says")
def test_what_is_not_writable(tmp_path):
    """Directories, what would have to be made in them, and files."""
    database = tmp_path / "dialerd.db"
    sqlite3.connect(database).close()
    database.touch(0o400)
    database.chmod(0o400)
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    warned = found(
        tmp_path, state_dir=shut, spool_dir=shut / "spool", url=f"sqlite:///{database}", ledger=shut / "ledger.jsonl"
    )
    assert set(warned) == {"daemon.state_dir", "daemon.spool_dir", "store.url", "trunks.main.options.ledger"}
    assert warned["daemon.state_dir"].startswith(f"{shut} is not writable for this user")
    assert warned["daemon.spool_dir"].startswith(f"{shut / 'spool'} cannot be created in {shut} for this user")
