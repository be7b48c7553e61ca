"""The store, the log and the real vault process behind them: what a node has, without its doors."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from bench.founded import Founded, Place, nobody, nowhere
from breakglass import config
from breakglass.app.vault_process import VaultProcess, VaultSigner
from breakglass.audit import evidence
from breakglass.audit.log import Log
from breakglass.codec import sshsig
from breakglass.config import database_url
from breakglass.flow import estate as estates
from breakglass.flow import keep, rotate
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.flow.estate import Estate
from breakglass.model.ids import CredentialId
from breakglass.model.people import Actor
from breakglass.storage import rosters
from breakglass.storage.store import Store, SystemClock
from breakglass.trust.roster import Roster
from breakglass.trust.statement import NAMESPACE


class Office:
    def __init__(self, store: Store, estate: Estate, people: Mapping[str, Path]) -> None:
        self.store, self.estate = store, estate
        self._keys = {login: _key(path) for login, path in people.items()}

    @property
    def roster(self) -> Roster:
        return self.estate.roster

    def actor(self, login: str) -> Actor:
        person = self.roster.login(login)
        assert person is not None
        return self.roster.actor(login, person.keys[0].fingerprint, self.store.now())

    def sign(self, login: str, text: str) -> str:
        """The same signature as `ssh-keygen -Y sign` makes, without starting it."""
        return sshsig.sign_ed25519(self._keys[login], text.encode(), NAMESPACE)


@asynccontextmanager
async def opened(folder: Path, accounts: int) -> AsyncIterator[Office]:
    """A founded home with accounts `a0`, `a1`, …; its store writes, its vault signs every batch."""
    places = {f"a{n}": Place(account=nobody(f"admin{n}")) for n in range(accounts)}
    founded = Founded(folder, nowhere(folder / "target"), places)
    await founded.found()
    home, settings = founded.home, config.read(founded.home)
    vault = VaultProcess(home, settings)
    await vault.start()
    try:
        log = Log(VaultSigner(vault.client))
        store = Store(database_url(home, settings), log, CONSEQUENCES, SystemClock())
        with store.engine.begin() as conn:
            log.open(conn, asyncio.get_running_loop())
        store.start()
        try:
            estate = await store.read(estates.load, settings.roster_pin)
            vault.client.load_roster(await store.read(rosters.versions))
            office = Office(store, estate, {login: person.key for login, person in founded.people.items()})
            await _deposit(office, vault)
            yield office
            checkpoint = await store.read(evidence.newest_checkpoint)
            assert checkpoint is not None
            assert int(checkpoint.split(b"\n")[1]) == log.size, "the vault did not sign what was measured"
        finally:
            await asyncio.to_thread(store.stop)
    finally:
        vault.stop()


async def _deposit(office: Office, vault: VaultProcess) -> None:
    """A credential for each account: without one it takes no request."""
    for account in office.roster.accounts.values():
        id = CredentialId(keep.new_id("crd"))
        sealed = vault.client.mint(account.id, id, 1)
        await office.store.run(office.actor("carol"), rotate.deposit, account.id, id, 1, sealed)


def _key(path: Path) -> Ed25519PrivateKey:
    key = load_ssh_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key
