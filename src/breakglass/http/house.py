"""What every route works with: steps, views, the vault's state, and who asks."""

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from breakglass.errors import Forbidden
from breakglass.flow import sign_in
from breakglass.http.attempts import Caps, Challenges, Failures
from breakglass.http.replays import Replays
from breakglass.http.services import Services
from breakglass.http.terminals import Terminals
from breakglass.http.tickets import Tickets
from breakglass.model.people import Actor
from breakglass.storage.sign_ins import SignIn
from breakglass.storage.work import Read, Step
from breakglass.trust.chain import Chain
from breakglass.views import shapes
from breakglass.views import vault as vaults
from breakglass.views.book import Book, connect_line

P = ParamSpec("P")
T = TypeVar("T")
TOKEN_MAX = 200


class House:
    def __init__(self, services: Services) -> None:
        self.services = services
        monotonic = services.store.clock.monotonic
        self.challenges, self.failures, self.caps = Challenges(monotonic), Failures(monotonic), Caps(monotonic)
        self.tickets, self.replays = Tickets(monotonic), Replays(monotonic)
        self.terminals = Terminals(monotonic)

    @property
    def chain(self) -> Chain:
        return self.services.estate.chain

    @property
    def book(self) -> Book:
        return Book(self.chain, self.connect_line)

    def connect_line(self, user: str) -> str:
        """What is typed to reach the SSH door as `user`."""
        settings = self.services.settings
        host, port = self.services.ssh_at() if self.services.ssh_at else (settings.ssh_host, settings.ssh_port)
        return connect_line(host, port)(user)

    async def do(self, actor: Actor, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one step; it is durable when this returns."""
        return (await self.services.store.run(actor, step, *args, **kwargs)).value

    async def see(self, view: Callable[Concatenate[Read, Book, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.services.store.read(view, self.book, *args, **kwargs)

    async def actor(self, token: str) -> Actor | None:
        """Whom this token signs in; None for nobody."""
        found = await self.signed_in(token)
        return None if found is None else found[0]

    async def signed_in(self, token: str, *, used: bool = False) -> tuple[Actor, SignIn] | None:
        """The same with the sign-in itself. `used`: by a person, so that its end moves on."""
        if not 0 < len(token) <= TOKEN_MAX:
            return None
        try:
            found = await self.services.store.read(sign_in.seen, self.chain.head, token)
        except Forbidden:  # the roster does not give this key to this person any more
            return None
        if found is None:
            return None
        actor, made, due = found
        if used and due:
            await self.do(actor, sign_in.prolong, token)
        return actor, made

    async def vault(self) -> shapes.Vault:
        """Its state, also when it does not answer: then it helps nobody, as if it were sealed."""
        return await asyncio.to_thread(vaults.of, self.services.vault, self.services.alarm())
