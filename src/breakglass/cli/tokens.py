"""Tokens of sign-ins, kept for their half hour: one file each, for its owner only."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where one token is kept. A cache that can't be written only costs another signature."""

    deployment: str
    server: str
    login: str
    key: str

    @property
    def path(self) -> Path:
        base = os.environ.get("XDG_CACHE_HOME", "")
        folder = (Path(base) if base else Path.home() / ".cache") / "breakglass" / "tokens"
        whose = json.dumps([self.deployment, self.server, self.login, self.key])
        return folder / sha256(whose.encode()).hexdigest()[:40]

    def read(self) -> str:
        """Empty when there is none, or when others could have read or written it."""
        try:
            found = self.path.stat()
            if found.st_uid != os.getuid() or found.st_mode & 0o077:
                return ""
            return self.path.read_text().strip()[:200]
        except OSError:
            return ""

    def write(self, token: str) -> None:
        with suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self.path.with_suffix(f".{os.getpid()}")
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(token)
            fresh.replace(self.path)

    def forget(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
