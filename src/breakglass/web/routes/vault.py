"""The vault's seal: its state for everybody; shares and sealing for custodians."""

import asyncio

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused, Unavailable
from breakglass.flow import seal
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.people import Role
from breakglass.model.secret import Secret
from breakglass.views.book import named
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go

LONGEST_SHARE = 1000


def add(pages: Pages) -> None:
    house = pages.house
    vault, deployment = house.services.vault, house.services.settings.deployment

    async def vault_page(request: Request, refusal: BreakglassError | None = None) -> Response:
        now = house.services.store.now()
        people = house.chain.head.people.values()
        custodians = tuple(named(one) for one in people if Role.CUSTODIAN in one.roles and one.active(now))
        status = status_of(refusal) if refusal else 200
        found = await house.vault()
        return await pages.show(
            request, "vault.html", status=status, vault=found, custodians=custodians, refusal=refusal
        )

    @pages.get("/vault", may=SIGNED_IN)
    async def show_vault(request: Request) -> Response:
        return await vault_page(request)

    @pages.post("/vault/unseal", may=those_who("unseal"))
    async def unseal(request: Request, actor: Signed) -> Response:
        """Enter one share; the last one that is needed opens it."""
        form = await read(request)
        try:
            progress = await asyncio.to_thread(vault.unseal_share, share_of(form), form["attempt"][:20])
        except (Refused, Unavailable) as refusal:
            return await vault_page(request, refusal)
        entered = progress.k if not progress.sealed else len(progress.entered)
        await house.do(actor, seal.share_entered, deployment, entered, progress.k)
        return go("/vault")

    @pages.post("/vault/share", may=those_who("rekey"))
    async def prove_share(request: Request, actor: Signed) -> Response:
        """Enter one of the new shares, to prove that its paper holds."""
        form = await read(request)
        try:
            proven = await asyncio.to_thread(vault.prove_share, share_of(form))
        except (Refused, Unavailable) as refusal:
            return await vault_page(request, refusal)
        await house.do(actor, seal.share_proven, deployment, proven)
        return go("/vault")

    @pages.post("/vault/seal", may=those_who("unseal"))
    async def seal_vault(actor: Signed) -> Response:
        await house.do(actor, seal.sealing, deployment)
        await asyncio.to_thread(vault.seal)
        return go("/vault")


def share_of(form: Form) -> Secret:
    """Raises `Malformed` where there is none."""
    text = form["share"].strip()
    if not text or len(text) > LONGEST_SHARE:
        raise Malformed("The share is missing.", what_to_do="Type your share as it stands on your paper.")
    return Secret(text.encode("utf-8", "replace"))
