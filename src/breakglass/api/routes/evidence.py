"""Evidence of a request: the bundle that outsiders check without this server."""

import asyncio

from fastapi import Response

from breakglass.api.bodies import RequestIdIn
from breakglass.api.registry import Api
from breakglass.audit import bundle as bundles
from breakglass.flow import evidence
from breakglass.http.declare import Signed, those_who
from breakglass.http.house import House
from breakglass.storage.work import Read
from breakglass.views import log as views
from breakglass.views.book import Book


def add(api: Api, house: House) -> None:
    @api.post("/requests/{id}/evidence", may=those_who("audit"), response_class=Response)
    async def export_evidence(id: RequestIdIn, actor: Signed) -> Response:
        """A bundle (docs/formats/bundle.md): the request's entries, their proofs, the checkpoint. The log notes it.

        Refused while the grant is open: its token stands in the bundle."""
        export = await house.do(actor, evidence.export, id)
        found = await house.see(_bundle, id, export)
        data = await asyncio.to_thread(bundles.write, found)
        return Response(
            data,
            media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="{id}.evidence.json"'},
        )


def _bundle(look: Read, _book: Book, id: str, export: str) -> bundles.Bundle:
    return views.bundle(look, id, export)
