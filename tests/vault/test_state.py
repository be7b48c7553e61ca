"""The state file: each flipped byte is noticed, a full disk changes nothing, and forgetting revives nothing."""

import errno
import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from breakglass.codec import canonical
from breakglass.errors import BreakglassError, NotFound, Refused, Tampered, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault.core import Vault
from breakglass.vault.files import FolderLock, replace_file
from breakglass.vault.state import (
    FOREVER,
    PEOPLE_KEPT_FOR,
    USED_KEPT_FOR,
    Given,
    Mark,
    State,
    StateFile,
)
from tests.vault.rig import NOW, event, new_world

KEY = bytes(range(32))
SECOND = NOW.replace(microsecond=0)


def given(request: str = "req_1", end: datetime = SECOND, **changed) -> Given:
    one = Given(
        request=request,
        account="acc_db1-root",
        requester="usr_alice",
        approvers=("usr_bo", "usr_di"),
        opened_at=end - timedelta(hours=1),
        not_after=end,
        token="a note\n\n— by us AAAA\n",
        terms={"reason": "Ümlaut — and “quotes”", "duration": "3600 seconds"},
        sessions=("ses_1", "ses_2"),
    )
    return replace(one, **changed)


FULL = State(
    deployment="dep_test",
    origin="log.example.test",
    founding="0" * 64,
    roster=3,
    roster_hash="1" * 64,
    mark=Mark(size=7, root="2" * 64),
    latest=SECOND,
    grants={"grt_1": given(), "grt_2": given("req_2", voided=True)},
    spent=frozenset({"req_3"}),
    voided={"grt_9": SECOND + timedelta(days=400)},
    nonces={"3" * 32: SECOND, "4" * 32: FOREVER},
    used={5: SECOND, 6: SECOND},
    floor=4,
)


def file(folder) -> StateFile:
    return StateFile(folder, Secret(KEY))


def test_what_is_written_is_read(tmp_path):
    file(tmp_path).write(FULL)
    assert file(tmp_path).read() == FULL
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["state.json"]


def test_each_flipped_byte_is_noticed(tmp_path):
    file(tmp_path).write(FULL)
    path = tmp_path / "state.json"
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(Tampered):
            file(tmp_path).read()
    for cut in (good[:-1], good + b"\n", b"", good[:70]):
        path.write_bytes(cut)
        with pytest.raises(Tampered):
            file(tmp_path).read()
    path.write_bytes(good)
    with pytest.raises(Tampered):
        StateFile(tmp_path, Secret(bytes(32))).read()
    path.unlink()
    with pytest.raises(Tampered, match="missing"):
        file(tmp_path).read()


def test_a_link_in_its_place_is_not_followed(tmp_path):
    file(tmp_path).write(FULL)
    (tmp_path / "state.json").rename(tmp_path / "elsewhere")
    (tmp_path / "state.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Tampered):
        file(tmp_path).read()


def test_a_state_of_another_version_of_this_program_is_not_half_read(tmp_path, monkeypatch):
    real = canonical.write
    monkeypatch.setattr("breakglass.vault.state.canonical.write", lambda value: real({**value, "more": 1}))
    file(tmp_path).write(FULL)
    monkeypatch.undo()
    with pytest.raises(Tampered, match="shape"):
        file(tmp_path).read()


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, call):
    path = tmp_path / "state.json"
    replace_file(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "rename":
        monkeypatch.setattr("pathlib.Path.rename", full)
    elif call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        # The kernel itself: the device that is always full.
        real = os.open
        monkeypatch.setattr(os, "open", lambda name, flags, *mode, **more: real("/dev/full", os.O_WRONLY))
    with pytest.raises(Unavailable) as caught:
        replace_file(path, b"new")
    monkeypatch.undo()
    assert "No space left" in caught.value.message
    assert "Make room" in caught.value.what_to_do
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_changes_nothing_in_memory(world, monkeypatch):
    token = world.open_grant()
    evidence, deposited, approved = world.told_session(), world.deposit(), world.approved("req_2")
    before, mark = world.vault._open.state, world.vault._open.line.mark

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for act in (
        lambda: world.release(token, evidence=evidence, deposited=deposited),
        lambda: world.vault.open_grant("grt_2", "req_2", world.approvals("req_2"), approved),
        lambda: world.vault.void_grant("grt_1"),
        lambda: world.change(lambda estate: estate["groups"].append("new")),
    ):
        with pytest.raises(Unavailable, match="No space"):
            act()
        assert world.vault._open.state is before
    assert world.vault._open.line.mark == mark
    world.vault.tick()
    assert world.vault.status().roster == 0
    monkeypatch.undo()
    world.vault.load_roster(world.versions)
    world.release(token, evidence=evidence, deposited=deposited)
    world.vault.open_grant("grt_2", "req_2", world.approvals("req_2"), approved)


def test_tidying_keeps_people_and_forgets_tokens():
    state = replace(FULL, grants={"grt_1": given()}, used={}, nonces={})
    assert state.tidied(SECOND - timedelta(seconds=1)).grants == state.grants
    ended = state.tidied(SECOND).grants["grt_1"]
    assert (ended.token, ended.terms) == ("", {})
    assert ended.people == {"usr_alice", "usr_bo", "usr_di"}
    assert ended.sessions == ("ses_1", "ses_2")
    gone = state.tidied(SECOND + PEOPLE_KEPT_FOR)
    assert gone.grants == {}
    assert gone.spent == {"req_1", "req_3"}


def test_tidying_forgets_used_entries_only_behind_a_floor():
    later = SECOND + USED_KEPT_FOR + timedelta(seconds=1)
    state = replace(FULL, used={5: SECOND, 9: SECOND, 11: later}).tidied(later)
    assert state.used == {11: later}
    assert state.floor == 10


def test_tidying_never_fails_at_the_end_of_time():
    state = replace(FULL, grants={"grt_1": given(end=FOREVER)})
    assert state.tidied(SECOND).nonces["4" * 32] == FOREVER
    assert "grt_1" in state.tidied(SECOND).grants


# -- the folder's files together --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["seal.json", "keys.json", "state.json"])
def test_no_byte_of_the_folder_changes_unnoticed(world, name):
    """Every 3rd byte of each file flipped: the vault does not open."""
    world.log.append(world.vault, event("tick", "", NOW))
    world.open_grant()
    path = world.folder / name
    good = path.read_bytes()
    for place in range(0, len(good), 3):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with suppress(BreakglassError):
            assert not Vault(world.folder, wall=world.clock).try_local_slots(), place
    path.write_bytes(good)
    world.restart()


def test_files_of_two_vaults_do_not_mix(world, tmp_path):
    other = new_world(tmp_path / "other")
    for name in ("keys.json", "state.json"):
        good = (world.folder / name).read_bytes()
        (world.folder / name).write_bytes((other.folder / name).read_bytes())
        vault = Vault(world.folder, wall=world.clock)
        assert not vault.try_local_slots()
        assert vault.status().problem
        (world.folder / name).write_bytes(good)
    world.restart()


def test_one_process_at_a_time(world):
    lock = FolderLock(world.folder)
    with pytest.raises(WrongState):
        FolderLock(world.folder)
    lock.release()
    FolderLock(world.folder).release()
    with pytest.raises(NotFound):
        FolderLock(world.home / "none")
    world.folder.chmod(0o750)
    with pytest.raises(Refused, match="reach"):
        FolderLock(world.folder)
