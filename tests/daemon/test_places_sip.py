"""Folders that a SIP trunk fills: what cannot be filled is told when the settings are checked."""

from pathlib import Path

import dialerd_sip
import pytest

from dialerd.daemon.places import place_warnings
from dialerd.model.settings import DaemonSettings, Settings, TrunkSettings
from dialerd.plugin.host import PluginHost


@pytest.mark.parametrize("option", ["cache", "record"])
def test_a_folder_that_cannot_be_filled_is_warned_of(tmp_path: Path, option: str) -> None:
    """A missing one is made when it is needed; one that lies in a file never can be."""

    def warned(folder: Path) -> dict[str, str]:
        options = {"server": "sip.example.com", option: str(folder)}
        settings = Settings(
            daemon=DaemonSettings(state_dir=tmp_path / "state", spool_dir=tmp_path / "spool"),
            trunks={"main": TrunkSettings(provider="sip", options=options)},
        )
        host = PluginHost([dialerd_sip], entry_points=False)
        return {fault.path: fault.message for fault in place_warnings(settings, host)}

    assert warned(tmp_path / "not" / "yet") == {}
    (tmp_path / "file").write_text("")
    told = {f"trunks.main.options.{option}": f"{tmp_path / 'file'} is no directory; name another place"}
    assert warned(tmp_path / "file" / "below") == told
