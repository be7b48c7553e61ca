"""Kits as files: the vault makes them once custodians agree, and the node keeps the encrypted copies to be fetched.

agreed ─▶ secret.release in the log ─▶ the vault ─▶ files, durable ─▶ kit.issued
"""

import asyncio
from hashlib import sha256
from pathlib import Path

from breakglass.audit import kits
from breakglass.errors import NotFound, Refused, Tampered, Unavailable
from breakglass.flow import kit as flow
from breakglass.flow.estate import Estate
from breakglass.model.people import SYSTEM
from breakglass.release import Releases, deposited
from breakglass.storage.store import Store
from breakglass.trust import kit
from breakglass.vault.asking import Placed
from breakglass.vault.client import VaultClient
from breakglass.vault.files import replace_file


class Kits:
    def __init__(self, store: Store, estate: Estate, releases: Releases, vault: VaultClient, folder: Path) -> None:
        self.store, self.estate, self.releases, self.vault = store, estate, releases, vault
        self.folder = folder
        self._turn = asyncio.Lock()

    async def make(self) -> bool:
        """Have the kit made that custodians signed for, if enough did. Raises `Unavailable`: then it is tried again
        when somebody asks; what the vault refuses is told, and begun anew."""
        async with self._turn:
            chain = self.estate.chain
            wanted = await self.store.read(flow.agreed, chain)
            if wanted is None:
                return False
            await asyncio.to_thread(self._prepare)  # before the statements are used up
            placed = [Placed(account=one.account, deposited=deposited(one)) for one in wanted.stored]
            subject = kit.subject(chain.head.deployment)
            told = await self.releases.tell(subject, SYSTEM, flow.release, chain, wanted.number, wanted.accounts)
            share_set = (await asyncio.to_thread(self.vault.status)).share_set
            try:
                copies = await asyncio.to_thread(self.vault.make_kit, wanted.words, placed, told.proven)
            except (Refused, Tampered) as refusal:
                await self.store.run(SYSTEM, flow.refused, chain, f"{refusal.message} {refusal.what_to_do}")
                return False
            made = []
            for one in copies:
                await asyncio.to_thread(self._write, wanted.number, one.number, one.data)
                made.append((sha256(one.data).hexdigest(), one.canary))
            await self.store.run(SYSTEM, flow.issued, chain, wanted.number, wanted.accounts, made, share_set)
            return True

    async def file(self, number: int, copy: int) -> bytes:
        """A copy as it was issued. Raises `NotFound`, and `Tampered` where the file is another one."""
        found = next((one for one in await self.store.read(kits.issued) if one.number == number), None)
        hashed = found.copies.get(copy) if found else None
        try:
            data = await asyncio.to_thread(self._path(number, copy).read_bytes) if hashed else b""
        except OSError:
            data = b""
        if not data:
            raise NotFound(
                f"There is no copy {copy} of kit {number} on this node.",
                what_to_do="Ask the node that issued it, or issue a new one: `breakglass kit issue`.",
            )
        if sha256(data).hexdigest() != hashed:
            raise Tampered(
                f"Copy {copy} of kit {number} is not the file that was issued.",
                what_to_do="Issue a new kit; call the auditors.",
            )
        return data

    def _prepare(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The folder for kits can't be made: {error.strerror or type(error).__name__}.",
                what_to_do="Look at the disk of the node's data folder, then sign again.",
            ) from None

    def _write(self, number: int, copy: int, data: bytes) -> None:
        replace_file(self._path(number, copy), data)

    def _path(self, number: int, copy: int) -> Path:
        return self.folder / f"kit-{number}-copy-{copy}.bgk"
