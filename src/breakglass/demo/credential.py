"""The demo host's one password: in the file only as a scrypt hash, in memory only at its birth.

The file is replaced whole (new file, fsync, rename, fsync of the folder): after a crash it holds the old password or
the new one, never half of one. Parameters are those of RFC 7914's interactive use and stand in the file.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.model.target import PasswordRules

MOST_BYTES = 1024
"""The longest password that is looked at; hashing more would be work for a stranger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hash:
    login: str
    salt: str
    hash: str
    n: int = 2**14
    r: int = 8
    p: int = 1

    def fits(self, password: bytes) -> bool:
        return hmac.compare_digest(_scrypt(password, self), bytes.fromhex(self.hash))


class HostPassword:
    """One login and its password's hash, kept in one 0600 file."""

    def __init__(self, file: Path, stored: _Hash) -> None:
        self._file, self._stored = file, stored

    @classmethod
    def create(cls, file: Path, login: str) -> tuple["HostPassword", Secret]:
        """A random password for `login`, durable as its hash; the only time that the password itself is there."""
        rules = PasswordRules()
        password = Secret("".join(secrets.choice(rules.alphabet) for _ in range(rules.length)).encode())
        stored = _hashed(login, password.reveal())
        write_private(file, json.dumps(asdict(stored)).encode())
        return cls(file, stored), password

    @classmethod
    def load(cls, file: Path) -> "HostPassword":
        """Raises `Malformed` for a file that is none of ours."""
        try:
            stored = _Hash(**json.loads(file.read_bytes()))
            bytes.fromhex(stored.hash), bytes.fromhex(stored.salt)
        except (ValueError, TypeError):
            raise Malformed(
                "The demo host's password file can't be read.",
                what_to_do="Delete the demo's folder and start the demo again.",
            ) from None
        return cls(file, stored)

    @property
    def login(self) -> str:
        return self._stored.login

    def fits(self, login: str, password: bytes) -> bool:
        """About 50 ms of work, also for a login that does not exist."""
        known = hmac.compare_digest(login.encode(), self.login.encode())
        return self._stored.fits(password[:MOST_BYTES]) and known and len(password) <= MOST_BYTES

    def change(self, new: bytes) -> None:
        """Durable when it returns."""
        stored = _hashed(self.login, new)
        write_private(self._file, json.dumps(asdict(stored)).encode())
        self._stored = stored


def write_private(file: Path, content: bytes) -> None:
    """Replace `file` whole, readable by its owner only, durable when it returns."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _hashed(login: str, password: bytes) -> _Hash:
    empty = _Hash(login=login, salt=secrets.token_hex(16), hash="")
    return _Hash(login=login, salt=empty.salt, hash=_scrypt(password, empty).hex())


def _scrypt(password: bytes, how: _Hash) -> bytes:
    return hashlib.scrypt(password, salt=bytes.fromhex(how.salt), n=how.n, r=how.r, p=how.p, maxmem=64 * 1024 * 1024)
