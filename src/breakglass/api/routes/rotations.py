"""Password changes: what is owed, what was proven, and one on demand."""

from breakglass.api.bodies import AccountIdIn, RotateMany
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Limit, Skip
from breakglass.flow import rotate
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.model.rotation import Because, Rotation
from breakglass.storage.work import Read
from breakglass.views import rotations as views
from breakglass.views import shapes
from breakglass.views.book import Book


def add(api: Api, house: House) -> None:
    @api.get("/rotations", may=SIGNED_IN)
    async def list_rotations(owed: bool = False, limit: Limit = 50, skip: Skip = 0) -> list[shapes.Rotation]:
        """The newest first; `owed`: only those that are not done."""
        return list(await house.see(views.listed, owed=owed, limit=limit, skip=skip))

    @api.post("/accounts/{id}/rotate", may=those_who("rotate"), status_code=202)
    async def rotate_account(id: AccountIdIn, actor: Signed) -> shapes.Rotation:
        """Owe a change now; the engine makes and proves it."""
        account = house.chain.head.account(id)
        rotation = await house.do(actor, rotate.demand, account.id)
        return await house.see(_one, rotation.id)

    @api.post("/rotations", may=those_who("rotate"), status_code=202)
    async def rotate_many(body: RotateMany, actor: Signed) -> list[shapes.Rotation]:
        """Owe a change of several accounts now, all or none. `because`: `suspicion` when somebody may know them. How
        far they are: `GET /rotations?owed=true`."""
        accounts = [house.chain.head.account(id).id for id in dict.fromkeys(body.accounts)]
        owed = await house.do(actor, rotate.demand_all, accounts, Because(body.because))
        return list(await house.see(_several, [one.id for one in owed]))


def _several(look: Read, book: Book, ids: list[str]) -> list[shapes.Rotation]:
    return [views.shown(look, book, look.get(Rotation, id)) for id in ids]


def _one(look: Read, book: Book, id: str) -> shapes.Rotation:
    return views.shown(look, book, look.get(Rotation, id))
