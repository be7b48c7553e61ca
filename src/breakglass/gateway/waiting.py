"""At the door too early: somebody with a terminal whose request is still open is told how it stands, and connects by
themselves as soon as the grant is there. Without a terminal nobody reads: then the door refuses at once.

Only looking happens here, so that waiting writes nothing to the log.
"""

import asyncio

from breakglass.flow import connect
from breakglass.flow.estate import Estate
from breakglass.gateway.desk import Held
from breakglass.model.people import Actor
from breakglass.model.target import Account
from breakglass.storage.store import Store
from breakglass.views import requests
from breakglass.views.book import Book

LOOK_EVERY = 0.5


async def until_open(store: Store, estate: Estate, actor: Actor, account: Account, held: Held) -> None:
    """Return when a grant is live, or when nothing is awaited any more: whoever begins a session finds out which.

    The request's own deadline ends the waiting; the person's leaving cancels it."""
    said = ""
    while held.ask.terminal and not await store.read(connect.has_live_grant, actor.id, account.id):
        open_ones = await store.read(requests.mine, Book(estate.chain, str), actor)
        mine = next((one for one in open_ones if one.place.account == account.id), None)
        if mine is None:
            return
        if mine.sentence != said:
            said = mine.sentence
            held.say(f"{mine.id}: {said} You will be connected. Ctrl-C leaves; the request stays.")
        await asyncio.sleep(LOOK_EVERY)
