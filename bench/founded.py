"""What is measured: a founded deployment as the tests have it, with as many accounts on `db1` as a suite needs."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakglass.model.secret import Secret
from tests.deployment import Deployment
from tests.servers.sshd import Account, Sshd

WHOLE = 1 << 40
"""A policy's cap beyond any stream here: recorded whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A break-glass account: its Unix account, when its password changes, and which policy stands over it."""

    account: Account
    rotate_at: str = "close"
    policy: str = "pol_dual"


class Founded(Deployment):
    """`places`: short name -> account. People as in the tests: alice asks, bo and dana approve, carol stores."""

    def __init__(self, folder: Path, sshd: Sshd, places: Mapping[str, Place]) -> None:
        super().__init__(folder, sshd, next(iter(places.values())).account)
        self.places = places
        folder.mkdir(parents=True, exist_ok=True)

    def estate(self) -> dict[str, Any]:
        estate = super().estate()
        [usual] = estate["accounts"].values()
        estate["accounts"] = {
            f"acc_db1-{name}": {
                **usual,
                "name": name,
                "username": place.account.name,
                "rotate_at": place.rotate_at,
                "policy": place.policy,
            }
            for name, place in self.places.items()
        }
        estate["policies"]["pol_whole"] = {**estate["policies"]["pol_dual"], "bulk_cap": WHOLE}
        return estate

    async def deposit(self) -> None:
        for name, place in self.places.items():
            body = {"secret": place.account.password.reveal().decode()}
            await self.carol.call("PUT", f"/api/accounts/acc_db1-{name}/credential", body)
        await self.settled()

    async def grant_all(self) -> None:
        """Alice may use every account for two hours."""
        for name in self.places:
            request = await self.ask(120, account=name)
            await self.decide("bo", request)
            await self.decide("dana", request)
            await self.until(lambda request=request: self.part(request, "grant"))


def nowhere(folder: Path) -> Sshd:
    """A target that is only named, for suites that connect to none."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True, timeout=20)
    line = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    return Sshd(port=22, host_key_line=line, log=folder / "log")


def nobody(name: str = "admin") -> Account:
    return Account(name=name, uid=-1, home=Path("/nonexistent"), password=Secret(b"-"))
