"""Secrets of plugins: from files and credentials, never from the settings, and never in a message."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.plugin.secrets import SecretError, read_secret

SECRET = "a-made-up-token"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that holds a secret and is closed to others."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o640)
    return path


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which systemd lays credentials."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    return directory


def lay(path: Path, text: str = SECRET) -> None:
    """Lay a credential as systemd does."""
    path.write_text(text)
    path.chmod(0o400)


def refusal(name: str) -> str:
    """Return the message by which a setting is refused; it never holds a secret."""
    with pytest.raises(SecretError) as caught:
        read_secret(name, "token")
    assert str(caught.value).startswith("token: ")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None  # a traceback shows it too
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_a_path_is_read(file):
    """White space at the ends, which editors leave, is no part of it."""
    assert read_secret(str(file), "token") == SECRET


def test_a_name_is_a_credential(credentials):
    """Of the unit's own LoadCredential=, or of the directory, whose files systemd prefixes."""
    lay(credentials / "dialerd_carrier")
    lay(credentials / "own", "another")
    assert read_secret("carrier", "token") == SECRET
    assert read_secret("own", "token") == "another"


def test_a_name_that_is_missing_is_told_with_those_there_are(credentials):
    """The name itself is not repeated: somebody may have put the secret into the settings."""
    lay(credentials / "dialerd_carrier")
    lay(credentials / "dialerd", "none")  # stands for a directory that is not there
    told = refusal(SECRET)
    assert "there are: carrier." in told
    assert "restart" in told


@pytest.mark.parametrize("name", ["", ".", "..", "../shadow", "a/b", "a\0b"])
def test_a_name_does_not_lead_out_of_the_directory(credentials, name):
    """It is a file name."""
    assert "absolute path" in refusal(name)


def test_outside_systemd_there_are_no_credentials(monkeypatch):
    """The message says where the file belongs."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "/etc/dialerd/credentials" in refusal("carrier")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o642, 0o641])
def test_a_file_that_is_open_to_everybody_is_refused(file, mode):
    """What everybody may read is no secret any more; what everybody may write is not ours."""
    file.chmod(mode)
    assert f"chmod o= {file}" in refusal(str(file))


def test_what_is_no_secret_is_refused(tmp_path, file):
    """Empty files, binary ones, huge ones, directories, pipes, and what is not there."""
    file.write_text(" \n")
    assert "is empty" in refusal(str(file))
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(str(file))
    file.write_text(SECRET * 10_000)
    assert "longer than" in refusal(str(file))
    assert "no regular file" in refusal(str(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no regular file" in refusal(str(tmp_path / "pipe"))
    assert "cannot be opened" in refusal(f"/{SECRET}")
    assert "cannot be opened" in refusal(f"/{SECRET}\0")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8))
def test_whatever_stands_in_the_setting_is_not_repeated(text):
    """Unless there is such a file; a base64 secret may even begin like a path."""
    text = text.replace("..", "")
    ours = refusal("not-there"), refusal("/not/there")  # words that are the message's own
    for name in (text, f"/{text}"):
        with pytest.raises(SecretError) as caught:
            read_secret(name, "x")
        words = str(caught.value)
        harmless = not text.strip("/. ") or len(text.strip()) < 8 or os.path.exists(name)
        assert text not in words or harmless or any(text in own for own in ours)
