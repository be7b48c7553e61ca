"""Private values of the log on pages: which are still there, and how an auditor and a custodian have them erased."""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused
from breakglass.flow import erase
from breakglass.flow.keep import new_id
from breakglass.http.declare import Signed, those_who
from breakglass.http.house import House
from breakglass.http.status import status_of
from breakglass.model.ids import checked
from breakglass.model.people import Actor, Role
from breakglass.storage.work import Read
from breakglass.trust.erasure import ENTRIES_MAX
from breakglass.views import erasure as views
from breakglass.views import log
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

SHOWN = 100
"""Entries on the page; a filter shows others."""
Name = Annotated[str, Query(max_length=120)]
ErasureId = Annotated[str, Path(max_length=60), AfterValidator(lambda text: checked("era", text))]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is to be signed."""

    id: str
    text: str
    left: int = 0
    """More entries of the person that can't be erased, or not yet."""


def add(pages: Pages) -> None:
    house, erasing = pages.house, those_who("erase")

    @pages.get("/erasures", may=erasing)
    async def show_private(request: Request, actor: Signed, by: Name = "", about: Name = "") -> Response:
        return await _list(pages, request, actor, by=by, about=about)

    @pages.post("/erasures/text", may=erasing)
    async def begin(request: Request, actor: Signed) -> Response:
        """The text by which these values go, to be read and signed; nothing is signed or erased yet."""
        form = await read(request)
        by, about, key, because = form.line("by"), form.line("about"), form.line("key"), form["because"]
        acting, id = signer(house.chain.head, actor, key).actor, new_id("era")
        try:
            entries, left = await _wanted(house, form, actor)
            drawn = await house.do(acting, erase.offer, house.chain, id, entries, because)
        except Refused as refusal:
            return await _list(pages, request, actor, by=by, about=about, because=because, refusal=refusal)
        return await _text(pages, request, actor, Drawn(id, drawn.text(), left), key=key)

    @pages.get("/erasures/{id}", may=erasing)
    async def show_erasure(
        request: Request, actor: Signed, id: ErasureId, key: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        """One that somebody else began, to be read and signed."""
        drawn = await house.do(signer(house.chain.head, actor, key).actor, erase.again, house.chain, id)
        return await _text(pages, request, actor, Drawn(id, drawn.text()), key=key)

    @pages.post("/erasures/{id}/sign", may=those_who("bring"))
    async def sign_erasure(request: Request, actor: Signed, id: ErasureId) -> Response:
        form = await read(request)
        try:
            erased = await house.do(actor, erase.sign, house.chain, id, *brought(form))
        except Refused as refusal:
            if not {Role.AUDITOR, Role.CUSTODIAN} & actor.roles:
                raise
            if not form["text"]:
                return await _list(pages, request, actor, by="", about="", refusal=refusal)
            return await _text(pages, request, actor, Drawn(id, form["text"]), refusal=refusal)
        if erased:
            await asyncio.to_thread(house.services.store.scrub)
        return go("/erasures")


async def _list(
    pages: Pages,
    request: Request,
    actor: Actor,
    *,
    by: str,
    about: str,
    because: str = "",
    refusal: BreakglassError | None = None,
) -> Response:
    """What is there, and what waits for the other signature."""
    house = pages.house
    found = await house.see(log.private, about=about.strip(), by=by)
    return await pages.show(
        request,
        "erasures.html",
        status=status_of(refusal) if refusal else 200,
        entries=found[-SHOWN:][::-1],
        more=max(0, len(found) - SHOWN),
        people=sorted(house.chain.head.people.values(), key=lambda one: one.name),
        by=by,
        about=about,
        because=because,
        waiting=await house.see(views.waiting),
        drawn=None,
        signer=signer(house.chain.head, actor),
        refusal=refusal,
    )


async def _text(
    pages: Pages,
    request: Request,
    actor: Actor,
    drawn: Drawn,
    *,
    key: str = "",
    refusal: BreakglassError | None = None,
) -> Response:
    signs = replace(signer(pages.house.chain.head, actor, key), others=())  # another key would need another text
    return await pages.show(
        request,
        "erasures.html",
        status=status_of(refusal) if refusal else 200,
        drawn=drawn,
        signer=signs,
        refusal=refusal,
        pasted="",
    )


async def _wanted(house: House, form: Form, actor: Actor) -> tuple[list[int], int]:
    """The chosen entries, or all of the person's that can go now; and how many more can't. Raises `Malformed`."""
    if not form["all"]:
        chosen = form.all("entry")
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in chosen):
            raise Malformed("This is no entry of the log.", what_to_do="Choose from the list.")
        return [int(one) for one in chosen], 0

    def theirs(look: Read) -> tuple[list[int], int]:
        return erase.of_person(look, form.line("by"), actor.id)

    found, left = await house.services.store.read(theirs)
    return found[:ENTRIES_MAX], left + max(0, len(found) - ENTRIES_MAX)
