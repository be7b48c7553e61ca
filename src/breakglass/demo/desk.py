"""The demo's desk: one-time sign-in links, and signatures by the demo people's keys, so that one person can play all.

Only a demo has this. In a real deployment nobody's key is on the server, and there is no such route.
"""

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from breakglass.codec import sshsig
from breakglass.config import Home
from breakglass.demo.people import Person, run
from breakglass.demo.tamper import tampered_copy
from breakglass.trust.statement import NAMESPACE

LINKS = ("alice", "bo", "dana", "ivy")
"""Who asks, who approves, and who audits."""


class Desk:
    def __init__(self, home: Home, people: Mapping[str, Person]) -> None:
        self._home, self._people = home, people
        self._codes = {secrets.token_urlsafe(9): login for login in LINKS}

    def links(self, address: str) -> dict[str, str]:
        """Login -> link. The code stands behind the #, which browsers do not send by themselves."""
        return {login: f"{address}/demo#{code}" for code, login in self._codes.items()}

    def take(self, code: str) -> str | None:
        return self._codes.pop(code, None)

    def sign(self, person: str, text: str) -> str:
        found = self._people.get(person.removeprefix("usr_"))
        if found is None:
            return ""
        key = load_ssh_private_key(found.key.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            return ""
        return sshsig.sign_ed25519(key, text.encode(), NAMESPACE)

    async def tamper(self) -> tuple[int, str]:
        with tempfile.TemporaryDirectory(prefix="breakglass-tamper-") as folder:
            entry = await asyncio.to_thread(tampered_copy, self._home.path, Path(folder))
            command = [sys.executable, "-m", "breakglass", "--home", folder, "--json", "audit", "verify"]
            ran = await run(command, timeout=60)
        if ran.code == 0:
            return entry, ""
        findings = json.loads(ran.out).get("findings", [])
        return entry, f"{findings[0]['where']}: {findings[0]['words']}" if findings else ran.err.strip()
