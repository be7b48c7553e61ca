"""The evidence of one request as a file, for both front doors; handing it out is itself in the log."""

import asyncio

from breakglass.audit import bundle as bundles
from breakglass.flow import evidence
from breakglass.http.house import House
from breakglass.model.ids import RequestId
from breakglass.model.people import Actor
from breakglass.storage.work import Read
from breakglass.views import log as views
from breakglass.views.book import Book


async def bundle(house: House, actor: Actor, id: RequestId) -> bytes:
    """Raises `Refused` while the grant is open: its token stands in the bundle."""
    export = await house.do(actor, evidence.export, id)
    found = await house.see(_bundle, id, export)
    return await asyncio.to_thread(bundles.write, found)


def file_name(id: RequestId) -> str:
    return f'attachment; filename="{id}.evidence.json"'


def _bundle(look: Read, _book: Book, id: str, export: str) -> bundles.Bundle:
    return views.bundle(look, id, export)
