"""The log: its entries, one with its proof, how far it is signed, and a verification that is really run."""

from collections.abc import Sequence
from time import monotonic
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Unavailable
from breakglass.http.declare import those_who
from breakglass.storage.work import Read
from breakglass.views import anchors as anchor_views
from breakglass.views import log as views
from breakglass.views import shapes
from breakglass.views import witnesses as witness_views
from breakglass.views.anchors import ExpectedAnchor
from breakglass.views.book import Book
from breakglass.web.pages import Pages
from breakglass.web.qr import qr

A_PAGE = 50
BIGGEST = 2**62
Name = Annotated[str, Query(max_length=120)]
PARTS = (
    ("", "Everything"), ("request.", "Requests"), ("grant.", "Grants"), ("session.", "Sessions"),
    ("rotation.", "Password changes"), ("review.", "Reviews"), ("roster.", "Estate"), ("sign_in.", "Sign-ins"),
    ("vault.", "Vault"), ("secret.", "Releases"), ("recording.", "Recordings"), ("refused", "Refusals"),
)  # fmt: skip


def add(pages: Pages) -> None:
    house = pages.house
    auditing = those_who("audit")

    async def log_page(
        request: Request,
        *,
        about: str = "",
        kind: str = "",
        before: int | None = None,
        verified: dict[str, Any] | None = None,
        took: float = 0,
        refusal: BreakglassError | None = None,
    ) -> Response:
        found = await house.see(views.listed, before=before, about=about.strip(), kind=kind, limit=A_PAGE + 1)
        shown = found[-A_PAGE:][::-1]
        checkpoint = await _checkpoint_or_none(pages)
        return await pages.show(
            request,
            "audit.html",
            status=503 if refusal else 200,
            entries=shown,
            more=len(found) > A_PAGE,
            about=about,
            kind=kind,
            before=before,
            parts_of_log=PARTS,
            checkpoint=checkpoint,
            witnesses=await house.see(witness_views.shown),
            anchors=await house.see(_anchors, house.services.anchors),
            verified=verified,
            took=took,
            refusal=refusal,
        )

    @pages.get("/audit", may=auditing)
    async def audit(
        request: Request,
        about: Name = "",
        kind: Name = "",
        before: Annotated[int | None, Query(ge=0, le=BIGGEST)] = None,
    ) -> Response:
        return await log_page(request, about=about, kind=kind, before=before)

    @pages.post("/audit/verify", may=auditing)
    async def verify_log(request: Request) -> Response:
        """Verify the whole log, in a process of its own. What it says was computed for this answer."""
        begun = monotonic()
        try:
            verified: dict[str, Any] = dict(await house.services.verify_log())
        except Unavailable as refusal:
            return await log_page(request, refusal=refusal)
        return await log_page(request, verified=verified, took=monotonic() - begun)

    @pages.get("/audit/checkpoint", may=auditing)
    async def checkpoint_page(request: Request) -> Response:
        """To be printed and kept: paper can't be changed from here."""
        found = await _checkpoint_or_none(pages)
        return await pages.show(request, "checkpoint.html", checkpoint=found, code=qr(found.note) if found else "")

    @pages.get("/audit/{index}", may=auditing)
    async def entry(request: Request, index: Annotated[int, Path(ge=0, le=BIGGEST)]) -> Response:
        return await pages.show(request, "entry.html", proven=await house.see(views.proven, index))


async def _checkpoint_or_none(pages: Pages) -> shapes.Checkpoint | None:
    """None while the vault has signed nothing yet."""
    try:
        return await pages.house.see(_checkpoint)
    except BreakglassError:
        return None


def _checkpoint(look: Read, book: Book) -> shapes.Checkpoint:
    return views.checkpoint(look)


def _anchors(look: Read, book: Book, places: Sequence[ExpectedAnchor]) -> tuple[shapes.Anchor, ...]:
    return anchor_views.listed(look, places)
