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
    """Raises `Refused` while the grant is open: its token stands in the bundle.

    Who takes it away can't ask the witnesses any more; so they are waited for, a moment."""
    done = await house.services.store.run(actor, evidence.export, id)
    await house.services.witnessed(done.size)
    found = await house.see(_bundle, id, done.value)
    return await asyncio.to_thread(bundles.write, found)


def file_name(id: RequestId) -> str:
    return f'attachment; filename="{id}.evidence.json"'


def _bundle(look: Read, _book: Book, id: str, export: str) -> bundles.Bundle:
    return views.bundle(look, id, export)
