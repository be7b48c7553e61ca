"""The log: entries, one with its proof, the latest checkpoint, and a verification of the whole."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime

from breakglass.api.registry import Api
from breakglass.errors import NotFound
from breakglass.http.declare import those_who
from breakglass.http.house import House
from breakglass.storage.work import Read
from breakglass.views import anchors as anchor_views
from breakglass.views import log as views
from breakglass.views import shapes
from breakglass.views.anchors import ExpectedAnchor
from breakglass.views.book import Book
from breakglass.views.verification import LastVerification, Verification

BIGGEST = 2**62
Name = Annotated[str, Query(max_length=120)]


def add(api: Api, house: House) -> None:
    auditing = those_who("audit")

    @api.get("/audit/entries", may=auditing)
    async def list_entries(
        after: Annotated[int, Query(ge=-1, le=BIGGEST)] = -1,
        about: Name = "",
        kind: Name = "",
        by: Name = "",
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[shapes.Entry]:
        """Entries behind `after`, in order; without it the last ones. `kind=session.` finds all kinds that begin so;
        `since` is the first instant, `until` the first one behind."""
        return list(
            await house.see(
                views.listed, after=after, about=about, kind=kind, by=by, since=since, until=until, limit=limit
            )
        )

    @api.get("/audit/entries/{index}", may=auditing)
    async def show_entry(index: Annotated[int, Path(ge=0, le=BIGGEST)]) -> shapes.ProvenEntry:
        """One entry, its inclusion proof and the checkpoint: check it without trusting this server."""
        return await house.see(views.proven, index)

    @api.get("/audit/checkpoint", may=auditing)
    async def latest_checkpoint() -> shapes.Checkpoint:
        """The latest head that the vault signed (C2SP tlog-checkpoint)."""
        return await house.see(_checkpoint)

    @api.get("/audit/anchors", may=auditing)
    async def list_anchors() -> list[shapes.Anchor]:
        """Where the settings have checkpoints go, and what got there last."""
        return list(await house.see(_anchors, house.services.anchors))

    @api.get("/audit/verify", may=auditing)
    async def last_verification() -> LastVerification:
        """What this node's last verification found, and when; nothing is verified by asking."""
        found = await asyncio.to_thread(house.services.last_verification)
        if found is None:
            raise NotFound("This node has not verified its log yet.", what_to_do="Verify it: POST /audit/verify.")
        return LastVerification(at=found[0], ok=found[1].get("ok") is True, result=found[1])

    @api.post("/audit/verify", may=auditing)
    async def verify_log() -> Verification:
        """Verify every leaf, node, checkpoint, statement and roster step, in a process of its own."""
        result = await house.services.verify_log()
        return Verification(ok=result.get("ok") is True, result=result)


def _checkpoint(look: Read, book: Book) -> shapes.Checkpoint:
    return views.checkpoint(look)


def _anchors(look: Read, book: Book, places: Sequence[ExpectedAnchor]) -> tuple[shapes.Anchor, ...]:
    return anchor_views.listed(look, places)
