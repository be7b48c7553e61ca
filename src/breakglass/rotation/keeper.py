"""The vault as rotation uses it: it makes candidates that nobody sees, and opens secrets for one block of code.

mint   a new password, sealed            check   can this blob be opened again?
open   told to the log, proven to the vault, opened, wiped at the block's end (breakglass.release)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from breakglass.errors import Tampered, Unavailable
from breakglass.flow import rotate
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.rotation import Rotation
from breakglass.model.secret import Secret
from breakglass.model.target import Account, AccountId, Endpoint
from breakglass.release import deposited
from breakglass.vault.asking import Deposited, Purpose


class Vault(Protocol):
    """What rotation asks of `vault.client`. Both raise `Sealed`, and `Unavailable` while the vault does not answer."""

    def mint(self, account: str, credential: str, version: int, /) -> bytes: ...
    def check(self, account: str, deposited: Deposited, /) -> None:
        """Raises `Tampered` when the blob does not open."""
        ...


class Releases(Protocol):
    """What rotation asks of `breakglass.release`."""

    async def must_be_open(self) -> None: ...
    async def tell(self, about: str, actor: Actor, step: Any, /, *args: Any) -> Any: ...
    def rotation(
        self,
        rotation: str,
        account: Account,
        endpoint: Endpoint,
        credentials: Sequence[Credential],
        purpose: Purpose,
        proven: Any,
        /,
    ) -> AbstractAsyncContextManager[Sequence[Secret]]: ...
    def help(
        self, account: AccountId, endpoint: Endpoint, credential: Credential, proven: Any, /
    ) -> AbstractAsyncContextManager[Secret]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A candidate before it is staged."""

    id: CredentialId
    version: int
    sealed: bytes


class Keeper:
    def __init__(self, releases: Releases, vault: Vault) -> None:
        self._releases, self._vault = releases, vault

    async def must_be_open(self) -> None:
        """Raises `Unavailable`, also while the vault refuses the log: custodians settle that, and no try helps."""
        try:
            await self._releases.must_be_open()
        except Tampered as refused:
            raise Unavailable(refused.message, what_to_do=refused.what_to_do) from None

    async def mint(self, account: Account, id: CredentialId, version: int) -> Minted:
        sealed = await asyncio.to_thread(self._vault.mint, account.id, id, version)
        return Minted(id=id, version=version, sealed=sealed)

    async def check(self, one: Credential) -> None:
        """Raises `Tampered` when it can't be read back, `Sealed`, `Unavailable`."""
        await asyncio.to_thread(self._vault.check, one.account, deposited(one))

    @asynccontextmanager
    async def open(
        self, held: Rotation, account: Account, endpoint: Endpoint, wanted: Sequence[Credential], purpose: Purpose
    ) -> AsyncIterator[Sequence[Secret]]:
        """The secrets of `wanted`, in their order. The log tells of it first, under the rotation's fence."""
        ids = [one.id for one in wanted]
        told = await self._releases.tell(held.id, SYSTEM, rotate.release, held, purpose, ids)
        async with self._releases.rotation(held.id, account, endpoint, wanted, purpose, told.proven) as secrets:
            yield secrets
