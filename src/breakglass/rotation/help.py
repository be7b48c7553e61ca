"""The helper of an account: another one of its target, named in the roster, that acts where the account can't sign in.

told to the log (about the account that is helped) ─▶ the vault judges by the roster ─▶ its secret, for one block
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from breakglass.errors import Unavailable
from breakglass.flow import dormant
from breakglass.model.credential import Credential
from breakglass.model.people import SYSTEM
from breakglass.model.secret import Secret
from breakglass.model.target import Account, AccountId, Endpoint
from breakglass.plugin_api.dial import Dial
from breakglass.plugin_api.rotator import CurrentRefused, Helper, Place
from breakglass.storage.store import Store
from breakglass.trust.roster import Roster

RELEASE_WITHIN = 15.0
"""Seconds for the log to take the release and the vault to answer."""


class Releases(Protocol):
    """What help asks of `breakglass.release`."""

    async def tell(self, about: str, actor: Any, step: Any, /, *args: Any) -> Any: ...
    def help(
        self, account: AccountId, endpoint: Endpoint, credential: Credential, proven: Any, /
    ) -> AbstractAsyncContextManager[Secret]: ...


class HelperRefused(Unavailable):
    """The target refuses the helper's stored secret."""

    code = "helper_refused"


class Help:
    def __init__(self, store: Store, releases: Releases, account: Account, helper: Account, place: Place) -> None:
        """`place` is the helper's."""
        self._store, self._releases = store, releases
        self._account, self.account, self._place = account, helper, place

    @asynccontextmanager
    async def given(self, why: str) -> AsyncIterator[Helper]:
        """The helper with its secret, for the session or rotation `why`. Raises what a release raises, `Busy` while the
        helper's own secret changes, and `HelperRefused`: its own rotation is owed then."""
        helped = self._account.id
        async with asyncio.timeout(RELEASE_WITHIN):
            told = await self._releases.tell(helped, SYSTEM, dormant.release, helped, self.account.id, why)
        async with self._releases.help(helped, self._place.endpoint, told.value, told.proven) as secret:
            try:
                yield Helper(place=self._place, secret=secret)
            except CurrentRefused as refused:
                await self._store.run(SYSTEM, dormant.helper_refused, self.account.id)
                raise HelperRefused(
                    f"The target refuses the password of {self.account.username}, which helps "
                    f"{self._account.username}.",
                    what_to_do=f"It is found out what holds. {refused.what_to_do}",
                    about=self.account.id,
                ) from None


def place_of(roster: Roster, account: Account, dial: Dial) -> Place:
    options: Mapping[str, str] = account.rotator_options
    return Place(dial=dial, endpoint=roster.endpoint_of(account), username=account.username, options=options)


def help_of(store: Store, releases: Releases, roster: Roster, account: Account, dial: Dial) -> Help | None:
    """Raises `NotFound` for a helper that the roster does not have."""
    if account.helper is None:
        return None
    helper = roster.account(account.helper)
    return Help(store, releases, account, helper, place_of(roster, helper, dial))
