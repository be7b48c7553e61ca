"""A key file is made once, for one user, and read only so."""

import os
import stat
from pathlib import Path

import pytest

from breakglass.errors import Malformed, NotFound, Refused, WrongState
from breakglass.vault.key_file import KeyFile


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "seal.key")


def test_made_private_and_read_back(file: KeyFile):
    before = os.umask(0)
    try:
        key = file.create()
    finally:
        os.umask(before)
    assert len(key) == 32
    assert file.read().reveal() == key.reveal()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.path.read_text().startswith("breakglass file key 1\n")


def test_two_files_hold_two_keys(file: KeyFile, tmp_path: Path):
    assert file.create().reveal() != KeyFile(tmp_path / "other.key").create().reveal()


def test_never_overwritten(file: KeyFile, tmp_path: Path):
    key = file.create()
    with pytest.raises(WrongState, match="exists already"):
        file.create()
    dangling = KeyFile(tmp_path / "link")
    dangling.path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(WrongState):
        dangling.create()
    assert not (tmp_path / "nowhere").exists()
    assert file.read().reveal() == key.reveal()


def test_file_and_folder_are_synced(file: KeyFile, monkeypatch: pytest.MonkeyPatch):
    synced = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    file.create()
    assert synced == [False, True]


def test_a_failed_write_leaves_nothing(file: KeyFile, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.create()
    assert not file.path.exists()
    assert file.create()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666, 0o777])
def test_refused_when_others_can_reach_it(file: KeyFile, mode: int):
    file.create()
    file.path.chmod(mode)
    with pytest.raises(Refused, match="Others than") as refused:
        file.read()
    assert "chmod 600" in refused.value.what_to_do


def test_a_read_only_file_is_fine(file: KeyFile):
    key = file.create()
    file.path.chmod(0o400)
    assert file.read().reveal() == key.reveal()


def test_another_users_file_is_refused(file: KeyFile, monkeypatch: pytest.MonkeyPatch):
    file.create()
    if os.geteuid() == 0:
        os.chown(file.path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Refused, match="Others than"):
        file.read()


def test_missing_links_folders_and_pipes_are_refused(file: KeyFile, tmp_path: Path):
    with pytest.raises(NotFound):
        file.read()
    file.create()
    link = KeyFile(tmp_path / "link")
    link.path.symlink_to(file.path)
    with pytest.raises(Refused, match="can't be opened"):
        link.read()
    with pytest.raises(Refused, match="not a plain file"):
        KeyFile(tmp_path).read()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Refused, match="not a plain file"):
        KeyFile(tmp_path / "pipe").read()


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "\n", str.upper, lambda t: t[:-2] + "g\n", lambda t: ""]
)
def test_other_content_is_malformed_and_not_shown(file: KeyFile, change):
    key = file.create()
    file.path.write_text(change(file.path.read_text()))
    with pytest.raises(Malformed) as refused:
        file.read()
    assert key.reveal().hex()[:16] not in str(refused.value).lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of root's")
def test_a_credential_of_systemd_may_have_an_acl(file: KeyFile, monkeypatch: pytest.MonkeyPatch):
    """Its mask stands where the mode has the group; elsewhere the same mode is another reader's."""
    key = file.create()
    file.path.chmod(0o440)
    with pytest.raises(Refused):
        file.read()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.path.parent))
    assert file.read().reveal() == key.reveal()
    for mode in (0o444, 0o460, 0o441):
        file.path.chmod(mode)
        with pytest.raises(Refused):
            file.read()
    file.path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.path.parent.parent))
    with pytest.raises(Refused):
        file.read()
