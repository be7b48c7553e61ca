"""Evidence of a request: the bundle that outsiders check without this server."""

from fastapi import Response

from breakglass.api.bodies import RequestIdIn
from breakglass.api.registry import Api
from breakglass.http.bundling import bundle, file_name
from breakglass.http.declare import Signed, those_who
from breakglass.http.house import House


def add(api: Api, house: House) -> None:
    @api.post("/requests/{id}/evidence", may=those_who("audit"), response_class=Response)
    async def export_evidence(id: RequestIdIn, actor: Signed) -> Response:
        """A bundle (docs/formats/bundle.md): the request's entries, their proofs, the checkpoint. The log notes it.

        Refused while the grant is open: its token stands in the bundle."""
        data = await bundle(house, actor, id)
        return Response(data, media_type="application/json", headers={"Content-Disposition": file_name(id)})
