"""A session signs in as an account that sleeps between uses: it is enabled first, by the account's helper.

durable mark ─▶ the helper enables it ─▶ the target says that it is ─▶ durable mark ─▶ the session's login proves it

The end of the session's grant owes a change, at whose end the account is disabled: also when this process dies.
"""

import asyncio
from collections.abc import Mapping

from breakglass import faults
from breakglass.errors import BreakglassError, OutcomeUnknown, Unavailable
from breakglass.flow import dormant
from breakglass.flow.estate import Estate
from breakglass.model.dormancy import State
from breakglass.model.ids import SessionId
from breakglass.model.people import SYSTEM
from breakglass.model.target import Account
from breakglass.plugin_api.dial import Dial
from breakglass.plugin_api.rotator import Disables, Helper, Place, Rotator
from breakglass.rotation.help import Releases, help_of, place_of
from breakglass.storage.store import Store

WITHIN = 30.0
"""Seconds for the helper to enable an account."""


class Waking:
    def __init__(
        self, store: Store, estate: Estate, releases: Releases, rotators: Mapping[str, Rotator], dial: Dial
    ) -> None:
        self.store, self.estate, self.releases, self.rotators, self.dial = store, estate, releases, rotators, dial

    async def wake(self, account: Account, session: SessionId) -> None:
        """Enable the account, unless it is. Raises when it is disabled and can't be enabled; where it is not known to
        be disabled, the login decides."""
        roster = self.estate.roster
        rotator: object = self.rotators.get(account.rotator)
        if not isinstance(rotator, Disables) or not await self.store.read(dormant.may_sleep, account):
            return
        was = (await self.store.run(SYSTEM, dormant.enabling, session)).value
        if was is State.ENABLED:
            return
        faults.reach("account.enabling")
        try:
            help = help_of(self.store, self.releases, roster, account, self.dial)
            if help is None:
                raise no_helper(account)
            async with asyncio.timeout(WITHIN), help.given(session) as helper:
                await enable(rotator, place_of(roster, account, self.dial), helper)
        except (BreakglassError, TimeoutError) as error:
            if was is not State.DISABLED:
                return
            if isinstance(error, BreakglassError):
                raise
            raise OutcomeUnknown(
                f"{account.username} is disabled on its target, which did not answer in time.",
                what_to_do="Connect again; if it stays so, ask for the domain's other break-glass account.",
                about=account.id,
            ) from None
        await self.store.run(SYSTEM, dormant.enabled, session)
        faults.reach("account.enabled")


def no_helper(account: Account) -> Unavailable:
    return Unavailable(
        "The account is disabled on its target, and the roster names no helper that could enable it.",
        what_to_do="Use the domain's other break-glass account; a custodian proposes a `helper` for this one.",
        about=account.id,
    )


async def enable(rotator: Disables, place: Place, helper: Helper) -> None:
    """And ask the target whether it is. Raises what `Disables` raises."""
    await rotator.enable(place, helper)
    faults.reach("account.enable-sent")
    if not await rotator.enabled(place, helper):
        raise OutcomeUnknown(
            f"{place.endpoint} says that {place.username} is disabled, after it was enabled.",
            what_to_do="It is tried again. Look on the target who disables it.",
            about=str(place.endpoint),
        )
