"""Playbooks: what to do in each emergency, also to be printed and kept where no network reaches."""

from fastapi import Request
from starlette.responses import Response

from breakglass.http.declare import SIGNED_IN
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    @pages.get("/playbooks", may=SIGNED_IN)
    async def list_playbooks(request: Request) -> Response:
        head, gate = pages.house.chain.head, pages.house.connect_line("gate")
        conditions = tuple(head.conditions.values())
        return await pages.show(request, "playbooks.html", conditions=conditions, version=head.version, gate=gate)
