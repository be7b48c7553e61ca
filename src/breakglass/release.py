"""Release of a secret: told to the log first, durable, proven to the vault, opened for one block of code, wiped.

    step notes "secret.release" ─▶ durable ─▶ evidence ─▶ the vault judges and opens ─▶ use ─▶ wipe

Only the gateway, rotation and `app` import this. The vault believes the signed grant, the roster and the entry's
place in the log that it signed itself; nothing that is read from a table decides.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from breakglass.audit import evidence
from breakglass.audit.cosignatures import Cosignatures
from breakglass.audit.log import Log
from breakglass.codec.recording import Header
from breakglass.errors import Sealed, Tampered
from breakglass.model.credential import Credential
from breakglass.model.people import Actor
from breakglass.model.secret import Secret
from breakglass.model.target import Account, AccountId, Endpoint
from breakglass.storage.store import Done, Store
from breakglass.storage.work import Read, Step
from breakglass.trust.statement import Signed
from breakglass.vault.asking import Deposited, Past, Purpose
from breakglass.vault.client import VaultClient
from breakglass.vault.clock import went_back
from breakglass.vault.evidence import Evidence

P = ParamSpec("P")
T = TypeVar("T")
RELEASE = "secret.release"
TIMEOUT = 10.0
"""Seconds for the log to take a release, and for the vault to answer."""


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What a step gave, and the proof that its release stands in the log."""

    value: T
    proven: Evidence


class Releases:
    def __init__(
        self,
        store: Store,
        log: Log,
        vault: VaultClient,
        *,
        cosignatures: Cosignatures | None = None,
        catch_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`catch_up` tells this node's vault of the grants that other nodes' vaults gave and ended."""
        self.store, self.log, self.vault = store, log, vault
        self._cosignatures, self._catch_up = cosignatures, catch_up

    async def must_be_open(self) -> None:
        """Before anybody begins what needs a release. Raises `Sealed`, `ClockWentBack`, `Unavailable`, and `Tampered`
        while the vault refuses the log."""
        if self.log.tampered:
            raise self.log.tampered
        status = await asyncio.to_thread(self.vault.status)
        if status.sealed:
            raise Sealed(
                f"The vault is sealed: {len(status.shares.entered)} of {status.shares.k} shares were entered.",
                what_to_do="Custodians unseal it: `breakglass unseal`. Then connect again.",
            )
        if status.clock_frozen and status.wall and status.latest:
            raise went_back(status.wall, status.latest)

    async def tell(self, about: str, actor: Actor, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> Told[T]:
        """Run a step that notes one release about `about`, and prove it. Raises what the step and `prove` raise."""
        done = await self.store.run(actor, step, *args, **kwargs)
        return Told(done.value, await self.prove(about, done))

    async def prove(self, about: str, done: Done[Any]) -> Evidence:
        """Wait until the release that this step noted is durable, and witnessed where the roster asks for it, and fetch
        its proof.

        Raises `Unavailable` when the log does not take it, `Sealed` while nobody signs the log, `NotWitnessed`."""
        await self.log.durable(done.size, timeout=TIMEOUT)
        index = await self.store.read(_entry, about, done.first)
        [found] = await evidence.proven(self.store, self.log, index)
        return await self._cosignatures.over(found, timeout=TIMEOUT) if self._cosignatures else found

    @asynccontextmanager
    async def session(
        self, session: str, token: str, endpoint: Endpoint, credential: Credential, proven: Evidence
    ) -> AsyncIterator[tuple[str, Secret]]:
        """The login name and secret for one session, under a grant; wiped at the block's end."""
        if self._catch_up:
            await self._catch_up()
        released = await asyncio.to_thread(
            self.vault.release_session, token, endpoint, deposited(credential), session, proven
        )
        with released.secret:
            yield released.username, released.secret

    @asynccontextmanager
    async def rotation(
        self,
        rotation: str,
        account: Account,
        endpoint: Endpoint,
        credentials: Sequence[Credential],
        purpose: Purpose,
        proven: Evidence,
    ) -> AsyncIterator[Sequence[Secret]]:
        """The secrets of these credentials, in their order, for a rotation or a probe; wiped at the block's end."""
        wanted = [deposited(one) for one in credentials]
        secrets = await asyncio.to_thread(
            self.vault.release_rotation, rotation, account.id, endpoint, wanted, purpose, proven
        )
        try:
            yield secrets
        finally:
            for secret in secrets:
                secret.wipe()

    @asynccontextmanager
    async def help(
        self, account: AccountId, endpoint: Endpoint, credential: Credential, proven: Evidence
    ) -> AsyncIterator[Secret]:
        """The secret of the account that helps this one, of which `credential` is; wiped at the block's end."""
        if self._catch_up:
            await self._catch_up()
        released = await asyncio.to_thread(self.vault.release_help, account, endpoint, deposited(credential), proven)
        with released.secret:
            yield released.secret

    @asynccontextmanager
    async def replay(
        self, told: Told[Signed], session: str, header: Header, stream: str, past: Past | None
    ) -> AsyncIterator[Secret]:
        """The key of one recording's stream, for an auditor's statement; wiped at the block's end."""
        key = await asyncio.to_thread(
            self.vault.release_replay, [told.value], session, stream, header.wrapped_key, told.proven, past
        )
        with key:
            yield key


def deposited(credential: Credential) -> Deposited:
    """A stored credential as the vault takes it."""
    return Deposited(credential=credential.id, version=credential.version, blob=credential.sealed)


def _entry(look: Read, about: str, first: int) -> int:
    index = evidence.entry_of(look, RELEASE, about)
    if index is None or index < first:
        raise Tampered("The release is not in the log.", what_to_do="Run `breakglass audit verify`.", about=about)
    return index
