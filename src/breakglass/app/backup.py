"""Backup and restore: one encrypted file, which the custodians' shares open, and nothing else.

    backup    vault files ▸ database's snapshot ▸ settings, host key, recordings  ─ tar, encrypted ─▶ FILE
    restore   FILE ─ k shares ─▶ scratch ▸ verified ▸ grants voided [▸ rows to a server, verified] ▸ renamed to HOME

The vault's state is copied before the database: the log may be ahead of its high-water mark, never behind. Grants were
given for the emergency of another day: what is restored honours none of them. The key of the `file` slot is never
in a backup; a restored vault waits for custodians until its key file is there. Where the rows lie on a server, the file
holds them as the embedded database would, so that it is verified anywhere. Format: docs/formats/backup.md.
"""

import asyncio
import json
import os
import shutil
import struct
import tarfile
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, cast

from breakglass import config
from breakglass.app.verifying import verify_log
from breakglass.codec import instant
from breakglass.config import Home, Settings
from breakglass.errors import BreakglassError, Malformed, NotFound, Tampered, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.storage import copying, snapshot
from breakglass.vault import backup_box, keys, seal_json, share_text, state
from breakglass.vault.key_file import TITLE as KEY_FILE_TITLE
from breakglass.vault.making import SEAL_FILE
from breakglass.vault.seal import Seal

MAGIC = b"breakglass backup 1\n"
_LENGTH = struct.Struct(">I")
HEADER_MAX = 1 << 20
MEMBERS = {"deployment", "made_at", "seal", "keys"}
VAULT_FILES = (SEAL_FILE, keys.FILE, state.FILE)
COPIES = 20
"""Tries to copy the vault's files while nobody replaces them."""
PLAIN_FILES = ("ssh_host_key", "ssh_host_key.pub", "alerts.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    deployment: str
    made_at: datetime
    entries: int
    """Of the log, all verified."""
    grants_voided: int
    home: str
    """Empty when it was only checked."""


def backup(home: Home, file: Path) -> int:
    """Write the backup of `home` to `file`; returns its bytes. The node may run meanwhile, and others on its database.

    Raises `WrongState` when `file` is there already, `Unavailable` when database or disk do not let it.
    """
    settings = config.read(home)
    if file.exists():
        raise WrongState(f"{file} exists already.", what_to_do="Choose another name: a backup is never overwritten.")
    part = file.with_name(file.name + ".part")
    scratch = Path(tempfile.mkdtemp(prefix="backup.", dir=home.path))
    try:
        _copy_vault(home.vault, scratch)
        if settings.database:
            copying.copy(settings.database, f"sqlite:///{scratch / home.database.name}")
            snapshot.close(scratch / home.database.name)
            config.write(Home(scratch), replace(settings, database=""))
        else:
            snapshot.copy(home.database, scratch / home.database.name)
            shutil.copyfile(home.settings, scratch / config.SETTINGS)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
            _write(out, home, settings, scratch)
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        part.rename(file)
    except OSError as error:
        raise Unavailable(
            f"The backup could not be written: {error.strerror or type(error).__name__}.",
            what_to_do="Look at the disk and at who may write there.",
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            part.unlink()
    return size


def _copy_vault(vault: Path, scratch: Path) -> None:
    """Its files, of one moment: custodians may make new shares meanwhile, and then seal and state are replaced."""
    for _ in range(COPIES):
        for name in VAULT_FILES:
            shutil.copyfile(vault / name, scratch / name)
        if state.seems_to_know_seal(scratch, sha256((scratch / SEAL_FILE).read_bytes()).hexdigest()):
            return
        time.sleep(0.05)
    raise Unavailable(
        "The vault's seal and its state do not belong together.",
        what_to_do="Try again. If it stays so, don't restart the vault; call the custodians and the auditors.",
    )


async def restore(file: Path, home: Home | None, shares: Sequence[str], database: str = "") -> Restored:
    """Restore `file` as the data folder `home`, once all of it is verified; without `home`, verify only. `database`:
    the address of an empty one that takes the rows; without it they lie in the folder.

    Raises `WrongShare` (it names the share), `NotEnoughShares`, `Tampered`, `WrongState` when `home` is in use or there
    is something in `database`.
    """
    if home is not None and home.path.exists() and any(home.path.iterdir()):
        raise WrongState(f"{home.path} is in use already.", what_to_do="Choose an empty folder.")
    beside = home.path.parent if home is not None else None
    if beside is not None:
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Home(Path(tempfile.mkdtemp(prefix="breakglass-restore.", dir=beside)))
    try:
        with file.open("rb") as source:
            header = _header(source)
            sealed = seal_json.from_json(header["seal"])
            with _root(sealed, shares) as root:
                _unpack(source, root, header, scratch)
                settings, mark, voided = _check_vault(root, scratch)
        snapshot.check(scratch.database)
        entries = await _check_log(scratch, settings, mark)
        if home is not None and database:
            await asyncio.to_thread(copying.copy, f"sqlite:///{scratch.database}", database)
            settings = replace(settings, database=database)
            config.write(scratch, settings)
            scratch.database.unlink()
            await _check_log(scratch, settings, mark)  # as it lies there now
        if home is not None:
            with suppress(FileNotFoundError):
                home.path.rmdir()
            scratch.path.rename(home.path)
    except FileNotFoundError as error:
        raise NotFound(f"{error.filename} is missing.", what_to_do="Is it the right file, and whole?") from None
    except OSError as error:
        raise Unavailable(
            f"The backup could not be restored: {error.strerror or type(error).__name__}.",
            what_to_do="Look at the disk and at who may write there.",
        ) from None
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
    return Restored(
        deployment=settings.deployment,
        made_at=instant.read(header["made_at"]),
        entries=entries,
        grants_voided=voided,
        home=str(home.path) if home else "",
    )


def shares_needed(file: Path) -> int:
    """How many shares open it."""
    try:
        with file.open("rb") as source:
            return seal_json.from_json(_header(source)["seal"]).custodians.public.k
    except OSError as error:
        raise NotFound(f"{file} can't be read: {error.strerror}.", what_to_do="Mind its name and rights.") from None


def _write(out: IO[bytes], home: Home, settings: Settings, scratch: Path) -> None:
    found = keys.read_keys(scratch)
    header = json.dumps(
        {
            "deployment": settings.deployment,
            "made_at": instant.write(datetime.now(UTC)),
            "seal": (scratch / SEAL_FILE).read_text(),
            "keys": (scratch / keys.FILE).read_text(),
        }
    ).encode()
    out.write(MAGIC + _LENGTH.pack(len(header)) + header)
    closing = backup_box.Closing(out, b64decode(found.backup), header)
    with tarfile.open(mode="w|", fileobj=cast(IO[bytes], closing), format=tarfile.PAX_FORMAT) as tar:
        for path, name in _members(home, scratch):
            _add(tar, path, name)
    closing.close()


def _members(home: Home, scratch: Path) -> Iterator[tuple[Path, str]]:
    yield from ((scratch / name, f"vault/{name}") for name in VAULT_FILES)
    yield scratch / home.database.name, home.database.name
    yield scratch / config.SETTINGS, config.SETTINGS
    yield from ((home.path / name, name) for name in PLAIN_FILES)
    for path in sorted(home.recordings.rglob("*")):
        yield path, str(path.relative_to(home.path))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """A plain file, as long as it is now: a recording may grow meanwhile, or have been moved."""
    if path.is_symlink() or not path.is_file():
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(KEY_FILE_TITLE)) == KEY_FILE_TITLE:
            raise Malformed(
                f"{path} is a key file of the vault: it must not be in a backup.",
                what_to_do="Move it out of the data folder.",
            )
        file.seek(0)
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        tar.addfile(info, file)


def _header(source: IO[bytes]) -> dict[str, str]:
    try:
        if source.read(len(MAGIC)) != MAGIC:
            raise ValueError
        (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
        raw = source.read(length) if length <= HEADER_MAX else b""
        found = json.loads(raw)
        if set(found) != MEMBERS or not all(isinstance(value, str) for value in found.values()):
            raise ValueError
        instant.read(found["made_at"])
    except (ValueError, TypeError, struct.error, RecursionError, BreakglassError):
        raise Malformed("This is no backup of Breakglass.", what_to_do="Mind the file's name.") from None
    return {**found, "": raw.decode()}


def _root(sealed: Seal, shares: Sequence[str]) -> Secret:
    return sealed.open_by_shares([share_text.decode(text) for text in shares])


def _unpack(source: IO[bytes], root: Secret, header: dict[str, str], scratch: Home) -> None:
    scratch.vault.mkdir(mode=0o700)
    (scratch.vault / keys.FILE).write_text(header["keys"])
    # Opened before anything is decrypted: the public key to which it was encrypted must be the root key's.
    keys.open_keys(root, keys.read_keys(scratch.vault)).wipe()
    with keys.derive(root, header["deployment"], "backup") as private:
        opening = backup_box.Opening(source, private, header[""].encode())
    try:
        with tarfile.open(mode="r|", fileobj=cast(IO[bytes], opening)) as tar:
            for member in tar:
                if not member.isfile():
                    raise _no_backup("it holds what is no file")
                tar.extract(member, scratch.path, filter="data")
    except tarfile.TarError:
        raise _no_backup("its content has another shape") from None
    while opening.read(backup_box.CHUNK):  # to the end: only there a cut shows
        pass
    scratch.make()
    for folder in (path for path in scratch.path.rglob("*") if path.is_dir()):
        folder.chmod(0o700)
    for name, text in ((SEAL_FILE, header["seal"]), (keys.FILE, header["keys"])):
        if (scratch.vault / name).read_text() != text:
            raise _no_backup(f"its {name} is not that of its header")


def _check_vault(root: Secret, scratch: Home) -> tuple[Settings, int, int]:
    """The settings, the size of the log that the vault has seen, and how many live grants were voided."""
    settings = config.read(scratch)
    keyring = keys.open_keys(root, keys.read_keys(scratch.vault))
    try:
        file = state.StateFile(scratch.vault, keyring.state_key)
        found = file.read()
        sealed = sha256((scratch.vault / SEAL_FILE).read_bytes()).hexdigest()
        ours = (found.deployment, found.founding) == (settings.deployment, settings.roster_pin)
        if not (ours and found.knows_seal(sealed)):
            raise _no_backup("its vault, its seal and its settings do not belong together")
        live = [id for id, one in found.grants.items() if not one.voided]
        file.write(replace(found, grants={id: replace(one, voided=True) for id, one in found.grants.items()}))
    finally:
        keyring.wipe()
    return settings, found.mark.size, len(live)


async def _check_log(scratch: Home, settings: Settings, least: int) -> int:
    """Entries of the log. Raises `Tampered` when something in it does not hold, or it ends before the vault's mark."""
    report = await verify_log(scratch, settings)
    window = report.get("window")
    entries = int(window["entries"]) if isinstance(window, dict) else -1
    if report.get("ok") is not True:
        raise _no_backup("its log does not verify")
    if entries < least:
        raise _no_backup(f"its log has {entries} entries, its vault has seen {least}")
    return entries


def _no_backup(why: str) -> Tampered:
    return Tampered(
        f"The backup is not whole: {why}.",
        what_to_do="Use another copy of it, or an older backup; tell the auditors. Nothing was put in place.",
    )
