"""Password changes that are owed: what keeps each, what to do, and many at once when somebody may know them."""

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused
from breakglass.flow import rotate
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import checked
from breakglass.model.rotation import Because
from breakglass.views import estate
from breakglass.views import rotations as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go

REASONS = frozenset({Because.DEMAND, Because.SUSPICION})

OWED_SHOWN = 200


def add(pages: Pages) -> None:
    house = pages.house

    async def all_rotations(request: Request, refusal: BreakglassError | None = None) -> Response:
        owed = await house.see(views.listed, owed=True, limit=OWED_SHOWN)
        done = [one for one in await house.see(views.listed, owed=False, limit=50) if one.state == "done"]
        whole = await house.see(estate.estate)
        count = await house.services.store.read(views.count_owed)
        many = await house.services.store.read(views.many)
        status = status_of(refusal) if refusal else 200
        return await pages.show(
            request,
            "rotations.html",
            status=status,
            owed=owed,
            count=count,
            many=many,
            done=done,
            estate=whole,
            refusal=refusal,
        )

    @pages.get("/rotations", may=SIGNED_IN)
    async def list_rotations(request: Request) -> Response:
        return await all_rotations(request)

    @pages.post("/rotations", may=those_who("rotate"))
    async def rotate_many(request: Request, actor: Signed) -> Response:
        """Owe a change of each chosen account, all or none."""
        form = await read(request)
        try:
            if not form.all("account"):
                raise Malformed("No account is chosen.", what_to_do="Choose those whose passwords should change.")
            if form["because"] not in REASONS:
                raise Malformed("Why they should change is missing.", what_to_do="Choose one of the two reasons.")
            head = house.chain.head
            accounts = [head.account(checked("acc", id)).id for id in dict.fromkeys(form.all("account"))]
            await house.do(actor, rotate.demand_all, accounts, Because(form["because"]))
        except Refused as refusal:
            return await all_rotations(request, refusal)
        return go("/rotations")
