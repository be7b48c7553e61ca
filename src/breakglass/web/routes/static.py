"""Style sheets and scripts, by their hashed names: for ever, for everybody."""

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import NotFound
from breakglass.http.declare import PUBLIC
from breakglass.web.pages import Pages
from breakglass.web.static_files import PREFIX, StaticFiles

FOR_EVER = "public, max-age=31536000, immutable"


def add(pages: Pages) -> None:
    files: StaticFiles = pages.app.state.files

    @pages.get(PREFIX + "{name}", may=PUBLIC)
    async def static(request: Request, name: str) -> Response:
        found = files.find(name)
        if found is None:
            raise NotFound("There is no such file.", what_to_do="Load the page anew.")
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding", "Content-Type": found.kind}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"})
        return Response(found.body, headers=headers)
