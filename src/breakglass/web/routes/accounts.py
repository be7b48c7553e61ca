"""Targets and their accounts: what they are for, how they are guarded, and where each credential stands."""

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused, Unavailable
from breakglass.flow import rotate
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import checked
from breakglass.model.people import Actor
from breakglass.model.secret import Secret
from breakglass.model.target import AccountId, Protocol, SecretKind
from breakglass.views import accounts as views
from breakglass.views import estate
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go

LONGEST_SECRET = 16_384


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/accounts", may=SIGNED_IN)
    async def list_accounts(request: Request) -> Response:
        return await pages.show(request, "accounts.html", estate=await house.see(estate.estate))

    async def account_page(request: Request, id: str, actor: Actor, refusal: BreakglassError | None = None) -> Response:
        page = await house.see(views.page, actor, checked("acc", id))
        head = house.chain.head
        target = head.targets[head.account(AccountId(id)).target]
        beside = tuple(
            one for one in head.accounts.values() if one.id != id and head.targets[one.target].domain == target.domain
        )
        return await pages.show(
            request,
            "account.html",
            status=status_of(refusal) if refusal else 200,
            page=page,
            beside=beside,
            target=target,
            domain=head.domains[target.domain].name,
            dormant=head.account(AccountId(id)).dormant,
            is_key=head.account(AccountId(id)).secret is SecretKind.SSH_KEY,
            takes_sessions=target.endpoint.protocol is Protocol.SSH,
            refusal=refusal,
        )

    @pages.get("/accounts/{id}", may=SIGNED_IN)
    async def show_account(request: Request, id: str, actor: Signed) -> Response:
        return await account_page(request, id, actor)

    @pages.post("/accounts/{id}/rotate", may=those_who("rotate"))
    async def rotate_account(request: Request, id: str, actor: Signed) -> Response:
        try:
            await house.do(actor, rotate.demand, house.chain.head.account(checked("acc", id)).id)
        except Refused as refusal:
            return await account_page(request, id, actor, refusal)
        return go(f"/accounts/{id}")

    @pages.post("/accounts/{id}/credential", may=those_who("store"), fresh=True)
    async def store_credential(request: Request, id: str, actor: Signed) -> Response:
        """Store the secret that is set on the target now; it never comes back, and is changed at once."""
        account = house.chain.head.account(checked("acc", id))
        form = await read(request)
        try:
            value = form["secret"]
            if not value or len(value) > LONGEST_SECRET:
                raise Malformed("The secret is missing.", what_to_do="Enter the one that is set on the target now.")
            if account.secret is SecretKind.PASSWORD and value != form["again"]:
                raise Malformed("The two passwords are not the same.", what_to_do="Type it twice, the same.")
            with Secret(value.encode()) as secret:
                await house.services.deposit(actor, account.id, secret)
        except (Refused, Unavailable) as refusal:
            return await account_page(request, id, actor, refusal)
        return go(f"/accounts/{id}")
