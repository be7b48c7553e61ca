"""Private values of the log, and how an auditor and a custodian have them erased."""

import asyncio
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from breakglass.api.bodies import Body, Prose, Signature
from breakglass.api.registry import Api
from breakglass.flow import erase
from breakglass.flow.keep import new_id
from breakglass.http.declare import Signed, those_who
from breakglass.http.house import House
from breakglass.model.ids import checked
from breakglass.storage.work import Read
from breakglass.trust.erasure import ENTRIES_MAX
from breakglass.views import log as views
from breakglass.views import shapes
from breakglass.views.erasure import Erasure

Name = Annotated[str, Query(max_length=120)]
Index = Annotated[int, Field(ge=0, le=2**62)]
ErasureId = Annotated[str, AfterValidator(lambda text: checked("era", text))]


class Wanted(Body):
    entries: Annotated[tuple[Index, ...], Field(max_length=ENTRIES_MAX)] = ()
    person: Annotated[str, Field(max_length=60)] = ""
    """Instead of entries: all of theirs that can be erased now."""
    because: Prose


def add(api: Api, house: House) -> None:
    erasing = those_who("erase")

    @api.get("/audit/private", may=erasing)
    async def list_private(about: Name = "", by: Name = "") -> list[shapes.Entry]:
        """Entries whose private values (addresses, devices, free texts) are still there."""
        return list(await house.see(views.private, about=about, by=by))

    @api.post("/audit/erasures", may=erasing)
    async def begin_erasure(body: Wanted, actor: Signed) -> Erasure:
        """The text by which you want these values erased. Nothing goes by it: sign it, then the other one does."""
        id, entries, left = new_id("era"), list(body.entries), 0
        if body.person:

            def theirs(look: Read) -> tuple[list[int], int]:
                return erase.of_person(look, body.person, actor.id)

            more, left = await house.services.store.read(theirs)
            entries = [*entries, *more[: ENTRIES_MAX - len(entries)]]
        drawn = await house.do(actor, erase.offer, house.chain, id, entries, body.because)
        return Erasure(id=id, text=drawn.text(), left=left)

    @api.post("/audit/erasures/{id}/statement", may=erasing)
    async def erasure_statement(id: ErasureId, actor: Signed) -> Erasure:
        """The text of an erasure that somebody else has signed."""
        return Erasure(id=id, text=(await house.do(actor, erase.again, house.chain, id)).text())

    @api.post("/audit/erasures/{id}/sign", may=those_who("bring"))
    async def sign_erasure(id: ErasureId, body: Signature, actor: Signed) -> Erasure:
        """Bring a signature. With an auditor's and a custodian's the values are gone for good."""
        erased = await house.do(actor, erase.sign, house.chain, id, body.signature, body.text)
        if erased:
            await asyncio.to_thread(house.services.store.scrub)
        return Erasure(id=id, erased=erased)
